#!/usr/bin/env python3
"""The cache where several connections, much data or time are needed.

Run by edge_rig. The application counts what it is asked for; what it answers is said by the query.
"""
import http.client
import json
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import h2_frames as h2  # noqa: E402
import tap  # noqa: E402

RIG, HTTP, HTTPS = sys.argv[1], int(os.environ["EDGE_HTTP"]), int(os.environ["EDGE_HTTPS"])
SEEN, WHO, LOCK, OPEN = {}, {}, threading.Lock(), threading.Event()
LIVE = {"answers": True}


class App(BaseHTTPRequestHandler):
    """?n= bytes, ?cc= Cache-Control, ?delay= seconds, ?etag=, ?vary=, ?status=, ?tag=, ?type=,
    ?connection=;
    ?gate= waits until it is open; ?many= more headers of ?wide= bytes, other ones each time, and no
    Date."""
    wbufsize = 1 << 16  # head and body in one packet
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlparse(self.path)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        with LOCK:
            SEEN[url.path] = count = SEEN.get(url.path, 0) + 1
            WHO[url.path] = self.headers.get("x-who")
        if "gate" in query:
            OPEN.wait(10)
        time.sleep(float(query.get("delay", 0)))
        text = f"{url.path} {count} {self.headers.get('x-who', '')} ".encode()
        size = int(query.get("n", len(text)))
        body = (text * (1 + size // len(text)))[:size]
        etag = f'"{query["etag"]}"' if "etag" in query else None
        status = 200 if LIVE["answers"] else 503
        if etag and self.headers.get("if-none-match") == etag and status == 200:
            status, body = 304, b""
        many = int(query.get("many", 0))
        status = int(query.get("status", status))
        (self.send_response_only if many else self.send_response)(status)
        for i in range(many):
            self.send_header(f"X-{count}-{i}", "x" * int(query["wide"]))
        for name, key in (("Cache-Control", "cc"), ("Vary", "vary"), ("Cache-Tag", "tag"),
                          ("Content-Type", "type"), ("Connection", "connection")):
            if key in query:
                self.send_header(name, query[key])
        if etag:
            self.send_header("ETag", etag)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET


class Server(ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 512


APP = Server(("127.0.0.1", 0), App)
threading.Thread(target=APP.serve_forever, daemon=True).start()


def publish(cache=None, cache_bytes=None, listener=None, **more):
    table = {
        "certificates": [{"names": ["*.localhost"], "key_file": os.environ["EDGE_KEY"],
                          "certificate_file": os.environ["EDGE_CERTIFICATE"]}],
        "listeners": [{"id": 1, "kind": "http", **(listener or {})}, {"id": 2, "kind": "https"},
                      {"id": 3, "kind": "tcp", "upstream": 0}, {"id": 4, "kind": "http"}],
        "upstreams": [{"name": "test/app", "targets": [
            {"id": "t1", "address": f"127.0.0.1:{APP.server_address[1]}"}]}],
        "routes": [{"system": "test", "path": "/", "upstream": 0, "cache": cache or {}, **more}]}
    if cache_bytes is not None:
        table["cache_bytes"] = cache_bytes
    subprocess.run([RIG, "table"], input=json.dumps(table), text=True, check=True,
                   stdout=subprocess.DEVNULL)


def get(path, method="GET", headers=None, port=HTTP):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request(method, path, headers={"Host": "a.localhost", **(headers or {})})
    answer = client.getresponse()
    answer.body = answer.read()
    answer.cache = answer.getheader("cache-status") or ""
    client.close()
    return answer


SERIAL = [0]


def ask_edge(**message):
    SERIAL[0] += 1
    message = {"type": "cache", "id": SERIAL[0], "system": "test", **message}
    subprocess.run([RIG, "send", json.dumps(message)], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([RIG, "await", f'"id":{SERIAL[0]},'], check=True, text=True,
                          capture_output=True)
    return json.loads(done.stdout)


def seen(path):
    return SEEN.get(path, 0)


def wait_for(condition, what):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"never: {what}")


def many_requests_for_one_thing_become_one_and_all_get_it():
    publish()
    OPEN.clear()
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(get, "/one?gate=1&cc=max-age%3D60&n=50000") for _ in range(40)]
        wait_for(lambda: seen("/one") == 1, "the first request")
        time.sleep(0.3)
        OPEN.set()
        answers = [one.result() for one in asked]
    assert seen("/one") == 1, seen("/one")
    assert len({answer.body for answer in answers}) == 1
    collapsed = [answer for answer in answers if "collapsed" in answer.cache]
    assert len(collapsed) >= 30, [answer.cache for answer in answers]
    assert ask_edge()["cache_collapsed"] >= 30


def who_waits_for_what_cannot_be_stored_is_let_go_at_once_and_the_next_do_not_wait():
    publish()
    OPEN.clear()
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(get, "/never?gate=1&cc=private") for _ in range(10)]
        wait_for(lambda: seen("/never") == 1, "the first request")
        time.sleep(0.2)
        assert seen("/never") == 1
        OPEN.set()
        assert all(one.result().status == 200 for one in asked)
    assert seen("/never") == 10
    started = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda _: get("/never?delay=0.4&cc=private"), range(5)))
    assert time.monotonic() - started < 1.2, "they went one behind the other"


