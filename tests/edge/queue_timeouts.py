#!/usr/bin/env python3
"""How long requests wait for a target when the table that says so changes meanwhile."""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tables import OK, Recorder, expect_counter, get, publish  # noqa: E402
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


sys.exit(run([a_shorter_time_of_a_newer_table_counts_behind_those_who_have_longer]))
