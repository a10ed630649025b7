#!/usr/bin/env python3
"""Applications that are asked by HTTP/2: gRPC's four ways of calling, and what ends them early.

Run by edge_rig.
"""
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
from h2_app import Client, head, publish, serve, trailers  # noqa: E402
from tables import connect, counter, expect_counter, receive  # noqa: E402
from tap import run  # noqa: E402

CANCEL, REFUSED_STREAM, UNAVAILABLE = 8, 7, 14
GRPC = [("content-type", "application/grpc"), ("te", "trailers")]


def call(stream, path="/a.B/C", flags=END_HEADERS, **more):
    return get(stream, path, method="POST", flags=flags, extra=GRPC, **more)


def message(data):
    return struct.pack(">BI", 0, len(data)) + data


def echo(peer):
    for stream, fields, body, sent in peer.requests():
        peer.send(head(stream, extra=[("content-type", "application/grpc")]))
        for at in range(0, len(body), 16384):
            peer.send(frame(DATA, 0, stream, body[at:at + 16384]))
        peer.send(trailers(stream, [("grpc-status", "0"), ("x-got", ",".join(sent))]))


def a_request_is_the_same_as_over_http_1():
    seen = []

    def application(peer):
        for stream, fields, body, _ in peer.requests():
            seen.append((fields, body))
            peer.send(head(stream, flags=END_STREAM))

    serve(application)
    with Client() as c:
        assert c.ask(1, "/p?q=1", authority="a.test:80", extra=[
            ("x-forwarded-for", "1.2.3.4"), ("te", "trailers"), ("Cookie".lower(), "a=1"),
            ("x_forwarded_proto", "https")]) == 200
    sock = connect()
    sock.sendall(b"GET /p?q=1 HTTP/1.1\r\nHost: a.test:80\r\nConnection: x-hop, keep-alive\r\n"
                 b"X-Hop: 1\r\nKeep-Alive: x\r\nUpgrade: websocket\r\nX-Forwarded-For: 1.2.3.4\r\n"
                 b"Cookie: a=1\r\nTE: trailers\r\n\r\n")
    assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    for fields, _ in seen:
        assert fields[":method"] == "GET" and fields[":path"] == "/p?q=1", fields
        assert fields[":authority"] == "a.test:80" and fields[":scheme"] == "http", fields
        assert fields["x-forwarded-for"] == "1.2.3.4, 127.0.0.1" and fields["cookie"] == "a=1"
        assert len(fields["x-request-id"]) == 32 and fields["x-forwarded-proto"] == "http", fields
        assert not {"connection", "upgrade", "host", "keep-alive", "x-hop", "transfer-encoding",
                    "x_forwarded_proto"} & set(fields), fields
    assert [fields.get("te") for fields, _ in seen] == ["trailers", None], seen


def a_unary_call():
    serve(echo)
    with Client() as c:
        c.send(call(1) + frame(DATA, END_STREAM, 1, message(b"hello")))
        assert c.read(lambda: 1 in c.ended), (c.statuses, c.resets)
        assert c.bodies[1] == message(b"hello") and len(c.blocks[1]) == 2, c.blocks
        assert c.blocks[1][1][0]["grpc-status"] == "0", c.blocks


def trailers_of_the_request_go_along():
    serve(echo)
    with Client() as c:
        c.send(call(1) + frame(DATA, 0, 1, b"x") + frame(
            HEADERS, END_HEADERS | END_STREAM, 1,
            field("x-sum", "1") + field("x-real-ip", "1.1.1.1")))
        assert c.read(lambda: 1 in c.ended)
        assert c.blocks[1][1][0]["x-got"] == "x-sum", c.blocks


def an_answer_of_trailers_alone_stays_one_block():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(head(stream, flags=END_STREAM, extra=[
                ("content-type", "application/grpc"), ("grpc-status", "12")]))

    serve(application)
    with Client() as c:
        c.send(call(1) + frame(DATA, END_STREAM, 1, message(b"")))
        assert c.read(lambda: 1 in c.ended)
        (fields, flags), = c.blocks[1]
        assert flags & END_STREAM and fields["grpc-status"] == "12" and 1 not in c.bodies, c.blocks


