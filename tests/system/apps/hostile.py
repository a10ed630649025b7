# SPDX-License-Identifier: Apache-2.0
"""hostile.py PORT: a service that behaves as badly as its environment says.

    VERSION         in every answer, as X-Version
    START_MS        it listens only after this time
    STOP_MS         after SIGTERM it serves on for this time
    IGNORE_TERM     1: SIGTERM does nothing
    CRASH_AT_START  1: ends at once with status 3
    CRASH_AFTER_MS  ends with status 4 after this time
    ERROR_PERCENT   this share of the answers is 500; the health check is fine
    SLOW_MS         answers take so long; the health check does not
    SICK            the health check answers 503 with this text
    LEAK            1: never closes a connection, even one that the other side closed

/health answers 200, /upload takes a body, /ws is a WebSocket that sends messages back,
/static/app-VERSION.js is there for its own version and 404 for others, all else is 600 bytes.
The standard library is all it needs.
"""
import asyncio
import base64
import hashlib
import os
import random
import signal
import sys

WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEAD_MAX = 65536
VERSION = os.environ.get("VERSION", "0")
ERROR_SHARE = float(os.environ.get("ERROR_PERCENT", "0")) / 100
LEAKS = os.environ.get("LEAK") == "1"
SLOW_SECONDS = int(os.environ.get("SLOW_MS", "0")) / 1000
BODY = (b"0123456789abcdef" * 38)[:600]

leaked = []
busy = set()


def number(name):
    return int(os.environ.get(name, "0")) / 1000


def answer(status, body):
    return (f"HTTP/1.1 {status} X\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
            f"X-Version: {VERSION}\r\n\r\n").encode() + body


class Connection(asyncio.Protocol):
    def __init__(self):
        self.data, self.body_left, self.pending, self.websocket = b"", 0, None, False

    def connection_made(self, transport):
        self.transport = transport
        if LEAKS:
            leaked.append(os.dup(transport.get_extra_info("socket").fileno()))

    def connection_lost(self, error):
        busy.discard(self)

    def data_received(self, data):
        self.data += data
        while self.data and not self.transport.is_closing():
            step = self.read_frame if self.websocket else self.read_message
            if not step():
                return

    def read_message(self):
        """Whether there may be more to read."""
        if self.pending is None:
            head, end, rest = self.data.partition(b"\r\n\r\n")
            if not end:
                if len(self.data) > HEAD_MAX:
                    self.transport.close()
                return False
            busy.add(self)
            self.data = rest
            self.read_head(head)
        took = min(self.body_left, len(self.data))
        self.data, self.body_left = self.data[took:], self.body_left - took
        if self.body_left == 0 and self.pending is not None:
            reply, self.pending = self.pending, None
            if SLOW_SECONDS and b" 600" in reply[:80]:
                asyncio.get_running_loop().call_later(SLOW_SECONDS, self.reply, reply)
            else:
                self.reply(reply)
        return self.body_left == 0

    def reply(self, reply):
        self.transport.write(reply)
        busy.discard(self)

    def read_head(self, head):
        first, *lines = head.split(b"\r\n")
        path = first.split(b" ")[1]
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        self.body_left = int(headers.get(b"content-length", 0))
        if path == b"/ws" and b"sec-websocket-key" in headers:
            digest = hashlib.sha1(headers[b"sec-websocket-key"] + WEBSOCKET_KEY).digest()
            self.websocket = True
            self.pending = (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            b"Connection: Upgrade\r\nX-Version: " + VERSION.encode() +
                            b"\r\nSec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
        elif path == b"/health":
            sick = os.environ.get("SICK")
            self.pending = answer(503, sick.encode()) if sick else answer(200, b"fine\n")
        elif path.startswith(b"/static/"):
            own = path == b"/static/app-%s.js" % VERSION.encode()
            self.pending = answer(200, b"mine\n") if own else answer(404, b"not mine\n")
        elif random.random() < ERROR_SHARE:
            self.pending = answer(500, b"an error, as told\n")
        else:
            self.pending = answer(200, BODY)

    def read_frame(self):
        """RFC 6455, short messages only."""
        if len(self.data) < 6 or len(self.data) < 6 + (self.data[1] & 127):
            return False
        opcode, size, mask = self.data[0], self.data[1] & 127, self.data[2:6]
        text = bytes(b ^ mask[i % 4] for i, b in enumerate(self.data[6:6 + size]))
        self.data = self.data[6 + size:]
        self.transport.write(bytes([opcode, size]) + text)
        if opcode & 15 == 8:
            self.transport.close()
        return True


async def main():
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, (lambda: None) if os.environ.get("IGNORE_TERM") == "1"
                            else stop.set)
    if os.environ.get("CRASH_AT_START") == "1":
        print(f"version {VERSION} cannot find its configuration", flush=True)
        sys.exit(3)
    await asyncio.sleep(number("START_MS"))
    server = await loop.create_server(Connection, "0.0.0.0", int(sys.argv[1]), backlog=1024)
    print(f"version {VERSION} is listening", flush=True)
    if number("CRASH_AFTER_MS"):
        loop.call_later(number("CRASH_AFTER_MS"), os._exit, 4)
    await stop.wait()
    await asyncio.sleep(number("STOP_MS"))
    server.close()
    while busy:
        await asyncio.sleep(0.01)


asyncio.run(main())