def a_fetch_that_takes_long_is_not_awaited_for_ever():
    publish()
    before = ask_edge()["cache_slow"]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, "/slow?delay=7&cc=max-age%3D60")
        wait_for(lambda: seen("/slow") == 1, "the first request")
        second = pool.submit(get, "/slow?delay=7&cc=max-age%3D60")
        wait_for(lambda: ask_edge()["cache_slow"] == before + 1, "it gave up waiting")
        wait_for(lambda: seen("/slow") == 2, "its own request")
        started = time.monotonic()
        third = get("/slow?delay=7&cc=max-age%3D60", headers={"Cache-Control": "no-store"})
        assert first.result().status == second.result().status == third.status == 200
        assert time.monotonic() - started < 12, "it waited too"


def when_the_first_client_leaves_another_one_fetches():
    publish()
    OPEN.clear()
    leader = socket.create_connection(("127.0.0.1", HTTP))
    leader.sendall(h2.PREFACE + h2.frame(h2.SETTINGS) +
                   h2.get(1, "/leaves?gate=1&cc=max-age%3D60", authority="a.localhost"))
    wait_for(lambda: seen("/leaves") == 1, "the first request")
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(get, "/leaves?gate=1&cc=max-age%3D60") for _ in range(5)]
        time.sleep(0.2)
        leader.sendall(h2.frame(h2.RST_STREAM, 0, 1, struct.pack(">I", 8)))  # CANCEL
        wait_for(lambda: seen("/leaves") == 2, "the second request")
        OPEN.set()
        assert all(one.result().status == 200 for one in asked)
    assert seen("/leaves") == 2, seen("/leaves")


def who_waited_twice_in_vain_does_not_wait_again():
    publish()
    OPEN.clear()
    clients = []

    def ask():
        client = h2.Connection()
        client.send(h2.get(1, "/vain?gate=1&cc=max-age%3D60", authority="a.localhost",
                           extra=[("x-who", str(len(clients)))]))
        clients.append(client)

    def leave(client):
        client.send(h2.frame(h2.RST_STREAM, 0, 1, struct.pack(">I", 8)))  # CANCEL

    begun = time.monotonic()
    ask()
    wait_for(lambda: seen("/vain") == 1, "the first request")
    for _ in range(5):
        ask()
    time.sleep(0.2)
    before = ask_edge()["cache_slow"]
    leave(clients[0])
    wait_for(lambda: seen("/vain") == 2, "the second request")
    second = clients[int(WHO["/vain"])]
    time.sleep(0.2)
    assert seen("/vain") == 2, "the others wait once more"
    leave(second)
    wait_for(lambda: seen("/vain") == 6, "all others at once")
    assert time.monotonic() - begun < 4, "it is not their patience that was at an end"
    assert ask_edge()["cache_slow"] == before + 3, "one of the four leads"
    OPEN.set()
    for client in clients[1:]:
        if client is not second:
            assert client.read(lambda: 1 in client.ended) and client.statuses == {1: 200}
    for client in clients:
        client.sock.close()


