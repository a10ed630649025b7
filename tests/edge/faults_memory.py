#!/usr/bin/env python3
"""Allocations of the edge's threads fail: at every place of the program, and of the libraries it
uses, from which memory is asked for while it does all kinds of work, one and several in a row.
Whatever happens to that one connection, the same process serves every kind of request afterwards,
nobody is left connected, and no descriptor and no memory is lost.

A place fails when it is met for the first time; that is the doing of faults_memory.c, which is loaded before the C library.
"""
import base64
import json
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import h2_app  # noqa: E402
import h2_frames  # noqa: E402
import kinds  # noqa: E402
from kinds import descriptors, edge_pid, resident_kib, works  # noqa: E402
from tables import Recorder, connect, expect_counter, get, receive  # noqa: E402
import shim  # noqa: E402
from tap import run  # noqa: E402

RIG = Path(sys.argv[1])
HEAD = ("armed", "times", "depth", "count", "overflow")  # of faults_memory.c, as the next line
PLAN_BYTES = 8 * (len(HEAD) + 8192)
# How many allocations in a row, and the depth of a place: as many return addresses. With 12 the
# libraries find the half of the reserve that is theirs used up, and get nothing.
MODES = json.loads(os.environ.get("FAULTS_MODES", "[[1, 3], [5, 2], [12, 5]]"))
RUNS_WITHOUT = 4  # a new place: there are no more, or none that is met each time
PASSWORD = "$apr1$lZL6V/ci$sQw6g73nRuoOIj/gnD18Z."  # of "myPassword"
TEXT = b"a line that is repeated\n" * 4000


class Plan:
    def __init__(self):
        with open(os.environ["FAULTS"], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), PLAN_BYTES)

    def put(self, name, value):
        struct.pack_into("=Q", self.memory, 8 * HEAD.index(name), value)

    def get(self, name):
        return struct.unpack_from("=Q", self.memory, 8 * HEAD.index(name))[0]

    def forget(self):
        self.put("armed", 0)
        self.memory[8 * HEAD.index("count"):] = bytes(PLAN_BYTES - 8 * HEAD.index("count"))

    def arm(self, times, depth):
        self.put("times", times)
        self.put("depth", depth)
        self.put("armed", 1)

    def disarm(self):
        """True: it had not been used."""
        armed = self.get("armed")
        self.put("armed", 0)
        return armed == 1


# ---- the applications ----


class Text(Recorder):
    """Answers with what is worth compressing and storing."""

    def serve(self, sock):
        data = b""
        try:
            while piece := sock.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    _, data = data.split(b"\r\n\r\n", 1)
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: "
                                 b"max-age=60\r\nContent-Length: %d\r\n\r\n%s" % (len(TEXT), TEXT))
        except OSError:
            pass
        sock.close()


def answer_streams(peer):
    for stream, *_ in peer.requests():
        peer.send(h2_app.head(stream) + h2_frames.frame(h2_frames.DATA, 0, stream, b"x" * 5000) +
                  h2_app.trailers(stream))


def accept_peers(listener):
    def serve(sock):
        try:
            answer_streams(h2_app.Peer(sock, b"", True))
        except (OSError, AssertionError):
            pass
        sock.close()

    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock,), daemon=True).start()


def start_applications():
    streams = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=accept_peers, args=(streams,), daemon=True).start()
    return [kinds.application(), Text().port, streams.getsockname()[1]]


