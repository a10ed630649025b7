# SPDX-License-Identifier: Apache-2.0
"""Nothing of a request is left for the next one: on a kept connection, after any others, a request is
answered as it is on a new one, and asked of the application in the same words."""
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from h2_app import Client  # noqa: E402
from h2_frames import DATA, END_HEADERS, END_STREAM, RST_STREAM, frame, get as h2_get  # noqa: E402
from tables import RIG, connect  # noqa: E402

SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
SEQUENCES, LENGTH = 200, 12
H2_SEQUENCES = 40
HASH = ("$6$rounds=1000$salt$HNxBeBnDfSfUrTj6KiLnmd7tGCvHEmcEx"
        "h8kl/S0cZ5WrCciNZgfhbpkeFQ4JfkHX.8vPq45lY0iINnCx1Lkm.")  # of "secret"
LARGE = b"0123456789abcdef" * 12500  # 200 KB: past what is copied
TEXT = b"<p>text that repeats itself, " * 400


# ---- the application ----

class Reader:
    """Of one connection of the edge's."""

    def __init__(self, sock):
        self.sock, self.data = sock, bytearray()

    def fill(self):
        piece = self.sock.recv(1 << 20)
        if not piece:
            raise ConnectionError("closed")
        self.data += piece

    def take(self, size):
        while len(self.data) < size:
            self.fill()
        taken = bytes(self.data[:size])
        del self.data[:size]
        return taken

    def take_to(self, end):
        while (at := self.data.find(end)) < 0:
            self.fill()
        return self.take(at + len(end))[:at]

    def head(self):
        return self.take_to(b"\r\n\r\n").decode("latin-1")

    def line(self):
        return self.take_to(b"\r\n")

    def body(self, head):
        if re.search(r"(?im)^transfer-encoding: chunked", head):
            body = b""
            while size := int(self.line(), 16):
                body += self.take(size)
                self.take(2)
            while self.line():
                pass
            return body
        length = re.search(r"(?im)^content-length: (\d+)", head)
        return self.take(int(length[1])) if length else b""


def plain_answer(body, status="200 OK", head=""):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body


def chunked_answer(pieces, head=""):
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return (f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode() + chunks +
            b"0\r\nX-Trailer: t\r\n\r\n")


def asked(head, body):
    """The request as it came, but for what is drawn anew."""
    head = re.sub(r"(?im)^(X-Request-Id|Traceparent): [^\r\n]*", r"\1: drawn", head)
    return (head + "\n").encode() + body


def answer_one(sock, reader):
    """False: the connection ends."""
    head = reader.head()
    method, target, _ = head.split("\r\n", 1)[0].split(" ")
    path = target.split("?")[0].rsplit("/", 1)[1]
    if path == "early":
        sock.sendall(plain_answer(b"early", "403 Forbidden", "Connection: close\r\n"))
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
        return False
    if path == "continue":
        sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = reader.body(head)
    answers = {
        "304": b"HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n",
        "204": b"HTTP/1.1 204 No Content\r\n\r\n",
        "chunked": chunked_answer([b"one", b"two" * 100, b"three"]),
        "text": plain_answer(TEXT, head="Content-Type: text/html\r\nETag: \"t\"\r\n"),
        "textchunks": chunked_answer([TEXT, b"end"], "Content-Type: text/html\r\n"),
        "kept": plain_answer(b"kept", head="Cache-Control: max-age=600\r\nETag: \"k\"\r\n"),
        "large": plain_answer(LARGE),
        "hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain_answer(b"hinted"),
        "broken": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        "missing": plain_answer(b"none", "404 Not Found"),
        "cookies": plain_answer(b"c", head="Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"),
        "refused": plain_answer(b"no tunnels", "400 Bad Request"),
    }
    if path == "untilclose":
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")
        return False
    sent = answers.get(path, plain_answer(asked(head, body)))
    if method == "HEAD":
        sent = sent[:sent.index(b"\r\n\r\n") + 4]
    sock.sendall(sent)
    return path != "broken"


