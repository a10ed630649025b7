# SPDX-License-Identifier: Apache-2.0
"""The daemon is told to end (SIGTERM) in the middle of an upgrade, or is killed: in the end the
former program runs or the new one, whole; and who follows logs does not notice any of it."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

from rig import process
from rig.client import Knocker
from rig.lasting import KeepAlive
from rig.system import sleeper
from test_upgrade import broken_at, crash, former_edges, version_of
from test_upgrade import loaded, upgradable  # noqa: F401  (fixtures)


def wrapped(machine, name, text):
    """The newer program behind a shell script, which passes the trial."""
    path = machine.program.with_name(name)
    path.write_text(f"#!/bin/sh\n{text}\nexec {machine.newer} \"$@\"\n")
    path.chmod(0o755)
    return path


def edges(machine):
    return [pid for pid in process.matching(f"--chroot-dir {machine.run_dir}/empty")
            if process.command_line(pid).split(" ")[1:2] == ["edge"]]


def end_in_the_middle(machine, program, is_there, signo=signal.SIGTERM):
    """Sends the daemon <signo> once <is_there>() during an upgrade to <program>."""
    daemon = machine.daemon_pid()
    child = machine.start("upgrade", "-y", program, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    try:
        assert process.wait(is_there, 15, 0.005), "it did not come that far"
        os.kill(daemon, signo)
        child.communicate(timeout=40)
    finally:
        child.kill()
    return daemon


def come_back(loaded, machine, before, knocker):
    """Whatever is there now, or is started: one version, everything as it was, nothing was refused
    meanwhile."""
    assert process.wait(machine.is_up, 3) or machine.run("daemon").status == 0
    assert process.wait(lambda: machine.edge_pid() > 0, 10)
    assert version_of(machine) in (machine.own_version, "9.9.1")
    assert loaded.pids() == before
    assert loaded.client.get("/health").status == 200
    assert process.wait(lambda: machine.call("GET", "/v1/upgrade")[1]["state"] != "running", 30)
    assert process.wait(lambda: former_edges(machine) == [], 15)
    assert process.wait(lambda: edges(machine) == [machine.edge_pid()], 30), edges(machine)
    assert "was up already" in loaded.up().out
    knocker.__exit__()
    assert knocker.failures() == [] and len(knocker.samples) > 20


@pytest.fixture
def knocker(loaded):
    one = Knocker(loaded.client)
    one.__enter__()
    yield one
    one.__exit__()


@pytest.mark.slow
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_while_the_new_program_is_tried(loaded, upgradable, knocker, signo):
    machine, before = upgradable, loaded.pids()
    slow = wrapped(machine, "slow", 'case "$*" in *--try*) sleep 2;; esac')
    end_in_the_middle(machine, slow, lambda: process.matching(f"--try {machine.state}"), signo)
    come_back(loaded, machine, before, knocker)
    assert version_of(machine) == machine.own_version


@pytest.mark.slow
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_before_the_new_program_has_begun(loaded, upgradable, knocker, signo):
    machine, before, daemon = upgradable, loaded.pids(), upgradable.daemon_pid()
    machine.expect_log(r"upgrade: ")
    slow = wrapped(machine, "slow", 'case "$*" in *--handover-fd*) sleep 2;; esac')
    end_in_the_middle(machine, slow, lambda: process.command_line(daemon).startswith("/bin/sh"),
                      signo)
    come_back(loaded, machine, before, knocker)


@pytest.mark.slow
@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_while_the_new_edge_begins(loaded, upgradable, knocker, signo):
    """The new edge never comes to serve: it hangs over its table. It must not stay either."""
    machine, before, edge = upgradable, loaded.pids(), upgradable.edge_pid()
    machine.expect_log(r"upgrade: |edge: |edge \d+: ")
    hanging = broken_at(machine.newer, machine.program.with_name("hanging"), "table_read",
                        b"\xeb\xfe")  # jmp to itself
    end_in_the_middle(machine, hanging, lambda: len(edges(machine)) == 2, signo)
    come_back(loaded, machine, before, knocker)
    assert version_of(machine) == machine.own_version and machine.edge_pid() == edge


@pytest.mark.slow
def test_a_daemon_that_is_told_to_end_at_any_moment_of_an_upgrade(loaded, upgradable, knocker):
    """Not at a known place, but soon, later and at the end."""
    machine, before = upgradable, loaded.pids()
    machine.expect_log(r"upgrade: |edge: |edge \d+: ")
    for delay in (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8):
        began = time.monotonic()
        end_in_the_middle(machine, machine.newer, lambda: time.monotonic() - began > delay)
        assert process.wait(machine.is_up, 3) or machine.run("daemon").status == 0
        assert process.wait(lambda: machine.call("GET", "/v1/upgrade")[1]["state"] != "running", 30)
        if version_of(machine) == "9.9.1":
            machine.ok("upgrade", "-y", f"{machine.program}.previous")
            assert version_of(machine) == machine.own_version
            machine.newer.write_bytes(machine.program.with_name("ishizue.previous").read_bytes())
            machine.newer.chmod(0o755)
    come_back(loaded, machine, before, knocker)


# ---- who follows

COUNTING = "i=0; while :; do i=$$((i+1)); echo line $$i; sleep 0.01; done"


@pytest.mark.slow
def test_who_follows_logs_loses_and_repeats_no_line(make_system, upgradable):
    machine = upgradable
    one = sleeper(deploy={"replicas": 2})
    one["x-ishizue"]["host"]["command"] = COUNTING
    system = make_system({"services": {"web": one, "quiet": sleeper()}})
    system.up()
    with open(system.folder / "followed", "w+", encoding="utf-8") as out:
        follower = system.start("logs", "-f", "--json", stdout=out, stderr=subprocess.PIPE)
        try:
            time.sleep(1)
            machine.ok("upgrade", "-y", machine.newer)
            time.sleep(0.5)
            process.end(machine.daemon_pid())
            machine.ok("daemon")
            time.sleep(0.5)
            machine.ok("upgrade", "-y", f"{machine.program}.previous")
            time.sleep(1)
            assert follower.poll() is None, follower.stderr.read()
            follower.send_signal(signal.SIGINT)
            assert follower.wait(10) == 128 + signal.SIGINT
        finally:
            follower.kill()
        out.seek(0)
        seen = {}
        for text in out:
            line = json.loads(text)
            seen.setdefault(line["instance"], []).append(line["text"])
    assert len(seen) == 2
    for lines in seen.values():
        assert lines == [f"line {n + 1}" for n in range(len(lines))]
        assert len(lines) > 150


def test_who_follows_is_told_when_the_daemon_stays_away(make_system, machine):
    system = make_system({"services": {"web": sleeper()}})
    system.up()
    follower = system.start("logs", "-f", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.5)
    try:
        machine.ok("daemon", "stop")
        _, said = follower.communicate(timeout=20)
    finally:
        follower.kill()
        machine.ensure()
    assert follower.returncode == 1 and "closed the connection" in said


# ---- what an edge says of itself

def test_a_crash_of_an_edge_that_ran_before_the_daemon_is_explained_too(loaded, upgradable):
    machine = upgradable
    machine.expect_log(r"the edge crashed|edge: ended with status")
    process.end(machine.daemon_pid())
    machine.ok("daemon")
    edge = machine.edge_pid()
    keep = [KeepAlive(loaded.client, 0.01) for _ in range(16)]  # every worker has some
    assert process.wait(lambda: all(one.done > 3 for one in keep), 5)
    crash(edge, sorted(int(name) for name in os.listdir(f"/proc/{edge}/task"))[-1])
    for one in keep:
        one.finish()
    actions = process.wait(lambda: [
        one for one in machine.call("GET", f"/v1/history?system={loaded.name}")[1]["actions"]
        if one["action"] == "edge crash"], 5)
    assert actions and "signal 11" in actions[0]["error"], actions


def test_who_asks_an_edge_that_ends_is_told_at_once(loaded, upgradable):
    machine, edge = upgradable, upgradable.edge_pid()
    machine.expect_log(r"edge: ended with status")
    answers = []
    os.kill(edge, signal.SIGSTOP)
    asker = threading.Thread(target=lambda: answers.append(
        (machine.call("GET", f"/v1/systems/{loaded.name}/cache"), time.monotonic())))
    asker.start()
    try:
        time.sleep(0.5)
    finally:
        os.kill(edge, signal.SIGKILL)
    killed = time.monotonic()
    asker.join(10)
    (_, answer), answered = answers[0]
    assert "edge ended before it answered" in answer["error"]["text"], answer
    assert answered - killed < 2
    assert process.wait(lambda: machine.edge_pid() not in (0, edge), 5)
