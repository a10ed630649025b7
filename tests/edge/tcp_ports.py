# SPDX-License-Identifier: Apache-2.0
"""TCP listeners: who is let in, which target is taken, who waits, how it ends and what is told."""
import collections
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

from lib import apps as apps_of, tap

RIG = sys.argv[1]
TCP = int(os.environ["EDGE_TCP"])
LOG = os.path.join(os.path.dirname(os.environ["EDGE_FILES"]), "access.log")
REQUESTS, C2XX, C4XX, C5XX, CONNECT_FAILURES, EJECTIONS, QUEUED, REJECTED = 0, 2, 4, 5, 7, 10, 11, 12


def rig(*argv, stdin=None):
    return subprocess.run([RIG, *argv], input=stdin, capture_output=True, text=True, timeout=20)


class App(apps_of.Listening):
    """Says its name to each connection, then what it is sent; counts those that are open."""

    def __init__(self, name):
        self.name, self.open, self.most, self.taken, self.first = name, 0, 0, 0, []
        self.lock = threading.Lock()
        super().__init__()

    def serve(self, sock):
        with self.lock:
            self.open += 1
            self.taken += 1
            self.most = max(self.most, self.open)
        try:
            sock.sendall(self.name.encode() + b"\n")
            while data := sock.recv(65536):
                self.first.append(data)
                if data == b"break":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                sock.sendall(data)
        except OSError:
            pass
        with self.lock:
            self.open -= 1
        sock.close()


def publish(apps, listener=None, tcp=None, table=None, **upstream):
    targets = [{"id": app.name, "address": f"127.0.0.1:{app.port}", "release": release}
               for app, release in (app if isinstance(app, tuple) else (app, 0) for app in apps)]
    rows = {"sign_key": "01" * 32,
            "listeners": [{"id": 1, "kind": "http"}, {"id": 2, "kind": "http"},
                          {"id": 3, "kind": "tcp", "system": "test", "port": 5432, "upstream": 0,
                           "tcp": {"meter": 3, **(tcp or {})},
                           **({"limits": listener} if listener else {})},
                          {"id": 4, "kind": "http"}],
            "upstreams": [{"name": "test/db", "targets": targets, **upstream}], **(table or {})}
    done = rig("table", stdin=json.dumps(rows))
    assert done.returncode == 0, done.stdout
    return rows


def refused(**tcp):
    done = rig("table", stdin=json.dumps({
        "listeners": [{"id": 3, "kind": "tcp", "upstream": 0, "tcp": tcp}],
        "upstreams": [{"name": "u", "targets": []}]}))
    assert done.returncode == 1, done.stdout
    return done.stdout


def connect(source="127.0.0.1", timeout=5):
    return socket.create_connection(("127.0.0.1", TCP), timeout=timeout, source_address=(source, 0))


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


def ask(source="127.0.0.1"):
    """The name of who answers; empty: it was refused."""
    try:
        with connect(source) as sock:
            return name_of(sock)
    except ConnectionResetError:
        return ""


def meter(number=3):
    return json.loads(rig("meter", str(number)).stdout)


def grown(before, count):
    return meter()["counts"][count] - before["counts"][count]


