#!/usr/bin/env python3
"""System calls of the edge's workers fail, one at a time: each kind of call, at each place of a run
through everything the edge does. Whatever happens to that one connection, afterwards every kind of
request works, nobody is left connected, and no descriptor and no memory is lost.

The calls are counted and broken by faults.c, which is loaded before the C library.
"""
import errno
import mmap
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import h2_frames  # noqa: E402
from tables import connect, expect_counter, receive  # noqa: E402
from tap import run  # noqa: E402

RIG = Path(sys.argv[1])
PLACES_MAX = 8  # of one kind of call; more are spread over the run
CALLS = {  # in the order of faults.c
    "recv": [errno.ECONNRESET, errno.ENOMEM],
    "send": [errno.EPIPE, errno.ENOBUFS],
    "sendmsg": [errno.ECONNRESET],
    "accept4": [errno.EMFILE, errno.ECONNABORTED],
    "connect": [errno.ECONNREFUSED, errno.EADDRNOTAVAIL],
    "socket": [errno.EMFILE],
    "epoll_ctl": [errno.ENOMEM],
    "pread": [errno.EIO],
    "sendfile": [errno.EIO],
    "splice": [errno.EIO],
}


def start_again():
    """This program under a rig of its own, with the calls wrapped."""
    shim = RIG.parent / "libfaults.so"
    with tempfile.NamedTemporaryFile() as plan, tempfile.TemporaryDirectory() as folder:
        plan.truncate(4096)
        os.chmod(plan.name, 0o666)
        environment = {**os.environ, "LD_PRELOAD": str(shim), "FAULTS": plan.name,
                       "FAULTS_IN": RIG.name, "FAULTS_BEGUN": "1"}
        done = subprocess.run([RIG, "run", "-w", "1", "-f", os.environ["EDGE_FILES"], "-l",
                               f"{folder}/access.log", "--", "python3", __file__, RIG],
                              env=environment)
        sys.exit(done.returncode)


class Plan:
    def __init__(self):
        with open(os.environ["FAULTS"], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)

    def set(self, call=None, fail_at=0, error=0):
        for i, name in enumerate(CALLS):
            mine = name == call
            struct.pack_into("=QQQ", self.memory, 24 * i, 0, fail_at if mine else 0,
                             error if mine else 0)

    def counts(self):
        return {name: struct.unpack_from("=Q", self.memory, 24 * i)[0]
                for i, name in enumerate(CALLS)}


# ---- the application: answers, echoes tunnels ----


def serve(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
            while b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                if b"pgrade: websocket" in head:
                    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                                 b"Upgrade: websocket\r\n\r\n")
                    echo(sock, data)
                    return
                length = re.search(rb"(?i)content-length: (\d+)", head)
                left = int(length[1]) if length else 0
                while len(data) < left:
                    if not (piece := sock.recv(65536)):
                        return
                    data += piece
                data = data[left:]
                size = 200000 if b"/large" in head else 2
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"o" * size)
    except OSError:
        pass
    finally:
        sock.close()


def echo(sock, first):
    sock.sendall(first)
    while piece := sock.recv(65536):
        sock.sendall(piece)


