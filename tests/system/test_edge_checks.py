# SPDX-License-Identifier: Apache-2.0
"""The checks of x-ishizue.health, which the edge makes: with a daemon, and without one."""
import collections
import time

import pytest

from rig import process
from rig.client import Client, Knocker
from rig.system import APPS, routed, service

COMMAND = "exec python3 /srv/checked.py 8000"
HEALTH = {"path": "/health", "port": 8000, "interval": "200ms", "timeout": "1s", "retries": 3,
          "rise": 4, "status": "200-299"}


def names(client, count=12):
    answers = [client.get("/") for _ in range(count)]
    assert all(answer.status == 200 for answer in answers), answers
    return {answer.body.decode().split()[0] for answer in answers}


@pytest.fixture
def pair(system):
    """Two instances, and a folder in which each finds out how it is."""
    flags = system.folder / "flags"
    flags.mkdir()
    flags.chmod(0o755)
    system.file(routed({"app": service(COMMAND, x={"health": HEALTH, "restart_unhealthy": False},
                                       volumes=[f"{APPS}:/srv:ro", f"{flags}:/flags:ro"],
                                       deploy={"replicas": 2}, restart="always")},
                       https=0, tls="off", routes=[{"path": "/", "to": "app:8000",
                                                    "balance": "round-robin"}]))
    system.up()
    system.client, system.flags = Client(8080), flags
    found = process.wait(lambda: names(system.client) if len(names(system.client)) == 2 else None,
                         5)
    assert found is not None and len(found) == 2
    system.one, system.other = sorted(found)
    return system


def states(system):
    return collections.Counter(one["health"] for one in system.instances("app"))


def test_the_edge_checks_on_when_the_daemon_is_dead(pair, machine):
    edge, daemon = machine.edge_pid(), machine.daemon_pid()
    process.end(daemon)
    with Knocker(pair.client, path="/") as knocker:
        time.sleep(0.5)
        (pair.flags / pair.one).touch()
        began = time.monotonic()
        assert process.wait(lambda: names(pair.client) == {pair.other}, 5)
        assert 0.3 < time.monotonic() - began < 2.5
        assert names(pair.client, 40) == {pair.other}
        (pair.flags / pair.one).unlink()
        began = time.monotonic()
        assert process.wait(lambda: len(names(pair.client)) == 2, 5)
        assert time.monotonic() - began > 0.5, "it came back before it had succeeded four times"
    assert not knocker.failures() and len(knocker.samples) > 50, knocker.failures()
    machine.ok("daemon")
    assert machine.edge_pid() == edge
    assert process.wait(lambda: states(pair) == {"healthy": 2}, 5), pair.instances()


def test_a_daemon_learns_from_the_edge_what_happened_while_it_was_dead(pair, machine):
    process.end(machine.daemon_pid())
    (pair.flags / pair.one).touch()
    assert process.wait(lambda: names(pair.client) == {pair.other}, 5)
    machine.ok("daemon")
    assert process.wait(lambda: states(pair) == {"healthy": 1, "unhealthy": 1}, 5), states(pair)
    assert names(pair.client, 40) == {pair.other}
    process.end(machine.daemon_pid())
    (pair.flags / pair.one).unlink()
    assert process.wait(lambda: len(names(pair.client)) == 2, 5)
    machine.ok("daemon")
    assert process.wait(lambda: states(pair) == {"healthy": 2}, 5), states(pair)
    assert len(names(pair.client, 40)) == 2


def test_a_new_edge_begins_with_what_the_daemon_knows(pair, machine):
    (pair.flags / pair.one).touch()
    assert process.wait(lambda: states(pair) == {"healthy": 1, "unhealthy": 1}, 5), states(pair)
    edge = machine.edge_pid()
    machine.expect_log(r"edge: ended with status")
    process.end(edge)
    assert process.wait(lambda: machine.edge_pid() not in (None, edge), 5)
    assert process.wait(lambda: names(pair.client) == {pair.other}, 5)
    assert names(pair.client, 40) == {pair.other}
    (pair.flags / pair.one).unlink()
    assert process.wait(lambda: len(names(pair.client)) == 2, 5)


def test_when_all_instances_are_sick_requests_wait_and_are_then_refused(pair):
    for name in (pair.one, pair.other):
        (pair.flags / name).touch()
    assert process.wait(lambda: states(pair) == {"unhealthy": 2}, 5), states(pair)
    began = time.monotonic()
    assert pair.client.get("/").status == 503
    assert 4 < time.monotonic() - began < 8, "it is waited for 5 seconds"
    (pair.flags / pair.one).unlink()
    assert pair.client.get("/").status == 200, "one comes back meanwhile: it is waited for"
    assert names(pair.client) == {pair.one}
