# SPDX-License-Identifier: Apache-2.0
"""Parts that die, and what that does to requests, to instances and to an operation under way."""
import json
import os
import signal
import sqlite3
import subprocess
import time

import pytest

from rig import process
from rig.client import Client, Knocker, WebSocket, Wrk
from rig.system import routed, service, sleeper, web

PLAIN = {"tls": "off"}


def running(system):
    """Everything that must be the same after a part of the program was replaced."""
    return {one["id"]: (one.get("pid"), one["state"], one["started_ms"], one["restarts"])
            for one in system.instances()}


@pytest.fixture
def loaded(system):
    """Two web instances behind plain HTTP, which wrk can speak to by address."""
    services = {"web": web(deploy={"replicas": 2}, restart="always"), "idle": sleeper()}
    system.file(routed(services, https=0, **PLAIN))
    system.up()
    system.client = Client(8080)
    assert system.client.get("/health").status == 200
    system.wrk = lambda seconds: Wrk("http://127.0.0.1:8080/bytes?n=600", seconds,
                                     host="st.localhost")
    return system


@pytest.mark.slow
def test_a_daemon_that_is_killed_costs_no_request_and_its_successor_changes_nothing(
        loaded, machine, figure):
    before, edge, daemon = running(loaded), machine.edge_pid(), machine.daemon_pid()
    load = loaded.wrk(4)
    time.sleep(1)
    process.end(daemon)
    assert loaded.client.get("/health").status == 200
    time.sleep(0.5)
    restarted = machine.ok("daemon")
    figure("daemon_start_with_three_instances", restarted.seconds, "s")
    assert machine.daemon_pid() != daemon and machine.edge_pid() == edge
    counts = load.result()
    figure("daemon_kill_requests", counts["requests"], "requests")
    figure("daemon_kill_failed", counts["failed"], "requests")
    assert counts["failed"] == 0, counts
    assert running(loaded) == before
    assert "was up already" in loaded.up().out
    assert running(loaded) == before


@pytest.mark.slow
def test_a_daemon_that_is_stopped_and_started_keeps_everything(loaded, machine):
    before, edge = running(loaded), machine.edge_pid()
    with Knocker(loaded.client) as knocker:
        machine.ok("daemon", "stop")
        assert not machine.is_up()
        machine.ok("daemon")
        time.sleep(0.3)
    assert knocker.failures() == []
    assert running(loaded) == before and machine.edge_pid() == edge


@pytest.mark.slow
def test_an_edge_that_is_killed_is_back_within_a_second(loaded, machine, figure):
    machine.expect_log(r"edge: ended with status")
    before, edge = running(loaded), machine.edge_pid()
    with Knocker(loaded.client) as knocker:
        time.sleep(0.5)
        process.end(edge)
        time.sleep(1.5)
    assert machine.edge_pid() not in (0, edge)
    refused = [one for one in knocker.failures() if "Refused" in str(one[2])]
    figure("edge_kill_longest_gap", knocker.longest_gap(), "s")
    figure("edge_kill_failed", len(knocker.failures()), f"of {len(knocker.samples)} requests")
    assert knocker.longest_gap() < 1
    assert refused == [], "a connection was refused: the sockets were not held"
    assert len(knocker.failures()) <= 1, knocker.failures()
    assert running(loaded) == before


@pytest.mark.slow
def test_an_edge_that_is_killed_after_its_daemon_was_replaced_is_back_too(loaded, machine):
    machine.expect_log(r"edge: ")
    process.end(machine.daemon_pid())
    machine.ok("daemon")
    edge = machine.edge_pid()
    with Knocker(loaded.client) as knocker:
        process.end(edge)
        time.sleep(1.5)
    assert machine.edge_pid() not in (0, edge)
    assert knocker.longest_gap() < 1
    assert loaded.client.get("/health").status == 200


@pytest.mark.slow
def test_a_backend_that_is_killed_under_load_is_retried_elsewhere(loaded, figure):
    victim = loaded.instances("web")[0]
    load = loaded.wrk(5)
    with Knocker(loaded.client) as knocker:
        time.sleep(1.5)
        killed = time.monotonic()
        process.end(victim["pid"])
        loaded.wait_instance("web", lambda one: one["id"] == victim["id"] and
                             one["restarts"] == 1 and one["state"] == "ready")
        back = time.monotonic()
        counts = load.result()
    figure("backend_kill_requests", counts["requests"], "requests")
    figure("backend_kill_failed", counts["failed"], "requests")
    figure("backend_kill_back", back - killed, "s")
    late = [one for one in knocker.failures() if not killed - 0.1 <= one[0] <= back]
    assert late == [], "requests failed outside of the restart"
    assert counts["connect"] == counts["timeout"] == counts["read"] == counts["write"] == 0, counts
    # What was being answered by the one that died, at most: one for each connection.
    assert counts["failed"] <= 16, counts


