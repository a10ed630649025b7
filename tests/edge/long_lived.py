#!/usr/bin/env python3
"""WebSockets and large bodies at once: bytes arrive as they were sent, and memory stays flat.

    LONG_WEBSOCKETS=10000 LONG_MIB=1024 LONG_FRAMES=100000 tests/edge/run tests/edge/long_lived.py

for all of it; without these it is a short form. The number of WebSockets is limited by the number of
descriptors that a process may have: the edge needs two for one of HTTP/1.1, and one for one that
shares a connection of HTTP/2 (RFC 8441). Four in ten are of the first kind. The application is a
process of its own.
"""
import asyncio
import hashlib
import multiprocessing
import os
import random
import re
import resource
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from h2_frames import (Connection, DATA, END_HEADERS, HEADERS, fields,  # noqa: E402
                       frame as h2_frame)
from tap import run  # noqa: E402

RIG = Path(sys.argv[1])
WEBSOCKETS = int(os.environ.get("LONG_WEBSOCKETS", 1000))
MIB = int(os.environ.get("LONG_MIB", 64))
FRAMES = int(os.environ.get("LONG_FRAMES", 20000))
STREAMS = 100  # of one connection
PIECE = bytes(range(256)) * 1024  # 256 KiB
ECHO = b"\x81\x80mask"  # an empty text frame
PORT = int(os.environ["EDGE_HTTP"])
UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\n"
           b"Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n")


# ---- the application ----


async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if "websocket" in head:
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                             b"Upgrade: websocket\r\n\r\n")
                while data := await reader.read(262144):
                    writer.write(data)
                    await writer.drain()
                break
            if head.startswith("GET /down"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MIB << 20))
                for _ in range(MIB * 4):
                    writer.write(PIECE)
                    await writer.drain()
                continue
            left, digest = int(re.search(r"(?i)content-length: (\d+)", head)[1]), hashlib.sha256()
            while left > 0:
                data = await reader.read(min(left, 262144))
                digest.update(data)
                left -= len(data)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n"
                         + digest.hexdigest().encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def application(pipe):
    async def everything():
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1 << 20, backlog=4096)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(everything())


# ---- clients ----


class Streams:
    """Up to STREAMS WebSockets on one connection."""

    def __init__(self, count):
        self.connection, self.ids = Connection(), range(1, 2 * count, 2)
        for stream in self.ids:
            self.connection.send(h2_frame(HEADERS, END_HEADERS, stream, fields(
                "/ws", "CONNECT", "a.localhost", extra=[(":protocol", "websocket")])))
        statuses = self.connection.statuses
        assert self.connection.read(lambda: len(statuses) == count, 20), len(statuses)
        assert set(statuses.values()) == {200}, statuses

    def echo(self):
        for stream in self.ids:
            self.connection.send(h2_frame(DATA, 0, stream, ECHO))
        bodies = self.connection.bodies
        self.connection.read(lambda: list(bodies.values()).count(ECHO) == len(self.ids), 20)
        assert bodies == {stream: ECHO for stream in self.ids}, bodies


def expected_digest():
    digest = hashlib.sha256()
    for _ in range(MIB * 4):
        digest.update(PIECE)
    return digest.hexdigest()


async def open_websocket():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(UPGRADE)
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head, head
    return reader, writer


def frame(source):
    """RFC 6455, 5.2, from a client: masked, with a length of each of the three kinds."""
    size = source.choice((0, 1, 125, 126, 300, 1500, 65535, 65536) if source.random() < 0.01 else
                         (0, 5, 60, 125, 126, 400))
    first = bytes([0x80 | source.choice((1, 2))])
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 65536:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return first + length + source.randbytes(4 + size)


async def frames_come_back():
    source, sent, received = random.Random(6455), hashlib.sha256(), hashlib.sha256()
    reader, writer = await open_websocket()
    total = 0

    async def read(until):
        count = 0
        while until() is None or count < until():
            data = await asyncio.wait_for(reader.read(262144), 20)
            assert data, "closed"
            received.update(data)
            count += len(data)

    done = None
    reading = asyncio.create_task(read(lambda: done))
    for _ in range(FRAMES):
        data = frame(source)
        sent.update(data)
        total += len(data)
        writer.write(data)
        await writer.drain()
    done = total
    writer.write(b"")
    last = frame(source)  # wakes the reader when it has waited for <done>
    sent.update(last)
    done += len(last)
    writer.write(last)
    await reading
    writer.close()
    assert sent.hexdigest() == received.hexdigest()


async def download():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET /down HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    digest, left = hashlib.sha256(), MIB << 20
    while left > 0:
        data = await reader.read(262144)
        assert data, f"{left} bytes are missing"
        digest.update(data)
        left -= len(data)
    writer.close()
    assert digest.hexdigest() == expected_digest()


async def upload():
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"POST /up HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: %d\r\n\r\n"
                 % (MIB << 20))
    for _ in range(MIB * 4):
        writer.write(PIECE)
        await writer.drain()
    answer = await asyncio.wait_for(reader.readuntil(expected_digest().encode()), 60)
    assert b" 200 " in answer
    writer.close()


def edge_kib():
    rig = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[1])
    pids = Path(f"/proc/{rig}/task/{rig}/children").read_text().split()
    edge = next(int(pid) for pid in pids if int(pid) != os.getpid())
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{edge}/status").read_text())[1])


async def all_at_once():
    before = edge_kib()
    sockets, plain = [], WEBSOCKETS * 4 // 10
    for at in range(0, plain, 100):
        sockets += await asyncio.gather(*(open_websocket() for _ in range(min(100, plain - at))))
    shared = [Streams(min(STREAMS, WEBSOCKETS - at)) for at in range(plain, WEBSOCKETS, STREAMS)]
    idle = edge_kib()
    await asyncio.gather(download(), upload())
    after = edge_kib()
    for reader, writer in sockets:
        writer.write(ECHO)
        assert await asyncio.wait_for(reader.readexactly(len(ECHO)), 10) == ECHO
    for streams in shared:
        streams.echo()
    for _, writer in sockets:
        writer.close()
    print(f"# {WEBSOCKETS} idle WebSockets: {(idle - before) * 1024 // WEBSOCKETS} bytes each;"
          f" {MIB} MiB both ways: {after - idle} KiB more", flush=True)
    assert (idle - before) * 1024 / WEBSOCKETS < 4096, (before, idle)
    assert after - idle < 8192, (idle, after)


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    mine, its = multiprocessing.Pipe()
    multiprocessing.Process(target=application, args=(its,), daemon=True).start()
    subprocess.run([RIG, "app", '"body_limit_bytes":2147483648', str(mine.recv())], check=True,
                   stdout=subprocess.DEVNULL)

    def frames_of_websockets_come_back_as_they_were():
        asyncio.run(frames_come_back())

    def with_idle_websockets_and_large_bodies_memory_stays_flat():
        asyncio.run(all_at_once())

    sys.exit(run([frames_of_websockets_come_back_as_they_were,
                  with_idle_websockets_and_large_bodies_memory_stays_flat]))


main()