def a_thousand_messages_of_a_server():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(head(stream))
            for i in range(1000):
                peer.send(frame(DATA, 0, stream, message(b"%d" % i)))
            peer.send(trailers(stream))

    serve(application)
    with Client() as c:
        c.send(call(1) + frame(DATA, END_STREAM, 1))
        assert c.read(lambda: 1 in c.ended)
        assert c.bodies[1] == b"".join(message(b"%d" % i) for i in range(1000))


def a_thousand_messages_of_a_client():
    serve(echo)
    with Client(settings=struct.pack(">HI", 4, 1 << 20), window=1 << 20) as c:
        sent = [message(b"m%d" % i) for i in range(1000)]
        c.send(call(1))
        for each in sent:
            c.send(frame(DATA, 0, 1, each))
        c.send(frame(DATA, END_STREAM, 1))
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"".join(sent)


def a_thousand_messages_each_way_by_turns():
    """The answer begins before the first message, and each message waits for the one before."""
    def application(peer):
        for kind, flags, stream, payload in peer.frames():
            if kind == HEADERS:
                peer.send(head(stream))
            if kind == DATA and payload:
                peer.send(frame(DATA, 0, stream, payload))
            if kind == DATA and flags & END_STREAM:
                peer.send(trailers(stream))

    serve(application, route={"body_timeout_ms": 300, "response_timeout_ms": 300})
    with Client() as c:
        c.send(call(1))
        assert c.read(lambda: c.statuses.get(1) == 200), c.resets
        for i in range(1000):
            c.send(frame(DATA, 0, 1, message(b"%4d" % i)))
            assert c.read(lambda: len(c.bodies.get(1, b"")) == 9 * (i + 1)), i
        time.sleep(1)  # a call may pause longer than other bodies may
        c.send(frame(DATA, END_STREAM, 1, message(b"last")))
        assert c.read(lambda: 1 in c.ended), c.resets
        assert c.bodies[1].endswith(message(b"last")) and c.blocks[1][1][0]["grpc-status"] == "0"


def a_client_that_cancels_ends_the_call():
    got, ready = [], threading.Event()

    def application(peer):
        for kind, flags, stream, payload in peer.frames():
            if kind == HEADERS:
                ready.set()
            if kind == RST_STREAM:
                got.append((stream, struct.unpack(">I", payload)[0]))

    _, came = serve(application)
    with Client() as c:
        c.send(call(1))
        assert ready.wait(5)
        c.send(frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL)))
        assert c.read(lambda: got, 3) or got, "no reset came"
        assert got == [(1, CANCEL)], got
        ready.clear()
        c.send(call(3))
        assert ready.wait(5) and len(came) == 1, "the connection goes on"


def a_target_that_resets_is_passed_on():
    def application(peer):
        for stream, fields, *_ in peer.requests():
            if fields[":path"] != "/before":
                peer.send(head(stream) + frame(DATA, 0, stream, b"abc"))
            peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", int(fields["x-code"]))))

    serve(application)
    with Client() as c:
        for stream, (path, code) in zip(range(1, 99, 2), [("/before", 8), ("/after", 8),
                                                          ("/before", 13), ("/after", 2)]):
            c.send(get(stream, path, extra=[("x-code", str(code))]))
            assert c.read(lambda: stream in c.resets), (path, code, c.statuses)
            assert c.resets[stream] == code, (path, code, c.resets)
        assert not c.closed
    expect_counter("h2_target_resets", 4)
    sock = connect()
    sock.sendall(b"GET /before HTTP/1.1\r\nHost: a.test\r\nX-Code: 8\r\n\r\n")
    assert sock.recv(100).startswith(b"HTTP/1.1 502 ")


