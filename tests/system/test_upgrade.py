# SPDX-License-Identifier: Apache-2.0
"""The program replaces itself: the daemon, and the edge under load."""
import contextlib
import ctypes
import os
import re
import signal
import sqlite3
import subprocess
import time

import pytest

from rig import process
from rig.client import Client, WebSocket
from rig.lasting import KeepAlive, Load
from rig.system import routed, sleeper, web

PLAIN = {"tls": "off"}


def rebuilt(program, path, version):
    """The same program as another version: the number stands in it as text."""
    own = re.search(rb"ishizue (\d+\.\d+\.\d+)\n", program.read_bytes())[1]
    assert len(own) == len(version), own
    path.write_bytes(program.read_bytes().replace(own, version.encode()))
    path.chmod(0o755)
    return path


def broken_at(program, path, function, code):
    """The same program, but that <function> does nothing but return what <code> says."""
    symbols = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout
    address = int(re.search(rf"^(\w+) T {function}$", symbols, re.M)[1], 16)
    text = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True)
    start, offset = (int(one, 16) for one in re.search(
        r" \.text +PROGBITS +(\w+) (\w+)", text.stdout).groups())
    text = bytearray(program.read_bytes())
    at = address - start + offset
    text[at:at + len(code)] = code
    path.write_bytes(text)
    path.chmod(0o755)
    return path


def version_of(machine):
    return machine.version()["version"]


def crash(process_id, thread):
    ctypes.CDLL(None).syscall(234, process_id, thread, int(signal.SIGSEGV))  # tgkill(2)


def former_edges(machine):
    return machine.call("GET", "/v1/upgrade")[1]["former_edges"]


@pytest.fixture
def upgradable(machine, tmp_path):
    """A machine whose program may be replaced: a copy."""
    with machine.copied_program(tmp_path / "bin") as former:
        machine.newer = rebuilt(former, tmp_path / "bin" / "newer", "9.9.1")
        machine.own_version = version_of(machine)
        yield machine


@pytest.fixture
def loaded(upgradable, system):
    services = {"web": web(deploy={"replicas": 2}, restart="always"), "idle": sleeper()}
    system.file(routed(services, https=0, **PLAIN))
    system.up()
    system.client = Client(8080)
    assert system.client.get("/health").status == 200
    return system


@pytest.fixture
def other(upgradable, make_system):
    """A system whose changes make new tables and nothing else."""
    one = make_system(routed({"web": sleeper()}, http=8081, https=0, domain="other.localhost",
                             routes=[{"path": "/", "redirect": "https://example.com/"}], **PLAIN))
    one.up()
    return one


@pytest.mark.slow
def test_upgrades_and_reloads_under_load_lose_nothing(loaded, other, upgradable, figure):
    machine, before = upgradable, loaded.pids()
    daemon, upgrades, reloads = machine.daemon_pid(), 5, 50
    load = Load(loaded.client, 20)
    time.sleep(1)
    for n in range(upgrades):
        edge = machine.edge_pid()
        newer = rebuilt(machine.program, machine.program.with_name("next"), f"9.9.{n}")
        machine.ok("upgrade", "-y", newer)
        assert version_of(machine) == f"9.9.{n}" and machine.edge_pid() != edge
        time.sleep(0.3)
    for n in range(reloads):
        method = "DELETE" if n % 2 else "POST"
        status, _ = machine.call(method, f"/v1/systems/{other.name}/maintenance",
                                 None if n % 2 else {})
        assert status == 200
    counts, lost = load.finish()
    for kind, count in counts.items():
        figure(f"upgrade_load_{kind}", count, "done")
    figure("upgrade_load_lost", len(lost), "of all")
    assert lost == []
    assert all(counts[kind] > 0 for kind in counts), counts
    assert machine.daemon_pid() == daemon and loaded.pids() == before
    assert process.wait(lambda: former_edges(machine) == [], 10), "a former edge stays"


