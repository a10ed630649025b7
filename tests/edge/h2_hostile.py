#!/usr/bin/env python3
"""HTTP/2 clients that send what costs them nothing and the edge work: each limit is exceeded, the
connection closed with ENHANCE_YOUR_CALM, and its counter moved.

Run by edge_rig.
"""
import json
import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
from h2_frames import *  # noqa: E402,F403
from tap import run  # noqa: E402
from apps import OK, receive_head, serve  # noqa: E402

FLOOD, PADDED = 10_000, 8
CPU_SECONDS = 0.1


def cpu_seconds():
    text = Path(f"/proc/{os.environ['EDGE_PID']}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")


sanitized = b"__asan_init" in Path(sys.argv[1]).read_bytes()


def stats():
    """Counts up an unknown message for a marker: the newest stats event is the last of its kind."""
    rig = sys.argv[1]
    stats.number += 1
    table = stats.table | {"generation": 1000 + stats.number}
    subprocess.run([rig, "table"], input=json.dumps(table).encode(), check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run([rig, "send", '{"type":"stats"}'], check=True, stdout=subprocess.DEVNULL)
    marker = f'"event":"stats","generation":{1000 + stats.number},'
    out = subprocess.run([rig, "await", marker], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


stats.number = 0
stats.table = {
    "listeners": [{"id": 1, "kind": "http"}, {"id": 2, "kind": "https"},
                  {"id": 3, "kind": "tcp", "upstream": 0}, {"id": 4, "kind": "http"}],
    "certificates": [{"names": ["*.localhost"], "certificate_file": os.environ["EDGE_CERTIFICATE"],
                      "key_file": os.environ["EDGE_KEY"]}],
    "upstreams": [{"name": "none", "targets": []}],
    "routes": [{"path": "/", "redirect": "/elsewhere"}]}


def flood(counter, frames, before=b"", paced=False):
    """Sends <frames>, a list, and if <paced> waits for a reset in answer to each: the connection
    must be closed, cheaply."""
    before_count = stats()[counter]
    with Connection() as c:
        c.send(before)
        assert c.read(lambda: c.frames >= 2), "no settings"
        cpu = cpu_seconds()
        for at in range(0, len(frames), 50):
            if not c.send(b"".join(frames[at:at + 50])):
                break
            if paced and not c.read(lambda: len(c.resets) >= at + 50, 2):
                break
        assert c.read_end(10), "still open"
        cpu = cpu_seconds() - cpu
        assert c.goaway in (ENHANCE_YOUR_CALM, None), c.goaway
    after = stats()
    assert after[counter] == before_count + 1, (counter, before_count, after[counter])
    assert cpu <= CPU_SECONDS or sanitized, f"{cpu} s"


def rapid_reset():
    frames = [get(2 * i + 1) + frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", 8))
              for i in range(FLOOD)]
    answered = stats()["requests"]
    flood("h2_floods_reset", frames)
    assert stats()["requests"] - answered <= 1000


def resets_that_the_server_is_made_to_send():
    """A window of more than 2^31-1 is an error of the stream, which the server resets."""
    frames = [get(2 * i + 1, flags=END_HEADERS, method="POST") +
              frame(WINDOW_UPDATE, 0, 2 * i + 1, struct.pack(">I", 0x7FFFFFFF)) for i in range(FLOOD)]
    answered = stats()["requests"]
    flood("h2_floods_provoked_reset", frames, paced=True)
    assert stats()["requests"] - answered <= 1000


def malformed_requests_without_end():
    frames = [get(2 * i + 1, extra=[("connection", "close")]) for i in range(FLOOD)]
    flood("h2_floods_provoked_reset", frames, paced=True)


def continuation_without_end():
    frames = [frame(HEADERS, END_STREAM, 1, fields())]
    frames += [frame(CONTINUATION, 0, 1, field("a", "b")) for _ in range(FLOOD)]
    flood("h2_floods_continuation", frames)


def eight_continuations_are_taken():
    with Connection() as c:
        c.send(frame(HEADERS, END_STREAM, 1, fields()))
        for i in range(8):
            c.send(frame(CONTINUATION, END_HEADERS if i == 7 else 0, 1, field("a", "b")))
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 308, (c.statuses, c.goaway)


def settings_without_end():
    flood("h2_floods_settings", [frame(SETTINGS)] * FLOOD)


def pings_without_end():
    flood("h2_floods_ping", [frame(PING, 0, 0, b"12345678")] * FLOOD)


def empty_data_without_end():
    for nothing in frame(DATA, 0, 1), frame(DATA, PADDED, 1, b"\3\0\0\0"):
        flood("h2_floods_empty", [nothing] * FLOOD,
              before=get(1, flags=END_HEADERS, method="POST"))


def priorities_and_unknown_frames_without_end():
    flood("h2_floods_other", [frame(PRIORITY, 0, 3, b"\0\0\0\1\1")] * FLOOD)
    flood("h2_floods_other", [frame(0x77, 0, 3, b"x")] * FLOOD)


def windows_without_end():
    flood("h2_floods_window", [frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))] * FLOOD)


