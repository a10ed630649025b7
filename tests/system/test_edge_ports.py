# SPDX-License-Identifier: Apache-2.0
"""What the file says of a published TCP port: who is let in, which instance is taken, who waits."""
import collections
import json
import re
import socket
import threading
import time

import pytest

from rig import process
from rig.system import APPS, service

TARGETS = [9000, 9001, 9002, 9003]


def connect(port, source="127.0.0.1"):
    return socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))


def name_of(sock):
    """Empty: it was closed."""
    data = b""
    try:
        while not data.endswith(b"\n"):
            piece = sock.recv(1)
            if not piece:
                return ""
            data += piece
    except ConnectionResetError:
        return ""
    return data.decode().strip()


def ask(port, source="127.0.0.1"):
    try:
        with connect(port, source) as sock:
            return name_of(sock)
    except ConnectionResetError:
        return ""


@pytest.fixture
def start(system):
    """Brings a service up whose ports 9000 and above are published as 9100 and above."""
    flags = system.folder / "flags"
    flags.mkdir()
    flags.chmod(0o755)

    def up(ports, replicas=2, x=None, environment=None):
        system.file({"services": {"db": service(
            f"exec python3 /srv/checked.py 8000 {' '.join(map(str, TARGETS))}",
            x={"health": {"port": 8000, "interval": "200ms"}, "ports": ports, **(x or {})},
            environment=environment or {},
            volumes=[f"{APPS}:/srv:ro", f"{flags}:/flags:ro"], deploy={"replicas": replicas},
            ports=[f"{target + 100}:{target}" for target in TARGETS])}})
        system.up()
        found = process.wait(lambda: {ask(9103) for _ in range(8)} - {""}, 5)
        assert len(found) == replicas, found
        system.flags, system.names = flags, sorted(found)
        return system

    return up


def meter(system, port):
    status, answer = system.machine.call("GET", "/v1/edge")
    assert status == 200, answer
    return answer["meters"][f"route {system.name} *:{port}"]


def test_a_tcp_port_lets_in_whom_the_file_says(start):
    system = start([{"target": 9000, "allow": ["127.0.0.0/24"], "deny": ["127.0.0.9"]},
                    {"target": 9001, "deny": ["127.0.0.7"]}])
    assert ask(9100) and ask(9100, "127.0.0.8")
    assert ask(9100, "127.0.0.9") == "" and ask(9100, "127.0.1.1") == ""
    assert ask(9101, "127.0.0.7") == "" and ask(9101, "127.0.0.9")
    assert ask(9102, "127.0.0.9"), "a port of which nothing is said is open"
    counts = meter(system, 9100)
    assert counts["requests"] == 4 and counts["responses_4xx"] == 2, counts
    assert counts["responses_2xx"] == 2 and counts["body_bytes_out"] > 2, counts
    assert counts["first_byte"] and counts["whole"]


def test_connections_of_a_tcp_port_have_a_rate_and_an_end(start):
    start([{"target": 9000, "rate_limit": "1/h:3 per ip"},
           {"target": 9001, "rate_limit": ["1/h:3 per route"], "rate_limit_dry_run": True},
           {"target": 9002, "connections_per_ip": 2, "connections": 3}])
    assert [bool(ask(9100, "127.0.0.20")) for _ in range(5)] == [True] * 3 + [False] * 2
    assert ask(9100, "127.0.0.21")
    assert all(ask(9101) for _ in range(6))
    held = [connect(9102, "127.0.0.40") for _ in range(2)]
    assert all(name_of(sock) for sock in held)
    assert ask(9102, "127.0.0.40") == "" and ask(9103, "127.0.0.40")
    held.append(connect(9102, "127.0.0.41"))
    assert name_of(held[-1]) and ask(9102, "127.0.0.42") == ""
    for sock in held:
        sock.close()
    assert process.wait(lambda: ask(9102, "127.0.0.40"), 3)


def test_a_quiet_connection_of_a_tcp_port_ends(start):
    system = start([{"target": 9000, "idle_timeout": "500ms"}], replicas=1)
    quiet, other = connect(9100), connect(9101)
    began = time.monotonic()
    assert name_of(quiet) and name_of(other)
    assert name_of(quiet) == "" and 0.3 < time.monotonic() - began < 3
    other.sendall(b"still there\n")
    assert name_of(other) == "still there"
    other.close()
    log = system.machine.state / "access.log"

    def find():
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in lines if line["method"] == "TCP" and line["route"] == ":9100"
                and line["system"] == system.name]

    line = process.wait(find, 5)[0]
    assert line["status"] == 408 and line["client"] == "127.0.0.1" and line["attempts"] == 1, line
    assert re.fullmatch(rf"{system.name}/db:9000", line["upstream"]), line


