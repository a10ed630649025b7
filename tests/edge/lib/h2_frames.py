"""HTTP/2 frames by hand, for clients that break the rules: RFC 9113, 4.1 and RFC 7541.

Headers are written as literals that are never indexed. Of what comes back only the status is read.
"""
import os
import socket
import struct
import time

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = \
    range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ENHANCE_YOUR_CALM, PROTOCOL_ERROR, STREAM_CLOSED, NO_ERROR = 11, 1, 5, 0
STATUSES = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def length(n, bits):
    limit = (1 << bits) - 1
    if n < limit:
        return bytes([n])
    out, n = [limit], n - limit
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + [n])


def field(name, value):
    name, value = name.encode(), value.encode("latin-1")
    return b"\0" + length(len(name), 7) + name + length(len(value), 7) + value


def fields(path="/", method="GET", authority="a.test", scheme="http", extra=()):
    pairs = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority)]
    return b"".join(field(n, v) for n, v in pairs + list(extra) if v is not None)


def get(stream, path="/", flags=END_STREAM | END_HEADERS, **more):
    return frame(HEADERS, flags, stream, fields(path, **more))


def digits(huffman):
    """The three digits of a status: 0, 1, 2 have five bits, the others six (RFC 7541, B)."""
    bits, out = "".join(f"{byte:08b}" for byte in huffman), ""
    while len(out) < 3:
        if int(bits[:5], 2) < 3:
            out, bits = out + str(int(bits[:5], 2)), bits[5:]
        else:
            out, bits = out + str(int(bits[:6], 2) - 25 + 3), bits[6:]
    return int(out)


def status_of(block):
    if block[0] in STATUSES:
        return STATUSES[block[0]]
    assert block[0] & 0x3F <= 14, block.hex()
    return digits(block[2:2 + (block[1] & 127)]) if block[1] & 128 else int(block[2:5])


class Connection:
    """A client. It answers SETTINGS and PING only when told to read; its socket takes <holds>
    bytes, or what the kernel thinks right."""

    def __init__(self, settings=b"", window=0, port=None, ack=True, holds=0):
        self.sock = socket.socket()
        self.sock.settimeout(10)
        if holds:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, holds)
        self.sock.connect(("127.0.0.1", int(port or os.environ["EDGE_HTTP"])))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data, self.bodies, self.statuses, self.resets = b"", {}, {}, {}
        self.ended, self.last, self.goaway, self.closed, self.frames = set(), None, None, False, 0
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings) + (frame(SETTINGS, ACK) if ack else b""))
        if window:
            self.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", window)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        """False: the other side is gone."""
        try:
            self.sock.sendall(data)
            return True
        except OSError:
            self.closed = True
            return False

    def note(self, kind, flags, stream, payload):
        self.frames += 1
        if kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        elif kind == HEADERS and flags & END_HEADERS:
            if stream not in self.statuses or self.statuses[stream] < 200:
                self.statuses[stream] = status_of(payload)
        elif kind == RST_STREAM:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == GOAWAY:
            self.last, self.goaway = struct.unpack(">II", payload[:8])
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.add(stream)

    def take(self):
        while len(self.data) >= 9:
            size = int.from_bytes(self.data[:3], "big")
            if len(self.data) < 9 + size:
                return
            kind, flags, stream = struct.unpack(">BBI", self.data[3:9])
            payload, self.data = self.data[9:9 + size], self.data[9 + size:]
            self.note(kind, flags, stream, payload)

    def read(self, until, seconds=5):
        """Reads until <until>() holds, or the connection or the time is over. Does it hold?"""
        end = time.monotonic() + seconds
        while not until() and not self.closed and (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                piece = self.sock.recv(65536)
            except TimeoutError:
                break
            except OSError:
                piece = b""
            self.closed = not piece
            self.data += piece
            self.take()
        return bool(until())

    def read_end(self, seconds=5):
        return self.read(lambda: self.closed, seconds)

    def ask(self, stream, *args, **more):
        """One request, and its status."""
        self.send(get(stream, *args, **more))
        self.read(lambda: stream in self.ended or stream in self.resets)
        return self.statuses.get(stream)