def resets_of_the_target_do_not_count_against_the_client():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 1)))

    serve(application)
    with Client() as c:
        for i in range(150):
            c.ask(2 * i + 1)
        assert len(c.resets) == 150 and c.goaway is None, (len(c.resets), c.goaway)


def no_more_streams_than_the_target_takes():
    most, now, lock, go = {}, {}, threading.Lock(), threading.Event()

    def application(peer):
        me = id(peer)
        for stream, *_ in peer.requests():
            with lock:
                now[me] = now.get(me, 0) + 1
                most[me] = max(most.get(me, 0), now[me])

            def finish(stream=stream):
                go.wait(5)
                with lock:
                    now[me] -= 1
                peer.send(head(stream, flags=END_STREAM))

            threading.Thread(target=finish, daemon=True).start()

    _, came = serve(application, settings=struct.pack(">HI", 3, 2))
    with Client() as c:
        c.send(b"".join(get(2 * i + 1) for i in range(7)))
        c.read(lambda: sum(now.values()) == 7, 1)
        assert sum(now.values()) == 7 and max(most.values()) == 2, (now, most)
        assert 4 <= len(came) <= 8, len(came)
        go.set()
        assert c.read(lambda: len(c.ended) == 7) and set(c.statuses.values()) == {200}


def a_connection_has_so_many_streams_and_no_more():
    """Whatever the target would allow."""
    asked, go = {}, threading.Event()

    def application(peer):
        def finish(stream):
            go.wait(10)
            peer.send(head(stream, flags=END_STREAM))

        for stream, *_ in peer.requests():
            asked.setdefault(id(peer), []).append(stream)
            threading.Thread(target=finish, args=(stream,), daemon=True).start()
            if sum(map(len, list(asked.values()))) == 120:
                go.set()

    serve(application, settings=struct.pack(">HI", 3, 1000))
    with Client() as c:
        c.send(b"".join(get(2 * i + 1) for i in range(120)))
        assert c.read(lambda: len(c.ended) == 120, 15), (len(c.ended), c.resets)
        assert set(c.statuses.values()) == {200}, c.statuses
    assert sorted(map(len, asked.values())) == [20, 100], asked


def connections_to_a_target_have_an_end():
    asked, go = [], threading.Event()

    def application(peer):
        def finish(stream):
            go.wait(10)
            peer.send(head(stream, flags=END_STREAM))

        for stream, *_ in peer.requests():
            asked.append(stream)
            threading.Thread(target=finish, args=(stream,), daemon=True).start()

    _, came = serve(application, settings=struct.pack(">HI", 3, 1),
                    upstream={"queue": {"limit": 100, "timeout_ms": 10000}})
    before = counter("queued")
    with Client() as c:  # of one worker
        c.send(b"".join(get(2 * i + 1) for i in range(40)))
        end = time.monotonic() + 5
        while len(asked) < 32 or counter("queued") < before + 8:
            assert time.monotonic() < end, (len(asked), len(came), counter("queued") - before)
            time.sleep(0.02)
        c.read(lambda: len(asked) > 32, 0.3)
        assert len(asked) == len(came) == 32, (len(asked), len(came))
        go.set()
        assert c.read(lambda: len(c.ended) == 40) and set(c.statuses.values()) == {200}, c.resets
    assert len(came) == 32 and counter("queued") == before + 8, len(came)


def a_target_that_takes_no_streams_is_waited_for():
    serve(lambda peer: list(peer.requests()), settings=struct.pack(">HI", 3, 0),
          upstream={"queue": {"limit": 10, "timeout_ms": 300}})
    with Client() as c:
        assert c.ask(1) == 503, (c.statuses, c.resets)


def goaway_lets_old_streams_end_and_new_ones_go_elsewhere():
    connections = []

    def application(peer):
        connections.append(peer)
        for stream, fields, *_ in peer.requests():
            if fields[":path"] == "/old":
                peer.send(head(stream) + frame(DATA, 0, stream, b"abc"))
                peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", stream, 0)))
                threading.Timer(0.5, peer.send, [frame(DATA, END_STREAM, stream, b"def")]).start()
            else:
                peer.send(head(stream) + frame(DATA, END_STREAM, stream, b"%d" % len(connections)))

    serve(application)
    with Client() as c:
        c.send(get(1, "/old"))
        assert c.read(lambda: c.bodies.get(1) == b"abc")
        assert c.ask(3, "/new") == 200 and c.bodies[3] == b"2", c.bodies
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"abcdef"


