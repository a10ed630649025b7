# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server for the tests to run as a service; the standard library is all it needs.

web.py PORT   serves:
    /health           200, or 503 while the file named by SICK_FILE exists
    /echo             what arrived, as JSON
    /slow?ms=N        answers after N milliseconds
    /bytes?n=N        N bytes
    /events?ms=N      two events, N milliseconds apart
    /ws               a WebSocket that sends every message back
    /crash            ends the process at once, without an answer
Anything else is 404. SIGTERM lets requests that are being answered finish.
"""
import asyncio
import base64
import hashlib
import json
import os
import signal
import sys
import urllib.parse

WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BODY_LIMIT = 64 << 20
started = f"{os.environ.get('HOSTNAME')} {os.getpid()} {os.urandom(4).hex()}"


async def read_request(reader):
    """Method, target, headers (lower case) and body; None at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {}
    for line in filter(None, lines):
        name, value = line.split(":", 1)
        headers[name.lower()] = value.strip()
    return method, target, headers, await read_body(reader, headers)


async def read_body(reader, headers):
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(min(int(headers.get("content-length", 0)), BODY_LIMIT))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body


def answer(writer, status, body, content_type="text/plain"):
    writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
                 f"Content-Length: {len(body)}\r\nX-Instance: {started}\r\n\r\n".encode() + body)


async def echo_messages(reader, writer, headers):
    """RFC 6455, as much as an echo needs."""
    digest = hashlib.sha1(headers["sec-websocket-key"].encode() + WEBSOCKET_KEY).digest()
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"
                 b"\r\nSec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n")
    while True:
        first, second = await reader.readexactly(2)
        size = second & 127
        if size == 126:
            size = int.from_bytes(await reader.readexactly(2), "big")
        elif size == 127:
            size = int.from_bytes(await reader.readexactly(8), "big")
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(size)))
        head = bytes([first]) + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big"))
        writer.write(head + data)
        if first & 15 == 8:
            return


async def serve_one(writer, method, target, headers, body):
    path, _, query = target.partition("?")
    values = dict(urllib.parse.parse_qsl(query))
    if path == "/health":
        sick = os.path.exists(os.environ.get("SICK_FILE", "/tmp/sick"))
        answer(writer, 503 if sick else 200, b"sick as told\n" if sick else b"fine\n")
    elif path == "/echo":
        seen = {"method": method, "target": target, "headers": headers, "bytes": len(body),
                "peer": writer.get_extra_info("peername")[0], "instance": started,
                "environment": dict(os.environ)}
        answer(writer, 200, json.dumps(seen).encode(), "application/json")
    elif path == "/slow":
        await asyncio.sleep(int(values.get("ms", 0)) / 1000)
        answer(writer, 200, b"slow\n")
    elif path == "/bytes":
        answer(writer, 200, b"x" * min(int(values.get("n", 600)), BODY_LIMIT))
    elif path == "/events":
        writer.write(b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
        await writer.drain()
        await asyncio.sleep(int(values.get("ms", 0)) / 1000)
        writer.write(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")
    elif path == "/crash":
        os._exit(3)
    else:
        answer(writer, 404, b"nothing here\n")


busy = set()


async def on_connection(reader, writer):
    try:
        while request := await read_request(reader):
            method, target, headers, body = request
            if target == "/ws":
                await echo_messages(reader, writer, headers)
                return
            busy.add(writer)
            await serve_one(writer, method, target, headers, body)
            await writer.drain()
            busy.discard(writer)
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        busy.discard(writer)
        writer.close()


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = await asyncio.start_server(on_connection, "0.0.0.0", int(sys.argv[1]), backlog=1024)
    print("web is listening", flush=True)
    await stop.wait()
    server.close()
    while busy:
        await asyncio.sleep(0.01)
    print("web ends", flush=True)


asyncio.run(main())
