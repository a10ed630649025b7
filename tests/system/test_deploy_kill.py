# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon at every state of a rollout, each right after it was stored and before it
is acted on: another daemon goes on, and in the end one release or the other runs, whole."""
import signal
import subprocess
import sys

import pytest

from rig import machine as machines, process
from rig.client import Client
from rig.system import routed

sys.path.append(str(machines.REPOSITORY / "bench" / "deploy"))
import clients  # noqa: E402
from test_deploy import PORT, app, load_program, nothing_was_lost, rollout  # noqa: E402

KEYS = {"stream_drain": "1s", "watch": "2s"}
STRATEGIES = {
    "rolling": {**KEYS, "strategy": "rolling"},
    "blue-green": {**KEYS, "strategy": "blue-green", "keep_warm": "1s"},
    "canary": {**KEYS, "strategy": "canary", "steps": ["50%", "100%"], "bake": "500ms"},
}
FORWARD = ("migrating", "starting", "shifting", "watching", "keeping", "draining", "guarding",
           "done")
BACK = ("aborting", "rolled-back")


def shop(version, strategy, **options):
    return routed({"web": app(version, STRATEGIES[strategy], replicas=2,
                              x={"migrate": "true"}, **options)}, http=PORT, https=0)


def end_daemon(machine):
    process.end(machine.daemon_pid())
    assert process.wait(lambda: not machine.is_up(), 10)


def start_mortal(machine, state):
    """In the foreground, since a daemon in the background gets no such variable."""
    with open(machine.log, "a", encoding="utf-8") as log:
        child = machine.start("daemon", "--foreground", stdin=subprocess.DEVNULL, stdout=log,
                              stderr=log, env={"ISHIZUE_TEST_DIE_AT": f"rollout:{state}"})
    assert process.wait(lambda: machine.is_up() and machine.edge_pid() > 0, 10)
    return child


def run_until_it_dies(system, state, *argv):
    """The daemon kills itself at <state>; another one goes on."""
    machine = system.machine
    end_daemon(machine)
    daemon = start_mortal(machine, state)
    child = system.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        daemon.wait(30)
    except subprocess.TimeoutExpired:
        shown = rollout(system)
        daemon.kill()
        daemon.wait()
        machine.ensure()
        pytest.fail(f"the daemon did not come to '{state}': {shown}")
    child.wait(30)
    assert daemon.returncode == -signal.SIGKILL
    machine.ensure()


def is_settled(system):
    now = rollout(system)
    return now is not None and not now["active"]


def wait_whole(system):
    """The version that serves, when nothing of the other one is left."""
    assert process.wait(lambda: is_settled(system), 60, 0.1), rollout(system)
    listed = system.ok("releases", "--json").json()
    assert listed["current"] == listed["wanted"] != 0, listed
    assert process.wait(lambda: len(system.instances("web")) == 2 and
                        {one["state"] for one in system.instances("web")} == {"ready"}, 20), \
        system.instances("web")
    versions = {Client(PORT).get("/").headers["X-Version"] for _ in range(20)}
    assert len(versions) == 1, versions
    inside = {system.run("exec", "-T", "--index", str(one["number"]), "web", "printenv",
                         "VERSION").out.strip() for one in system.instances("web")}
    assert inside == versions
    return versions.pop()


@pytest.fixture
def served():
    """Calls begin(); nothing is lost meanwhile, since the edge outlives the daemon."""
    loads = []

    def begin():
        loads.append(clients.Load(load_program(), PORT, {"keepalive": 30, "fresh": 15}))
        return loads[-1]

    yield begin
    for one in loads:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait()


def survive(system, served, strategy, state, good=True):
    system.file(shop(1, strategy))
    system.ok("deploy", "-y", "--wait")
    load = served()
    system.file(shop(2, strategy, environment=None if good else {"CRASH_AT_START": "1"}))
    run_until_it_dies(system, state, "deploy", "-y", "--wait")
    version = wait_whole(system)
    nothing_was_lost(load.stop())
    return version


@pytest.mark.slow
@pytest.mark.parametrize("strategy", list(STRATEGIES))
@pytest.mark.parametrize("state", FORWARD)
def test_a_deploy_outlasts_the_daemon_at_every_state(system, served, strategy, state):
    assert survive(system, served, strategy, state) in ("1", "2")


@pytest.mark.slow
@pytest.mark.parametrize("state", BACK)
def test_a_way_back_outlasts_the_daemon_at_every_state(system, served, state):
    assert survive(system, served, "blue-green", state, good=False) == "1"


@pytest.mark.slow
def test_a_release_that_waits_for_a_person_waits_on(system):
    system.file(shop(1, "canary"))
    system.ok("deploy", "-y", "--wait")
    one = shop(2, "canary")
    one["services"]["web"]["x-ishizue"]["deploy"]["promote"] = "manual"
    system.file(one)
    run_until_it_dies(system, "waiting", "deploy", "-y")
    assert process.wait(lambda: rollout(system)["state"] == "waiting", 15), rollout(system)
    system.ok("promote", "--all")
    assert wait_whole(system) == "2"