def test_an_upgrade_changes_the_version_and_nothing_that_runs(loaded, upgradable):
    machine, before = upgradable, loaded.pids()
    daemon, edge = machine.daemon_pid(), machine.edge_pid()
    said = machine.ok("upgrade", "-y", machine.newer).out
    assert f"{machine.own_version} -> 9.9.1" in said and "version 9.9.1 serves" in said
    assert (version_of(machine), machine.daemon_pid()) == ("9.9.1", daemon)
    assert machine.edge_pid() != edge and loaded.pids() == before
    assert machine.ok("version", "--short").out == "9.9.1\n"
    assert loaded.client.get("/health").status == 200
    actions = machine.call("GET", "/v1/history?limit=5")[1]["actions"]
    assert any(one["action"] == "upgrade" and one["error"] is None for one in actions), actions


def test_the_former_program_can_be_gone_back_to(loaded, upgradable):
    machine, before = upgradable, loaded.pids()
    machine.ok("upgrade", "-y", machine.newer)
    machine.ok("upgrade", "-y", f"{machine.program}.previous")
    assert version_of(machine) == machine.own_version and loaded.pids() == before
    assert loaded.client.get("/health").status == 200
    assert "was up already" in loaded.up().out


def test_a_dry_run_tries_the_program_and_changes_nothing(loaded, upgradable):
    machine, edge = upgradable, upgradable.edge_pid()
    said = machine.ok("upgrade", "--dry-run", machine.newer).out
    assert f"{machine.own_version} -> 9.9.1" in said
    assert version_of(machine) == machine.own_version and machine.edge_pid() == edge
    assert sorted(os.listdir(machine.program.parent)) == ["ishizue", "newer"]


@pytest.mark.parametrize("text, why", [
    ("#!/bin/sh\necho no such thing >&2\nexit 3\n", "no such thing"),
    ("#!/bin/sh\necho hello\n", "not an ishizue"),
    ("\x7fELF nonsense", "cannot run"),
])
def test_a_program_that_cannot_take_over_is_refused_before_anything_is_touched(
        loaded, upgradable, text, why):
    machine, daemon, edge = upgradable, upgradable.daemon_pid(), upgradable.edge_pid()
    bad = machine.program.with_name("bad")
    bad.write_text(text)
    bad.chmod(0o755)
    result = machine.run("upgrade", "-y", bad)
    assert result.status == 1 and why in result.err, result
    assert (machine.daemon_pid(), machine.edge_pid()) == (daemon, edge)
    assert version_of(machine) == machine.own_version
    assert sorted(os.listdir(machine.program.parent)) == ["bad", "ishizue", "newer"]


@pytest.mark.parametrize("how, why", [
    ("exit 9", "ended before it was ready"),
    ("kill -SEGV $$", "ended before it was ready"),
])
def test_a_program_that_dies_as_the_daemon_gives_way_to_the_former_one(
        loaded, upgradable, how, why):
    """It passes the trial; the guard brings the former program back."""
    machine, before, edge = upgradable, loaded.pids(), upgradable.edge_pid()
    machine.expect_log(r"upgrade: back at version")
    bad = machine.program.with_name("bad")
    bad.write_text(f'#!/bin/sh\ncase "$*" in *--handover-fd*) {how};; esac\n'
                   f'exec {machine.newer} "$@"\n')
    bad.chmod(0o755)
    result = machine.run("upgrade", "-y", bad)
    assert result.status == 1 and why in result.err, result
    assert f"version {machine.own_version} goes on" in result.err
    assert version_of(machine) == machine.own_version and machine.edge_pid() == edge
    assert loaded.pids() == before and loaded.client.get("/health").status == 200
    assert machine.ok("version", "--short").out.strip() == machine.own_version


