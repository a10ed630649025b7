#!/usr/bin/env python3
"""Compression of answers: every byte comes out as it went in, and nothing waits."""
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap
from apps import receive_head
from tables import RIG, connect, expect_counter, publish

CODINGS = ("br", "zstd", "gzip")
TEXT = b"".join(b"line %d of a text that repeats itself, as texts do\n" % i for i in range(9000))
RULES = {"rules": {"compress": list(CODINGS)}}


class App:
    """Calls a function with the socket and the request's path."""

    def __init__(self, function):
        self.function = function
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            while True:
                head, _ = receive_head(sock)
                self.function(sock, head.split(b" ")[1].decode(), head)
        except OSError:
            pass
        sock.close()


def answer(sock, body, *lines, status="200 OK"):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines]
    sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)


def curl(url, *options):
    """Head lines in lower case, and the body as curl decodes it."""
    done = subprocess.run(["curl", "-sSk", "-D", "-", "--compressed", *options, url],
                          capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
    head, body = done.stdout.split(b"\r\n\r\n", 1)
    lines = [line.lower() for line in head.decode().split("\r\n")[1:]]
    return dict(line.split(": ", 1) for line in lines), body


def url(listener="EDGE_HTTP", path="/"):
    scheme = "https" if listener == "EDGE_HTTPS" else "http"
    return f"{scheme}://a.localhost:{os.environ[listener]}{path}"


def resolve(listener):
    return "--resolve", f"a.localhost:{os.environ[listener]}:127.0.0.1"


def fetch(path="/", coding="gzip", listener="EDGE_HTTP", *options):
    return curl(url(listener, path), *resolve(listener), "-H", f"Accept-Encoding: {coding}",
                *options)


def plain_app(sock, path, head):
    kind = {"/json": "application/json", "/png": "image/png", "/events": "text/event-stream",
            "/utf": "text/html; charset=utf-8"}.get(path, "text/plain")
    if path == "/small":
        answer(sock, TEXT[:1023], "Content-Type: text/plain")
    elif path == "/fixed":
        answer(sock, TEXT, "Content-Type: text/plain", "Cache-Control: public, no-transform")
    elif path == "/coded":
        answer(sock, zlib.compress(TEXT, wbits=31), "Content-Type: text/plain",
               "Content-Encoding: gzip")
    elif path == "/part":
        answer(sock, TEXT[:5000], "Content-Type: text/plain", "Content-Range: bytes 0-4999/9999",
               status="206 Partial Content")
    elif path == "/chunked":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(TEXT), 7001):
            piece = TEXT[at:at + 7001]
            sock.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        sock.sendall(b"0\r\n\r\n")
    elif path == "/close":
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\n\r\n" + TEXT)
        raise OSError
    elif path == "/missing":
        answer(sock, TEXT, "Content-Type: text/html", status="404 Not Found")
    elif head.startswith(b"HEAD"):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nETag: \"v1\"\r\n"
                     b"Content-Length: %d\r\n\r\n" % len(TEXT))
    else:
        answer(sock, TEXT, f"Content-Type: {kind}", 'ETag: "v1"')


def every_byte_comes_out_of_every_coding_and_protocol():
    publish(App(plain_app), [RULES])
    for listener in ("EDGE_HTTP", "EDGE_HTTPS"):
        for coding in CODINGS:
            for path in ("/", "/json", "/utf", "/chunked", "/close", "/missing"):
                head, body = fetch(path, coding, listener)
                assert body == TEXT, (listener, coding, path, len(body))
                assert head["content-encoding"] == coding
                assert head["vary"] == "accept-encoding"
                assert "content-length" not in head
    head, body = fetch("/", "gzip", "EDGE_HTTPS", "--http1.1")
    assert body == TEXT and head["transfer-encoding"] == "chunked" and head["etag"] == 'w/"v1"'


