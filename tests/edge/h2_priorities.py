#!/usr/bin/env python3
"""Who comes first when answers share a connection of HTTP/2 (RFC 9218).

Run by edge_rig. A client that reads little at a time sees in which order the edge sends DATA.
"""
import socket
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
from h2_frames import *  # noqa: E402,F403
from tap import run  # noqa: E402
from apps import receive_head, serve  # noqa: E402

LARGE, SMALL = 16 << 20, 1000
PRIORITY_UPDATE = 0x10
# What is under way to a client that reads nothing, in the buffers of two sockets and the edge's, comes
# first whatever is urgent, and so does a little each time an urgent one waits for its backend.
UNDER_WAY = LARGE // 2


def application(sock):
    """/large and /small, with a Priority header of their own behind a second slash."""
    while True:
        _, size, *says = receive_head(sock)[0].split()[1].decode().split("/")
        body = b"x" * (SMALL if size == "small" else LARGE)
        head = f"Priority: {says[0].replace('_', ' ')}\r\n" if says else ""
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n" % (len(body), head.encode()))
        sock.sendall(body)


class Slow(Connection):  # noqa: F405
    """Windows of HTTP/2 that hold nothing back, and a socket that takes little."""

    def __init__(self):
        super().__init__(settings=struct.pack(">HI", 4, 1 << 30), window=1 << 30, holds=32768)
        self.order, self.got = [], {}

    def note(self, kind, flags, stream, payload):
        if kind == DATA and payload:
            self.order.append(stream)
            self.got[stream] = self.got.get(stream, 0) + len(payload)
            payload = b""
        super().note(kind, flags, stream, payload)

    def begin(self, stream, path, says=None):
        self.send(get(stream, path, extra=[("priority", says)] if says else []))

    def update(self, stream, says, on=0):
        self.send(frame(PRIORITY_UPDATE, 0, on, struct.pack(">I", stream) + says.encode()))

    def run_some(self, stream, size=200_000):
        """<stream> has begun, and all buffers on the way are full."""
        assert self.read(lambda: self.got.get(stream, 0) > size), (self.got, self.statuses)
        time.sleep(0.3)
        return sum(self.got.values())


def an_urgent_answer_overtakes_a_large_one():
    serve(application)
    with Slow() as c:
        c.begin(1, "/large", "u=7")
        at = c.run_some(1)
        c.begin(3, "/small", "u=0")
        assert c.read(lambda: 3 in c.ended), c.got
        print(f"# {c.got[1] - at} bytes of the large one came before the small one's end")
        assert c.got[1] - at < UNDER_WAY and 1 not in c.ended, (at, c.got)
        assert c.read(lambda: 1 in c.ended, 20) and c.got == {1: LARGE, 3: SMALL}


def a_large_one_that_is_more_urgent_comes_first():
    serve(application)
    with Slow() as c:
        c.begin(1, "/large", "u=5")
        at = c.run_some(1)
        c.begin(3, "/large", "u=2")
        assert c.read(lambda: 3 in c.ended, 20), c.got
        print(f"# {c.got[1] - at} bytes of the other one came meanwhile")
        assert c.got[1] - at < UNDER_WAY, (at, c.got)
        assert c.read(lambda: 1 in c.ended, 20)


def incremental_ones_take_turns():
    serve(application)
    with Slow() as c:
        c.begin(1, "/large", "u=3, i")
        c.begin(3, "/large", "u=3, i")
        assert c.read(lambda: c.ended, 20), c.got
        both = c.order[c.order.index(3):]
        switches = sum(a != b for a, b in zip(both, both[1:]))
        print(f"# {switches} switches in {len(both)} frames; {c.got}")
        assert min(c.got.values()) > LARGE // 4 and switches > 50, (switches, c.got)
        assert c.read(lambda: len(c.ended) == 2, 20)


def a_client_may_change_its_mind():
    serve(application)
    with Slow() as c:
        c.begin(1, "/large", "u=1")
        c.begin(3, "/large", "u=6")
        at = c.run_some(1)
        c.update(3, "u=0")
        assert c.read(lambda: 3 in c.ended, 20), c.got
        assert c.got[1] + c.got[3] - at < LARGE + UNDER_WAY and 1 not in c.ended, (at, c.got)


def a_client_may_say_so_before_it_asks():
    serve(application)
    with Slow() as c:
        c.begin(1, "/large", "u=4")
        at = c.run_some(1)
        c.update(3, "u=0")
        c.begin(3, "/small")
        assert c.read(lambda: 3 in c.ended) and c.got[1] - at < UNDER_WAY, (at, c.got)


def the_service_may_know_better():
    """What its answer says counts; what it leaves open is the client's (RFC 9218, 8)."""
    serve(application)
    with Slow() as c:
        c.begin(1, "/large/u=6", "u=1")
        at = c.run_some(1)
        c.begin(3, "/small/i", "u=4")
        assert c.read(lambda: 3 in c.ended) and c.got[1] - at < UNDER_WAY, (at, c.got)
        c.update(1, "u=0")  # it stays what the service said
        at = sum(c.got.values())
        c.begin(5, "/small", "u=5")
        assert c.read(lambda: 5 in c.ended) and c.got[1] - at < UNDER_WAY, (at, c.got)


def updates_that_break_the_rules():
    serve(application)
    for stream, on in ((1, 1), (0, 0)):
        with Slow() as c:
            c.update(stream, "u=1", on)
            assert c.read_end() and c.goaway == PROTOCOL_ERROR, (stream, on, c.goaway)
    with Slow() as c:
        c.send(frame(PRIORITY_UPDATE, 0, 0, b"\0\0\1"))
        assert c.read_end() and c.goaway == 6, c.goaway  # FRAME_SIZE_ERROR
    with Slow() as c:
        c.update(1, "u=9, i=yes, \x7f\"")
        assert c.ask(1, "/small") == 200


def updates_of_streams_that_are_never_opened():
    """Each is remembered: as many as there may be streams pass, far more do not."""
    for count, passes in ((120, True), (900, False)):
        with Slow() as c:
            for i in range(count):
                c.update(2 * i + 1, "u=1")
            assert (c.ask(2 * count + 1, "/small") == 200) == passes, (count, c.goaway)
            assert passes or c.goaway == PROTOCOL_ERROR, c.goaway


def updates_without_end():
    serve(application)
    with Slow() as c:
        for i in range(1200):
            c.update(1, f"u={i % 8}")
        assert c.read_end() and c.goaway == ENHANCE_YOUR_CALM, c.goaway


if __name__ == "__main__":
    sys.exit(run([an_urgent_answer_overtakes_a_large_one, a_large_one_that_is_more_urgent_comes_first,
                  incremental_ones_take_turns, a_client_may_change_its_mind,
                  a_client_may_say_so_before_it_asks, the_service_may_know_better,
                  updates_that_break_the_rules, updates_of_streams_that_are_never_opened,
                  updates_without_end]))
