#!/usr/bin/env python3
"""How long requests wait for a target when the table that says so changes meanwhile."""
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tables import OK, RIG, Recorder, expect_counter, get, publish  # noqa: E402
from tap import run  # noqa: E402


class Held(Recorder):
    """Answers its first request when it is told to."""

    def __init__(self):
        self.came, self.released = threading.Event(), threading.Event()
        super().__init__()

    def serve(self, sock):
        if sock.recv(65536):
            self.came.set()
            self.released.wait(20)
            sock.sendall(OK)
        sock.close()


def ask(results, name):
    begun = time.monotonic()
    status, headers, _ = get("/")
    results[name] = (status, headers.get("retry-after"), time.monotonic() - begun)


def start(results, name):
    thread = threading.Thread(target=ask, args=(results, name))
    thread.start()
    return thread


def busy(app, queue_ms):
    """A table whose one target takes one request at a time."""
    publish(app, upstream={"max_connections": 1, "queue": {"limit": 100, "timeout_ms": queue_ms}})


def a_shorter_time_of_a_newer_table_counts_behind_those_who_have_longer():
    app, results = Held(), {}
    busy(app, 4000)
    threads = [start(results, "held")]
    assert app.came.wait(5)
    threads.append(start(results, "first"))
    expect_counter("queued", 1)
    busy(app, 300)
    # several, so that some are in the queue of the worker that has the first
    threads += [start(results, number) for number in range(12)]
    for thread in threads[1:]:
        thread.join()
    app.released.set()
    threads[0].join()
    assert results.pop("held")[0] == 200
    for name, (status, retry_after, seconds) in results.items():
        least, most = (3.8, 5.0) if name == "first" else (0.25, 2.0)
        assert status == 503 and retry_after == "1", (name, status)
        assert least <= seconds <= most, (name, seconds)


def counter(name):
    subprocess.run([RIG, "send", '{"type":"stats"}'], check=True, stdout=subprocess.DEVNULL)
    time.sleep(0.2)  # else the event may be that of a question before
    done = subprocess.run([RIG, "await", '"event":"stats"'], capture_output=True, text=True, check=True)
    return int(re.search(rf'"{name}": *(\d+)', done.stdout)[1])


class Refusing:
    """A port that refuses connections, and stays taken."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]


def while_a_target_refuses_those_who_wait_try_it_now_and_then_and_not_in_circles():
    """Each worker 20 times a second, and each request a few times at first. Workers that told each
    other of the room of a failed connection would try ten times as often, and without a pause."""
    app, results = Refusing(), {}
    publish(app, upstream={"max_connections": 2, "queue": {"limit": 100, "timeout_ms": 2000}})
    before = counter("target_connections")
    threads = [start(results, number) for number in range(24)]
    for thread in threads:
        thread.join()
    tried = counter("target_connections") - before
    assert {status for status, _, _ in results.values()} <= {502, 503}, results
    assert 20 <= tried <= 2 * 2 * 20 + 24 * 6, tried


sys.exit(run([a_shorter_time_of_a_newer_table_counts_behind_those_who_have_longer,
              while_a_target_refuses_those_who_wait_try_it_now_and_then_and_not_in_circles]))
