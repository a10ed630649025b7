# SPDX-License-Identifier: Apache-2.0
"""A gRPC service by hand: sends back what it is sent, message by message, and its status as
trailers. It reads no fields: headers are compressed, and frames say enough."""
import os
import socketserver
import struct
import sys

DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE_BYTES = 24


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def field(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if len(self.rfile.read(PREFACE_BYTES)) < PREFACE_BYTES:
            return
        self.wfile.write(frame(SETTINGS))
        while len(start := self.rfile.read(9)) == 9:
            kind, flags, stream = struct.unpack(">BBI", start[3:])
            self.answer(kind, flags, stream, self.rfile.read(int.from_bytes(start[:3], "big")))

    def answer(self, kind, flags, stream, payload):
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.wfile.write(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == HEADERS:
            name = os.environ.get("HOSTNAME", "").encode()[:100]
            self.wfile.write(frame(HEADERS, END_HEADERS, stream, field(b":status", b"200") +
                                   field(b"content-type", b"application/grpc") +
                                   field(b"x-name", name)))
        elif kind == DATA and payload:
            room = struct.pack(">I", len(payload))
            self.wfile.write(frame(DATA, 0, stream, payload) + frame(WINDOW_UPDATE, 0, 0, room) +
                             frame(WINDOW_UPDATE, 0, stream, room))
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.wfile.write(frame(HEADERS, END_HEADERS | END_STREAM, stream,
                                   field(b"grpc-status", b"0")))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 512


Server(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