def what_is_stale_is_sent_while_one_request_fetches_a_new_one():
    publish({"stale_while_revalidate_s": 30})
    url = "/swr?cc=max-age%3D1&delay=0.5"
    assert get(url).status == 200
    time.sleep(2.1)
    started = time.monotonic()
    answers = [get(url) for _ in range(5)]
    assert time.monotonic() - started < 0.4, "somebody waited"
    assert all("hit" in answer.cache and b" 1 " in answer.body for answer in answers)
    wait_for(lambda: seen("/swr") == 2, "the revalidation")
    wait_for(lambda: b" 2 " in get(url).body, "the new one")
    assert seen("/swr") == 2


def revalidation_in_the_background_uses_the_validator():
    publish()
    url = "/swr304?etag=x&cc=max-age%3D1,stale-while-revalidate%3D60"
    first = get(url)
    time.sleep(2.1)
    assert "hit" in get(url, headers={"If-None-Match": '"other"', "Range": "bytes=0-1"}).cache
    wait_for(lambda: "ttl=1" in get(url).cache or "ttl=0" in get(url).cache, "it became fresh")
    assert get(url).body == first.body and seen("/swr304") == 2


def revalidations_of_large_bodies_end_like_others():
    publish({"stale_while_revalidate_s": 60, "stale_if_error_s": 60})
    urls = ("/large304?n=500000&etag=x&cc=max-age%3D1", "/large503?n=500000&cc=max-age%3D1")
    for url in urls:
        assert get(url).status == 200
    time.sleep(2.1)
    LIVE["answers"] = False
    assert "hit" in get(urls[1]).cache
    wait_for(lambda: seen("/large503") == 2, "the failure")
    LIVE["answers"] = True
    assert "hit" in get(urls[0]).cache
    wait_for(lambda: seen("/large304") == 2, "the revalidation")
    wait_for(lambda: ask_edge()["connections_open"] == 0, "nobody is left who takes the body")


def the_background_asks_as_its_client_would_who_came_by_way_of_a_proxy():
    publish(listener={"limits": {"trusted_proxies": ["127.0.0.1"]}})
    url, headers = "/proxied?cc=max-age%3D1,stale-while-revalidate%3D60", {
        "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    assert get(url, headers=headers).status == 200
    time.sleep(2.1)
    assert "hit" in get(url, headers=headers).cache
    wait_for(lambda: b" 2 " in get(url, headers=headers).body, "the new one")


def revalidations_in_the_background_have_a_limit():
    publish({"stale_while_revalidate_s": 60})
    urls = [f"/back{i}?gate=1&cc=max-age%3D1" for i in range(140)]
    OPEN.set()
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(get, urls))
        time.sleep(2.1)
        OPEN.clear()
        before = ask_edge()["cache_refused"]
        answers = list(pool.map(get, urls))
        state = ask_edge()
        OPEN.set()
    assert all("hit" in answer.cache for answer in answers), "the clients do not notice"
    assert before + 140 - 128 <= state["cache_refused"] < before + 140, state["cache_refused"]


def headers_of_revalidations_do_not_pile_up():
    publish()
    http.client._MAXHEADERS = 250
    for many, wide in ((30, 1000), (97, 10)):
        url = f"/pile{many}?etag=x&cc=max-age%3D0&many={many}&wide={wide}"
        first = get(url)
        for _ in range(6):
            again = get(url)
            assert (again.status, again.body) == (200, first.body), again.status
            assert "fwd-status=304" in again.cache, again.cache
            assert sum(name.startswith("X-") for name, _ in again.getheaders()) <= 101


