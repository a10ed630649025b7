#!/usr/bin/env python3
"""Limits in time that are longer than a test should take: clock.c sets the edge's clock forward.
What is to be still there is looked at a few seconds before its time, for the clock runs on."""
import base64
import mmap
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import shim  # noqa: E402
import tap  # noqa: E402
from apps import Answering  # noqa: E402
from h2_frames import NO_ERROR, Connection  # noqa: E402
from own_rig import run_part, wait_for  # noqa: E402
from tables import RIG, connect, counter, get, is_open, publish, receive  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

HOUR = 3600
LARGE = 64 << 20
SLOW = crypt.crypt("sesame", "$2y$11$" + "0" * 22)


class App(Answering):
    """/never is not answered, /large is large, /tunnel is a tunnel that says all again."""

    def __init__(self):
        self.lock, self.came, self.open = threading.Lock(), 0, 0
        self.paths, self.got, self.status = [], 0, b"200 OK"
        super().__init__()

    def serve(self, sock):
        with self.lock:
            self.came, self.open = self.came + 1, self.open + 1
        super().serve(sock)
        sock.close()
        with self.lock:
            self.open -= 1

    def answer(self, sock, head):
        self.paths.append(head.split()[1])
        if self.paths[-1] == "/tunnel":
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                         b"Upgrade: x\r\n\r\n")
            while piece := sock.recv(100):
                sock.sendall(piece)
        elif self.paths[-1] == "/never":
            self.got += len(sock.recv(1))
        elif self.paths[-1] == "/large":
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE + b"x" * LARGE)
        else:
            sock.sendall(b"HTTP/1.1 %b\r\nContent-Length: 0\r\n\r\n" % self.status)


