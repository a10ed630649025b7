"""Applications behind the edge that speak HTTP/2 by hand, and a client that reads header blocks.

A function is given a Peer, one connection of the edge's, and what it does with it is up to it.
"""
import ctypes
import json
import socket
import struct
import subprocess
import sys
import threading

from h2_frames import (ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM,
                       SETTINGS, WINDOW_UPDATE, Connection, field, frame)

LIB = ctypes.CDLL("libnghttp2.so.14")


class Pair(ctypes.Structure):
    _fields_ = [("name", ctypes.POINTER(ctypes.c_char)), ("value", ctypes.POINTER(ctypes.c_char)),
                ("name_len", ctypes.c_size_t), ("value_len", ctypes.c_size_t),
                ("flags", ctypes.c_uint8)]


class Inflater:
    """Header compression has a state: one for each direction of a connection, and no block may be
    left out."""

    def __init__(self):
        self.state = ctypes.c_void_p()
        assert LIB.nghttp2_hd_inflate_new(ctypes.byref(self.state)) == 0

    def read(self, block):
        pairs, pair, flags, at = [], Pair(), ctypes.c_int(), 0
        inflate = LIB.nghttp2_hd_inflate_hd2
        inflate.restype = ctypes.c_ssize_t
        while True:
            rest = block[at:]
            n = inflate(self.state, ctypes.byref(pair), ctypes.byref(flags), rest,
                        ctypes.c_size_t(len(rest)), 1)
            assert n >= 0, n
            at += n
            if flags.value & 2:
                pairs.append((pair.name[:pair.name_len].decode(),
                              pair.value[:pair.value_len].decode()))
            if flags.value & 1:
                LIB.nghttp2_hd_inflate_end_headers(self.state)
                return pairs
            if n == 0 and not flags.value & 2:
                raise ValueError("half a block")


class Client(Connection):
    """Keeps the fields of every block: blocks[stream] is a list of (fields, flags)."""

    def __init__(self, **more):
        self.inflater, self.blocks = Inflater(), {}
        super().__init__(**more)

    def note(self, kind, flags, stream, payload):
        if kind == HEADERS:
            fields = dict(self.inflater.read(payload))
            self.blocks.setdefault(stream, []).append((fields, flags))
            if ":status" in fields:
                self.statuses[stream] = int(fields[":status"])
            self.frames += 1
            if flags & END_STREAM:
                self.ended.add(stream)
        else:
            super().note(kind, flags, stream, payload)


def head(stream, status=200, flags=0, extra=()):
    pairs = [(":status", str(status)), *extra]
    return frame(HEADERS, END_HEADERS | flags, stream, b"".join(field(n, v) for n, v in pairs))


def trailers(stream, pairs=(("grpc-status", "0"),)):
    return frame(HEADERS, END_HEADERS | END_STREAM, stream,
                 b"".join(field(n, v) for n, v in pairs))


class Peer:
    """The server's side of a connection."""

    def __init__(self, sock, settings, window):
        self.sock, self.data, self.inflater, self.lock = sock, b"", Inflater(), threading.Lock()
        self.gives_window = window
        while len(self.data) < len(PREFACE):
            self.data += self.receive()
        assert self.data.startswith(PREFACE), self.data
        self.data = self.data[len(PREFACE):]
        self.send(frame(SETTINGS, 0, 0, settings))

    def receive(self):
        piece = self.sock.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        return piece

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def frames(self):
        """(kind, flags, stream, payload), that of HEADERS as a dict. SETTINGS and PING are
        answered, and windows given back."""
        while True:
            while len(self.data) < 9 or len(self.data) < 9 + int.from_bytes(self.data[:3], "big"):
                self.data += self.receive()
            size = int.from_bytes(self.data[:3], "big")
            kind, flags, stream = struct.unpack(">BBI", self.data[3:9])
            payload, self.data = self.data[9:9 + size], self.data[9 + size:]
            if kind in (SETTINGS, PING) and not flags & ACK:
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
            elif kind == DATA and payload and self.gives_window:
                self.send(b"".join(frame(WINDOW_UPDATE, 0, i, struct.pack(">I", len(payload)))
                                   for i in (0, stream)))
            fields = dict(self.inflater.read(payload)) if kind == HEADERS else None
            yield kind, flags, stream, payload if fields is None else fields

    def requests(self):
        """Whole requests: (stream, fields, body, trailers)."""
        open_streams = {}
        for kind, flags, stream, payload in self.frames():
            if kind == HEADERS and stream not in open_streams:
                open_streams[stream] = [payload, b"", {}]
            elif kind == HEADERS:
                open_streams[stream][2] = payload
            elif kind == DATA and stream in open_streams:
                open_streams[stream][1] += payload
            elif kind == RST_STREAM:
                open_streams.pop(stream, None)
            if kind in (HEADERS, DATA) and flags & END_STREAM and stream in open_streams:
                yield (stream, *open_streams.pop(stream))


def publish(ports, route=None, upstream=None, draining=()):
    table = {"listeners": [{"id": i, "kind": "http"} for i in (1, 2, 4)] +
                          [{"id": 3, "kind": "tcp", "upstream": 0}],
             "upstreams": [{"name": "test/app", "protocol": "h2c", **(upstream or {}), "targets": [
                 {"id": f"t{port}", "address": f"127.0.0.1:{port}", "draining": port in draining}
                 for port in ports]}],
             "routes": [{"system": "test", "path": "/", "upstream": 0, **(route or {})}]}
    done = subprocess.run([sys.argv[1], "table"], input=json.dumps(table), text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stdout


def serve(application, settings=b"", window=True, plain=False, **more):
    """Publishes a table with <application> as the only one; <plain>: it is given the socket.
    Returns its port and the list of the connections that came."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    came = []

    def run(sock):
        try:
            application(sock if plain else Peer(sock, settings, window))
        except OSError:
            pass
        sock.close()

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            came.append(sock)
            threading.Thread(target=run, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port = listener.getsockname()[1]
    publish([port], **more)
    return port, came