def publish(ports):
    certificate = {"names": ["*.localhost"], "certificate_file": os.environ["EDGE_CERTIFICATE"],
                   "key_file": os.environ["EDGE_KEY"]}
    table = {
        "certificates": [certificate],
        "listeners": [{"id": 1, "kind": "http"}, {"id": 2, "kind": "https"},
                      {"id": 3, "kind": "tcp", "upstream": 0}, {"id": 4, "kind": "http"}],
        "upstreams": [{"name": f"test/{i}", **({"protocol": "h2c"} if i == 2 else {}), "targets": [
            {"id": f"t{i}", "address": f"127.0.0.1:{port}"}]} for i, port in enumerate(ports)],
        "cache_bytes": 64 * 1024 * 1024,
        "routes": [
            {"system": "test", "path": "/", "upstream": 0},
            {"system": "test", "path": "/files/", "files_fd": 0},
            {"system": "test", "path": "/text/", "upstream": 1,
             "rules": {"compress": ["zstd", "br", "gzip"]}},
            {"system": "test", "path": "/kept/", "upstream": 1, "cache": {}},
            {"system": "test", "path": "/grpc/", "upstream": 2},
            {"system": "test", "path": "/door/", "upstream": 0, "rules": {"auth": {
                "realm": "door", "users": [{"name": "me", "hash": PASSWORD}]}}}]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


# ---- what clients do, beside what kinds.py has ----

SERIAL = [0]


def compressed(coding):
    status, _, _ = get("/text/", [("Accept-Encoding", coding), ("Connection", "close")])
    assert status == 200


def an_answer_compressed_by_gzip():
    compressed("gzip")


def an_answer_compressed_by_brotli():
    compressed("br")


def an_answer_compressed_by_zstd():
    compressed("zstd")


def a_stored_answer():
    SERIAL[0] += 1
    for _ in range(2):
        status, _, body = get(f"/kept/{SERIAL[0]}", [("Connection", "close")])
        assert status == 200 and body == TEXT


def a_password():
    SERIAL[0] += 1  # a wrong one, which was not seen before, and the right one
    for password, wanted in ((f"{SERIAL[0]}", 401), ("myPassword", 200)):
        token = base64.b64encode(f"me:{password}".encode()).decode()
        assert get("/door/", [("Authorization", f"Basic {token}")])[0] == wanted


def an_application_that_speaks_http2():
    with h2_frames.Connection() as client:
        client.send(h2_frames.get(1, "/grpc/", authority="a.localhost"))
        client.read(lambda: 1 in client.ended, 1)
        assert client.statuses.get(1) == 200, client.statuses


def a_table():
    publish(PORTS)


PORTS = []
KINDS = (a_table, *kinds.KINDS, an_answer_compressed_by_gzip, an_answer_compressed_by_brotli,
         an_answer_compressed_by_zstd, a_stored_answer, a_password,
         an_application_that_speaks_http2)


def nothing_is_broken():
    for kind in KINDS:
        works(kind)
    expect_counter("connections_open", 0)


def go_through(kind):
    """As a client that may find any of it broken."""
    try:
        kind()
    except kinds.BROKEN:
        pass


def serves_as_before():
    """It does at once, and says that connections are kept once memory is not short any more."""
    until = time.monotonic() + 5
    while True:
        status, headers, _ = get("/files/hello.txt")
        assert status == 200
        if headers.get("connection") != "close":
            return
        assert time.monotonic() < until, "memory stays short"


# ---- the tests ----

def faults_of(plan, kind, mode, pid):
    times, depth = mode

    def test():
        begun, before, without = time.monotonic(), plan.get("count"), 0
        while without < RUNS_WITHOUT:
            plan.arm(times, depth)
            go_through(kind)
            without = without + 1 if plan.disarm() else 0
            assert edge_pid() == pid, "the edge has ended"
            serves_as_before()
        works(kind)
        expect_counter("connections_open", 0)
        print(f"# {plan.get('count') - before} places, {time.monotonic() - begun:.1f} s")

    test.__name__ = (f"{times} allocation{'s in a row fail' if times > 1 else ' fails'} at each "
                     f"place of {kind.__name__.replace('_', ' ')}")
    return test


def what_is_idle_is_closed_and_answers_are_the_last(plan):
    def test():
        for _ in range(20):  # until there was a place that fails
            with connect(timeout=5) as idle, connect(timeout=5) as asking, connect() as sending:
                sending.sendall(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 4\r\n\r\nab")
                for sock in (idle, asking):
                    _, headers, _ = get("/files/hello.txt", sock=sock)
                    assert headers.get("connection") != "close"
                plan.arm(1, 3)
                status, headers, _ = get(f"/kept/idle-{time.monotonic_ns()}", sock=asking)
                assert status == 200
                if not plan.disarm():
                    assert idle.recv(1) == b"", "it was not closed"
                    sending.sendall(b"cd")
                    status, headers, _ = receive(sending)
                    assert status == 200 and headers.get("connection") == "close", headers
                    expect_counter("memory_short", 1)
                    serves_as_before()
                    return
        raise AssertionError("no place was met")

    test.__name__ = "while memory is short what is idle is closed and answers are the last"
    return test


def main():
    if "FAULTS_BEGUN" not in os.environ:
        shim.run_again(RIG, PLAN_BYTES, "libfaults_memory.so")
    plan = Plan()
    PORTS.extend(start_applications())
    publish(PORTS)
    pid, before = edge_pid(), {}

    def many_places_failed():
        count = plan.get("count")
        print(f"# {count} places")
        assert plan.get("overflow") == 0 and count > 50, count
        plan.forget()

    def nothing_was_lost():
        nothing_is_broken()
        assert edge_pid() == pid
        now = {"descriptors": descriptors(), "kib": resident_kib()}
        before.setdefault("descriptors", now["descriptors"])
        before.setdefault("kib", now["kib"])
        # idle connections to the applications are the one thing that may be more or fewer
        assert now["descriptors"] <= before["descriptors"] + 4, (before, now)
        assert now["kib"] <= before["kib"] + 8192, (before, now)

    tests = [what_is_idle_is_closed_and_answers_are_the_last(plan)]
    for mode in MODES:
        tests += [faults_of(plan, kind, mode, pid) for kind in KINDS]
        tests += [many_places_failed, nothing_was_lost]
    sys.exit(run(tests))


main()