def forward(seconds):
    with open(os.environ["FAULTS"], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        ahead = struct.unpack_from("=Q", memory)[0] + seconds * 10**9
        struct.pack_into("=Q", memory, 0, ahead)
    time.sleep(0.2)  # many times what a loop sleeps


def is_refused():
    try:
        connect().close()
    except ConnectionError:
        return True
    return False


def is_ended(sock):
    """Is or will be."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def send(text):
    subprocess.run([RIG, "send", text], check=True, stdout=subprocess.DEVNULL)


def a_client_that_asks_nothing_is_let_go_after_75_seconds():
    publish(App())
    with connect() as busy, connect() as idle, Connection() as h2:
        assert get(sock=busy)[0] == get(sock=idle)[0] == h2.ask(1) == 200
        forward(70)
        assert is_open(idle) and not h2.read_end(0.05) and get(sock=busy)[0] == 200
        forward(10)
        assert is_ended(idle) and h2.read_end() and h2.goaway == NO_ERROR, h2.goaway
        assert is_open(busy) and get(sock=busy)[0] == 200


def a_target_is_left_after_60_seconds_without_a_request():
    app = App()
    publish(app)
    for _ in range(2):
        assert get()[0] == 200
        forward(55)
    assert (app.came, app.open) == (1, 1), (app.came, app.open)
    forward(10)
    wait_for(lambda: app.open == 0, "the connection is closed")
    assert get()[0] == 200 and app.came == 2


def a_target_that_failed_is_left_out_for_ten_seconds():
    broken, good = App(), App()
    broken.status = b"500 Broken"
    before = counter("target_ejections")
    publish([broken, good], upstream={"max_fails": 1, "balance": "round-robin"})
    assert sorted(get()[0] for _ in range(10)) == [200] * 9 + [500]
    assert counter("target_ejections") == before + 1
    broken.status = b"200 OK"
    forward(5)
    assert get()[0] == get()[0] == 200 and broken.paths == ["/"]
    forward(10)
    assert [get()[0] for _ in range(4)] == [200] * 4 and len(broken.paths) > 1


def a_target_has_a_minute_for_its_answer():
    app, before = App(), counter("timeouts")
    publish(app)
    with connect() as sock:
        sock.sendall(b"GET /never HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        wait_for(lambda: "/never" in app.paths, "the request")
        forward(55)
        assert is_open(sock)
        forward(10)
        assert receive(sock)[0] == 504
    assert counter("timeouts") == before + 1


def a_client_has_a_minute_for_the_next_piece_of_its_body():
    app, before = App(), counter("timeouts")
    publish(app, [{"limits": {"body_rate": 0}, "response_timeout_ms": 600000}])
    with connect() as sock:
        sock.sendall(b"POST /never HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 3\r\n\r\nx")
        wait_for(lambda: "/never" in app.paths, "the request")
        forward(55)
        assert is_open(sock)
        sock.sendall(b"y")
        wait_for(lambda: app.got == 1, "the next piece")
        forward(55)
        assert is_open(sock)
        forward(10)
        assert receive(sock)[0] == 408
    assert counter("timeouts") == before + 1


def a_client_that_takes_nothing_of_its_answer_for_a_minute_is_cut_off():
    """Its socket hears of it when it reads: what the kernels hold, and then the end."""
    app, before, got = App(), counter("slow_readers"), 0
    publish(app)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", int(os.environ["EDGE_HTTP"])))
        sock.sendall(b"GET /large HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        wait_for(lambda: "/large" in app.paths, "the request")
        forward(55)
        assert counter("slow_readers") == before
        for _ in range(4):  # in the first minute the kernels took something
            if counter("slow_readers") == before:
                forward(65)
        assert counter("slow_readers") == before + 1
        try:
            while piece := sock.recv(65536):
                got += len(piece)
        except ConnectionError:
            pass
    assert got < LARGE, got


def open_tunnel():
    sock = connect()
    sock.sendall(b"GET /tunnel HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\n"
                 b"Upgrade: x\r\n\r\n")
    assert sock.recv(4096).startswith(b"HTTP/1.1 101 ")
    return sock


def says_again(sock):
    sock.sendall(b"x")
    return sock.recv(1) == b"x"


def a_tunnel_may_be_quiet_for_an_hour():
    before = counter("timeouts")
    publish(App())
    with open_tunnel() as sock:
        for _ in range(2):
            forward(HOUR - 5)
            assert says_again(sock)
        forward(HOUR + 5)
        assert is_ended(sock)
    assert counter("timeouts") == before + 1


def edge_seconds():
    """That its threads have worked."""
    fields = Path(f"/proc/{os.environ['EDGE_PID']}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cost_of_a_check():
    began = time.process_time()
    crypt.crypt("sesame", SLOW)
    return time.process_time() - began


def log_in(password, cost):
    """The status, and whether the password was checked or remembered."""
    token, before = base64.b64encode(f"ann:{password}".encode()).decode(), edge_seconds()
    status = get(headers=[("Authorization", f"Basic {token}")])[0]
    return status, edge_seconds() - before > cost / 2


def publish_users():
    publish(App(), [{"rules": {"auth": {"realm": "x", "users": [{"name": "ann", "hash": SLOW}]}}}])


def the_result_of_a_check_is_remembered(password, status, seconds):
    cost = cost_of_a_check()
    publish_users()
    assert log_in(password, cost) == (status, True)
    assert log_in(password, cost) == (status, False)
    forward(seconds - 5)
    assert log_in(password, cost) == (status, False)
    forward(10)
    assert log_in(password, cost) == (status, True)


def a_right_password_is_checked_again_after_five_minutes():
    the_result_of_a_check_is_remembered("sesame", 200, 300)


def a_wrong_password_is_checked_again_after_ten_seconds():
    before = counter("auth_failures")
    the_result_of_a_check_is_remembered("wrong", 401, 10)
    assert counter("auth_failures") == before + 4


def stopping():
    app = App()
    publish(app)
    with connect() as held, connect() as idle:
        assert get(sock=idle)[0] == 200
        held.sendall(b"GET /never HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        wait_for(lambda: "/never" in app.paths, "the request")
        send('{"type":"stop"}')
        assert is_ended(idle)
        forward(25)
        assert is_open(held)
        forward(10)
        assert is_ended(held)


def a_stop_cuts_off_after_30_seconds_what_has_not_ended():
    log = run_part("stopping")
    assert "connections that had not ended in time were cut off: 1\n" in log, log


def retiring():
    publish(App(), [{"path": "/tunnel", "tunnel_timeout_ms": 24 * HOUR * 1000}, {}])
    with open_tunnel() as held:
        send('{"type":"retire","drain_ms":%d}' % (25 * HOUR * 1000))
        wait_for(is_refused, "nobody listens")
        for seconds in (12 * HOUR, 12 * HOUR - 5):
            forward(seconds)
            assert says_again(held)
        forward(10)
        assert is_ended(held)


def nobody_has_more_than_a_day_when_another_edge_has_taken_over():
    log = run_part("retiring")
    assert "connections that had not ended in time were cut off: 1\n" in log, log


if __name__ == "__main__":
    if "FAULTS_BEGUN" not in os.environ:
        shim.run_again(Path(RIG), mmap.PAGESIZE, "libclock.so")
    if len(sys.argv) > 2:
        sys.exit({"stopping": stopping, "retiring": retiring}[sys.argv[2]]())
    sys.exit(tap.run([a_client_that_asks_nothing_is_let_go_after_75_seconds,
                      a_target_is_left_after_60_seconds_without_a_request,
                      a_target_that_failed_is_left_out_for_ten_seconds,
                      a_target_has_a_minute_for_its_answer,
                      a_client_has_a_minute_for_the_next_piece_of_its_body,
                      a_client_that_takes_nothing_of_its_answer_for_a_minute_is_cut_off,
                      a_tunnel_may_be_quiet_for_an_hour,
                      a_right_password_is_checked_again_after_five_minutes,
                      a_wrong_password_is_checked_again_after_ten_seconds,
                      a_stop_cuts_off_after_30_seconds_what_has_not_ended,
                      nobody_has_more_than_a_day_when_another_edge_has_taken_over]))
