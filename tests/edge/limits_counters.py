"""Limits that are seldom met, each exceeded here once, and the counter that moves."""
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from h2_frames import ENHANCE_YOUR_CALM, SETTINGS, Connection, frame  # noqa: E402
from tables import RIG, Recorder, connect, get, publish  # noqa: E402

LARGE = 64 << 20
READER_SECONDS = 60  # a client that takes less than 4 KiB of its answer in that time is cut off


class App(Recorder):
    """/once answers the first request of a connection alone, /cut none, /never waits, /upgrade says
    no more than that, /large is large."""

    def serve(self, sock):
        data, asked = b"", 0
        try:
            while piece := sock.recv(65536):
                data += piece
                while b"\r\n\r\n" in data:
                    head, data = data.split(b"\r\n\r\n", 1)
                    asked, self.last = asked + 1, head
                    if not self.answer(sock, head.split()[1], asked):
                        return
        except OSError:
            pass
        finally:
            sock.close()

    def answer(self, sock, path, asked):
        if path == b"/cut" or (path == b"/once" and asked > 1):
            return False
        if path == b"/upgrade":
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
        if path in (b"/never", b"/upgrade"):
            sock.recv(1)
            return False
        size = LARGE if path == b"/large" else 2
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536 or 1):
            sock.sendall(b"x" * min(size, 65536))
        return True