def where_no_target_is_left_what_is_stale_is_sent_at_once():
    global APP
    former, APP = APP, Server(("127.0.0.1", 0), App)
    threading.Thread(target=APP.serve_forever, daemon=True).start()
    publish({"stale_if_error_s": 60})
    url = "/gone?connection=close&cc=max-age%3D1"
    first = get(url)
    APP.shutdown()
    APP.server_close()
    time.sleep(2.1)
    started = time.monotonic()
    hidden = get(url)
    APP = former
    assert (hidden.status, hidden.body) == (200, first.body), hidden.status
    assert "stale-if-error" in hidden.cache and time.monotonic() - started < 1


def a_failure_is_hidden_by_what_is_stale_only_where_that_is_allowed():
    publish({"stale_if_error_s": 60})
    urls = ("/sie?cc=max-age%3D1", "/strict?cc=max-age%3D1,must-revalidate")
    bodies = [get(url).body for url in urls]
    time.sleep(2.1)
    LIVE["answers"] = False
    try:
        hidden, shown = get(urls[0]), get(urls[1])
        assert hidden.status == 200 and hidden.body == bodies[0]
        assert "fwd-status=503" in hidden.cache
        assert "stale-if-error" in hidden.cache and int(hidden.getheader("age")) >= 2
        assert shown.status == 503
    finally:
        LIVE["answers"] = True


def the_cache_never_holds_more_than_it_may_and_a_scan_leaves_what_is_hot():
    publish(cache_bytes=4_000_000)
    hot = [f"/hot{i}?n=10000&cc=max-age%3D600" for i in range(20)]
    for _ in range(4):
        for url in hot:
            get(url)
    for i in range(4000):  # ten times the room
        if i % 400 == 0:
            for url in hot:
                get(url)
            assert ask_edge()["cache_bytes"] <= 4_000_000
        get(f"/scan{i}?n=10000&cc=max-age%3D600")
    state = ask_edge()
    assert state["cache_bytes"] <= 4_000_000 and state["cache_evicted"] > 3000, state
    kept = [url for url in hot if "hit" in get(url).cache]
    assert len(kept) >= 19, f"{len(kept)} of 20 left"


def without_a_word_of_the_table_what_is_above_8_mib_is_not_kept():
    publish({}, 64 << 20)
    before = ask_edge()["cache_refused"]
    for size, path, times in ((8 << 20, "/whole", 1), ((8 << 20) + 1, "/above", 2)):
        for _ in range(2):
            assert len(get(f"{path}?n={size}&cc=max-age%3D60").body) == size
        assert seen(path) == times, path
    assert ask_edge()["cache_refused"] == before + 2


def what_is_too_large_is_passed_on_and_not_kept():
    publish({"max_object_bytes": 100_000})
    before = ask_edge()["cache_refused"]
    for _ in range(2):
        body = get("/large?n=100001&cc=max-age%3D60").body
        assert len(body) == 100_001 and body[-8:] in body[:40] * 2
    assert seen("/large") == 2 and ask_edge()["cache_refused"] == before + 2
    for _ in range(2):
        assert len(get("/fits?n=100000&cc=max-age%3D60").body) == 100_000
    assert seen("/fits") == 1


def a_key_that_is_too_long_is_not_kept():
    publish()
    before = ask_edge()["cache_refused"]
    for _ in range(2):
        assert get("/key?cc=max-age%3D60&x=" + "k" * 9000).status == 200
    assert seen("/key") == 2 and ask_edge()["cache_refused"] == before + 2


def what_varies_by_too_much_is_not_kept():
    publish()
    names = ",".join(f"x-{i}" for i in range(9))
    for number, (vary, who) in enumerate(((names, ""), ("X-Who", "w" * 4097))):
        before, path = ask_edge()["cache_refused"], f"/varies{number}"
        for _ in range(2):
            assert get(f"{path}?vary={vary}&cc=max-age%3D60", headers={"X-Who": who}).status == 200
        assert seen(path) == 2 and ask_edge()["cache_refused"] == before + 2, path
    for _ in range(2):
        assert get(f"/fewer?vary={names[4:]}&cc=max-age%3D60", headers={"X-Who": "w"}).status == 200
    assert seen("/fewer") == 1