@pytest.mark.slow
def test_a_deploy_under_load_loses_no_request(loaded, figure):
    load = loaded.wrk(6)
    time.sleep(0.5)
    compose = json.loads((loaded.folder / "docker-compose.yml").read_text())
    compose["services"]["web"]["environment"] = {"RELEASE": "2"}
    loaded.file(compose)
    up = loaded.up()
    counts = load.result()
    figure("deploy_requests", counts["requests"], "requests")
    figure("deploy_failed", counts["failed"], "requests")
    figure("deploy_of_two_instances", up.seconds, "s")
    assert counts["failed"] == 0, counts


@pytest.mark.slow
def test_websockets_outlive_a_daemon_that_is_killed(loaded, machine):
    open_one = WebSocket(loaded.client)
    process.end(machine.daemon_pid())
    assert open_one.echo(b"nobody noticed") == b"nobody noticed"
    machine.ok("daemon")
    assert open_one.echo(b"still here") == b"still here"
    open_one.close()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["building", "starting", "warming", "migrating"])
def test_a_daemon_killed_during_up_converges_with_the_next_one(system, machine, moment, wait):
    """Killed when the operation says that it is in that state."""
    system.write("app/file", "x")
    system.file(routed({
        "built": {"build": "./app", "x-ishizue": {"host": {
            "build": ["sleep 0.5; cp file made"],
            "command": "trap 'exit 0' TERM; sleep 1000000 & wait"}}},
        "web": web(x={"migrate": "sleep 0.3"}, deploy={"replicas": 2}),
        "idle": sleeper(depends_on=["web"])}, https=0, **PLAIN))
    person = system.start("up", "-d", "--json", stdout=-1, stderr=-1)
    for line in person.stdout:
        if json.loads(line).get("state") == moment:
            break
    else:
        pytest.fail(f"the operation never was {moment}")
    process.end(machine.daemon_pid())
    _, errors = person.communicate(timeout=20)
    assert person.returncode == 1, errors
    machine.ok("daemon")
    system.up()
    states = {(one["service"], one["number"]): one["state"] for one in system.instances()}
    assert states == {("built", 1): "ready", ("web", 1): "ready", ("web", 2): "ready",
                      ("idle", 1): "ready"}
    assert Client(8080).get("/health").status == 200
    assert wait(lambda: len(machine.conmon_pids()) == 4, 5), "instances nobody knows are running"


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.05, 0.4, 0.9])
def test_a_daemon_killed_during_down_converges_with_the_next_one(system, machine, after):
    slow_end = "trap 'sleep 0.5; exit 0' TERM; sleep 1000000 & wait"
    system.file({"services": {"a": service(slow_end), "b": service(slow_end, depends_on=["a"])}})
    system.up()
    person = system.start("down", stdout=-1, stderr=-1)
    time.sleep(after)
    process.end(machine.daemon_pid())
    person.communicate(timeout=20)
    machine.ok("daemon")
    if not system.is_gone():
        system.run("down", "-v")
    assert system.is_gone()


def test_an_instance_that_died_while_no_daemon_ran_is_noticed(system, machine):
    system.file({"services": {"a": sleeper(restart="always"), "b": sleeper(restart="no")}})
    system.up()
    pids = {one["service"]: one["pid"] for one in system.instances()}
    process.end(machine.daemon_pid())
    for pid in pids.values():
        process.end(pid)
    machine.ok("daemon")
    system.wait_instance("a", lambda one: one["state"] == "ready" and one["pid"] != pids["a"])
    one = system.wait_instance("b", lambda one: one["state"] == "exited")
    assert one["exit_status"] == 137


def test_an_instance_whose_conmon_was_killed_is_noticed_when_it_ends(system, machine):
    system.file({"services": {"a": sleeper(restart="always"), "b": sleeper()}})
    system.up()
    first = system.instance("a")
    for pid in machine.conmon_pids():
        if first["id"] in process.command_line(pid):
            process.end(pid)
    assert process.is_alive(first["pid"])
    process.end(first["pid"])
    system.wait_instance("a", lambda one: one["state"] == "ready" and one["restarts"] == 1)


def test_the_daemon_ends_when_asked_by_a_signal_and_leaves_what_runs(system, machine):
    system.file({"services": {"a": sleeper()}})
    system.up()
    before = running(system)
    assert process.end(machine.daemon_pid(), signal.SIGTERM)
    assert process.is_alive(next(iter(before.values()))[0])
    machine.ok("daemon")
    assert running(system) == before


