#!/usr/bin/env python3
"""What HTTP/2 clients get: the same as others, on many streams at once, each with its own window.

Run by edge_rig.
"""
import base64
import hashlib
import json
import os
import socket
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

SIZE = 8_000_000
BYTES = bytes(range(256)) * (SIZE // 256)


def answer(body, head=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body) + head + b"\r\n" + body


def echo_head(sock):
    while True:
        sock.sendall(answer(receive_head(sock)[0]))


def read_chunks(sock, data):
    """A chunked body that begins with <data>."""
    out = b""
    while True:
        while b"\r\n" not in data:
            data += sock.recv(65536)
        line, data = data.split(b"\r\n", 1)
        size = int(line, 16)
        while len(data) < size + 2:
            data += sock.recv(1 << 20)
        if size == 0:
            return out
        out += data[:size]
        data = data[size + 2:]


def curl(*args, port="EDGE_HTTP", path="/"):
    http = port != "EDGE_HTTPS"
    url = f"http{'' if http else 's'}://a.localhost:{os.environ[port]}{path}"
    how = ["--http2-prior-knowledge"] if http else ["--http2", "-k"]
    return subprocess.run(["curl", "-s", "--max-time", "30", *how, *args, url], check=True,
                          stdout=subprocess.PIPE).stdout


def a_request_is_the_same_as_in_http_1():
    serve(echo_head)
    with Connection() as c:
        extra = [("cookie", "a=1"), ("user-agent", "x"), ("cookie", "b=2"), ("te", "trailers"),
                 ("priority", "u=1"), ("x_forwarded_proto", "https"), ("x-forwarded-for", "1.2.3.4")]
        assert c.ask(1, "/p?q=1", authority="a.test:80", extra=extra) == 200
        lines = c.bodies[1].decode().split("\r\n")
    assert lines[0] == "GET /p?q=1 HTTP/1.1", lines
    assert "Host: a.test:80" in lines and "cookie: a=1; b=2" in lines, lines
    assert "priority: u=1" in lines and "X-Forwarded-For: 1.2.3.4, 127.0.0.1" in lines, lines
    assert not any(line.lower().startswith(("te:", "x_forw", "connection")) for line in lines), lines


def requests_that_no_backend_may_see():
    seen = []

    def application(sock):
        while True:
            seen.append(receive_head(sock)[0])
            sock.sendall(OK)

    serve(application)
    bad = [dict(path="/a b"), dict(path="a"), dict(path=""), dict(path=None), dict(path="*"),
           dict(path="http://b.test/"), dict(path="/x\r\nEvil: 1"), dict(path="/\x7f"),
           dict(path="/#a"), dict(method="G T"), dict(method=""), dict(method=None),
           dict(authority="a b"), dict(authority="a@b"), dict(authority="a\r\nx: y"),
           dict(authority=None), dict(scheme=None), dict(scheme="ftp"),
           dict(method="CONNECT"), dict(method="CONNECT", path=None, scheme=None),
           dict(method="TRACE"),
           dict(extra=[("host", "b.test")]), dict(extra=[("connection", "close")]),
           dict(extra=[("transfer-encoding", "chunked")]), dict(extra=[("upgrade", "x")]),
           dict(extra=[("keep-alive", "x")]), dict(extra=[("proxy-connection", "x")]),
           dict(extra=[("te", "gzip")]), dict(extra=[("content-length", "5")]),
           dict(extra=[("content-length", "0"), ("content-length", "1")]),
           dict(extra=[("content-length", "-1")]), dict(extra=[("X-Upper", "x")]),
           dict(extra=[("x y", "x")]), dict(extra=[("x:y", "x")]), dict(extra=[("", "x")]),
           dict(extra=[("x", "a\r\nb: c")]), dict(extra=[("x", "a\nb")]), dict(extra=[("x", "\0")]),
           dict(extra=[(":late", "x")]), dict(extra=[("x", "y"), (":path", "/")]),
           dict(extra=[(":protocol", "websocket")]), dict(extra=[(":authority", "b.test")])]
    for each in bad:
        with Connection() as c:
            status = c.ask(1, **each)
            assert c.resets.get(1) == PROTOCOL_ERROR or c.goaway == PROTOCOL_ERROR or \
                status in (400, 405, 501), (each, status, c.resets, c.goaway)
    assert not seen, seen


def many_streams_at_once():
    def application(sock):
        while True:
            path = receive_head(sock)[0].split()[1]
            sock.sendall(answer(path * 1000))

    serve(application)
    with Connection(settings=struct.pack(">HI", 4, 1 << 20), window=100 << 20) as c:
        ids = [2 * i + 1 for i in range(100)]
        c.send(b"".join(get(i, f"/{i}") for i in ids))
        assert c.read(lambda: len(c.ended) == len(ids), 10), len(c.ended)
        assert all(c.bodies[i] == f"/{i}".encode() * 1000 for i in ids)


def bodies_pass_both_ways_unchanged():
    def application(sock):
        head, rest = receive_head(sock)
        body = read_chunks(sock, rest) if b"chunked" in head else rest
        while len(body) < SIZE:
            body += sock.recv(1 << 20)
        sock.sendall(answer(body))

    serve(application)
    for port in ("EDGE_HTTP", "EDGE_HTTPS"):
        for more in ([], ["-H", "Content-Length:"]):
            sent = subprocess.run(
                ["curl", "-s", "--max-time", "30", "-k", "--data-binary", "@-", *more,
                 "--http2-prior-knowledge" if port == "EDGE_HTTP" else "--http2",
                 f"http{'s' if port == 'EDGE_HTTPS' else ''}://a.localhost:{os.environ[port]}/"],
                input=BYTES, stdout=subprocess.PIPE, check=True).stdout
            assert sent == BYTES, (port, more, len(sent))


def answers_of_every_framing():
    bodies = {b"/close": b"HTTP/1.1 200 OK\r\n\r\nabc", b"/empty": OK.replace(b"2\r", b"0\r")[:-2],
              b"/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          b"1\r\na\r\n2\r\nbc\r\n0\r\nX-Trailer: y\r\n\r\n",
              b"/none": b"HTTP/1.1 204 No Content\r\n\r\n",
              b"/hint": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
                        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
              b"/hop": b"HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
                       b"Keep-Alive: 5\r\nContent-Length: 3\r\n\r\nabc"}

    def application(sock):
        sock.sendall(bodies[receive_head(sock)[0].split()[1]])

    serve(application)
    for path, expected in (("/close", b"abc"), ("/empty", b""), ("/chunks", b"abc"), ("/none", b""),
                           ("/hint", b"abc"), ("/hop", b"abc")):
        with Connection() as c:
            status = c.ask(1, path)
            assert (status, c.bodies.get(1, b"")) == (204 if path == "/none" else 200, expected), path
            assert 1 in c.ended and not c.resets, (path, c.resets)
    head = curl("-I", path="/close").lower()
    assert head.startswith(b"http/2 200") and b"connection" not in head, head
    hop = curl("-i", path="/hop").lower()
    assert b"x-hop" not in hop and b"keep-alive" not in hop, hop


def an_answer_that_is_cut_off_resets_the_stream_alone():
    def application(sock):
        while True:
            if b"/cut" in receive_head(sock)[0]:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
                return
            sock.sendall(OK)

    serve(application)
    with Connection() as c:
        c.ask(1, "/cut")
        assert c.resets == {1: 2} and 1 not in c.ended, (c.resets, c.ended)
        assert c.ask(3) == 200


def a_slow_reader_holds_up_the_backend_and_no_other_stream():
    sent = [0]

    def application(sock):
        if b"/large" not in receive_head(sock)[0]:
            sock.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BYTES))
        for at in range(0, len(BYTES), 65536):
            sock.sendall(BYTES[at:at + 65536])
            sent[0] += 65536

    serve(application)
    with Connection() as c:
        c.send(get(1, "/large"))
        assert c.read(lambda: len(c.bodies.get(1, b"")) == 65535), len(c.bodies.get(1, b""))
        c.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 100 << 20)))  # of the connection alone
        assert c.ask(3) == 200
        c.read(lambda: False, 1)
        before = sent[0]
        c.read(lambda: False, 0.3)
        assert sent[0] == before < SIZE - 1_000_000, (before, sent)
        c.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 100 << 20)))
        assert c.read(lambda: 1 in c.ended, 20) and c.bodies[1] == BYTES