def counter(name):
    subprocess.run([RIG, "send", '{"type":"stats"}'], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([RIG, "await", '"event":"stats"'], capture_output=True, text=True, timeout=20)
    return int(re.search(rf'"{name}": *(\d+)', done.stdout)[1])


def expect_more(name, than, seconds=8):
    """How many more there are; at least one within <seconds>."""
    end = time.monotonic() + seconds
    while (now := counter(name)) <= than:
        assert time.monotonic() < end, f"{name} is still {now}"
        time.sleep(0.2)
    return now - than


def is_cut(sock):
    try:
        return sock.recv(100) == b""
    except ConnectionResetError:
        return True


app = App()
reader, began = None, 0


def begin_to_read_nothing():
    """What becomes of it is seen at the end."""
    global reader, began
    publish(app)
    reader = socket.socket()
    reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    reader.connect(("127.0.0.1", int(os.environ["EDGE_HTTP"])))
    reader.sendall(b"GET /large HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
    began = time.monotonic()


def retries_have_a_budget():
    """A backend that closes every kept connection costs a retry for each request, up to a share."""
    publish(app, upstream={"queue": {"limit": 0}})
    denied, retries = counter("retries_denied"), counter("retries")
    with connect() as sock:
        statuses = [get("/once", sock=sock)[0] for _ in range(150)]
    failed = sum(status != 200 for status in statuses)
    assert 0 < failed < 100 and statuses[:50] == [200] * 50, statuses
    assert expect_more("retries_denied", denied) == failed
    assert 50 <= expect_more("retries", retries) < 100


def a_target_that_refuses_is_left_out():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    class Nobody:
        pass

    Nobody.port = port
    before = counter("target_ejections")
    publish(Nobody, upstream={"queue": {"limit": 0}})
    assert get()[0] in (502, 503)
    expect_more("target_ejections", before)


def a_target_that_answers_nothing_has_failed():
    before = counter("target_failures")
    publish(app)
    assert get("/cut")[0] == 502
    expect_more("target_failures", before)


def too_much_waits_for_too_little():
    before = counter("timeouts")
    publish(app, [{"path": "/never", "response_timeout_ms": 300}, {}])
    assert get("/never")[0] == 504
    expect_more("timeouts", before)


def a_client_that_leaves():
    before = counter("client_aborts")
    publish(app)
    with connect() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(b"GET /never HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        time.sleep(0.3)
    expect_more("client_aborts", before)


def a_client_that_sends_no_more_and_is_sent_nothing():
    publish(app)
    for flags in (0, socket.MSG_MORE):  # the end comes behind the request, or in one segment with it
        before = counter("client_aborts")
        with connect() as sock:
            sock.sendall(b"GET /never HTTP/1.1\r\nHost: a.localhost\r\n\r\n", flags)
            sock.shutdown(socket.SHUT_WR)
            start = time.monotonic()
            assert is_cut(sock) and 4 < time.monotonic() - start < 9
        expect_more("client_aborts", before)


def a_client_that_was_refused_and_sends_on():
    """It is read for two seconds, so that it sees the answer, and then cut off."""
    publish(app)
    with connect() as sock:
        sock.sendall(b"GET / HTTP/9.9\r\n\r\n")
        assert b"HTTP/1.1 505 " in sock.recv(4096)
        start = time.monotonic()
        try:
            while time.monotonic() - start < 8:
                sock.sendall(b"more")
                time.sleep(0.05)
        except OSError:
            pass
        assert 1.9 < time.monotonic() - start < 5


class Deaf:
    """Its queue is full, so whoever wants to connect hears nothing."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.socket.getsockname()[1]
        self.waiting = []
        try:
            for _ in range(8):
                self.waiting.append(socket.create_connection(("127.0.0.1", self.port), 0.3))
        except TimeoutError:
            return self
        raise AssertionError("the kernel takes all")

    def __exit__(self, *_):
        for sock in (*self.waiting, self.socket):
            sock.close()


def a_target_that_does_not_take_the_connection():
    """Without a limit of the route five seconds, three times; then it waits in the queue for five."""
    before = counter("timeouts")
    with Deaf() as deaf:
        publish(deaf)
        start = time.monotonic()
        status = get("/", sock=connect(timeout=30))[0]
        assert status in (502, 504) and 14 < time.monotonic() - start < 30, status
    expect_more("timeouts", before)


def a_tunnel_in_which_nothing_moves():
    before = counter("timeouts")
    publish(app, [{"path": "/upgrade", "tunnel_timeout_ms": 300}, {}])
    with connect() as sock:
        sock.sendall(b"GET /upgrade HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\n"
                     b"Upgrade: x\r\n\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
        start = time.monotonic()
        assert is_cut(sock) and 0.2 < time.monotonic() - start < 5
    expect_more("timeouts", before)


def a_request_id_that_is_too_long_is_replaced():
    publish(app)
    for length, kept in ((128, True), (129, False)):
        get("/", headers=[("X-Request-Id", "a" * length)])
        assert (b"a" * length in app.last) == kept and b"X-Request-Id: " in app.last, app.last


def what_is_no_handshake():
    before = counter("tls_handshake_failures")
    publish(app)
    with connect("EDGE_HTTPS") as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(100)[:1] in (b"", b"\x15")  # closed, or an alert
    expect_more("tls_handshake_failures", before)


def a_handshake_that_does_not_come():
    before = counter("timeouts")
    publish(app)
    with connect("EDGE_HTTPS", timeout=15) as sock:
        start = time.monotonic()
        assert sock.recv(100) == b"" and 9 < time.monotonic() - start < 12
    expect_more("timeouts", before)


def settings_without_end_in_one_frame():
    publish(app)
    for count, closes in ((32, False), (33, True)):
        with Connection() as c:
            c.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 70000) * count))
            c.read(lambda: c.closed, 1)
            assert c.closed == closes and (c.goaway == ENHANCE_YOUR_CALM) == closes, (count, c.goaway)


def what_a_table_may_not_hold():
    target = {"id": "t", "address": "127.0.0.1:1"}
    for members, word in (({"upstreams": [{"name": "u", "targets": [{**target, "weight": 257}]}]}, "256"),
                          ({"upstreams": [{"name": "u", "targets": []}],
                            "routes": [{"path": "/", "upstream": 0,
                                        "connect_timeout_ms": 86400001}]}, "86400000")):
        done = subprocess.run([RIG, "table"], input=json.dumps(members), text=True,
                              capture_output=True)
        assert done.returncode == 1 and word in done.stdout, done.stdout


def a_client_that_reads_nothing_is_cut_off():
    """Its socket hears of it when it reads: what the kernel holds, and then the end."""
    expect_more("slow_readers", 0, began + 2 * READER_SECONDS + 10 - time.monotonic())
    took, got = time.monotonic() - began, 0
    reader.settimeout(10)
    try:
        while piece := reader.recv(65536):
            got += len(piece)
    except ConnectionError:
        pass
    assert took > READER_SECONDS - 1 and got < LARGE, (took, got)


if __name__ == "__main__":
    begin_to_read_nothing()
    sys.exit(tap.run([retries_have_a_budget, a_target_that_refuses_is_left_out,
                      a_target_that_answers_nothing_has_failed, too_much_waits_for_too_little,
                      a_client_that_leaves, a_client_that_sends_no_more_and_is_sent_nothing,
                      a_client_that_was_refused_and_sends_on,
                      a_target_that_does_not_take_the_connection, a_tunnel_in_which_nothing_moves,
                      a_request_id_that_is_too_long_is_replaced, what_is_no_handshake,
                      a_handshake_that_does_not_come, settings_without_end_in_one_frame,
                      what_a_table_may_not_hold, a_client_that_reads_nothing_is_cut_off]))