def what_goaway_leaves_out_is_asked_again():
    connections = []

    def application(peer):
        connections.append(peer)
        for stream, fields, *_ in peer.requests():
            if len(connections) == 1:
                peer.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))
            else:
                peer.send(head(stream, flags=END_STREAM))

    serve(application)
    with Client() as c:
        c.send(get(1, method="POST") + get(3))
        assert c.read(lambda: {1, 3} <= c.ended), (c.statuses, c.resets)
        assert c.statuses == {1: 200, 3: 200} and len(connections) == 2, (c.statuses, connections)


def a_refused_stream_is_asked_again():
    asked = []

    def application(peer):
        for stream, fields, *_ in peer.requests():
            asked.append(stream)
            if len(asked) == 1:
                peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", REFUSED_STREAM)))
            else:
                peer.send(head(stream, flags=END_STREAM))

    serve(application)
    with Client() as c:
        assert c.ask(1, method="POST") == 200 and len(asked) == 2, asked


def a_connection_that_ends_in_an_answer_resets_the_stream():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(head(stream, extra=[("content-length", "10")]) +
                      frame(DATA, 0, stream, b"abc"))
            peer.sock.shutdown(socket.SHUT_RDWR)

    serve(application)
    with Client() as c:
        c.ask(1)
        assert c.resets == {1: 2} and c.bodies[1] == b"abc", (c.resets, c.bodies)


def an_answer_shorter_than_it_says_is_cut_off():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(head(stream, extra=[("content-length", "10")]) +
                      frame(DATA, END_STREAM, stream, b"abc"))

    serve(application)
    with Client() as c:
        c.ask(1)
        assert 1 in c.resets and 1 not in c.ended, (c.resets, c.ended)
    sock = connect()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
    data = b""
    try:
        while piece := sock.recv(1000):
            data += piece
    except ConnectionResetError:
        pass
    assert b"abc" in data and len(data.split(b"\r\n\r\n", 1)[1]) < 10, data