def the_route_says_which_coding_is_best():
    publish(App(plain_app), [{"rules": {"compress": ["zstd", "br", "gzip"]}}])
    for accepted, coding in (("gzip, br, zstd", "zstd"), ("br, gzip", "br"),
                             ("zstd;q=0, gzip", "gzip"), ("*", "zstd")):
        assert fetch("/", accepted)[0]["content-encoding"] == coding


def what_is_not_compressed_stays_as_it_is():
    publish(App(plain_app), [RULES])
    for path in ("/png", "/events", "/small", "/fixed", "/part"):
        head, body = fetch(path, "gzip")
        assert "content-encoding" not in head and "content-length" in head, path
        assert body == TEXT[:len(body)] and len(body) == int(head["content-length"])
    head, body = fetch("/coded", "gzip")
    assert head["content-encoding"] == "gzip" and body == TEXT and "content-length" in head
    for coding in ("identity", "deflate", "gzip;q=0"):
        head, body = fetch("/", coding)
        assert "content-encoding" not in head and head["vary"] == "accept-encoding"
        assert head["etag"] == '"v1"' and body == TEXT
    for path in ("/chunked", "/close"):
        head, body = fetch(path, "identity")
        assert "content-encoding" not in head and body == TEXT


def http_1_0_gets_bytes_as_they_are():
    publish(App(plain_app), [RULES])
    for path in ("/", "/chunked"):
        head, body = fetch(path, "gzip", "EDGE_HTTP", "--http1.0")
        assert "content-encoding" not in head and "transfer-encoding" not in head and body == TEXT


def head_says_what_get_says():
    publish(App(plain_app), [RULES])
    sock = connect()
    sock.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br\r\n\r\n"
                 b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
    data = b""
    while data.count(b"\r\n\r\n") < 2 or len(data.split(b"\r\n\r\n")[2]) < 1023:
        data += sock.recv(65536)
    first, second, body = data.split(b"\r\n\r\n")
    assert b"Content-Encoding: br" in first and b"Content-Length" not in first, first
    assert b"Content-Length: 1023" in second and body == TEXT[:1023]


def connections_go_on_after_a_compressed_answer():
    publish(App(plain_app), [RULES])
    _, body = fetch("/[1-5]", "gzip")
    assert body.count(TEXT[:1000]) == 5


def what_an_application_has_said_can_be_read_before_it_goes_on():
    said, go_on = b"the first part, and then nothing for a while", threading.Event()

    def slow(sock, path, head):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(said), said))
        assert go_on.wait(10)
        sock.sendall(b"4\r\nmore\r\n0\r\n\r\n")

    publish(App(slow), [RULES])
    sock = connect()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
    data, text, decoder = b"", b"", zlib.decompressobj(31)
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    body = data.split(b"\r\n\r\n", 1)[1]
    while len(text) < len(said):
        while body.count(b"\r\n") < 2:
            body += sock.recv(65536)
        size, rest = body.split(b"\r\n", 1)
        size = int(size, 16)
        while len(rest) < size + 2:
            rest += sock.recv(65536)
        text += decoder.decompress(rest[:size])
        body = rest[size + 2:]
    assert text == said
    go_on.set()
    while not body.endswith(b"0\r\n\r\n"):
        body += sock.recv(65536)


def a_cut_answer_is_not_made_whole():
    def cut(sock, path, head):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99999\r\n\r\n"
                     + TEXT[:5000])
        raise OSError

    publish(App(cut), [RULES])
    done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "--compressed", *resolve("EDGE_HTTP"),
                           url()], capture_output=True, timeout=20)
    assert done.returncode != 0


def a_websocket_is_left_alone():
    def echo(sock, path, head):
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                     b"Upgrade: websocket\r\n\r\n")
        while data := sock.recv(65536):
            sock.sendall(data)
        raise OSError

    publish(App(echo), [{"rules": {**RULES["rules"], "response_headers": [
        {"op": "set", "name": "X-A", "value": "b"}]}}])
    sock = connect()
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: upgrade\r\n"
                 b"Upgrade: websocket\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536)
    assert b" 101 " in data and b"gzip" not in data
    sock.sendall(TEXT)
    got = b""
    while len(got) < len(TEXT):
        got += sock.recv(65536)
    assert got == TEXT