def test_one_system_that_cannot_be_read_does_not_stop_the_others(make_system, machine):
    machine.expect_log(r"st-broken")
    good = make_system({"services": {"a": sleeper()}})
    broken = make_system({"services": {"a": sleeper()}}, name="st-broken")
    good.up()
    broken.up()
    before = running(good)
    machine.ok("daemon", "stop")
    with sqlite3.connect(machine.state / "state.db") as database:
        kept = database.execute("select number, config from releases where system = 'st-broken'"
                                ).fetchall()
        database.execute("update releases set config = '{' where system = 'st-broken'")
    database.close()
    machine.ok("daemon")
    assert running(good) == before
    assert "was up already" in good.up().out
    machine.ok("daemon", "stop")
    with sqlite3.connect(machine.state / "state.db") as database:
        database.executemany("update releases set config = ? where system = 'st-broken' "
                             "and number = ?", [(config, number) for number, config in kept])
    database.close()
    machine.ok("daemon")
    assert broken.instance("a")["state"] == "ready"


def test_a_second_daemon_for_the_same_folder_refuses_to_start(machine):
    second = machine.run("daemon", "--foreground", timeout=15)
    assert second.status == 1 and "another daemon" in second.err
    assert machine.is_up()


@pytest.mark.slow
def test_fifty_megabytes_of_log_stay_within_their_bound(system, machine, figure, wait):
    system.file({"services": {"a": service(
        "head -c 52428800 /dev/zero | tr '\\0' 'x' | fold -w 200; echo; echo the last line; "
        "trap 'exit 0' TERM; sleep 1000000 & wait",
        logging={"options": {"max-size": "2m", "max-file": "3"}})}})
    system.up()
    assert wait(lambda: "the last line" in system.log("a", "--tail", "1"), 60, 0.3)
    time.sleep(6)  # the daemon looks at sizes every five seconds
    folder = machine.state / "logs" / system.name
    total = sum(path.stat().st_size for path in folder.iterdir())
    figure("disk_of_50_mb_of_log", total / (1 << 20), "MiB")
    assert total <= 8 << 20, sorted((path.name, path.stat().st_size) for path in folder.iterdir())
    began = time.monotonic()
    assert system.log("a", "--tail", "3").splitlines()[-1] == "the last line"
    assert time.monotonic() - began < 2
    assert len(system.log("a", "--tail", "100").splitlines()) == 100


def test_lines_of_a_megabyte_and_bytes_that_are_no_text_do_no_harm(system):
    text = "head -c 1000000 /dev/zero | tr '\\0' y; echo; printf 'a\\033[31mb\\377\\000c\\n'; " \
           "echo end; trap 'exit 0' TERM; sleep 1000000 & wait"
    system.file({"services": {"a": service(text)}})
    system.up()
    shown = system.log("a")
    assert shown.rstrip().endswith("end")
    assert shown.count("y") == 1000000 and "\0" not in shown


@pytest.mark.slow
def test_the_platform_uses_little_memory_when_idle(system, machine, figure):
    system.file(routed({f"s{i}": sleeper() for i in range(4)} | {"web": web()}))
    system.up()
    time.sleep(1)
    parts = {"daemon": [machine.daemon_pid()], "edge": [machine.edge_pid()],
             "conmon": machine.conmon_pids()}
    assert len(parts["conmon"]) == 5
    total = 0
    for name, pids in parts.items():
        kib = sum(process.proportional_kib(pid) for pid in pids)
        figure(f"idle_memory_{name}", kib / 1024, "MiB")
        total += kib
    figure("idle_memory_with_five_instances", total / 1024, "MiB")
    assert total < 20 << 10


@pytest.mark.slow
def test_many_ups_and_downs_leave_nothing(system, machine):
    """The leak check after the test is what counts."""
    system.file({"services": {"a": sleeper(), "b": sleeper(volumes=["/data"])}})
    for _ in range(5):
        system.up()
        system.down("-v")
    assert not [name for name in os.listdir(machine.state / "volumes") if system.name in name]


def test_what_the_edge_sends_to_an_instance_that_is_gone_does_not_leave_the_machine(loaded):
    """By the default route a stranger could get the request, and answer it."""
    address, taken = "10.213.255.250", {one.get("address") for one in loaded.instances()}
    assert address not in taken
    code = ("import socket, time\nbegan = time.monotonic()\n"
            "try: socket.create_connection(('%s', 8000), 3); print('connected')\n"
            "except OSError as error: print(type(error).__name__, time.monotonic() - began < 1)\n")
    done = subprocess.run(["setpriv", "--reuid", "699999", "--regid", "699999", "--clear-groups",
                           "/usr/bin/python3", "-c", code % address],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout == "ConnectionRefusedError True\n", done
    for one in loaded.instances("web"):  # and one that is there still answers
        assert loaded.client.get("/health").status == 200, one