def wait(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def lines(count, after):
    """The newest lines of the log, once there are so many more than <after>."""
    wait(lambda: len(open(LOG).read().splitlines()) >= after + count)
    return [json.loads(line) for line in open(LOG).read().splitlines()[after:]]


def log_length():
    time.sleep(1.2)  # it is written by the second
    return len(open(LOG).read().splitlines())


def addresses_are_allowed_and_denied():
    app, before = App("db"), meter()
    publish([app], tcp={"limits": {"allow": ["127.0.0.0/16"], "deny": ["127.0.0.9"]}})
    assert ask("127.0.0.1") == "db" and ask("127.0.0.9") == "" and ask("127.1.0.1") == ""
    publish([app], tcp={"limits": {"deny": ["127.0.0.0/30"]}})
    assert ask("127.0.0.1") == "" and ask("127.0.0.4") == "db"
    wait(lambda: grown(before, C4XX) == 3 and grown(before, C2XX) == 2)


def new_connections_have_a_rate():
    app, before = App("rated"), meter()
    rate = {"text": "1/m:5 per ip", "requests": 1, "seconds": 60, "burst": 5, "per": "ip"}
    publish([app], tcp={"limits": {"rates": [rate]}})
    assert [ask("127.0.0.20") for _ in range(8)] == ["rated"] * 5 + [""] * 3
    assert ask("127.0.0.21") == "rated"
    wait(lambda: grown(before, C4XX) == 3)
    publish([app], tcp={"limits": {"rates": [rate], "dry_run": True}})
    assert ask("127.0.0.20") == "rated"
    every = {"text": "1/m:3 per route", "requests": 1, "seconds": 60, "burst": 3, "per": "route"}
    publish([app], tcp={"limits": {"rates": [every]}})
    assert [ask(f"127.0.0.{i}") for i in (30, 31, 32, 33)] == ["rated"] * 3 + [""]


def connections_at_once_have_an_end_for_each_address_and_for_all():
    app = App("few")
    publish([app], {"connections_per_ip": 2, "counts_alone": True, "connections": 3})
    held = [connect("127.0.0.40"), connect("127.0.0.40")]
    assert [name_of(sock) for sock in held] == ["few", "few"]
    assert ask("127.0.0.40") == ""
    held.append(connect("127.0.0.41"))
    assert name_of(held[2]) == "few"
    assert ask("127.0.0.42") == ""
    for sock in held:
        sock.close()
    wait(lambda: app.open == 0)
    assert ask("127.0.0.40") == "few" and ask("127.0.0.42") == "few"


def an_address_stays_at_its_target_by_its_hash():
    apps = [App(f"h{i}") for i in range(3)]
    publish(apps, balance="hash", queue={"limit": 0, "timeout_ms": 1})
    places = {i: {ask(f"127.0.2.{i}") for _ in range(3)} for i in range(1, 40)}
    assert all(len(place) == 1 for place in places.values()), places
    assert len({place.copy().pop() for place in places.values()}) == 3
    publish(apps[:2], balance="hash", queue={"limit": 0, "timeout_ms": 1})
    moved = [i for i, place in places.items() if {ask(f"127.0.2.{i}")} != place]
    assert all(places[i] == {"h2"} for i in moved), "others moved too"


def connections_of_a_port_are_balanced_like_requests():
    for balance in ("round-robin", "least", "two-choices"):
        apps = [App(f"{balance}{i}") for i in range(4)]
        publish(apps, balance=balance)
        held = [connect() for _ in range(40)]
        seen = collections.Counter(name_of(sock) for sock in held)
        assert len(seen) == 4 and max(seen.values()) <= 20, seen
        for sock in held:
            sock.close()
    old, new = App("old"), App("new")
    publish([old], balance="round-robin", slow_start_ms=1500)
    time.sleep(1.6)  # the first one has its whole share
    publish([old, new], balance="round-robin", slow_start_ms=1500)
    begun = time.monotonic()
    early = [ask() for _ in range(40)].count("new")
    took = time.monotonic() - begun
    assert took > 0.5 or early < 14, (early, took)
    time.sleep(max(0, begun + 1.7 - time.monotonic()))
    late = [ask() for _ in range(40)].count("new")
    assert 18 <= late <= 22, late


def a_release_gets_its_share_of_connections():
    a, b = App("a"), App("b")
    split = {"shares": [{"release": 1, "share": 9000}, {"release": 2, "share": 1000}]}
    publish([(a, 1), (b, 2)], split=split)
    seen = collections.Counter(ask() for _ in range(400))
    assert 12 < seen["b"] < 80, seen
    publish([(a, 1), (b, 2)], split={**split, "by": "visitor"})
    for i in range(1, 20):
        assert len({ask(f"127.0.3.{i}") for _ in range(3)}) == 1


def a_target_that_refuses_is_passed_over_and_left_out():
    a, b, before = App("gone"), App("there"), meter()
    publish([a, b], max_fails=1, fail_timeout_ms=1500, queue={"limit": 0, "timeout_ms": 1},
            meters=[{"release": 0, "meter": 4}], balance="round-robin")
    a.stop()
    failures = meter(4)["counts"][CONNECT_FAILURES]
    assert [ask() for _ in range(20)] == ["there"] * 20
    assert 1 <= meter(4)["counts"][CONNECT_FAILURES] - failures <= 4  # two workers, once each
    assert meter(4)["counts"][EJECTIONS] > 0
    a.start_again()
    assert {ask() for _ in range(10)} == {"there"}
    wait(lambda: "gone" in {ask() for _ in range(8)})
    wait(lambda: grown(before, C2XX) >= 20)


def without_a_queue_nobody_waits_and_with_one_all_do():
    app, before = App("one"), meter()
    publish([app], max_connections=1, queue={"limit": 0, "timeout_ms": 1})
    first = connect()
    assert name_of(first) == "one"
    began = time.monotonic()
    assert ask() == "" and time.monotonic() - began < 1
    wait(lambda: grown(before, C5XX) == 1)
    publish([app], max_connections=1, queue={"limit": 100, "timeout_ms": 5000})
    names = []
    threads = [threading.Thread(target=lambda: names.append(ask())) for _ in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert not names and app.taken == 1
    first.close()
    for thread in threads:
        thread.join()
    assert names == ["one"] * 10 and app.most == 1
    assert grown(before, QUEUED) == 10


def a_wait_has_an_end_in_number_and_in_time():
    app, before = App("busy"), meter()
    publish([app], max_connections=1, queue={"limit": 4, "timeout_ms": 300})
    first = connect()
    assert name_of(first) == "busy"
    names, began = [], time.monotonic()
    threads = [threading.Thread(target=lambda: names.append(ask())) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names == [""] * 12 and 0.2 < time.monotonic() - began < 3
    assert grown(before, REJECTED) == 12 and grown(before, QUEUED) == 4
    first.close()


def what_came_while_it_waited_is_passed_on_by_the_newest_table():
    app = App("late")
    publish([])
    sock = connect()
    sock.sendall(b"hello")
    time.sleep(0.2)
    publish([app])
    assert name_of(sock) == "late" and sock.recv(16) == b"hello"
    sock.close()


def a_quiet_connection_ends_and_a_busy_one_does_not():
    app = App("quiet")
    publish([app], tcp={"idle_timeout_ms": 400})
    quiet, busy = connect(), connect()
    assert name_of(quiet) == name_of(busy) == "quiet"
    began = time.monotonic()
    for _ in range(12):
        busy.sendall(b"x")
        assert busy.recv(1) == b"x"
        time.sleep(0.1)
    assert name_of(quiet) == ""
    assert time.monotonic() - began > 1
    busy.close()


def a_connection_leaves_a_line_that_says_how_it_ended():
    app = App("logged")
    publish([app], tcp={"limits": {"deny": ["127.0.0.66"]}, "idle_timeout_ms": 300},
            queue={"limit": 0, "timeout_ms": 1})
    start = log_length()
    with connect() as sock:
        assert name_of(sock) == "logged"
        sock.sendall(b"12345")
        assert sock.recv(5) == b"12345"
    assert ask("127.0.0.66") == ""
    with connect() as sock:
        assert name_of(sock) == "logged"
        sock.sendall(b"break")
        assert name_of(sock) == ""
    with connect() as sock:
        assert name_of(sock) == "logged"
        assert name_of(sock) == ""
    app.stop()
    assert ask() == ""
    found = lines(5, start)
    by = {line["status"]: line for line in found}
    assert sorted(by) == [200, 403, 408, 502], found
    assert len(found) == 5 and [line["status"] for line in found].count(502) == 2, found
    good = by[200]
    assert good["method"] == "TCP" and good["route"] == ":5432" and good["system"] == "test"
    assert good["bytes_in"] == 5 and good["bytes"] == len("logged\n12345"), good
    assert good["upstream"] == "test/db" and good["target"] == f"127.0.0.1:{app.port}"
    assert by[403]["client"] == "127.0.0.66" and by[408]["duration_ms"] > 200
    publish([app], tcp={"rules": {"log": {"sample": 0, "errors": False}}})
    start = log_length()
    ask()
    assert log_length() == start


def the_proxy_protocol_goes_in_and_out():
    app = App("proxied")
    publish([app], {"proxy_protocol": ["127.0.0.50"]}, send_proxy=1,
            tcp={"limits": {"deny": ["192.0.2.66"]}})
    with connect("127.0.0.50") as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4000 5432\r\nhello")
        assert name_of(sock) == "proxied"
        sock.recv(16)
    wait(lambda: app.first)
    assert app.first[0].startswith(b"PROXY TCP4 192.0.2.7 "), app.first
    with connect("127.0.0.50") as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.66 192.0.2.1 4000 5432\r\nhello")
        assert name_of(sock) == ""


def times_are_counted():
    app, before = App("timed"), meter()
    publish([app])
    ask()
    wait(lambda: grown(before, REQUESTS) == 1)
    assert meter()["first_bytes"] - before["first_bytes"] == 1


def an_instance_with_two_ports_is_idle_when_both_are():
    app, other = App("instance"), App("instance")

    def two(draining):
        publish([], table={
            "upstreams": [{"name": f"test/{a.port}", "targets": [
                {"id": "instance", "address": f"127.0.0.1:{a.port}", "draining": draining}]}
                for a in (app, other)],
            "listeners": [{"id": 3, "kind": "tcp", "upstream": 0}, {"id": 1, "kind": "http"}],
            "routes": [{"system": "test", "path": "/", "upstream": 1}]})

    two(False)
    sock = connect()
    assert name_of(sock) == "instance"
    two(True)
    waiter = subprocess.Popen([RIG, "await", '"event":"idle","target":"instance"'],
                              stdout=subprocess.PIPE)
    time.sleep(1)
    assert waiter.poll() is None, "it was called idle while a connection was open"
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    sock.close()
    waiter.communicate(timeout=15)
    assert waiter.returncode == 0


def a_limit_of_connections_holds_for_each_port_across_tables():
    a, b = App("x"), App("x")
    rows = {"upstreams": [{"name": f"test/{app.port}", "max_connections": 1,
                           "queue": {"limit": 0, "timeout_ms": 1},
                           "targets": [{"id": "x", "address": f"127.0.0.1:{app.port}"}]}
                          for app in (a, b)],
            "listeners": [{"id": 3, "kind": "tcp", "upstream": 0}, {"id": 1, "kind": "http"}],
            "routes": [{"system": "test", "path": "/", "upstream": 1}]}
    publish([], table=rows)
    sock = connect()
    assert name_of(sock) == "x"
    publish([], table=rows)
    assert ask() == "" and a.most == 1
    sock.close()
    wait(lambda: ask() == "x")


def what_makes_no_sense_is_refused():
    for members, words in [
            ({"idle_timeout_ms": 0}, "idle_timeout_ms"), ({"connect_timeout_ms": "x"}, "connect"),
            ({"limits": {"allow": ["moon"]}}, "moon"), ({"meter": 5000}, "meter"),
            ({"limits": {"rates": [{"text": "x", "requests": 1, "seconds": 1, "burst": 1,
                                    "per": "header", "name": "a"}]}}, "no headers")]:
        assert words in refused(**members), (members, refused(**members))


sys.exit(tap.run([
    addresses_are_allowed_and_denied,
    new_connections_have_a_rate,
    connections_at_once_have_an_end_for_each_address_and_for_all,
    an_address_stays_at_its_target_by_its_hash,
    connections_of_a_port_are_balanced_like_requests,
    a_release_gets_its_share_of_connections,
    a_target_that_refuses_is_passed_over_and_left_out,
    without_a_queue_nobody_waits_and_with_one_all_do,
    a_wait_has_an_end_in_number_and_in_time,
    what_came_while_it_waited_is_passed_on_by_the_newest_table,
    a_quiet_connection_ends_and_a_busy_one_does_not,
    a_connection_leaves_a_line_that_says_how_it_ended,
    the_proxy_protocol_goes_in_and_out,
    times_are_counted,
    an_instance_with_two_ports_is_idle_when_both_are,
    a_limit_of_connections_holds_for_each_port_across_tables,
    what_makes_no_sense_is_refused,
]))
