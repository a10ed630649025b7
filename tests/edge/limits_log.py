#!/usr/bin/env python3
"""The access log when its file takes nothing: requests go on, and what is lost is counted."""
import json
import os
import select
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from own_rig import run_part, wait_for  # noqa: E402
from tables import Recorder, connect, counter, get, publish  # noqa: E402

PATH = "/" + "x" * 1000
HELD_BYTES = 64 * 64 * 1024  # what waits in memory at most
PIPE_BYTES = 64 * 1024


class Lines:
    """Of the pipe that is the log, as far as it was read."""

    def __init__(self):
        self.fd, self.data = os.open(os.environ["LOG"], os.O_RDONLY | os.O_NONBLOCK), b""

    def read(self, seconds):
        """True: something came."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        self.data += os.read(self.fd, 1 << 20)
        return True

    def count(self):
        """Each is whole."""
        lines = self.data.split(b"\n")
        assert lines.pop() == b"", "half a line"
        return sum(json.loads(line)["path"] == PATH for line in lines)


def ask_until_lines_are_dropped():
    """How often it asked."""
    with connect() as sock:
        for asked in range(1, 40001):
            assert get(PATH, sock=sock)[0] == 200
            if asked % 500 == 0 and counter("access_log_dropped") >= 500:
                return asked
    raise AssertionError("no line is dropped")


def blocked():
    publish(Recorder())
    asked = ask_until_lines_are_dropped()
    lines = Lines()
    # more than the half second that a block waits which is not full
    wait_for(lambda: not lines.read(1), "the last of them")
    dropped = counter("access_log_dropped")
    assert lines.count() + dropped == asked, (lines.count(), dropped, asked)
    # some blocks go before they are full, twice a second
    assert HELD_BYTES / 2 < len(lines.data) <= HELD_BYTES + PIPE_BYTES, len(lines.data)
    assert get(PATH)[0] == 200
    wait_for(lambda: lines.read(1) and lines.count() + dropped == asked + 1, "the next line")
    assert counter("access_log_dropped") == dropped


def run_with_pipe(part):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "log")
        os.mkfifo(path)
        both_ends = os.open(path, os.O_RDWR)  # else the rig would wait for a reader
        try:
            run_part(part, "-l", path, LOG=path)
        finally:
            os.close(both_ends)


def of_a_file_that_nobody_empties_so_much_waits_and_the_rest_is_dropped():
    run_with_pipe("blocked")


def full():
    publish(Recorder())
    for _ in range(20):
        assert get(PATH)[0] == 200
    wait_for(lambda: counter("access_log_dropped") == 20, "they are counted")


def what_a_full_disk_does_not_take_is_counted():
    run_part("full", "-l", "/dev/full")


def waiting():
    publish(Recorder())
    lines = Lines()
    for _ in range(3):
        began = time.monotonic()
        assert get(PATH)[0] == 200
        assert lines.read(10)
        assert time.monotonic() - began > 0.45, "it did not wait for others"
        assert time.monotonic() - began < 3, "it waits too long"
    assert lines.count() == 3


def a_line_waits_for_half_a_second_at_most_for_others():
    run_with_pipe("waiting")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit({"blocked": blocked, "full": full, "waiting": waiting}[sys.argv[2]]())
    sys.exit(tap.run([of_a_file_that_nobody_empties_so_much_waits_and_the_rest_is_dropped,
                      what_a_full_disk_does_not_take_is_counted,
                      a_line_waits_for_half_a_second_at_most_for_others]))