def serve(sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    reader = Reader(sock)
    try:
        while answer_one(sock, reader):
            pass
    except OSError:
        pass
    sock.close()


def start_application():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def publish(port):
    users = [{"name": "ann", "hash": HASH}]
    headers = [{"op": "set", "name": "X-Rule", "value": "{scheme} {host} {user}"}]
    routes = [
        {"path": "/", "upstream": 0},
        {"path": "/small/", "upstream": 0, "body_limit_bytes": 100},
        {"path": "/cache/", "upstream": 0, "cache": {}},
        {"path": "/rules/", "upstream": 0, "hsts": True, "security_headers": True, "rules": {
            "compress": ["br", "zstd", "gzip"], "request_headers": headers, "response_headers": headers,
            "rewrite": {"from": "/rules/old/", "to": "/rules/", "prefix": True}}},
        {"path": "/both/", "upstream": 0, "cache": {}, "rules": {"compress": ["gzip"]}},
        {"path": "/auth/", "upstream": 0, "rules": {
            "auth": {"realm": "r", "users": users}, "request_headers": headers}},
        {"path": "/cors/", "upstream": 0, "rules": {"cors": {
            "origins": ["https://x.test"], "methods": "GET, PUT", "credentials": True, "max_age": 60}}},
        {"path": "/closed/", "upstream": 0, "maintenance": {"retry_after": 9}},
        {"path": "/denied/", "upstream": 0, "limits": {"deny": ["127.0.0.0/8"]}},
        {"path": "/urls/", "upstream": 0, "limits": {"url_bytes": 30, "header_bytes": 1000}},
        {"path": "/files/", "files_fd": 0, "cache_control": "max-age=1"},
        {"path": "/spa/", "files_fd": 0, "rules": {
            "try_files": ["{path}", "/index.html"], "compress": ["gzip"], "error_pages": [
                {"status": 404, "body": "<p>own page"}]}},
        {"path": "/moved/", "redirect": "/files/", "status": 301, "rules": {"keep_path": True}},
    ]
    table = {
        "listeners": [{"id": 1, "kind": "http"}, {"id": 2, "kind": "https"},
                      {"id": 3, "kind": "tcp", "upstream": 0}, {"id": 4, "kind": "http", "https_port": 8443}],
        "certificates": [{"names": ["*.localhost"], "certificate_file": os.environ["EDGE_CERTIFICATE"],
                          "key_file": os.environ["EDGE_KEY"]}],
        "upstreams": [{"name": "test/app", "targets": [{"id": "t1", "address": f"127.0.0.1:{port}"}]}],
        "routes": [{"system": "test", **route} for route in routes]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


# ---- requests ----

class Request:
    """<body> with its length; a list of bytes: in chunks. <ends>: the connection is over after it, or
    None: either may be. <cut>: the body breaks off."""

    def __init__(self, path, method="GET", headers=(), body=None, ends=False, version="1.1", cut=False,
                 only_h1=False):
        self.path, self.method, self.headers, self.body = path, method, list(headers), body
        self.ends, self.version, self.cut, self.only_h1 = ends, version, cut, only_h1

    def __repr__(self):
        return f"{self.method} {self.path} {self.headers} {str(self.body)[:40]} {self.version}"

    def as_text(self):
        lines = [f"{self.method} {self.path} HTTP/{self.version}", "Host: a.localhost"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = b""
        if isinstance(self.body, list):
            lines.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in self.body) + b"0\r\n\r\n"
        elif self.body is not None:
            lines.append(f"Content-Length: {len(self.body)}")
            body = self.body
        if self.cut:
            body = body[:len(body) // 2]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


GZIP, BROTLI = [("Accept-Encoding", "gzip")], [("Accept-Encoding", "br, gzip;q=0.5")]
ANN = [("Authorization", "Basic YW5uOnNlY3JldA==")]  # ann:secret
EVE = [("Authorization", "Basic ZXZlOm5vbmU=")]
ORIGIN = [("Origin", "https://x.test")]
JSON = [("Accept", "application/json")]
UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
           ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")]
EXPECT = [("Expect", "100-continue")]

REQUESTS = [
    Request("/echo"), Request("/echo?a=b", headers=[("X-Own", "1"), ("Cookie", "s=1")]),
    Request("/echo", "HEAD"), Request("/large"), Request("/large", "HEAD"),
    Request("/304", headers=[("If-None-Match", '"e"')]), Request("/204"), Request("/chunked"),
    Request("/chunked", "HEAD"), Request("/untilclose"), Request("/hints"), Request("/missing"),
    Request("/missing", headers=JSON), Request("/cookies"), Request("/broken", headers=JSON),
    Request("/echo", "POST", body=b"a body"), Request("/echo", "PUT", body=b"x" * 100000),
    Request("/echo", "POST", body=[b"chunk", b"another" * 1000]), Request("/echo", "DELETE"),
    Request("/echo", "OPTIONS"), Request("/echo", "REPORT"),
    Request("/continue", "POST", headers=EXPECT, body=b"continued", only_h1=True),
    Request("/early", "POST", body=b"y" * 300000, ends=None, only_h1=True),
    Request("/small/echo", "POST", body=b"z" * 101, ends=None),
    Request("/small/echo", "POST", body=[b"z" * 60, b"z" * 60], ends=None, only_h1=True),
    Request("/small/echo", "POST", body=b"z" * 100),
    Request("/echo", "POST", body=b"cut" * 100, cut=True, ends=True, only_h1=True),
    Request("/cache/kept"), Request("/cache/kept", "HEAD"), Request("/cache/kept", headers=[("If-None-Match", '"k"')]),
    Request("/cache/kept", headers=[("Range", "bytes=1-2")]),
    Request("/cache/204"), Request("/cache/echo", "POST", body=b"b"),
    Request("/rules/text"), Request("/rules/text", headers=GZIP), Request("/rules/text", headers=BROTLI),
    Request("/rules/text", "HEAD", headers=GZIP), Request("/rules/textchunks", headers=GZIP),
    Request("/rules/204", headers=GZIP), Request("/rules/304", headers=GZIP),
    Request("/rules/chunked", headers=GZIP), Request("/rules/untilclose", headers=GZIP),
    Request("/rules/old/echo"), Request("/rules/echo", "POST", headers=GZIP, body=b"ruled"),
    Request("/rules/large", headers=GZIP), Request("/rules/hints", headers=GZIP),
    Request("/rules/broken", headers=GZIP), Request("/both/text", headers=GZIP), Request("/both/text"),
    Request("/auth/echo", headers=ANN), Request("/auth/echo"), Request("/auth/echo", headers=EVE + JSON),
    Request("/auth/echo", "POST", headers=ANN, body=b"authorized"),
    Request("/auth/echo", "POST", headers=EVE, body=b"nobody", ends=True),
    Request("/cors/echo", headers=ORIGIN), Request("/cors/echo", headers=[("Origin", "https://y.test")]),
    Request("/cors/echo", "OPTIONS", headers=ORIGIN + [("Access-Control-Request-Method", "PUT")]),
    Request("/cors/echo"), Request("/closed/", ends=None), Request("/closed/", headers=JSON, ends=None),
    Request("/denied/"), Request("/urls/" + "u" * 40), Request("/urls/echo"),
    Request("/files/hello.txt"), Request("/files/hello.txt", "HEAD"),
    Request("/files/hello.txt", headers=[("Range", "bytes=0-1")]),
    Request("/files/hello.txt", headers=[("Range", "bytes=0-1,4-5")]),
    Request("/files/hello.txt", headers=[("Range", "bytes=99-")]),
    Request("/files/hello.txt", headers=[("If-Modified-Since", "Fri, 01 Jan 2027 00:00:00 GMT")]),
    Request("/files/hello.txt", headers=[("If-Match", '"no"')]),
    Request("/files/app.js", headers=BROTLI), Request("/files/app.js"), Request("/files/large.bin", only_h1=True),
    Request("/files/none", headers=JSON), Request("/files/sub"), Request("/files/", "POST", body=b"", ends=None),
    Request("/spa/deep/link", headers=[("Accept", "text/html")]), Request("/spa/deep/link"),
    Request("/moved/hello.txt?q"), Request("/files/../echo"), Request("/..", ends=None),
    Request("/echo", headers=UPGRADE, only_h1=True), Request("/refused", headers=UPGRADE, only_h1=True),
    Request("/files/hello.txt", headers=UPGRADE, only_h1=True),
    Request("/echo", version="1.0", ends=True, only_h1=True),
    Request("/chunked", version="1.0", headers=[("Connection", "keep-alive")], ends=True, only_h1=True),
    Request("/echo", version="1.0", headers=[("Connection", "keep-alive")], only_h1=True),
    Request("/files/hello.txt", version="1.0", headers=[("Connection", "keep-alive")], only_h1=True),
    Request("/echo", headers=[("Connection", "close")], ends=True, only_h1=True),
    Request("/echo", "TRACE", ends=None), Request("/echo", headers=[("Expect", "other")], ends=None, only_h1=True),
]


# ---- HTTP/1.1 ----

TLS = ssl.create_default_context(cafile=os.environ["EDGE_CERTIFICATE"])


class Kept:
    """A connection, with TLS where <secure>, and what came on it."""

    def __init__(self, secure):
        self.sock = connect("EDGE_HTTPS" if secure else "EDGE_HTTP")
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure:
            self.sock = TLS.wrap_socket(self.sock, server_hostname="a.localhost")
        self.reader = Reader(self.sock)

    def answer(self, request):
        """Heads before it, status line and headers, body, and whether the connection goes on."""
        before = []
        while True:
            head = self.reader.head()
            status = int(head.split(" ", 2)[1])
            if status >= 200:
                break
            before.append(head)
        chunked = re.search(r"(?im)^transfer-encoding: chunked", head)
        length = re.search(r"(?im)^content-length: (\d+)", head)
        closes = bool(re.search(r"(?im)^connection: close", head))
        body = b""
        if request.method == "HEAD" or status in (204, 304):
            pass
        elif chunked or length:
            body = self.reader.body(head)
        else:
            assert closes, head
            body = self.rest()
        return before, head, body, closes

    def rest(self):
        try:
            while True:
                self.reader.fill()
        except OSError:
            return self.reader.take(len(self.reader.data))

    def send(self, requests, cut=None):
        """In two pieces, where <cut> says."""
        text = b"".join(request.as_text() for request in requests)
        try:
            for piece in (text[:cut], text[cut:]) if cut else (text,):
                self.sock.sendall(piece)
        except OSError:
            pass  # it has answered and closed: the answer is there to be read


DRAWN = re.compile(r"(?im)^(Date|Age|X-Request-Id|Traceparent): [^\r\n]*")
ID = re.compile(rb"[0-9a-f]{32}|ttl=\d+")  # of requests and of parts; and how long what is stored is fresh


def in_one_form(answer):
    """Without what is drawn anew: times, numbers, and the boundary of parts, which is one of them."""
    before, head, body, closes = answer
    head = ID.sub(b"drawn", DRAWN.sub(r"\1: drawn", head).encode()).decode()
    return before, head, ID.sub(b"drawn", body), closes


def fresh(request, secure):
    if request.cut:
        return None
    kept = Kept(secure)
    kept.send([request])
    answer = in_one_form(kept.answer(request))
    kept.sock.close()
    return answer


def references(secure):
    for request in REQUESTS:  # what is stored is stored
        fresh(request, secure)
    return {request: fresh(request, secure) for request in REQUESTS}


def in_either_form(request, answer):
    """Without the end of the connection, where the moment decides whether it comes."""
    before, head, body, closes = answer
    return answer if request.ends is not None else (before, head.replace("\r\nConnection: close", ""), body, None)


def check(request, got, wanted, past):
    got, wanted = in_either_form(request, in_one_form(got)), in_either_form(request, wanted)
    assert got == wanted, (f"seed {SEED}: {request} behind {past[-3:]}", got, wanted)


def run_sequence(draw, plain, secure):
    """Some one by one, some at once, on as few connections as can be."""
    known = secure if draw.random() < 0.3 else plain
    kept, past = Kept(known is secure), []
    left = [draw.choice(REQUESTS) for _ in range(LENGTH)]
    while left:
        size = draw.choice([1, 1, 1, 2, 5])
        batch = left[:size]
        for i, request in enumerate(batch):  # what may end it is the last of its batch
            if request.ends is not False:
                batch = batch[:i + 1]
                break
        left = left[len(batch):]
        kept.send(batch, draw.choice([None, draw.randrange(1, 300)]))
        closes = False
        for request in batch:
            if request.cut:
                closes = True
                break
            answer = kept.answer(request)
            check(request, answer, known[request], past)
            past.append(request)
            closes = answer[3]
            assert request.ends is None or closes == request.ends or request is batch[-1], request
        if closes:
            if not batch[-1].cut:
                assert kept.rest() == b"", f"seed {SEED}: more than an answer to {batch[-1]}"
            kept.sock.close()
            kept, past = Kept(known is secure), []
    assert not kept.reader.data, f"seed {SEED}: more than the answers"
    kept.sock.close()


def in_parallel(count, run, *args):
    """In a few threads, each with draws of its own."""
    failures = []

    def work(first):
        try:
            for number in range(first, count, 4):
                run(random.Random(SEED * 1000 + number), *args)
        except Exception as error:  # any failure is a failed test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def on_a_kept_connection_answers_are_those_of_a_fresh_one():
    in_parallel(SEQUENCES, run_sequence, references(False), references(True))


# ---- HTTP/2 ----

class Fields(Client):
    """Keeps all fields, those of the same name too."""

    def note(self, kind, flags, stream, payload):
        if kind == 1:
            fields = self.inflater.read(payload)
            self.blocks.setdefault(stream, []).append(fields)
            self.frames += 1
            if flags & END_STREAM:
                self.ended.add(stream)
        else:
            super(Client, self).note(kind, flags, stream, payload)
            if kind == RST_STREAM:
                self.ended.add(stream)


def h2_send(client, stream, request):
    body = b"".join(request.body) if isinstance(request.body, list) else request.body
    extra = [(name.lower(), value) for name, value in request.headers]
    if body is not None and not isinstance(request.body, list):
        extra.append(("content-length", str(len(body))))
    has_body = bool(body)
    flags = END_HEADERS | (0 if has_body else END_STREAM)
    data = h2_get(stream, request.path, flags=flags, method=request.method, authority="a.localhost", extra=extra)
    for at in range(0, len(body or b""), 16000):
        last = at + 16000 >= len(body)
        data += frame(DATA, END_STREAM if last else 0, stream, body[at:at + 16000])
    client.send(data)


def h2_answer(client, stream):
    blocks = [sorted((name, "drawn" if name in ("date", "age", "x-request-id", "traceparent")
                      else ID.sub(b"drawn", value.encode()).decode()) for name, value in block)
              for block in client.blocks.get(stream, [])]
    return blocks, ID.sub(b"drawn", client.bodies.get(stream, b"")), client.resets.get(stream)


def h2_open():
    window = b"\0\4" + (1 << 30).to_bytes(4, "big")
    return Fields(settings=window, window=1 << 30)


def h2_fresh(request):
    with h2_open() as client:
        h2_send(client, 1, request)
        assert client.read(lambda: 1 in client.ended), request
        return h2_answer(client, 1)


def fits_a_window(request):
    size = sum(map(len, request.body)) if isinstance(request.body, list) else len(request.body or b"")
    return size < 60000


H2_REQUESTS = [request for request in REQUESTS if not request.only_h1 and fits_a_window(request)]


def run_h2_sequence(draw, known):
    with h2_open() as client:
        stream = 1
        past = []
        for _ in range(LENGTH):
            batch = {}
            for _ in range(draw.choice([1, 1, 2, 6])):
                batch[stream] = draw.choice(H2_REQUESTS)
                h2_send(client, stream, batch[stream])
                stream += 2
            assert client.read(lambda: all(i in client.ended for i in batch)), \
                (f"seed {SEED}: no answer", {i: r for i, r in batch.items() if i not in client.ended}, client.goaway)
            for i, request in batch.items():
                got = h2_answer(client, i)
                assert got == known[request], (f"seed {SEED}: {request} behind {past[-3:]}", got, known[request])
                past.append(request)
            assert client.goaway is None, client.goaway


def on_a_connection_of_http2_too():
    for request in H2_REQUESTS:
        h2_fresh(request)
    in_parallel(H2_SEQUENCES, run_h2_sequence, {request: h2_fresh(request) for request in H2_REQUESTS})


if __name__ == "__main__":
    publish(start_application())
    sys.exit(tap.run([on_a_kept_connection_answers_are_those_of_a_fresh_one, on_a_connection_of_http2_too]))
