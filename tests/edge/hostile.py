#!/usr/bin/env python3
"""Applications and clients that break the rules harm nobody but themselves.

Run by edge_rig; each test has an application of its own, a function that is
given its connections.
"""
import os
import re
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tables import counter  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOST = b"Host: a.test\r\n"


def receive(sock, end, seconds=5):
    """What comes until <end>, the end of the connection, or the time is over."""
    data, until = b"", time.monotonic() + seconds
    try:
        while end not in data and (left := until - time.monotonic()) > 0:
            sock.settimeout(left)
            piece = sock.recv(65536)
            if not piece:
                break
            data += piece
    except (TimeoutError, ConnectionError):
        pass
    return data


def receive_head(sock):
    head = receive(sock, b"\r\n\r\n")
    if b"\r\n\r\n" not in head:
        raise ConnectionError("no request")
    return head


def serve(application, members=""):
    """Publishes a table with <application> as the only one."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=run, args=(sock,), daemon=True).start()

    def run(sock):
        try:
            application(sock)
        except OSError:
            pass
        sock.close()

    threading.Thread(target=accept, daemon=True).start()
    subprocess.run([sys.argv[1], "app", members, str(listener.getsockname()[1])], check=True,
                   stdout=subprocess.DEVNULL)


def connect():
    return socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTP"]), timeout=5)


def ask(request, end=b"ok", seconds=5):
    with connect() as sock:
        sock.sendall(request)
        return receive(sock, end, seconds)


def statuses(data):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", data)]


def interim_answers_without_end():
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"a" * 1000 + b">\r\n\r\n"

    def application(sock):
        if b"GET /good" in receive_head(sock):
            sock.sendall(OK)
        while True:
            sock.sendall(hint * 50)

    serve(application)
    before = counter("limits_exceeded")
    with connect() as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n", b"</html>")
        assert statuses(answer)[-1] == 502 and len(answer) < 200_000, answer[-200:]
        assert counter("limits_exceeded") > before
        assert statuses(ask(b"GET /good HTTP/1.1\r\n" + HOST + b"\r\n")) == [200]


def upgrades_to_http():
    def application(sock):
        while True:
            sock.sendall(OK if b"pgrade" not in receive_head(sock) else b"upgrade came")

    serve(application)
    for protocol in (b"h2c", b"H2c", b"h2C", b"tls/1.2", b"http/2.0", b"Http/2"):
        answer = ask(b"GET / HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: " + protocol +
                     b"\r\n\r\n")
        assert statuses(answer) == [200], (protocol, answer)


def nothing_follows_a_body_that_was_refused():
    def application(sock):
        while True:
            receive_head(sock)
            sock.sendall(OK)

    serve(application, '"body_limit_bytes":10')
    with connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"
                     b"20\r\n" + b"x" * 32 + b"\r\n0\r\n\r\nPOST /half HTTP/1.1\r\nX: ")
        answer = receive(sock, b"</html>")
        try:
            sock.sendall(b"GET /second HTTP/1.1\r\n" + HOST + b"\r\n")
        except ConnectionError:
            pass
        answer += receive(sock, b"ok")
    assert statuses(answer) == [413] and b"Connection: close" in answer, answer


def an_empty_chunked_body_is_not_sent_by_halves():
    def application(sock):
        receive_head(sock)
        sock.sendall(OK)
        receive_head(sock)

    serve(application, '"response_timeout_ms":3000')
    for _ in range(30):  # two workers: the second may come to the other one
        ask(b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
        started = time.monotonic()
        answer = ask(b"PUT / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"until the close")
        assert statuses(answer) in ([200], [502]), answer
        if statuses(answer) == [502]:
            assert time.monotonic() - started < 1, "half a request waits for its answer"
            return
    assert False, "half a request was answered, or no connection was used twice"


def headers_in_disguise():
    def application(sock):
        head = receive_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(head), head))

    serve(application)
    answer = ask(b"GET / HTTP/1.1\r\n" + HOST + b"X_Forwarded_Proto: https\r\nX-Forwarded_For: 1\r\n"
                 b"Content_Length: 5\r\nX_Real-IP: 2\r\nX_Client_Cert_Verify: SUCCESS\r\n"
                 b"X_Own: kept\r\n\r\n", b"X-Request-Id").lower()
    assert b"x_own: kept\r\n" in answer, answer
    for name in (b"forwarded_", b"content_length", b"x_real", b"client_cert"):
        assert name not in answer, answer
    assert b"x-forwarded-proto: http\r\n" in answer, answer


def a_body_in_answer_to_head():
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    def application(sock):
        while True:
            if receive_head(sock).startswith(b"HEAD"):
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(evil))
                time.sleep(0.01)  # the body comes in a packet of its own
                sock.sendall(evil)
            else:
                sock.sendall(OK)

    serve(application)
    requests = b"".join(method + b" / HTTP/1.1\r\n" + HOST + b"\r\n" for method in (b"HEAD", b"GET"))
    for _ in range(10):
        answer = ask(requests)
        assert statuses(answer) == [200, 200] and b"evil" not in answer, answer


TESTS = [interim_answers_without_end, upgrades_to_http, nothing_follows_a_body_that_was_refused,
         an_empty_chunked_body_is_not_sent_by_halves, headers_in_disguise, a_body_in_answer_to_head]


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        try:
            test()
            print(f"ok {number} - {test.__name__.replace('_', ' ')}", flush=True)
        except Exception as error:  # any failure is a failed test
            failed += 1
            print(f"not ok {number} - {test.__name__.replace('_', ' ')}: {error!r}", flush=True)
    return failed > 0


sys.exit(main())
