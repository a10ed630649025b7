# SPDX-License-Identifier: Apache-2.0
"""What breaks while a rollout is under way: the edge, the daemon, the disk, and the program that is
replaced. In the end one release or the other runs, whole."""
import contextlib
import json
import sqlite3
import subprocess
import time

import pytest

from rig import process
from rig.system import routed, sleeper
from test_deploy import PORT, app, deploy, nothing_was_lost, rollout, shop, visit, wait_all, \
    wait_state
from test_deploy import load  # noqa: F401  (a fixture)
from test_deploy_kill import KEYS, end_daemon, run_until_it_dies, start_mortal, wait_whole
from test_deploy_kill import served  # noqa: F401  (a fixture)

GENTLE = {"keepalive": 30, "fresh": 30, "websockets": 2}


# ---- the disk

class Refusal:
    """The store refuses to change rows of <table>, as a full disk would; other tables still work."""

    def __init__(self, machine, table):
        self.path, self.table = machine.state / "state.db", table

    def run(self, sql):
        with contextlib.closing(sqlite3.connect(self.path, timeout=10)) as db:
            db.executescript(sql)

    def __enter__(self):
        for verb in ("INSERT", "UPDATE"):
            self.run(f"CREATE TRIGGER refuse_{verb} BEFORE {verb} ON {self.table} "
                     "BEGIN SELECT RAISE(FAIL, 'no space left'); END")

    def __exit__(self, *_):
        self.run("DROP TRIGGER refuse_INSERT; DROP TRIGGER refuse_UPDATE")


KEPT = {"canary": {"strategy": "canary", "steps": ["50%", "100%"], "bake": "0s",
                   "promote": "manual"},
        "blue-green": {"strategy": "blue-green", "keep_warm": "60s"},
        "rolling": {"strategy": "rolling", "max_surge": 1}}