def test_a_program_whose_edge_does_not_serve_gives_way_to_the_former_one(loaded, upgradable):
    machine, before, edge = upgradable, loaded.pids(), upgradable.edge_pid()
    daemon = machine.daemon_pid()
    machine.expect_log(r"upgrade: |edge: ended with status|edge \d+: ")
    broken = broken_at(machine.newer, machine.program.with_name("broken"), "edge_main",
                       b"\xb8\1\0\0\0\xc3")  # mov $1, %eax; ret
    result = machine.run("upgrade", "-y", broken)
    assert result.status == 1 and "the former one goes on" in result.err, result
    assert (version_of(machine), machine.daemon_pid()) == (machine.own_version, daemon)
    assert machine.edge_pid() == edge and loaded.pids() == before
    assert loaded.client.get("/health").status == 200


@pytest.mark.parametrize("function", ["local_ca_open", "host_runtime_new", "edge_link_open",
                                      "api_open"])
def test_a_program_that_cannot_begin_gives_way_to_the_former_one(loaded, upgradable, function):
    """Each stage of the beginning; the error is the one that was there before."""
    machine, before, edge = upgradable, loaded.pids(), upgradable.edge_pid()
    daemon = machine.daemon_pid()
    machine.expect_log(r".")
    broken = broken_at(machine.newer, machine.program.with_name("broken"), function,
                       b"\x31\xc0\xc3")  # xor %eax, %eax; ret
    result = machine.run("upgrade", "-y", broken)
    assert result.status == 1 and f"version {machine.own_version} goes on" in result.err, result
    assert (version_of(machine), machine.daemon_pid()) == (machine.own_version, daemon)
    assert machine.edge_pid() == edge and loaded.pids() == before
    assert loaded.client.get("/health").status == 200
    assert machine.run("daemon").status == 0


def test_a_state_of_a_newer_program_is_taken_back_by_the_older_one(loaded, upgradable):
    """The newer program's schema has a table more, and says how to undo it."""
    machine, before = upgradable, loaded.pids()
    machine.ok("daemon", "stop")
    with sqlite3.connect(machine.state / "state.db") as db:
        schema = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("CREATE TABLE of_the_future(x)")
        db.execute("INSERT INTO schema_undo VALUES(?, 'DROP TABLE of_the_future')", [schema + 1])
        db.execute(f"PRAGMA user_version = {schema + 1}")
    machine.ok("daemon")
    with sqlite3.connect(machine.state / "state.db") as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema
    machine.ok("upgrade", "-y", machine.newer)
    assert loaded.pids() == before


def test_a_websocket_stays_at_its_edge_and_the_edge_ends_with_it(loaded, upgradable):
    machine, edge = upgradable, upgradable.edge_pid()
    web_socket = WebSocket(loaded.client)
    assert web_socket.echo(b"before") == b"before"
    machine.ok("upgrade", "-y", machine.newer)
    assert former_edges(machine) == [edge]
    assert web_socket.echo(b"after") == b"after"
    # A deploy while two edges are there: the instance that the WebSocket is at waits for it.
    change = loaded.start("up", "-d", "--force-recreate", stdout=subprocess.DEVNULL)
    try:
        assert process.wait(lambda: any(one["state"] == "draining" for one in loaded.instances("web")), 20)
        time.sleep(1)
        assert [one["state"] for one in loaded.instances("web")].count("draining") == 1
        assert web_socket.echo(b"after the deploy") == b"after the deploy"
        web_socket.close()
        assert change.wait(20) == 0
    finally:
        change.kill()
    assert len(loaded.instances("web")) == 2
    assert process.wait(lambda: former_edges(machine) == [], 10)
    assert not process.is_alive(edge)


def test_an_edge_that_was_replaced_ends_when_its_time_is_over(loaded, upgradable):
    machine = upgradable
    web_socket = WebSocket(loaded.client)
    machine.ok("upgrade", "-y", "--drain", "1", machine.newer)
    assert web_socket.echo(b"still") == b"still"
    assert process.wait(lambda: former_edges(machine) == [], 10)
    with contextlib.suppress(ConnectionResetError):
        assert web_socket.receive() is None


