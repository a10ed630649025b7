# SPDX-License-Identifier: Apache-2.0
"""Clients that must not notice that the edge is replaced: each counts what it lost.

Lost is a request that got no answer of its own: nothing is asked twice. A connection that the edge
has announced to end ("Connection: close" with an answer) is left by the client, which is what the
announcement is for.
"""
import http.client
import threading
import time

from rig.client import Knocker, WebSocket


class Worker:
    """Something that goes on in a thread until it is told to stop. <lost> are texts."""

    def __init__(self):
        self.done, self.lost = 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            try:
                self.turn()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.lost.append(f"{type(self).__name__} {time.strftime('%X')}: "
                                 f"{type(error).__name__}: {error}")
                self.again()
        self.end()

    def turn(self):
        raise NotImplementedError

    def again(self):
        """After a loss."""

    def end(self):
        pass

    def finish(self, timeout=30):
        self._stop.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self.lost.append(f"{type(self).__name__}: it hangs")


class KeepAlive(Worker):
    """One connection for as many requests as the edge allows; a pause between them."""

    def __init__(self, client, pause=0.0, path="/bytes?n=600"):
        self.client, self.pause, self.path = client, pause, path
        self.sock, self.connections = None, 0
        super().__init__()

    def turn(self):
        if self.sock is None:
            self.sock = self.client.connect()
            self.connections += 1
        answer = self.client.get(self.path, sock=self.sock)
        assert answer.status == 200, answer
        self.done += 1
        if (answer.headers.get("Connection") or "").lower() == "close":
            self.again()
        self._stop.wait(self.pause)

    def again(self):
        if self.sock is not None:
            self.sock.close()
        self.sock = None

    end = again


class Echo(Worker):
    """One WebSocket for the whole time."""

    def __init__(self, client):
        self.client, self.web_socket = client, None
        super().__init__()

    def turn(self):
        if self.web_socket is None:
            self.web_socket = WebSocket(self.client)
        text = f"message {self.done}".encode()
        assert self.web_socket.echo(text) == text, "cut"
        self.done += 1
        self._stop.wait(0.02)

    def again(self):
        if self.web_socket is not None:
            self.web_socket.close()
        self.web_socket = None

    end = again