@pytest.mark.parametrize("strategy", list(KEPT))
def test_a_way_back_that_cannot_be_stored_keeps_the_old_release_serving(system, load, strategy):
    """The rollout is stored as `aborting`; that the old release is wanted again is not."""
    def file(version, **environment):
        services = {"web": app(version, {**KEPT[strategy], "watch": "60s"}, environment, 2)}
        if version == 1:
            services["former"] = sleeper()  # release 2 has it no more
        return routed(services, http=PORT, https=0)

    machine = system.machine
    machine.expect_log("no space left")
    system.file(file(1))
    deploy(system)
    seen = load(GENTLE, websocket_ms=60000)
    system.file(file(2))
    # A rolling deploy is broken off on its way, before it has ended all old instances.
    child = system.start("deploy", "-y", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if strategy == "rolling":
        assert process.wait(lambda: visit() == "2", 20, 0.02)
    else:
        assert child.wait(30) == 0
    with Refusal(machine, "systems"):
        back = system.start("abort", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_state(system, "aborting")
        time.sleep(3)
        assert rollout(system)["state"] == "aborting"
        assert visit() == "1"
        assert [one["state"] for one in system.instances("former")] == ["ready"]
    wait_state(system, "rolled-back")
    back.wait(30)
    child.wait(30)
    assert wait_whole(system) == "1"
    assert [one["state"] for one in system.instances("former")] == ["ready"]
    nothing_was_lost(seen.stop())


def test_a_rollout_that_cannot_be_stored_does_not_begin(system):
    system.file(shop(1))
    deploy(system)
    system.machine.expect_log("no space left")
    before = system.pids()
    system.file(shop(2))
    with Refusal(system.machine, "rollouts"):
        assert "no space left" in deploy(system, status=1).err
        assert system.pids() == before and visit() == "1"
    deploy(system)
    wait_all(2)


def test_a_migration_that_cannot_be_noted_is_not_run_in_a_loop(system):
    folder = system.write("shared/.keep", "").parent
    folder.chmod(0o777)
    migrating = {"volumes": [f"{folder}:/shared"], "x": {"migrate": "echo ran >> /shared/log"}}
    system.file(shop(1))
    deploy(system)
    system.machine.expect_log("no space left")
    system.file(shop(2, **migrating))
    with Refusal(system.machine, "migrations"):
        failed = deploy(system, status=3)
        assert "ended well" in failed.err and "no space left" in failed.err
    assert (folder / "log").read_text() == "ran\n" and visit() == "1"
    deploy(system)
    wait_all(2)


# ---- the daemon

@pytest.mark.slow
def test_a_migration_that_was_stored_and_not_begun_is_run_by_the_next_daemon(system):
    system.file(shop(1))
    deploy(system)
    machine = system.machine
    end_daemon(machine)
    mortal = start_mortal(machine, "migrating")
    system.file(shop(2, x={"migrate": "true"}))
    child = system.start("deploy", "-y", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert mortal.wait(30) != 0
    child.wait(30)
    with contextlib.closing(sqlite3.connect(machine.state / "state.db", timeout=10)) as db, db:
        db.row_factory = sqlite3.Row
        [web] = db.execute("SELECT * FROM instances WHERE system=?", (system.name,))
        row = {**web, "id": f"{web['id']}-job", "state": "pending", "is_job": 1, "release": 2,
               "address": "10.213.200.200", "started_ms": 0}
        db.execute(f"INSERT INTO instances({','.join(row)}) VALUES({','.join('?' * len(row))})",
                   list(row.values()))
    machine.ensure()
    wait_all(2, timeout=30)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["starting", "shifting", "watching", "keeping", "draining",
                                   "done"])
def test_a_rollback_to_a_warm_release_outlasts_the_daemon(system, served, state):
    """The old instances still run: nothing has to start, and everything happens within moments."""
    keys = {**KEYS, "strategy": "blue-green", "keep_warm": "60s"}
    for version in (1, 2):
        system.file(shop(version, keys, replicas=2))
        deploy(system)
    wait_state(system, "keeping")
    seen = served()
    run_until_it_dies(system, state, "rollback", "-y")
    assert wait_whole(system) == "1"
    nothing_was_lost(seen.stop())


# ---- the edge

STEPS = {"strategy": "canary", "steps": ["50%", "100%"], "bake": "1s", "watch": "2s",
         "stream_drain": "10s", "gate": {"errors": "60%"}}


def kill_edge_at(system, state):
    """Runs a deploy, and kills the edge when it tells that it is in <state>. (status, when)."""
    machine, killed = system.machine, None
    child = system.start("deploy", "-y", "--json", "--wait", stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    for line in child.stdout:
        one = json.loads(line)
        if one.get("event") == "rollout" and one["state"] == state and killed is None:
            edge = machine.edge_pid()
            killed = time.time()
            process.end(edge)
    return child.wait(60), killed


@pytest.mark.slow
@pytest.mark.parametrize("state, good", [
    *((state, True) for state in ("starting", "shifting", "watching", "keeping", "draining",
                                  "guarding")),
    ("aborting", False)])
def test_the_edge_is_killed_in_the_middle_of_a_rollout(system, load, state, good):
    system.machine.expect_log(r"edge: ended with status|edge: ")
    keys = {**STEPS, "keep_warm": "2s" if state == "keeping" else "0s"}
    system.file(shop(1, keys, replicas=2))
    deploy(system)
    seen = load(GENTLE, websocket_ms=3000)
    time.sleep(0.5)
    bad = None if good else {"CRASH_AFTER_MS": "400"}
    system.file(shop(2, keys, replicas=2, environment=bad))
    status, killed = kill_edge_at(system, state)
    assert killed is not None, f"it was never {state}"
    assert status == (0 if good else 3)
    assert wait_whole(system) == ("2" if good else "1")
    time.sleep(1)
    result = seen.stop()
    late = [one for one in seen.failures
            if good and not killed * 1000 - 100 <= one["time_ms"] <= killed * 1000 + 3000]
    assert late == [], "what is lost is what was in flight"
    if good:
        assert sum(kind["closed"] + kind["refused"] for kind in result["kinds"].values()) < 40


# ---- the program is replaced

def test_the_gate_counts_anew_when_the_edge_is_replaced(system, load):
    """A canary is being watched: its counters begin at nothing in the new edge, and what they say
    of the release stays right."""
    machine = system.machine
    keys = {"strategy": "canary", "steps": ["50%", "100%"], "bake": "8s", "watch": "0s",
            "gate": {"errors": "5%", "min_requests": 20}}
    system.file(shop(1, keys))
    deploy(system)
    load({"keepalive": 60, "fresh": 30})
    for version, environment, end in ((2, None, "done"), (3, {"ERROR_PERCENT": "40"},
                                                          "rolled-back")):
        system.file(shop(version, keys, environment=environment))
        deploy(system, "--no-wait")
        wait_state(system, "watching")
        if environment is None:
            time.sleep(1)
        machine.ok("upgrade", "-y", machine.program)
        counted = rollout(system)["releases"]
        assert all(one["requests"] < 10**6 for one in counted), counted
        wait_state(system, end, timeout=40)
    wait_all(2)
