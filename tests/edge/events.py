#!/usr/bin/env python3
"""Events for a daemon that is stopped for a while: the rig, which is in its place."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from apps import Answering  # noqa: E402
from own_rig import run_part, wait_for  # noqa: E402
from tables import RIG, connect, counter, receive  # noqa: E402


class App(Answering):
    """Answers when <gate> opens."""

    def __init__(self):
        self.came, self.gate = threading.Event(), threading.Event()
        super().__init__()

    def answer(self, sock, head):
        self.came.set()
        self.gate.wait(20)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def publish(app, name, draining, checks, interval_ms=50):
    """And <checks> targets that take no connections: each failure is an event."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{closed.getsockname()[1]}"
    table = {"listeners": [{"id": i, "kind": "http"} for i in (1, 2, 4)]
             + [{"id": 3, "kind": "tcp", "upstream": 0}],
             "upstreams": [{"name": "test/app", "targets": [
                 {"id": name, "address": f"127.0.0.1:{app.port}", "draining": draining}]}],
             "checks": [{"target": f"none{i}", "address": nowhere, "path": "/", "host": "x",
                         "interval_ms": interval_ms, "timeout_ms": 500, "fall": 3, "rise": 1}
                        for i in range(checks)],
             "routes": [{"system": "test", "path": "/", "upstream": 0}]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


@contextlib.contextmanager
def stopped_daemon():
    os.kill(os.getppid(), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(os.getppid(), signal.SIGCONT)


def await_idle(name):
    done = subprocess.run([RIG, "await", f'"idle","target":"{name}"'], text=True,
                          capture_output=True)
    return done.returncode == 0


def end_while_stopped(name, checks, interval_ms, seconds):
    """The last request of a target that drains ends when the channel has been full for long."""
    app = App()
    publish(app, name, False, checks, interval_ms)
    with connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        wait_for(app.came.is_set, "the request")
        publish(app, name, True, checks, interval_ms)
        with stopped_daemon():
            time.sleep(seconds)  # so many events, and none is read
            app.gate.set()
            assert receive(client)[0] == 200
            time.sleep(0.2)


def hold_back():
    end_while_stopped("kept", 20, 50, 3)
    assert await_idle("kept"), "the daemon would wait for it"


def what_happens_while_the_daemon_does_not_read_it_learns_later():
    assert "are lost" not in run_part("hold_back")


def overflow():
    end_while_stopped("lost", 100, 10, 3)
    before = counter("health_checks")
    assert before > 5000, before
    app = App()
    app.gate.set()
    publish(app, "after", True, 0)
    assert await_idle("after"), "what comes then is told"


def so_many_events_are_kept_and_no_more():
    log = run_part("overflow")
    assert log.count("events for the daemon are lost") == 1, log[-2000:]


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit({"hold_back": hold_back, "overflow": overflow}[sys.argv[2]]())
    sys.exit(tap.run([what_happens_while_the_daemon_does_not_read_it_learns_later,
                      so_many_events_are_kept_and_no_more]))