class Download(Worker):
    """A body that takes <seconds>, read slowly; again when it is over. Every byte is counted."""

    BYTES = 24 << 20

    def __init__(self, client, seconds):
        self.client, self.seconds = client, seconds
        super().__init__()

    def turn(self):
        sock = self.client.connect()
        try:
            sock.sendall(f"GET /bytes?n={self.BYTES} HTTP/1.1\r\nHost: {self.client.host}\r\n"
                         "Connection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            assert answer.status == 200, answer.status
            got, began = 0, time.monotonic()
            while piece := answer.read(1 << 20):
                got += len(piece)
                due = began + self.seconds * got / self.BYTES
                if not self._stop.is_set():
                    self._stop.wait(max(0, due - time.monotonic()))
            assert got == self.BYTES, f"{got} of {self.BYTES} bytes"
            self.done += 1
        finally:
            sock.close()


class Upload(Worker):
    """The other way."""

    BYTES = 16 << 20

    def __init__(self, client, seconds):
        self.client, self.seconds = client, seconds
        super().__init__()

    def turn(self):
        sock = self.client.connect()
        try:
            sock.sendall(f"POST /echo HTTP/1.1\r\nHost: {self.client.host}\r\n"
                         f"Content-Length: {self.BYTES}\r\nConnection: close\r\n\r\n".encode())
            sent, began = 0, time.monotonic()
            while sent < self.BYTES:
                sock.sendall(b"x" * (1 << 18))
                sent += 1 << 18
                due = began + self.seconds * sent / self.BYTES
                if not self._stop.is_set():
                    self._stop.wait(max(0, due - time.monotonic()))
            answer = http.client.HTTPResponse(sock)
            answer.begin()
            body = answer.read()
            assert answer.status == 200 and f'"bytes": {self.BYTES}'.encode() in body, answer.status
            self.done += 1
        finally:
            sock.close()


class Http2(Worker):
    """A connection of HTTP/2 (RFC 9113) with some streams at a time. After a GOAWAY it opens no
    stream on it, waits for those up to the number that was named, and makes a new connection;
    h2load instead counts as failed what it had not sent yet."""

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
    END_STREAM, END_HEADERS, ACK = 1, 4, 1

    def __init__(self, client, streams=8, path="/bytes?n=600"):
        self.client, self.streams, self.sock = client, streams, None
        self.connections = self.again_asked = 0
        # :method GET, :scheme http, :path and :authority as literals (RFC 7541)
        self.block = (b"\x82\x86\x04" + bytes([len(path)]) + path.encode() + b"\x01"
                      + bytes([len(client.host)]) + client.host.encode())
        super().__init__()

    def frame(self, kind, flags, stream, payload=b""):
        return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
                + payload)

    def connect(self):
        self.sock = self.client.connect()
        self.connections += 1
        self.file = self.sock.makefile("rb")
        self.open, self.next, self.last = set(), 1, None
        self.sock.sendall(self.PREFACE + self.frame(self.SETTINGS, 0, 0)
                          + self.frame(self.WINDOW, 0, 0, (1 << 30).to_bytes(4, "big")))

    def turn(self):
        if self.sock is None:
            self.connect()
        if self.last is None and not self._stop.is_set():
            more = b""
            while len(self.open) < self.streams:
                more += self.frame(self.HEADERS, self.END_STREAM | self.END_HEADERS, self.next,
                                   self.block)
                self.open.add(self.next)
                self.next += 2
            self.sock.sendall(more)
        if not self.open:
            self.again()
            return
        self.take()

    def take(self):
        head = self.file.read(9)
        assert len(head) == 9, f"closed with {len(self.open)} streams open, last {self.last}"
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream, payload = int.from_bytes(head[5:], "big"), self.file.read(size)
        assert kind != self.RST, f"stream {stream} was reset"
        if kind == self.HEADERS:
            assert payload[:1] == b"\x88", payload  # :status 200
        if kind in (self.HEADERS, self.DATA) and flags & self.END_STREAM:
            self.open.remove(stream)
            self.done += 1
        if kind in (self.SETTINGS, self.PING) and not flags & self.ACK:
            self.sock.sendall(self.frame(kind, self.ACK, 0, payload if kind == self.PING else b""))
        if kind == self.GOAWAY:
            self.last = int.from_bytes(payload[:4], "big")
            assert payload[4:8] == b"\0\0\0\0", payload
            beyond = {one for one in self.open if one > self.last}
            self.again_asked += len(beyond)  # not seen by anybody: may be asked again
            self.open -= beyond

    def again(self):
        if self.sock is not None:
            self.file.close()
            self.sock.close()
        self.sock = None

    def end(self):
        self.again()


class Load:
    """All of them at once. <seconds>: how long what has to know it beforehand goes on."""

    def __init__(self, client, seconds):
        self.knocker = Knocker(client, "/bytes?n=600")
        self.knocker.__enter__()
        self.workers = [KeepAlive(client) for _ in range(4)]
        self.workers += [KeepAlive(client, pause) for pause in (0.05, 0.3, 0.7, 1.5)]
        self.workers += [Echo(client) for _ in range(8)]
        self.workers += [Http2(client) for _ in range(2)]
        self.workers += [Download(client, seconds), Upload(client, seconds)]
        self.began = time.monotonic()

    def finish(self):
        """Counts by kind, and everything that was lost."""
        counts = {}
        for worker in self.workers:
            worker.finish()
        self.knocker.__exit__()
        lost = [f"fresh: {one[2]}" for one in self.knocker.failures()]
        for worker in self.workers:
            kind = type(worker).__name__.lower()
            counts[kind] = counts.get(kind, 0) + worker.done
            lost += worker.lost
        lost += [f"http2: {one.again_asked} streams were refused" for one in self.workers
                 if getattr(one, "again_asked", 0) > 0]
        counts.update(fresh=len(self.knocker.samples),
                      connections=sum(one.connections for one in self.workers
                                      if hasattr(one, "connections")))
        return counts, lost