def a_slow_backend_holds_up_the_sender():
    go = threading.Event()

    def application(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        _, body = receive_head(sock)
        go.wait(10)
        body = read_chunks(sock, body)
        sock.sendall(answer(hashlib.sha256(body).hexdigest().encode()))

    serve(application)
    with Connection() as c:
        c.send(get(1, method="POST", flags=END_HEADERS))
        c.grants = 0
        note = c.note

        def count(kind, flags, stream, payload):
            if kind == WINDOW_UPDATE and stream == 1:
                c.grants += struct.unpack(">I", payload)[0]
            note(kind, flags, stream, payload)

        c.note = count
        c.read(lambda: c.frames >= 3, 1)
        at, quiet = 0, 0
        while quiet < 2 and at < len(BYTES):  # until it gives no more
            room = 262144 + c.grants - at
            if room > 0:
                piece = BYTES[at:at + min(room, 16384)]
                c.send(frame(DATA, 0, 1, piece))
                at += len(piece)
            else:
                quiet = 0 if c.read(lambda g=c.grants: c.grants > g, 0.3) else quiet + 1
        assert at < 5_000_000, f"{at} bytes were taken for a backend that reads nothing"
        go.set()
        while at < len(BYTES):
            room = 262144 + c.grants - at
            if room <= 0:
                assert c.read(lambda g=c.grants: c.grants > g), "no window"
                continue
            piece = BYTES[at:at + min(room, 16384)]
            c.send(frame(DATA, 0, 1, piece))
            at += len(piece)
        c.send(frame(DATA, END_STREAM, 1))
        assert c.read(lambda: 1 in c.ended, 20)
        assert c.bodies[1] == hashlib.sha256(BYTES).hexdigest().encode()


def an_early_answer_asks_for_no_more():
    def application(sock):
        if b"/early" in receive_head(sock)[0]:
            sock.sendall(OK)
        while sock.recv(65536):
            pass

    serve(application, '"body_limit_bytes":1000')
    for path, status in (("/early", 200), ("/", 413)):
        with Connection() as c:
            c.send(get(1, path, method="POST", flags=END_HEADERS))
            c.send(frame(DATA, 0, 1, b"x" * (2000 if status == 413 else 10)))
            assert c.read(lambda: 1 in c.resets), c.statuses
            assert c.statuses[1] == status and c.resets[1] == NO_ERROR, (c.statuses, c.resets)
            assert c.ask(3, "/early") == 200


def expect_continue():
    def application(sock):
        receive_head(sock)
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(answer(sock.recv(100)))

    serve(application)
    with Connection() as c:
        c.send(get(1, method="POST", flags=END_HEADERS,
                   extra=[("expect", "100-continue"), ("content-length", "3")]))
        assert c.read(lambda: 1 in c.statuses) and c.statuses[1] == 100, c.statuses
        c.send(frame(DATA, END_STREAM, 1, b"abc"))
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"abc" and c.statuses[1] == 200


def a_client_that_resets_frees_the_backend():
    gone = threading.Event()

    def application(sock):
        receive_head(sock)
        if sock.recv(1) == b"":
            gone.set()

    serve(application)
    with Connection() as c:
        c.send(get(1))
        c.read(lambda: False, 0.2)
        c.send(frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))
        assert gone.wait(5)