def application():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def publish(port):
    table = (
        '{"certificates":[{"names":["*.localhost"],"certificate_file":"%s","key_file":"%s"}],'
        '"listeners":[{"id":1,"kind":"http"},{"id":2,"kind":"https"},{"id":3,"kind":"tcp","upstream":0},'
        '{"id":4,"kind":"http"}],"upstreams":[{"name":"test/app","targets":[{"id":"t1","address":'
        '"127.0.0.1:%d"}]}],"routes":[{"system":"test","path":"/","upstream":0},'
        '{"system":"test","path":"/files/","files_fd":0}]}') % (
            os.environ["EDGE_CERTIFICATE"], os.environ["EDGE_KEY"], port)
    done = subprocess.run([RIG, "table"], input=table, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


# ---- what clients do ----

HEAD = b"Host: a.localhost\r\n"


def two_requests():
    with connect(timeout=1) as sock:
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert receive(sock)[0] == 200


def an_upload():
    with connect(timeout=1) as sock:
        sock.sendall(b"POST /large HTTP/1.1\r\n" + HEAD + b"Content-Length: 300000\r\n\r\n")
        sock.sendall(b"x" * 300000)
        assert receive(sock)[0] == 200


def small_and_large_files():
    with connect(timeout=1) as sock:
        for name in (b"hello.txt", b"large.bin"):
            sock.sendall(b"GET /files/" + name + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert receive(sock)[0] == 200


def tls():
    context = ssl._create_unverified_context()
    with connect("EDGE_HTTPS", 1) as plain, context.wrap_socket(
            plain, server_hostname="a.localhost") as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert receive(sock)[0] == 200


def a_websocket():
    with connect(timeout=1) as sock:
        sock.sendall(b"GET /ws HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                     b"\r\n")
        assert b" 101 " in sock.recv(4096)
        for _ in range(3):
            sock.sendall(b"\x81\x05hello")
            assert sock.recv(4096)


def a_tcp_connection():
    with connect("EDGE_TCP", 1) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert receive(sock)[0] == 200


def http2():
    with h2_frames.Connection() as client:
        client.send(h2_frames.get(1, authority="a.localhost") +
                    h2_frames.get(3, authority="a.localhost"))
        client.read(lambda: len(client.ended) == 2, 1)
        assert client.statuses.get(1) == client.statuses.get(3) == 200, client.statuses


KINDS = (two_requests, an_upload, small_and_large_files, tls, a_websocket, a_tcp_connection, http2)


def go_through_all():
    """As a client that may find any of it broken."""
    for kind in KINDS:
        try:
            kind()
        except (OSError, AssertionError, IndexError, ValueError):
            pass


def works(kind):
    """A target that failed a moment ago is left alone for a second."""
    try:
        kind()
    except (OSError, AssertionError, IndexError, ValueError):
        time.sleep(1.1)
        kind()


def nothing_is_broken():
    for kind in KINDS:
        works(kind)
    expect_counter("connections_open", 0)


def edge_pid():
    rig = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[1])
    pids = Path(f"/proc/{rig}/task/{rig}/children").read_text().split()
    return next(int(pid) for pid in pids if int(pid) != os.getpid())


def descriptors():
    return len(os.listdir(f"/proc/{edge_pid()}/fd"))


def resident_kib():
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{edge_pid()}/status").read_text())[1])


def faults_of(plan, call, places, error):
    def test():
        for place in places:
            plan.set(call, place, error)
            go_through_all()
            plan.set()
            works(two_requests)
        nothing_is_broken()
    test.__name__ = f"{call} fails with {errno.errorcode[error]} at {len(places)} places"
    return test


def main():
    if "FAULTS_BEGUN" not in os.environ:
        start_again()
    plan = Plan()
    publish(application())
    plan.set()
    nothing_is_broken()
    nothing_is_broken()
    plan.set()
    go_through_all()
    counts = plan.counts()
    before = {"descriptors": descriptors(), "kib": resident_kib()}

    def the_run_makes_calls_of_every_kind():
        missing = {name for name, count in counts.items() if count == 0}
        assert missing <= {"splice", "pread"}, counts  # what was read once is kept

    def nothing_was_lost():
        nothing_is_broken()
        # idle connections to the application are the one thing that may be more or fewer
        assert descriptors() <= before["descriptors"] + 4, (before, descriptors())
        assert resident_kib() <= before["kib"] + 8192, (before, resident_kib())

    tests = [the_run_makes_calls_of_every_kind]
    for call, errors in CALLS.items():
        step = max(1, -(-counts[call] // PLACES_MAX))
        places = range(1, counts[call] + 1, step)
        tests += [faults_of(plan, call, places, error) for error in errors if places]
    sys.exit(run(tests + [nothing_was_lost]))


main()
