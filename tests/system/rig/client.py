# SPDX-License-Identifier: Apache-2.0
"""Clients of the edge: requests, WebSockets, load."""
import base64
import contextlib
import hashlib
import http.client
import os
import re
import socket
import ssl
import subprocess
import threading
import time

WEBSOCKET_KEY = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"<{self.status} {dict(self.headers)} {self.body[:300]!r}>"


class Client:
    """Speaks to one port of the edge. <trust> is the authority's certificate as PEM: TLS."""

    def __init__(self, port, host="st.localhost", address="127.0.0.1", trust=None, timeout=10):
        self.port, self.host, self.address, self.timeout = port, host, address, timeout
        self.context = ssl.create_default_context(cadata=trust) if trust else None

    def connect(self, address=None):
        sock = socket.create_connection((address or self.address, self.port), self.timeout)
        if self.context:
            return self.context.wrap_socket(sock, server_hostname=self.host)
        return sock

    def request(self, method, path, headers=None, body=None, sock=None):
        """On a connection of its own unless <sock> is given."""
        own = sock is None
        sock = sock or self.connect()
        fields = {"Host": f"{self.host}:{self.port}", **(headers or {})}
        if body is not None:
            fields["Content-Length"] = len(body)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        try:
            sock.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b""))
            answer = http.client.HTTPResponse(sock, method=method)
            answer.begin()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            if own:
                sock.close()

    def get(self, path="/", **options):
        return self.request("GET", path, **options)


class WebSocket:
    """RFC 6455 over a connected socket, as much as an echo needs."""

    def __init__(self, client, path="/ws"):
        key = base64.b64encode(os.urandom(16))
        self.sock = client.connect()
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: {client.host}\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                          f"Sec-WebSocket-Key: {key.decode()}\r\n\r\n".encode())
        self.file = self.sock.makefile("rb")
        status = self.file.readline()
        assert b" 101 " in status, status
        headers = dict(line.lower().split(b": ", 1) for line in iter(self.file.readline, b"\r\n"))
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_KEY).digest())
        assert headers[b"sec-websocket-accept"].strip() == accept.lower(), headers

    def send(self, data, opcode=1):
        mask = os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        self.sock.sendall(bytes([0x80 | opcode]) + size + mask + masked)

    def receive(self):
        head = self.file.read(2)
        if len(head) < 2:
            return None
        size = head[1] & 127
        if size == 126:
            size = int.from_bytes(self.file.read(2), "big")
        return self.file.read(size)

    def echo(self, data):
        self.send(data)
        return self.receive()

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.sock.close()


class Wrk:
    """wrk in the background; result() waits for its end."""

    def __init__(self, url, seconds, connections=16, host=None):
        header = ["-H", f"Host: {host}"] if host else []
        self.process = subprocess.Popen(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s", *header, url],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.seconds = seconds

    def result(self):
        try:
            text, _ = self.process.communicate(timeout=self.seconds + 20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

        def number(pattern):
            found = re.search(pattern, text)
            return int(found[1]) if found else 0

        counts = {"requests": number(r"(\d+) requests in"),
                  "not_2xx": number(r"Non-2xx or 3xx responses: (\d+)")}
        for kind in ("connect", "read", "write", "timeout"):
            counts[kind] = number(rf"{kind} (\d+)")
        counts["failed"] = sum(counts[kind] for kind in
                               ("not_2xx", "connect", "read", "write", "timeout"))
        assert counts["requests"] > 0, text
        return counts


class Knocker:
    """New connections and one request each, one after the other: shows when and how long nobody
    answered."""

    def __init__(self, client, path="/health", pause=0.005):
        self.client, self.path, self.pause = client, path, pause
        self.samples = []  # (time it began, time it ended, status or the error's text)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                outcome = self.client.get(self.path).status
            except (OSError, http.client.HTTPException) as error:
                outcome = f"{type(error).__name__}: {error}"
            self.samples.append((began, time.monotonic(), outcome))
            self._stop.wait(self.pause)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(self.client.timeout + 5)

    def failures(self):
        return [sample for sample in self.samples if sample[2] != 200]

    def longest_gap(self):
        """Seconds between two good answers, at most."""
        ends = [end for _, end, outcome in self.samples if outcome == 200]
        return max((b - a for a, b in zip(ends, ends[1:])), default=float("inf"))