def test_a_daemon_that_is_killed_finds_both_edges_again(loaded, upgradable):
    machine, former = upgradable, upgradable.edge_pid()
    web_socket = WebSocket(loaded.client)
    machine.ok("upgrade", "-y", machine.newer)
    edge = machine.edge_pid()
    process.end(machine.daemon_pid())
    machine.ok("daemon")
    assert machine.edge_pid() == edge and former_edges(machine) == [former]
    assert web_socket.echo(b"still") == b"still"
    web_socket.close()
    assert process.wait(lambda: former_edges(machine) == [], 10)


def test_a_kept_connection_is_told_that_it_ends(loaded, upgradable):
    sock = loaded.client.connect()
    assert loaded.client.get("/health", sock=sock).headers.get("Connection") is None
    upgradable.ok("upgrade", "-y", upgradable.newer)
    answer = loaded.client.get("/health", sock=sock)
    assert answer.status == 200 and answer.headers["Connection"] == "close"
    assert sock.recv(1) == b""


def test_an_upgrade_is_refused_while_a_system_is_being_changed(loaded, upgradable):
    slow = loaded.folder.parent
    loaded.file(routed({"web": web(x={"migrate": "sleep 3"})}, https=0, **PLAIN))
    change = loaded.start("up", "-d", stdout=-3, stderr=-3)
    try:
        assert process.wait(lambda: upgradable.run("upgrade", "-y", upgradable.newer).status == 4,
                            5), slow
    finally:
        change.wait(30)


def test_a_crash_of_the_edge_names_the_route_it_was_busy_with(loaded, upgradable):
    machine = upgradable
    machine.expect_log(r"the edge crashed|edge: ended with status")
    edge = machine.edge_pid()
    assert loaded.client.get("/health").status == 200
    threads = [int(name) for name in os.listdir(f"/proc/{edge}/task")]
    keep = [KeepAlive(loaded.client, 0.01) for _ in range(16)]  # every worker has some
    assert process.wait(lambda: all(one.done > 3 for one in keep), 5)
    crash(edge, sorted(threads)[-1])  # workers are started last
    for one in keep:
        one.finish()
    actions = process.wait(lambda: [
        one for one in machine.call("GET", f"/v1/history?system={loaded.name}")[1]["actions"]
        if one["action"] == "edge crash"], 5)
    assert actions and "signal 11" in actions[0]["error"], actions
    assert loaded.client.get("/health").status == 200


def test_maintenance_outlives_the_daemon_and_lets_probes_through(loaded, upgradable):
    machine, path = upgradable, f"/v1/systems/{loaded.name}/maintenance"
    assert machine.call("GET", path)[1]["on"] is False
    assert machine.call("POST", path, {"page": "<h1>back at nine</h1>"})[0] == 200
    answer = loaded.client.get("/")
    assert (answer.status, answer.body) == (503, b"<h1>back at nine</h1>")
    process.end(machine.daemon_pid())
    machine.ok("daemon")
    shown = machine.call("GET", path)[1]
    assert shown["on"] and shown["page"] == "<h1>back at nine</h1>" and shown["user"] == "root"
    machine.ok("upgrade", "-y", machine.newer)
    assert loaded.client.get("/").status == 503
    assert all(one["state"] == "ready" for one in loaded.instances("web"))
    assert machine.call("DELETE", path)[1]["on"] is False
    assert loaded.client.get("/health").status == 200


def test_a_page_that_is_too_large_is_refused(loaded, upgradable):
    path = f"/v1/systems/{loaded.name}/maintenance"
    status, answer = upgradable.call("POST", path, {"page": "x" * (65536 + 1)})
    assert status == 422 and "at most 65536" in answer["error"]["text"]
    assert upgradable.call("GET", path)[1]["on"] is False