def websocket_by_extended_connect():
    def application(sock):
        head, rest = receive_head(sock)
        assert head.startswith(b"GET /chat HTTP/1.1\r\n") and b"Upgrade: websocket\r\n" in head, head
        key = [line for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: ")]
        assert len(key) == 1 and len(base64.b64decode(key[0][19:], validate=True)) == 16, head
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                     b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
        while piece := sock.recv(65536):
            sock.sendall(piece.upper())
        sock.sendall(b"bye")

    serve(application)
    with Connection() as c:
        c.send(frame(HEADERS, END_HEADERS, 1, b"".join(field(n, v) for n, v in [
            (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
            (":path", "/chat"), (":authority", "a.test"), ("sec-websocket-version", "13")])))
        assert c.read(lambda: c.bodies.get(1) == b"hello"), (c.statuses, c.resets, c.bodies)
        assert c.statuses[1] == 200
        for i in range(100):
            c.send(frame(DATA, 0, 1, b"abc%03d" % i))
        expected = b"hello" + b"".join(b"ABC%03d" % i for i in range(100))
        assert c.read(lambda: c.bodies[1] == expected), c.bodies
        c.send(frame(DATA, END_STREAM, 1))
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == expected + b"bye", c.bodies


def an_extended_connect_to_something_else():
    serve(echo_head)
    with Connection() as c:
        c.send(frame(HEADERS, END_HEADERS, 1, b"".join(field(n, v) for n, v in [
            (":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"),
            (":path", "/"), (":authority", "a.test")])))
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 501, c.statuses


def a_body_that_stops_is_timed_out():
    def application(sock):
        receive_head(sock)
        sock.recv(65536)
        sock.recv(65536)

    serve(application, '"body_timeout_ms":500')
    with Connection() as c:
        started = time.monotonic()
        c.send(get(1, method="POST", flags=END_HEADERS))
        c.send(frame(DATA, 0, 1, b"abc"))
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 408, c.statuses
        assert 0.4 < time.monotonic() - started < 3
        assert not c.closed


def trailers_go_both_ways():
    def application(sock):
        data = b"".join(receive_head(sock))
        while not data.endswith(b"\r\n\r\n") or b"\r\n0\r\n" not in data:
            data += sock.recv(65536)
        trailers = data.split(b"\r\n0\r\n")[1]
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n"
                     b"X-Sum: 42\r\nContent-Length: 7\r\nGrpc-Status: 0\r\n\r\n"
                     % (len(trailers), trailers))

    serve(application)
    with Connection() as c:
        c.blocks = []
        note = c.note

        def keep(kind, flags, stream, payload):
            if kind == HEADERS:
                c.blocks.append(payload)
            note(kind, flags, stream, payload)

        c.note = keep
        c.send(get(1, method="POST", flags=END_HEADERS) + frame(DATA, 0, 1, b"abc"))
        c.send(frame(HEADERS, END_HEADERS | END_STREAM, 1,
                     field("x-sum", "6") + field("x-forwarded-for", "1.1.1.1") +
                     field("content_length", "9") + field("authorization", "x")))
        assert c.read(lambda: 1 in c.ended), (c.statuses, c.resets, c.goaway)
        assert c.bodies[1] == b"x-sum: 6\r\n\r\n", c.bodies
        assert len(c.blocks) == 2 and c.blocks[1].count(b"\x40") == 2, c.blocks  # two, both new


def a_stop_lets_streams_end():
    """Last of all: the edge is told to stop. A notice, then a GOAWAY that names the last stream; the
    stream that runs is served to its end, an idle connection is closed at once."""
    def application(sock):
        receive_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        time.sleep(2)
        sock.sendall(b"def")

    serve(application)
    with Connection() as c, Connection() as idle:
        idle.read(lambda: idle.frames >= 2)
        c.send(get(1))
        assert c.read(lambda: c.bodies.get(1) == b"abc")
        subprocess.run([sys.argv[1], "send", '{"type":"stop"}'], check=True,
                       stdout=subprocess.DEVNULL)
        assert idle.read_end(2) and idle.goaway == NO_ERROR
        assert c.read(lambda: c.goaway is not None, 2) and c.last == 0x7FFFFFFF, c.last
        assert c.read(lambda: c.last == 1, 3), c.last
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"abcdef", c.bodies
        assert c.read_end(3), "still open"


def all_that_a_client_sends_at_once():
    """The preface and ten requests in one packet."""
    serve(echo_head)
    with Connection() as c:
        c.sock.close()
        c.sock, c.data = socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTP"])), b""
        c.send(PREFACE + frame(SETTINGS) + b"".join(get(2 * i + 1, f"/{i}") for i in range(10)))
        assert c.read(lambda: len(c.ended) == 10), (c.ended, c.goaway)
        assert all(c.bodies[2 * i + 1].startswith(b"GET /%d " % i) for i in range(10)), c.bodies


def files_of_any_size():
    folder = os.environ.get("EDGE_FILES")
    expected = b"x" * 3_000_000
    table = {"listeners": [{"id": i, "kind": "http"} for i in (1, 4)] + [
                 {"id": 2, "kind": "https"}, {"id": 3, "kind": "tcp", "upstream": 0}],
             "certificates": [{"names": ["*.localhost"], "key_file": os.environ["EDGE_KEY"],
                               "certificate_file": os.environ["EDGE_CERTIFICATE"]}],
             "upstreams": [{"name": "none", "targets": []}], "routes": [{"path": "/", "files_fd": 0}]}
    assert folder is not None
    subprocess.run([sys.argv[1], "table"], input=json.dumps(table).encode(), check=True,
                   stdout=subprocess.DEVNULL)
    for port in ("EDGE_HTTP", "EDGE_HTTPS"):
        assert curl(port=port, path="/large.bin") == expected, port
        assert curl("-r", "1000000-1999999", port=port, path="/large.bin") == expected[:1_000_000]
        head = curl("-I", port=port, path="/large.bin").lower()
        assert b"content-length: 3000000" in head, head
        status = curl("-o", "/dev/null", "-w", "%{http_code}", "-d", "abc", port=port,
                      path="/large.bin")
        assert status == b"405", status
    with Connection() as c:
        c.send(b"".join(get(2 * i + 1, "/large.bin") for i in range(100)) + get(201, "/hello.txt"))
        assert c.read(lambda: sum(map(len, c.bodies.values())) == 65535), "the window of all"
        c.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 23)))
        assert c.read(lambda: 201 in c.ended) and c.bodies[201] == b"hello, file", c.statuses


def frames_in_single_bytes():
    serve(echo_head)
    with Connection() as c:
        for byte in get(1, "/slow") + frame(PING, 0, 0, b"12345678"):
            c.send(bytes([byte]))
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 200


TESTS = [a_request_is_the_same_as_in_http_1, requests_that_no_backend_may_see, many_streams_at_once,
         bodies_pass_both_ways_unchanged, answers_of_every_framing,
         an_answer_that_is_cut_off_resets_the_stream_alone,
         a_slow_reader_holds_up_the_backend_and_no_other_stream, a_slow_backend_holds_up_the_sender,
         an_early_answer_asks_for_no_more, expect_continue, a_client_that_resets_frees_the_backend,
         websocket_by_extended_connect, an_extended_connect_to_something_else,
         a_body_that_stops_is_timed_out, frames_in_single_bytes, all_that_a_client_sends_at_once,
         files_of_any_size, trailers_go_both_ways, a_stop_lets_streams_end]

sys.exit(run(TESTS))