def one_address_has_so_many_variants_and_no_more():
    publish(cache_bytes=64_000_000)
    before = ask_edge(purge="all")["cache_evicted"]
    for i in range(40):
        assert get("/variants?vary=X-Who&cc=max-age%3D60", headers={"X-Who": f"v{i}"}).status == 200
    state = ask_edge()
    assert state["system_entries"] == 32 and state["cache_evicted"] == before + 8
    last = get("/variants?vary=X-Who&cc=max-age%3D60", headers={"X-Who": "v39"})
    first = get("/variants?vary=X-Who&cc=max-age%3D60", headers={"X-Who": "v0"})
    assert "hit" in last.cache and b"v39" in last.body
    assert "hit" not in first.cache and b"v0" in first.body


def a_slow_client_keeps_what_it_is_sent_and_gets_all_of_it():
    publish(cache_bytes=64_000_000)
    url = "/held?n=6000000&cc=max-age%3D600"
    whole = get(url).body
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", HTTP))
    slow.sendall(f"GET {url} HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n".encode())
    time.sleep(0.2)
    assert ask_edge(purge="path", text="/held")["purged"] == 1
    assert ask_edge()["cache_bytes"] >= 6_000_000, "its memory still counts"
    data = b""
    while piece := slow.recv(1 << 20):
        data += piece
    assert data.split(b"\r\n\r\n", 1)[1] == whole
    wait_for(lambda: ask_edge()["cache_bytes"] < 6_000_000, "it was given back")


def tls_and_http2_clients_get_hits_byte_for_byte():
    publish()
    url = "/both?n=300000&cc=max-age%3D600"
    whole = get(url).body
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = http.client.HTTPSConnection("127.0.0.1", HTTPS, context=context, timeout=20)
    client.request("GET", url, headers={"Host": "a.localhost"})
    first = client.getresponse()  # https is another address
    assert first.read() and "fwd=miss" in first.getheader("cache-status")
    client.request("GET", url, headers={"Host": "a.localhost"})
    again = client.getresponse()
    body = again.read()
    assert "hit" in again.getheader("cache-status") and len(body) == len(whole)
    done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-H", "Host: a.localhost",
                           "-D", "-", f"http://127.0.0.1:{HTTP}{url}"],
                          capture_output=True, check=True).stdout
    head, data = done.split(b"\r\n\r\n", 1)
    assert b"HTTP/2 200" in head and b"hit" in head and data == whole, head


def a_purge_reaches_a_path_a_prefix_a_tag_or_all():
    publish({"tags": "Cache-Tag"})
    ask_edge(purge="all")
    for path in ("/p/a?x=1&", "/p/a?x=2&", "/p/b?", "/q?tag=red,+blue&", "/r?tag=blue&", "/s?"):
        get(path + "cc=max-age%3D60")
    assert ask_edge()["system_entries"] == 6
    assert ask_edge(purge="path", text="/p/a")["purged"] == 2
    assert ask_edge(purge="path", text="/s?cc=other")["purged"] == 0
    assert ask_edge(purge="prefix", text="/p/")["purged"] == 1
    assert ask_edge(purge="tag", text="red")["purged"] == 1
    assert ask_edge(purge="tag", text="blu")["purged"] == 0
    assert ask_edge(purge="all", system="other")["purged"] == 0
    assert ask_edge(purge="all")["purged"] == 2
    assert get("/s?cc=max-age%3D60").cache.startswith("ishizue; fwd=miss")


def what_is_fetched_while_a_purge_comes_is_not_kept():
    publish()
    OPEN.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(get, "/race?gate=1&cc=max-age%3D60")
        wait_for(lambda: seen("/race") == 1, "the request")
        ask_edge(purge="path", text="/race")
        OPEN.set()
        assert asked.result().status == 200
    assert "hit" not in get("/race?gate=1&cc=max-age%3D60").cache