def http_1_clients_are_served_too():
    def application(peer):
        for stream, fields, body, _ in peer.requests():
            extra = [("content-length", str(len(body)))] if fields[":path"] == "/l" else []
            peer.send(head(stream, extra=extra))
            peer.send(frame(DATA, 0, stream, body) + trailers(stream))

    serve(application)
    sock = connect()
    for path in ("/l", "/c"):
        for body in (b"Content-Length: 6\r\n\r\nabcdef",
                     b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"):
            sock.sendall(b"POST %b HTTP/1.1\r\nHost: a.test\r\n%b" % (path.encode(), body))
            if path == "/l":
                status, headers, got = receive(sock)
                assert (status, got) == (200, b"abcdef"), (status, got)
            else:
                data = b""
                while not data.endswith(b"0\r\n\r\n"):
                    data += sock.recv(1000)
                assert data.endswith(b"\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n") or b"abcdef" in data, data
    sock.sendall(b"HEAD /l HTTP/1.1\r\nHost: a.test\r\n\r\n")
    assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def interim_answers_pass():
    def application(peer):
        for kind, flags, stream, payload in peer.frames():
            if kind == HEADERS:
                assert payload.get("expect") == "100-continue", payload
                peer.send(head(stream, 100))
            if kind == DATA:
                peer.send(head(stream) + frame(DATA, END_STREAM, stream, payload))

    serve(application)
    with Client() as c:
        c.send(get(1, method="POST", flags=END_HEADERS,
                   extra=[("expect", "100-continue"), ("content-length", "3")]))
        assert c.read(lambda: c.statuses.get(1) == 100), (c.statuses, c.resets)
        c.send(frame(DATA, END_STREAM, 1, b"abc"))
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"abc" and c.statuses[1] == 200


def the_cache_and_the_rules_of_a_route_hold():
    asked = []

    def application(peer):
        for stream, fields, *_ in peer.requests():
            asked.append(fields)
            peer.send(head(stream, extra=[("content-length", "5"), ("cache-control", "max-age=60"),
                                          ("x-secret", "1")]) +
                      frame(DATA, 0, stream, b"hel") + frame(DATA, END_STREAM, stream, b"lo"))

    serve(application, route={"cache": {}, "rules": {
        "request_headers": [{"op": "set", "name": "X-Set", "value": "yes"}],
        "response_headers": [{"op": "remove", "name": "X-Secret"}]}})
    with Client() as c:
        for stream in (1, 3):
            assert c.ask(stream, "/kept") == 200 and c.bodies[stream] == b"hello", c.bodies
            assert "x-secret" not in c.blocks[stream][0][0], c.blocks
        assert "hit" in c.blocks[3][0][0]["cache-status"], c.blocks
    assert len(asked) == 1 and asked[0]["x-set"] == "yes", asked


def a_slow_target_holds_up_the_sender():
    go = threading.Event()

    def application(peer):
        total = 0
        for kind, flags, stream, payload in peer.frames():
            if kind == HEADERS:
                peer.send(head(stream))
                go.wait(10)
                peer.gives_window = True
                peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 24)) +
                          frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1 << 24)))
            if kind == DATA:
                total += len(payload)
                if flags & END_STREAM:
                    peer.send(frame(DATA, END_STREAM, stream, b"%d" % total))

    serve(application, window=False)
    with Client() as c:
        c.grants = 0
        note = c.note

        def count(kind, flags, stream, payload):
            if kind == WINDOW_UPDATE and stream == 1:
                c.grants += struct.unpack(">I", payload)[0]
            note(kind, flags, stream, payload)

        c.note = count
        c.send(call(1))
        assert c.read(lambda: 1 in c.statuses)
        at, quiet, piece = 0, 0, b"x" * 16384
        while quiet < 2 and at < 8_000_000:
            if 262144 + c.grants - at >= len(piece):
                c.send(frame(DATA, 0, 1, piece))
                at += len(piece)
            else:
                quiet = 0 if c.read(lambda g=c.grants: c.grants > g, 0.3) else quiet + 1
        assert at < 2_000_000, f"{at} bytes were taken for a target that takes 65535"
        go.set()
        c.send(frame(DATA, END_STREAM, 1))
        assert c.read(lambda: 1 in c.ended) and c.bodies[1] == b"%d" % at, c.bodies


def a_slow_client_holds_up_its_own_answer_alone():
    sent = [0]

    def application(peer):
        window, mine = {0: 65535}, {}
        for kind, flags, stream, payload in peer.frames():
            if kind == SETTINGS and not flags & ACK:
                mine["initial"] = {int.from_bytes(payload[i:i + 2], "big"):
                                   int.from_bytes(payload[i + 2:i + 6], "big")
                                   for i in range(0, len(payload), 6)}[4]
            if kind == WINDOW_UPDATE:
                window[stream] = window.get(stream, 0) + struct.unpack(">I", payload)[0]
            if kind == HEADERS:
                peer.send(head(stream))
                window[stream] = window.get(stream, 0) + mine["initial"]
                mine[stream] = payload[":path"] == "/large"
                if not mine[stream]:
                    peer.send(frame(DATA, END_STREAM, stream, b"small"))
            for each in [s for s in mine if mine[s] is True]:
                while window[each] >= 16384 and window[0] >= 16384:
                    peer.send(frame(DATA, 0, each, b"y" * 16384))
                    window[each] -= 16384
                    window[0] -= 16384
                    sent[0] += 16384

    serve(application)
    with Client() as slow, Client() as quick:
        slow.send(get(1, "/large"))
        slow.read(lambda: len(slow.bodies.get(1, b"")) >= 65000)
        time.sleep(0.5)
        before = sent[0]
        time.sleep(0.3)
        assert sent[0] == before < 2_000_000, (before, sent)
        for stream in range(1, 21, 2):
            assert quick.ask(stream, "/small") == 200 and quick.bodies[stream] == b"small"


