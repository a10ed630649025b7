"""Limits that are seldom met, each exceeded here once, and the counter that moves."""
import json
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from h2_app import Client  # noqa: E402
from h2_frames import ENHANCE_YOUR_CALM, SETTINGS, Connection, frame  # noqa: E402
from h2_frames import get as h2_get  # noqa: E402
from tables import OK, RIG, Recorder, connect, counter, get, publish, receive  # noqa: E402

UNKNOWN, FRAME_SIZE_ERROR = 0x55, 6  # a kind of frame that nobody has, and so everybody ignores


class App(Recorder):
    """/once answers the first request of a connection alone, /cut none, /never waits, /upgrade says
    no more than that, /wide and a number has a header line of so many bytes."""

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
        if path.startswith(b"/wide"):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: %s\r\n\r\n" % (b"x" * int(path[5:])))
            return True
        if path in (b"/never", b"/upgrade"):
            sock.recv(1)
            return False
        sock.sendall(OK)
        return True


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


class Nobody:
    """Its port refuses."""

    def __init__(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            self.port = closed.getsockname()[1]


def a_target_that_refuses_is_left_out():
    before = counter("target_ejections")
    publish(Nobody(), upstream={"queue": {"limit": 0}})
    assert get()[0] in (502, 503)
    expect_more("target_ejections", before)


def three_targets_of_five_are_tried_for_one_request():
    ejections, failures = counter("target_ejections"), counter("target_failures")
    publish([Nobody() for _ in range(5)], upstream={"queue": {"limit": 0}})
    assert (status := get()[0]) == 502, status
    assert counter("target_ejections") - ejections == 3, counter("target_ejections") - ejections
    assert counter("target_failures") - failures == 1, counter("target_failures") - failures


def a_thousand_wait_for_a_target_and_for_five_seconds():
    """Each worker has half of them; whose connections these are is not known."""
    publish([])
    before, began, many = counter("queue_rejected"), time.monotonic(), 120
    clients = [Client() for _ in range(10)]
    for client in clients:
        client.send(b"".join(h2_get(2 * i + 1) for i in range(many)))
    while (rejected := counter("queue_rejected") - before) < 10 * many - 1000:
        assert time.monotonic() < began + 4, rejected
        time.sleep(0.02)
    for client in clients:
        assert client.read(lambda: len(client.ended) == many, 10), len(client.ended)
        assert set(client.statuses.values()) == {503}, client.statuses
        client.sock.close()
    assert rejected <= 10 * many - 500 and 4.5 < time.monotonic() - began < 9, rejected
    assert counter("queue_rejected") == before + 10 * many


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


def a_body_of_more_than_100_mib_is_refused_where_the_table_says_no_more():
    publish(app)
    for size, status in ((100 << 20, 200), ((100 << 20) + 1, 413)):
        before = counter("limits_exceeded")
        with connect() as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: %d\r\n\r\n" % size)
            assert receive(sock)[0] == status, size
        assert counter("limits_exceeded") - before == (status == 413)


def a_head_of_a_target_above_32_kib_is_none():
    publish(app)
    for size, status in ((32 * 1024 - 100, 200), (32 * 1024, 502)):
        before = counter("limits_exceeded")
        assert get(f"/wide{size}")[0] == status, size
        assert counter("limits_exceeded") - before == (status == 502)


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
        before = counter("h2_errors")
        with Connection() as c:
            c.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 70000) * count))
            c.read(lambda: c.closed, 1)
            assert c.closed == closes and (c.goaway == ENHANCE_YOUR_CALM) == closes, (count, c.goaway)
        assert counter("h2_errors") - before == closes


def a_frame_of_more_than_16_kib():
    publish(app)
    for size, closes in ((16384, False), (16385, True)):
        before = counter("h2_errors")
        with Connection() as c:
            c.send(frame(UNKNOWN, 0, 0, b"x" * size))
            c.send(h2_get(1))
            c.read(lambda: 1 in c.ended or c.closed, 5)
            assert (c.statuses.get(1) == 200) != closes, c.statuses
            assert c.closed == closes and (c.goaway == FRAME_SIZE_ERROR) == closes, c.goaway
        assert counter("h2_errors") - before == closes


def what_a_table_may_not_hold():
    target = {"id": "t", "address": "127.0.0.1:1"}
    for members, word in (({"upstreams": [{"name": "u", "targets": [{**target, "weight": 257}]}]}, "256"),
                          ({"upstreams": [{"name": "u", "targets": []}],
                            "routes": [{"path": "/", "upstream": 0,
                                        "connect_timeout_ms": 86400001}]}, "86400000")):
        done = subprocess.run([RIG, "table"], input=json.dumps(members), text=True,
                              capture_output=True)
        assert done.returncode == 1 and word in done.stdout, done.stdout


if __name__ == "__main__":
    sys.exit(tap.run([retries_have_a_budget, a_target_that_refuses_is_left_out,
                      a_thousand_wait_for_a_target_and_for_five_seconds,
                      a_target_that_answers_nothing_has_failed, too_much_waits_for_too_little,
                      a_client_that_leaves, a_client_that_sends_no_more_and_is_sent_nothing,
                      a_client_that_was_refused_and_sends_on,
                      a_target_that_does_not_take_the_connection, a_tunnel_in_which_nothing_moves,
                      three_targets_of_five_are_tried_for_one_request,  # with a new budget
                      a_request_id_that_is_too_long_is_replaced,
                      a_body_of_more_than_100_mib_is_refused_where_the_table_says_no_more,
                      a_head_of_a_target_above_32_kib_is_none,
                      what_is_no_handshake,
                      a_handshake_that_does_not_come, settings_without_end_in_one_frame,
                      a_frame_of_more_than_16_kib,
                      what_a_table_may_not_hold]))