def unsafe_methods_make_what_is_stored_forgotten_unless_they_fail():
    publish()
    url = "/thing?cc=max-age%3D60"
    get(url)
    assert "hit" in get(url).cache
    assert get(url + "&status=500", method="POST").status == 500
    assert "hit" in get(url).cache
    assert get(url, method="POST").status == 200
    assert "hit" not in get(url).cache


def what_is_kept_is_compressed_for_each_client_anew():
    publish(rules={"compress": ["gzip"]})
    url = "/gz?n=40000&type=text/plain&cc=max-age%3D600"
    whole = get(url).body
    for _ in range(2):
        coded = get(url, headers={"Accept-Encoding": "gzip"})
        assert "hit" in coded.cache and coded.getheader("content-encoding") == "gzip"
        assert zlib.decompress(coded.body, 31) == whole and len(coded.body) < 4000
    plain = get(url)
    assert "hit" in plain.cache and plain.body == whole
    assert plain.getheader("content-length") == "40000"
    part = get(url, headers={"Accept-Encoding": "gzip", "Range": "bytes=10-19"})
    assert part.status == 206 and part.body == whole[10:20]
    assert seen("/gz") == 1


def pipelined_requests_are_answered_in_their_order():
    publish()
    small, large = "/small?cc=max-age%3D60", "/big?n=700000&cc=max-age%3D60"
    bodies = [get(url).body for url in (small, large)]
    sock = socket.create_connection(("127.0.0.1", HTTP))
    sock.sendall(b"".join(f"GET {url} HTTP/1.1\r\nHost: a.localhost\r\n\r\n".encode()
                          for url in (small, large) * 20 + ("/missing",)))
    sock.settimeout(10)
    data = b""
    while data.count(b"HTTP/1.1 ") < 41 or not data.endswith(b"/missing 1  "):
        data += sock.recv(1 << 20)
    for body in bodies * 20:
        head, data = data.split(b"\r\n\r\n", 1)
        assert b"; hit" in head and data.startswith(body)
        data = data[len(body):]


def without_its_size_there_is_no_cache():
    publish(cache_bytes=0)
    assert get("/none?cc=max-age%3D60").cache == "" and ask_edge()["cache_bytes"] == 0


ONLY = sys.argv[2:]
sys.exit(tap.run([test for test in [
    many_requests_for_one_thing_become_one_and_all_get_it,
    who_waits_for_what_cannot_be_stored_is_let_go_at_once_and_the_next_do_not_wait,
    a_fetch_that_takes_long_is_not_awaited_for_ever,
    when_the_first_client_leaves_another_one_fetches,
    who_waited_twice_in_vain_does_not_wait_again,
    what_is_stale_is_sent_while_one_request_fetches_a_new_one,
    revalidation_in_the_background_uses_the_validator,
    revalidations_of_large_bodies_end_like_others,
    the_background_asks_as_its_client_would_who_came_by_way_of_a_proxy,
    revalidations_in_the_background_have_a_limit,
    headers_of_revalidations_do_not_pile_up,
    where_no_target_is_left_what_is_stale_is_sent_at_once,
    a_failure_is_hidden_by_what_is_stale_only_where_that_is_allowed,
    the_cache_never_holds_more_than_it_may_and_a_scan_leaves_what_is_hot,
    without_a_word_of_the_table_what_is_above_8_mib_is_not_kept,
    what_is_too_large_is_passed_on_and_not_kept,
    a_key_that_is_too_long_is_not_kept,
    what_varies_by_too_much_is_not_kept,
    one_address_has_so_many_variants_and_no_more,
    a_slow_client_keeps_what_it_is_sent_and_gets_all_of_it,
    tls_and_http2_clients_get_hits_byte_for_byte,
    a_purge_reaches_a_path_a_prefix_a_tag_or_all,
    what_is_fetched_while_a_purge_comes_is_not_kept,
    unsafe_methods_make_what_is_stored_forgotten_unless_they_fail,
    what_is_kept_is_compressed_for_each_client_anew,
    pipelined_requests_are_answered_in_their_order,
    without_its_size_there_is_no_cache,
] if not ONLY or any(word in test.__name__ for word in ONLY)]))