def a_target_that_does_not_speak_it_gets_no_request():
    got = []

    def application(sock):
        got.append(sock.recv(65536))
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    serve(application, plain=True, upstream={"queue": {"limit": 0}})
    with Client() as c:
        assert c.ask(1, "/secret") in (502, 503), c.statuses
    assert got and not any(b"secret" in piece for piece in got), got
    assert all(HEADERS not in [piece[at + 3] for at in [24]] for piece in got), got


def a_target_that_says_nothing_is_timed_out():
    serve(lambda sock: time.sleep(5), plain=True, route={"connect_timeout_ms": 200},
          upstream={"queue": {"limit": 0}})
    started = time.monotonic()
    with Client() as c:
        assert c.ask(1) in (503, 504), c.statuses
    assert time.monotonic() - started < 4


def requests_share_connections():
    _, came = serve(echo)
    with Client() as c:
        for i in range(50):
            assert c.ask(2 * i + 1) == 200
        assert len(came) == 1, len(came)


def a_target_that_drains_is_idle_when_its_streams_have_ended():
    go = threading.Event()

    def application(peer):
        for stream, *_ in peer.requests():
            go.wait(5)
            peer.send(head(stream, flags=END_STREAM))

    port, came = serve(application)
    with Client() as c:
        c.send(get(1))
        time.sleep(0.3)
        publish([port], draining=[port])
        time.sleep(0.3)
        idle = subprocess.Popen([sys.argv[1], "await", f'"idle","target":"t{port}"'],
                                stdout=subprocess.PIPE)
        time.sleep(0.5)
        assert idle.poll() is None, "reported with a stream that runs"
        go.set()
        assert c.read(lambda: 1 in c.ended) and c.statuses[1] == 200
        assert idle.wait(5) == 0
        assert came[0].fileno() == -1 or came[0].recv(1000) is not None


def floods(peer, what, stream):
    """What a target sends in the place of an answer; the edge must end the connection."""
    if what == "continuation":
        peer.send(frame(HEADERS, 0, stream, field(":status", "200")))
        for _ in range(20):
            peer.send(frame(CONTINUATION, 0, stream, field("x", "y")))
    elif what == "settings":
        for _ in range(200):
            peer.send(frame(SETTINGS))
    elif what == "ping":
        for _ in range(2000):
            peer.send(frame(PING, 0, 0, b"12345678"))
    elif what == "empty":
        peer.send(head(stream))
        for _ in range(500):
            peer.send(frame(DATA, 0, stream))
    elif what == "window":
        for _ in range(8000):
            peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))
    elif what == "reset":
        for _ in range(500):
            peer.send(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))
    elif what == "other":
        for _ in range(2000):
            peer.send(frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 1)))


FLOODS = ["continuation", "settings", "ping", "empty", "window", "reset", "other"]


def floods_of_a_target_end_its_connection():
    ended = []

    def application(peer):
        try:
            for stream, fields, *_ in peer.requests():
                if fields[":path"] == "/":
                    peer.send(head(stream, flags=END_STREAM))
                else:
                    floods(peer, fields[":path"][1:], stream)
        finally:
            ended.append(peer)

    serve(application)
    for number, what in enumerate(FLOODS, 1):
        with Client() as c:
            c.ask(1, "/" + what, method="POST")  # what may not be asked twice
            assert c.statuses.get(1) == 502 or 1 in c.resets, (what, c.statuses, c.resets)
            expect_counter(f"h2_target_floods_{what}", 1)
            assert c.ask(3, "/") == 200, (what, c.statuses)
    assert len(ended) >= len(FLOODS)