def what_the_cache_keeps_is_compressed_for_each_client():
    asked = []

    def app(sock, path, head):
        asked.append(path)
        plain_app(sock, path, head)

    publish(App(app), [{**RULES, "cache": {"default_s": 60}}])
    for path in ("/", "/chunked"):
        for coding in ("gzip", "identity", "br", "zstd", "gzip"):
            head, body = fetch(path, coding)
            assert body == TEXT, (path, coding, len(body))
            assert head.get("content-encoding", "identity") == coding
    assert len(asked) == 2, asked


def files_and_pages_are_compressed_too():
    rules = {"compress": ["gzip"], "error_pages": [{"status": 404, "body": TEXT.decode()[:20000]}]}
    folder = os.environ["EDGE_FILES"]
    with open(f"{folder}/text.css", "wb") as file:
        file.write(TEXT)
    publish_files(rules)
    head, body = fetch("/text.css")
    assert body == TEXT and head["content-encoding"] == "gzip" and "accept-ranges" not in head
    assert head["etag"].startswith('w/"')
    _, body = fetch("/text.css", "gzip", "EDGE_HTTP", "-H", "If-None-Match: " + head["etag"][2:],
                    "-o", "/dev/null", "-w", "%{http_code}")
    assert body.endswith(b"304"), body
    head, body = fetch("/text.css", "gzip", "EDGE_HTTP", "-r", "0-1999")
    assert body == TEXT[:2000] and "content-encoding" not in head
    head, body = fetch("/large.bin")
    assert "content-encoding" not in head and len(body) == 3000000
    head, body = fetch("/none")
    assert head["content-encoding"] == "gzip" and body == TEXT[:20000]


def publish_files(rules):
    kinds = {1: "http", 2: "https", 3: "tcp", 4: "http"}
    pem = {"certificate_file": os.environ["EDGE_CERTIFICATE"], "key_file": os.environ["EDGE_KEY"]}
    table = {"listeners": [{"id": i, "kind": kind, "upstream": 0} for i, kind in kinds.items()],
             "certificates": [{"names": [], **pem}],
             "upstreams": [{"name": "none", "targets": []}],
             "routes": [{"path": "/", "files_fd": 0, "rules": rules}]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def above_128_at_once_on_a_worker_bytes_pass_as_they_are():
    release = threading.Event()

    def slow(sock, path, head):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhello")
        release.wait(20)
        raise OSError

    publish(App(slow), [RULES])
    socks, coded = [connect() for _ in range(300)], 0
    for sock in socks:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
    for sock in socks:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65536)
        coded += b"Content-Encoding: gzip" in data
    assert coded <= 256, coded  # two workers
    expect_skipped = 300 - coded
    expect_counter("compression_skipped", expect_skipped)
    release.set()
    for sock in socks:
        sock.close()

    publish(App(plain_app), [RULES])
    for _ in range(50):  # they are free again as soon as the edge has seen the ends
        head, body = fetch("/", "gzip")
        assert body == TEXT
        if "content-encoding" in head:
            return
    raise AssertionError("nothing is compressed any more")


sys.exit(tap.run([
    every_byte_comes_out_of_every_coding_and_protocol,
    the_route_says_which_coding_is_best,
    what_is_not_compressed_stays_as_it_is,
    http_1_0_gets_bytes_as_they_are,
    head_says_what_get_says,
    connections_go_on_after_a_compressed_answer,
    what_an_application_has_said_can_be_read_before_it_goes_on,
    a_cut_answer_is_not_made_whole,
    a_websocket_is_left_alone,
    what_the_cache_keeps_is_compressed_for_each_client,
    files_and_pages_are_compressed_too,
    above_128_at_once_on_a_worker_bytes_pass_as_they_are,
]))
