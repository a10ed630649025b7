#!/usr/bin/env python3
"""Large and slow transfers through the edge: every byte is compared.

Run by edge_rig; an application of its own answers
    GET  /down?n=...[&chunked=1]   n bytes that follow from their offset
    PUT  /up                       the number and the SHA-256 of what came
    PUT  /die                      closes after the first bytes
    GET  /ws                       101, then echoes
"""
import hashlib
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

SIZE = 20_000_000
PATTERN = bytes(range(251)) * 4096


def pattern(start, length):
    at = start % 251
    return PATTERN[at:at + length] if at + length <= len(PATTERN) else PATTERN[at:]


class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path == "/ws":
            self.send_response(101)
            self.send_header("Connection", "upgrade")
            self.send_header("Upgrade", "websocket")
            self.end_headers()
            while data := self.connection.recv(65536):
                self.connection.sendall(data)
            self.close_connection = True
            return
        query = parse_qs(urlparse(self.path).query)
        size, chunked = int(query["n"][0]), "chunked" in query
        self.send_response(200)
        self.send_header(*(("Transfer-Encoding", "chunked") if chunked
                           else ("Content-Length", str(size))))
        self.end_headers()
        sent = 0
        while sent < size:
            data = pattern(sent, min(100_000, size - sent))
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked else data)
            sent += len(data)
        if chunked:
            self.wfile.write(b"0\r\n\r\n")

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            left = int(self.headers["Content-Length"])
            while left > 0 and (data := self.rfile.read(min(65536, left))):
                left -= len(data)
                yield data
            return
        while (size := int(self.rfile.readline(), 16)) > 0:
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def do_PUT(self):
        digest, count = hashlib.sha256(), 0
        for data in self.body():
            if self.path == "/die":
                self.connection.close()
                raise ConnectionAbortedError
            digest.update(data)
            count += len(data)
            if self.path == "/slow":
                time.sleep(0.005)
        text = b"%d %s" % (count, digest.hexdigest().encode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass


def connect(tls):
    context = ssl._create_unverified_context()
    if tls:
        return http.client.HTTPSConnection("127.0.0.1", os.environ["EDGE_HTTPS"], timeout=30,
                                           context=context)
    return http.client.HTTPConnection("127.0.0.1", os.environ["EDGE_HTTP"], timeout=30)


def download(tls, chunked, slow=False):
    size = SIZE // 4 if slow else SIZE
    client = connect(tls)
    client.request("GET", f"/down?n={size}" + ("&chunked=1" if chunked else ""))
    answer, got = client.getresponse(), 0
    while data := answer.read(65536):
        expected = b""
        while len(expected) < len(data):
            expected += pattern(got + len(expected), len(data) - len(expected))
        assert data == expected, f"byte {got} and following differ"
        got += len(data)
        if slow and got < size // 2:
            time.sleep(0.01)
    assert got == size, f"{got} of {size} bytes came"


def upload(tls, chunked, path="/up", size=SIZE):
    data = b"".join(pattern(at, 251_000) for at in range(0, size, 251_000))
    client = connect(tls)
    if chunked:
        client.request("PUT", path, body=(data[i:i + 70_001] for i in range(0, len(data), 70_001)),
                       encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    else:
        client.request("PUT", path, body=data)
    answer = client.getresponse().read()
    expected = b"%d %s" % (len(data), hashlib.sha256(data).hexdigest().encode())
    assert answer == expected, f"{answer} instead of {expected}"


def upload_to_dying(tls):
    client = connect(tls)
    try:
        client.request("PUT", "/die", body=bytes(SIZE))
        assert client.getresponse().status == 502
    except (ConnectionError, ssl.SSLError):
        pass  # the answer may have been overtaken by our own data


def websocket(tls):
    sock = socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTPS" if tls else "EDGE_HTTP"]))
    if tls:
        sock = ssl._create_unverified_context().wrap_socket(sock)
    sock.sendall(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(1)
    assert head.startswith(b"HTTP/1.1 101")
    data, got = PATTERN * 8, bytearray()
    threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
    while len(got) < len(data):
        piece = sock.recv(65536)
        assert piece, f"the tunnel ended after {len(got)} bytes"
        got += piece
    assert bytes(got) == data
    sock.close()


def abort_download(tls):
    client = connect(tls)
    client.request("GET", f"/down?n={SIZE}")
    client.getresponse().read(1000)
    client.close()


def main():
    server = Server(("127.0.0.1", 0), App)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run([sys.argv[1], "app", "", str(server.server_port)], check=True,
                   stdout=subprocess.DEVNULL)
    tests = []
    for tls in (False, True):
        tests += [(download, tls, False), (download, tls, True), (download, tls, False, True),
                  (upload, tls, False), (upload, tls, True),
                  (upload, tls, False, "/slow", SIZE // 4), (upload_to_dying, tls),
                  (websocket, tls), (abort_download, tls)]
    failed = 0
    print(f"1..{len(tests) + 1}")
    for number, (test, *args) in enumerate(tests, 1):
        try:
            test(*args)
            print(f"ok {number} - {test.__name__} {args}", flush=True)
        except Exception as error:  # any failure is a failed test
            failed += 1
            print(f"not ok {number} - {test.__name__} {args}: {error!r}", flush=True)
    with ThreadPoolExecutor(len(tests)) as pool:
        running = [pool.submit(test, *args) for test, *args in tests]
        wrong = [repr(run.exception()) for run in running if run.exception() is not None]
    print(f"{'not ' if wrong else ''}ok {len(tests) + 1} - all of them at once {wrong or ''}")
    return failed > 0 or bool(wrong)


sys.exit(main())