def a_window_of_single_bytes_is_given_up():
    def application(peer):
        for kind, flags, stream, payload in peer.frames():
            if kind == DATA:
                peer.send(b"".join(frame(WINDOW_UPDATE, 0, i, struct.pack(">I", 1))
                                   for i in (0, stream)))

    serve(application, settings=struct.pack(">HI", 4, 1), window=False)
    with Client() as c:
        c.send(call(1) + frame(DATA, END_STREAM, 1, b"z" * 16000))
        assert c.read(lambda: 1 in c.ended or 1 in c.resets, 10), c.statuses
    expect_counter("h2_target_floods_small", 1)


def heads_above_the_limit_or_against_the_rules():
    bad = {"/large": [("x", "y" * 40000)], "/line": [("x", "a\r\nb: c")],
           "/hop": [("connection", "x")],
           "/te": [("transfer-encoding", "chunked")], "/upper": [("X-Upper", "x")],
           "/pseudo": [(":path", "/")],
           "/lengths": [("content-length", "1"), ("content-length", "2")],
           "/nul": [("x", "a\0b")], "/space": [("x y", "z")]}

    def application(peer):
        for stream, fields, *_ in peer.requests():
            status = {"/101": 101, "/99": 99, "/1000": 1000}.get(fields[":path"], 200)
            block = head(stream, status, END_STREAM, bad.get(fields[":path"], ()))[9:]
            pieces = [block[at:at + 16384] for at in range(0, len(block), 16384)]
            for i, piece in enumerate(pieces):
                peer.send(frame(CONTINUATION if i else HEADERS,
                                (0 if i else END_STREAM) |
                                (END_HEADERS if i + 1 == len(pieces) else 0), stream, piece))

    serve(application)
    with Client() as c:
        for i, path in enumerate([*bad, "/101", "/99", "/1000"]):
            c.ask(2 * i + 1, path)
            assert c.statuses.get(2 * i + 1) == 502 or 2 * i + 1 in c.resets, (path, c.statuses)
        assert c.ask(99, "/") == 200
    expect_counter("h2_target_header_lists_exceeded", 1)


def frames_that_break_the_rules_are_counted():
    def application(peer):
        for stream, *_ in peer.requests():
            peer.send(frame(DATA, 0, 0, b"x"))

    serve(application)
    with Client() as c:
        c.ask(1)
        assert c.statuses.get(1) == 502, c.statuses
    expect_counter("h2_target_errors", 1)


TESTS = [frames_that_break_the_rules_are_counted, a_request_is_the_same_as_over_http_1,
         a_unary_call, trailers_of_the_request_go_along,
         an_answer_of_trailers_alone_stays_one_block, a_thousand_messages_of_a_server,
         a_thousand_messages_of_a_client, a_thousand_messages_each_way_by_turns,
         a_client_that_cancels_ends_the_call, a_target_that_resets_is_passed_on,
         resets_of_the_target_do_not_count_against_the_client, no_more_streams_than_the_target_takes,
         a_connection_has_so_many_streams_and_no_more,
         connections_to_a_target_have_an_end,
         a_target_that_takes_no_streams_is_waited_for,
         goaway_lets_old_streams_end_and_new_ones_go_elsewhere, what_goaway_leaves_out_is_asked_again,
         a_refused_stream_is_asked_again, a_connection_that_ends_in_an_answer_resets_the_stream,
         an_answer_shorter_than_it_says_is_cut_off, http_1_clients_are_served_too,
         interim_answers_pass, the_cache_and_the_rules_of_a_route_hold,
         a_slow_target_holds_up_the_sender,
         a_slow_client_holds_up_its_own_answer_alone, a_target_that_does_not_speak_it_gets_no_request,
         a_target_that_says_nothing_is_timed_out, requests_share_connections,
         a_target_that_drains_is_idle_when_its_streams_have_ended,
         a_window_of_single_bytes_is_given_up, heads_above_the_limit_or_against_the_rules,
         floods_of_a_target_end_its_connection]

sys.exit(run(TESTS))
