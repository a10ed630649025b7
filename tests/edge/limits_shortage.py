#!/usr/bin/env python3
"""The times of a shortage of memory, on a clock that stands still: clock.c and shortage.c."""
import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import shim  # noqa: E402
import tap  # noqa: E402
from own_rig import wait_for  # noqa: E402
from tables import RIG, Recorder, connect, counter, get, is_open, publish  # noqa: E402

WORDS = ("ahead_ns", "stands_at_ns", "begins", "is_short", "accepted", "most", "rounds")
CROWD, WARY = 40, 4  # connections that wait; accepted of these in one round, at most


class Shared:
    def __init__(self):
        with open(os.environ["FAULTS"], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)

    def __getitem__(self, name):
        return struct.unpack_from("=Q", self.memory, 8 * WORDS.index(name))[0]

    def __setitem__(self, name, value):
        struct.pack_into("=Q", self.memory, 8 * WORDS.index(name), value)


def forward(seconds):
    """And what is due is done. One round may have begun before."""
    SHARED["ahead_ns"] += int(seconds * 10**9)
    rounds = SHARED["rounds"]
    wait_for(lambda: SHARED["rounds"] > rounds + 2, "the worker has seen it")


def begin_shortage():
    """One client more, who finds the edge short of memory."""
    before, SHARED["is_short"], SHARED["begins"] = counter("memory_short"), 1, 1
    sock = connect()
    wait_for(lambda: counter("memory_short") == before + 1, "memory is short")
    return sock


def end_shortage():
    """It looks a few times whether its reserve is complete again."""
    SHARED["is_short"] = 0
    for _ in range(10):
        forward(0.1)


def stands(task):
    return (task / "stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def most_in_a_round():
    """Of a crowd that came while the edge was not looking."""
    edge, before, socks = int(os.environ["EDGE_PID"]), SHARED["accepted"], []
    os.kill(edge, signal.SIGSTOP)
    try:
        wait_for(lambda: all(stands(task) for task in Path(f"/proc/{edge}/task").iterdir()), "stop")
        SHARED["most"] = 0
        socks = [connect() for _ in range(CROWD)]
    finally:
        os.kill(edge, signal.SIGCONT)
    wait_for(lambda: SHARED["accepted"] == before + CROWD, "all are accepted")
    for sock in socks:
        sock.close()
    return SHARED["most"]


def begin_head():
    before, sock = SHARED["accepted"], connect()
    sock.sendall(b"GET / HTTP/1.1\r\n")
    wait_for(lambda: SHARED["accepted"] > before, "it is accepted")
    forward(0)
    return sock


def who_has_not_asked_for_a_second_is_closed_while_memory_is_short():
    publish(Recorder())
    with begin_head() as early:
        forward(0.9)
        with begin_head() as late:
            forward(0.2)
            with begin_shortage():
                assert not is_open(early), "after 1.1 s"
                assert is_open(late), "after 0.2 s"
                forward(0.7)
                assert is_open(late), "after 0.9 s"
                forward(0.2)
                assert not is_open(late), "after 1.1 s, while it is still short"
    end_shortage()


def only_a_few_are_accepted_at_once_for_ten_seconds_after_a_shortage():
    publish(Recorder())
    assert get()[0] == 200
    forward(20)
    most = [most_in_a_round()]
    begin_shortage().close()
    end_shortage()
    most.append(most_in_a_round())
    forward(8.5)
    most.append(most_in_a_round())
    forward(1.5)
    most.append(most_in_a_round())
    assert most == [CROWD, WARY, WARY, CROWD], most
    assert get()[0] == 200


if __name__ == "__main__":
    if "FAULTS_BEGUN" not in os.environ:
        shim.run_again(Path(RIG), mmap.PAGESIZE, "libshortage.so", "libclock.so")
    SHARED = Shared()
    SHARED["stands_at_ns"] = time.monotonic_ns()
    sys.exit(tap.run([who_has_not_asked_for_a_second_is_closed_while_memory_is_short,
                      only_a_few_are_accepted_at_once_for_ten_seconds_after_a_shortage]))