def test_addresses_stay_at_an_instance_of_a_tcp_port(start):
    system = start([{"target": 9000, "balance": "hash", "hash_by": "ip"},
                    {"target": 9001, "balance": "round-robin"}], replicas=3)
    places = {i: {ask(9100, f"127.0.2.{i}") for _ in range(3)} for i in range(1, 25)}
    assert all(len(place) == 1 for place in places.values()), places
    assert len({place.copy().pop() for place in places.values()}) > 1
    assert set(collections.Counter(ask(9101) for _ in range(30)).values()) <= {8, 9, 10, 11, 12}
    text = system.folder / "docker-compose.yml"
    text.write_text(text.read_text().replace('"hash_by": "ip"', '"sticky": "cookie"'))
    failed = system.run("config")
    assert failed.status != 0
    assert re.search(r"docker-compose.yml:\d+:\d+: services.db.x-ishizue.ports\[0\].sticky: a TCP "
                     "connection has no cookies; write balance: hash", failed.err), failed.err


def test_a_connection_goes_to_another_instance_when_one_does_not_take_it(start):
    system = start([{"target": 9000, "max_fails": 1, "fail_timeout": "2s",
                     "connect_timeout": "1s", "balance": "round-robin"}])
    one, other = system.names
    (system.flags / f"{one}.closed").touch()
    time.sleep(0.3)
    assert {ask(9100) for _ in range(30)} == {other}
    (system.flags / f"{one}.closed").unlink()
    assert process.wait(lambda: len({ask(9100) for _ in range(6)}) == 2, 8)


def test_a_connection_waits_for_room_where_the_file_says_so(start):
    system = start([{"target": 9000, "max_connections": 1, "queue": {"limit": 10, "timeout": "4s"}},
                    {"target": 9001, "max_connections": 1, "queue": {"limit": 0}}], replicas=1)
    held = [connect(9100), connect(9101)]
    assert all(name_of(sock) for sock in held)
    began = time.monotonic()
    assert ask(9101) == "" and time.monotonic() - began < 1
    names = []
    waiting = threading.Thread(target=lambda: names.append(ask(9100)))
    waiting.start()
    time.sleep(0.5)
    assert not names
    held[0].close()
    waiting.join()
    assert names == system.names and meter(system, 9100)["queued"] == 1
    held[1].close()


def test_a_tcp_port_speaks_the_proxy_protocol_both_ways(start):
    start([{"target": 9000, "proxy_protocol": ["127.0.0.50"], "deny": ["192.0.2.66"]}],
          replicas=1, x={"send_proxy": "v1"})
    with connect(9100, "127.0.0.50") as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 5432\r\nhello\n")
        assert name_of(sock)
        assert name_of(sock).startswith("PROXY TCP4 192.0.2.7 ") and name_of(sock) == "hello"
    with connect(9100, "127.0.0.50") as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.66 192.0.2.1 4000 5432\r\nhello\n")
        assert name_of(sock) == ""


def test_a_tcp_connection_stays_at_its_release_while_another_takes_over(start):
    system = start([{"target": 9000, "balance": "round-robin"}], replicas=1)
    old = system.names[0]
    sock = connect(9100)
    assert name_of(sock) == old
    system.file(system.folder.joinpath("docker-compose.yml").read_text().replace(
        '"environment": {}', '"environment": {"RELEASE": "2"}'))
    up = system.start("up", "-d")
    try:
        assert process.wait(lambda: ask(9100) not in ("", old), 20)
        assert old not in {ask(9100) for _ in range(8)}, "new connections go to the new release"
        time.sleep(0.5)
        sock.sendall(b"and this one goes on\n")
        assert name_of(sock) == "and this one goes on"
        assert up.poll() is None, "the old release is waited for"
    finally:
        sock.close()
    up.communicate(timeout=30)
    assert up.returncode == 0 and len(system.instances("db")) == 1


def test_connections_to_a_tcp_port_wait_while_the_only_instance_restarts(start):
    system = start([], replicas=1)
    names, ended = [], threading.Event()

    def knock():
        while not ended.is_set():
            names.append(ask(9100))

    knocker = threading.Thread(target=knock)
    knocker.start()
    system.ok("restart", "db")
    ended.set()
    knocker.join()
    assert len(names) > 5 and "" not in names, names.count("")
