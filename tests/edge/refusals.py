#!/usr/bin/env python3
"""What an answer has that the edge gives itself: its page, its line in the log, what pages of other
sites may read of it; what is secure behind a proxy; and how long events may pause."""
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from apps import Answering  # noqa: E402
from tables import connect, get, publish, receive  # noqa: E402

LOG = Path(os.environ["EDGE_FILES"]).parent / "access.log"
ORIGIN = ("Origin", "https://shop.test")
CORS = {"origins": ["https://shop.test"], "methods": "GET, POST", "max_age": 60}


class App(Answering):
    """/events are two, with the pause that the query says; else what came."""

    def answer(self, sock, head):
        path, _, pause = head.split()[1].partition("?")
        if path != "/events":
            body = json.dumps(head).encode()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return
        kind = b"text/event-stream" if pause[0] == "e" else b"text/plain"
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
                     b"3\r\none\r\n" % kind)
        time.sleep(float(pause[1:]))
        sock.sendall(b"3\r\ntwo\r\n0\r\n\r\n")


def ask(request):
    with connect() as sock:
        sock.sendall(request.encode())
        return receive(sock)


def line_of(number):
    """Of the log, that of the request with this id."""
    for _ in range(100):
        for line in LOG.read_text().splitlines() if LOG.exists() else []:
            if json.loads(line)["request_id"] == number:
                return json.loads(line)
        time.sleep(0.05)
    raise AssertionError(f"{number} is not in the log")


def the_log_says_what_was_refused():
    publish(App(), [{"body_limit_bytes": 10}])
    for number, method, more in ((413, "POST", "Content-Length: 11"), (405, "TRACE", "A: b"),
                                 (417, "GET", "Expect: miracles")):
        status = ask(f"{method} /here?q=1 HTTP/1.1\r\nHost: a.localhost\r\nX-Request-Id: id-{number}\r\n"
                     f"{more}\r\n\r\n")[0]
        assert status == number, status
        line = line_of(f"id-{number}")
        assert (line["method"], line["path"], line["host"]) == (method, "/here", "a.localhost"), line


def a_rate_has_a_page_of_its_own():
    rate = {"text": "1/h", "requests": 1, "seconds": 3600, "burst": 1, "per": "route"}
    publish(App(), [{"limits": {"rates": [rate]},
                     "rules": {"error_pages": [{"status": 429, "body": "<p>slowly"}]}}])
    assert get()[0] == 200
    status, headers, body = get()
    assert status == 429 and body == b"<p>slowly" and int(headers["retry-after"]) > 0, (headers, body)


def other_sites_learn_why_they_are_refused():
    """Without the header a browser tells the page of a failed network, and no more."""
    rules = {"rules": {"cors": CORS}}
    publish(App(), [{"path": "/denied", "limits": {"deny": ["127.0.0.1"]}, **rules},
                    {"path": "/long", "limits": {"url_bytes": 3}, **rules},
                    {"path": "/closed", "maintenance": {"retry_after": 5}, **rules},
                    {"path": "/large", "body_limit_bytes": 1, **rules}])
    for path, wanted in (("/denied", 403), ("/long", 414), ("/closed", 503)):
        status, headers, _ = get(path, [ORIGIN])
        assert status == wanted and headers["access-control-allow-origin"] == ORIGIN[1], headers
        assert "access-control-allow-origin" not in get(path, [("Origin", "https://evil.test")])[1]
    status, headers, _ = ask("POST /large HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 2\r\n"
                             f"Origin: {ORIGIN[1]}\r\n\r\n")
    assert status == 413 and headers["access-control-allow-origin"] == ORIGIN[1], headers


def what_a_trusted_proxy_took_by_https_is_secure():
    said = [("X-Forwarded-Proto", "https")]
    route = {"hsts": True, "rules": {
        "request_headers": [{"op": "set", "name": "X-Scheme", "value": "{scheme}"}],
        "response_headers": [{"op": "set", "name": "X-Scheme", "value": "{scheme}"}]}}
    for trusted, scheme in (({"trusted_proxies": ["127.0.0.1"]}, "https"), ({}, "http")):
        publish(App(), [route], listener=trusted, upstream={"sticky_cookie": "place"})
        _, headers, body = get("/", said)
        assert headers["x-scheme"] == scheme and f"X-Scheme: {scheme}" in json.loads(body), headers
        assert ("strict-transport-security" in headers) == (scheme == "https"), headers
        assert ("Secure" in headers["set-cookie"]) == (scheme == "https"), headers


def read_all(path):
    with connect() as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n".encode())
        data = b""
        try:
            while piece := sock.recv(65536):
                data += piece
        except ConnectionResetError:
            pass
    return data


def events_may_pause_as_long_as_a_tunnel():
    publish(App(), [{"body_timeout_ms": 300, "tunnel_timeout_ms": 1500}])
    assert read_all("/events?e1").endswith(b"two\r\n0\r\n\r\n")
    assert b"two" not in read_all("/events?e2.5")
    assert b"two" not in read_all("/events?t1")


def nobody_waits_for_the_end_of_events():
    """A cache would let the second client wait until it knows what the first one gets."""
    publish(App(), [{"cache": {"default_s": 60}, "tunnel_timeout_ms": 5000}])
    with connect() as first, connect() as second:
        for sock in (first, second):
            sock.sendall(b"GET /events?e1.5 HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
            time.sleep(0.2)
        began, data = time.monotonic(), b""
        while b"one" not in data:
            data += second.recv(4096)
        assert time.monotonic() - began < 0.8, "it waited"
        assert b"detail=events" in data, data


if __name__ == "__main__":
    sys.exit(tap.run([the_log_says_what_was_refused, a_rate_has_a_page_of_its_own,
                      other_sites_learn_why_they_are_refused,
                      what_a_trusted_proxy_took_by_https_is_secure,
                      events_may_pause_as_long_as_a_tunnel, nobody_waits_for_the_end_of_events]))