def headers_above_the_limit():
    """64 KiB are the limit; what is far above it closes the connection."""
    before = stats()["h2_header_lists_exceeded"]
    with Connection() as c:
        block = fields(extra=[(f"x{i}", "y" * 4000) for i in range(20)])
        c.send(frame(HEADERS, END_STREAM, 1, block[:16000]))
        pieces = [block[i:i + 16000] for i in range(16000, len(block), 16000)]
        for i, piece in enumerate(pieces):
            c.send(frame(CONTINUATION, END_HEADERS if i == len(pieces) - 1 else 0, 1, piece))
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 431, (c.statuses, c.goaway)
        assert c.ask(3) is not None, "the connection goes on"
    assert stats()["h2_header_lists_exceeded"] == before + 1


def a_header_bomb():
    """One field in the table, named ten thousand times."""
    before = stats()["h2_header_lists_exceeded"]
    with Connection() as c:
        big = b"\x40" + length(1, 7) + b"x" + length(3900, 7) + b"y" * 3900
        c.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, fields() + big + b"\xbe" * 10_000))
        assert c.read_end(5), "still open"
        assert c.goaway == ENHANCE_YOUR_CALM, c.goaway
    assert stats()["h2_header_lists_exceeded"] == before + 1


def more_streams_than_allowed():
    def application(sock):
        receive_head(sock)
        sock.recv(1)

    before = stats()["h2_refused_streams"]
    serve(application)
    with Connection(ack=False) as c:  # it may not know the limit yet
        c.send(b"".join(get(2 * i + 1) for i in range(130)))
        assert c.read(lambda: len(c.resets) >= 2), (c.resets, c.goaway)
        assert c.resets == {257: 7, 259: 7}, c.resets  # REFUSED_STREAM
        assert not c.closed
    with Connection() as c:
        c.send(b"".join(get(2 * i + 1) for i in range(130)))
        assert c.read_end() and c.goaway == PROTOCOL_ERROR, c.goaway
    assert stats()["h2_refused_streams"] == before + 3


def slow_heads_are_cut_off():
    """A preface, a frame and a header block that stop half-way, all at once."""
    beginnings = [PREFACE[:10], PREFACE + b"\0\0", PREFACE + frame(SETTINGS) + b"\0\0\x20\x01",
                  PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM, 1, fields())]
    socks = [socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTP"])) for _ in beginnings]
    started = time.monotonic()
    for sock, beginning in zip(socks, beginnings):
        sock.sendall(beginning)
    for sock in socks:
        sock.settimeout(15)
        try:
            while sock.recv(4096):
                pass
        except ConnectionResetError:
            pass
        took = time.monotonic() - started
        assert 8 < took < 14, took
        sock.close()


def tiny_windows():
    """Windows of one byte make the server send its answer in frames of one byte."""
    def application(sock):
        while True:
            receive_head(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)

    before = stats()["h2_floods_small"]
    serve(application)
    with Connection(settings=struct.pack(">HI", 4, 1)) as c:
        c.send(get(1))
        more = frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1))
        for _ in range(FLOOD):
            if not c.send(more) or not c.read(lambda n=c.frames: c.frames > n, 2):
                break
        c.read_end(5)
        assert c.closed and c.goaway in (ENHANCE_YOUR_CALM, None), (c.closed, c.goaway)
        assert len(c.bodies.get(1, b"")) < 5000
    assert stats()["h2_floods_small"] == before + 1


def frames_on_streams_that_are_over():
    stats()
    for bad in (get(1), frame(DATA, END_STREAM, 1, b"x")):
        with Connection() as c:
            assert c.ask(1) == 308
            c.send(bad)
            assert c.read_end() and c.goaway == STREAM_CLOSED, c.goaway


TESTS = [rapid_reset, resets_that_the_server_is_made_to_send, malformed_requests_without_end,
         continuation_without_end, eight_continuations_are_taken, settings_without_end,
         pings_without_end, empty_data_without_end, priorities_and_unknown_frames_without_end,
         windows_without_end, headers_above_the_limit, a_header_bomb, more_streams_than_allowed,
         frames_on_streams_that_are_over, slow_heads_are_cut_off, tiny_windows]

sys.exit(run(TESTS))
