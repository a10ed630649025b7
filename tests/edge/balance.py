# SPDX-License-Identifier: Apache-2.0
"""Who serves a request: splits, ways of balancing, cookies, queues, failures, and what is counted."""
import collections
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

from lib import apps as apps_of, tap

RIG = sys.argv[1]
PORT = int(os.environ["EDGE_HTTP"])
KEY = "0123456789abcdef" * 4
REQUESTS, C2XX, C5XX, CONNECT_FAILURES, EJECTIONS, QUEUED, REJECTED, ACTIVE = (
    0, 2, 5, 7, 10, 11, 12, 16)


def rig(*argv, stdin=None):
    return subprocess.run([RIG, *argv], input=stdin, capture_output=True, text=True, timeout=20)


class App(apps_of.Answering):
    """Answers its name; <statuses> are given out first; a path of its own decides more."""

    def __init__(self, name, start=True):
        self.name, self.statuses, self.gate, self.lies = name, [], None, False
        self.busy = self.most = self.served = 0
        self.lock = threading.Lock()
        super().__init__(start)

    def answer(self, sock, head):
        path = head.split()[1]
        with self.lock:
            self.busy += 1
            self.served += 1
            self.most = max(self.most, self.busy)
            status = self.statuses.pop(0) if self.statuses else 200
        if self.gate is not None:
            self.gate.wait(20)
        if path.startswith("/only-") and path != f"/only-{self.name}":
            status = 404
        body = self.name.encode()
        with self.lock:
            self.busy -= 1
        if self.lies:
            sock.sendall(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n")
            return
        sock.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def publish(apps, route=None, **upstream):
    """<apps> as (id, port, release) or apps; members of the upstream beside."""
    targets = []
    for item in apps:
        app, release, extra = item if isinstance(item, tuple) else (item, 0, {})
        targets.append({"id": app.name, "address": f"127.0.0.1:{app.port}", "release": release,
                        **extra})
    others = upstream.pop("others", [])
    table = {"sign_key": KEY, "listeners": [{"id": 1, "kind": "http"}],
             "upstreams": [{"name": "test/app", "targets": targets, **upstream}, *others],
             "routes": [{"system": "test", "path": "/", "upstream": 0, "meter": 1,
                         **(route or {})}]}
    done = rig("table", stdin=json.dumps(table))
    assert done.returncode == 0, done.stdout
    return done.stdout


def refused(**upstream):
    table = {"upstreams": [{"name": "u", "targets": [], **upstream}]}
    done = rig("table", stdin=json.dumps(table))
    assert done.returncode == 1, done.stdout
    return done.stdout


def get(path="/", headers=None, method="GET", connection=None, body=None):
    own = connection is None
    if own:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    if own:
        connection.close()
    return answer


def meter(number):
    return json.loads(rig("meter", str(number)).stdout)


def stats():
    rig("send", '{"type":"stats"}')
    mark = f"mark-{time.monotonic_ns()}"
    rig("send", json.dumps({"type": mark}))
    lines = rig("await", '"event":"stats"').stdout
    return json.loads(lines)


def counter(name):
    """Sums come by event; the newest is asked for by a generation of its own."""
    publish_marker()
    rig("send", '{"type":"stats"}')
    text = rig("await", f'"event":"stats","generation":{publish_marker.generation}').stdout
    return json.loads(text)[name]


def publish_marker():
    publish_marker.generation += 1
    table = {"generation": publish_marker.generation, "listeners": [{"id": 1, "kind": "http"}]}
    done = rig("table", stdin=json.dumps(table))
    assert done.returncode == 0, done.stdout


publish_marker.generation = 1000


def in_parallel(count, fn):
    results = [None] * count

    def run(i):
        try:
            results[i] = fn(i)
        except Exception as error:  # is looked at by whoever asked
            results[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    return threads, results


def meters_count_routes_and_releases():
    a, b = App("a"), App("b")
    before, before_a, before_b = meter(1), meter(11), meter(12)
    publish([(a, 12, {}), (b, 13, {})],
            meters=[{"release": 12, "meter": 11}, {"release": 13, "meter": 12}])
    b.statuses = [500] * 100
    for _ in range(20):
        get()
    now, now_a, now_b = meter(1), meter(11), meter(12)
    assert now["counts"][REQUESTS] - before["counts"][REQUESTS] == 20
    assert now["first_bytes"] - before["first_bytes"] == 20 and now["p50_us"] > 0
    assert a.served > 5 and b.served > 5 and a.served + b.served == 20
    assert now_a["counts"][C2XX] - before_a["counts"][C2XX] == a.served
    assert now_b["counts"][C5XX] - before_b["counts"][C5XX] == b.served
    assert now_b["counts"][ACTIVE] == 0


def a_release_gets_its_share_of_requests():
    a, b = App("a"), App("b")
    publish([(a, 12, {}), (b, 13, {})], split={"by": "request", "shares": [
        {"release": 12, "share": 9000}, {"release": 13, "share": 1000}]})
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    seen = collections.Counter(get(connection=connection).text for _ in range(1500))
    assert 90 < seen["b"] < 220, seen  # five standard deviations around 150


def a_release_without_targets_leaves_its_share_to_the_other():
    a, b = App("a"), App("b")
    split = {"by": "request", "shares": [{"release": 12, "share": 0},
                                         {"release": 13, "share": 10000}]}
    publish([(a, 12, {}), (b, 13, {"draining": True})], split=split)
    assert {get().text for _ in range(10)} == {"a"}
    b.stop()
    publish([(a, 12, {}), (b, 13, {})], split=split)
    assert {get().text for _ in range(10)} == {"a"}


def a_visitor_stays_in_a_share_by_a_signed_cookie():
    a, b = App("a"), App("b")

    def split(share):
        publish([(a, 12, {}), (b, 13, {})], split={"by": "visitor", "shares": [
            {"release": 12, "share": 10000 - share}, {"release": 13, "share": share}]})

    split(3000)
    visitors = []
    for _ in range(40):
        answer = get()
        cookie = answer.getheader("Set-Cookie")
        assert re.match(r"ishizue-visitor=[0-9a-f]{16}\.[0-9a-f]{16}; Max-Age=\d+; Path=/; "
                        r"HttpOnly; SameSite=Lax$", cookie), cookie
        visitors.append((answer.text, cookie.split(";")[0]))
    assert {name for name, _ in visitors} == {"a", "b"}
    for name, cookie in visitors:
        again = get(headers={"Cookie": f"x=1; {cookie}; y=2"})
        assert again.text == name and again.getheader("Set-Cookie") is None
    split(6000)  # who was in the smaller share is in the larger one
    assert all(get(headers={"Cookie": cookie}).text == "b"
               for name, cookie in visitors if name == "b")
    forged = visitors[0][1][:-1] + ("0" if visitors[0][1][-1] != "0" else "1")
    assert get(headers={"Cookie": forged}).getheader("Set-Cookie") is not None


def values_of_a_header_or_a_cookie_choose_the_release():
    a, b = App("a"), App("b")
    publish([(a, 12, {}), (b, 13, {})], split={
        "by": "request", "header": "X-Variant", "cookie": "variant", "free": True,
        "values": {"old": 12, "new": 13},
        "shares": [{"release": 12, "share": 10000}, {"release": 13, "share": 0}]})
    for _ in range(5):
        assert get(headers={"X-Variant": "new"}).text == "b"
        assert get(headers={"Cookie": "variant=new"}).text == "b"
        assert get(headers={"Cookie": "variant=other"}).text == "a"
        assert get(headers={"X-Variant": "old", "Cookie": "variant=new"}).text == "a"


def who_has_no_value_of_the_application_has_a_share():
    a, b = App("a"), App("b")
    publish([(a, 12, {}), (b, 13, {})], split={
        "by": "visitor", "cookie": "variant", "free": True, "values": {"new": 13},
        "shares": [{"release": 12, "share": 5000}, {"release": 13, "share": 5000}]})
    assert get(headers={"Cookie": "variant=new"}).getheader("Set-Cookie") is None
    for value in ("", "variant=other; "):
        first = get(headers={"Cookie": f"{value}x=1"})
        cookie = first.getheader("Set-Cookie").split(";")[0]
        assert cookie.startswith("ishizue-visitor="), cookie
        for _ in range(5):
            again = get(headers={"Cookie": value + cookie})
            assert again.text == first.text and again.getheader("Set-Cookie") is None


def what_the_new_release_does_not_have_is_asked_of_the_old_one():
    old, new = App("old"), App("new")
    publish([(new, 13, {})], route={"fallback_upstream": 1}, others=[
        {"name": "test/app@former", "targets": [
            {"id": "old", "address": f"127.0.0.1:{old.port}", "draining": True, "release": 12}]}])
    assert get("/").text == "new"
    answer = get("/only-old")
    assert (answer.status, answer.text) == (200, "old")
    assert get("/only-nobody").status == 404
    assert get("/only-old", method="POST", body="x").status == 404
    assert get("/only-old", method="HEAD").status == 200
    served = old.served
    assert get("/only-old", method="GET", body="x").status == 404  # the body is gone
    assert old.served == served
    old.stop()
    assert get("/only-old").status == 404


def a_visitor_stays_at_one_target_by_a_cookie():
    apps = [App(name) for name in "abc"]
    publish(apps, sticky_cookie="stay")
    first = get()
    cookie = first.getheader("Set-Cookie")
    assert re.match(r"stay=[0-9a-f]{16}; Path=/; HttpOnly; SameSite=Lax$", cookie), cookie
    cookie = cookie.split(";")[0]
    for _ in range(12):
        again = get(headers={"Cookie": cookie})
        assert again.text == first.text and again.getheader("Set-Cookie") is None
    publish([app for app in apps if app.name != first.text], sticky_cookie="stay")
    moved = get(headers={"Cookie": cookie})
    assert moved.text != first.text and moved.getheader("Set-Cookie") is not None


def who_waited_gets_the_cookie_of_the_table_that_serves_him():
    dead, app, answers = App("dead", start=False), App("app"), []
    publish([dead], sticky_cookie="stay")
    before = meter(1)["counts"][QUEUED]
    thread = threading.Thread(target=lambda: answers.append(get()))
    thread.start()
    wait_for(lambda: meter(1)["counts"][QUEUED] == before + 1)
    targets = [{"id": "app", "address": f"127.0.0.1:{app.port}"}]
    table = {"sign_key": KEY, "listeners": [{"id": 1, "kind": "http"}],
             "upstreams": [{"name": f"test/{i}", "targets": []} for i in range(200)] +
             [{"name": "test/app", "targets": targets, "sticky_cookie": "later"}],
             "routes": [{"system": "test", "path": "/", "upstream": 200, "meter": 1}]}
    assert rig("table", stdin=json.dumps(table)).returncode == 0
    thread.join()
    assert answers[0].text == "app"
    assert answers[0].getheader("Set-Cookie").startswith("later="), answers[0].getheaders()


def keys_hash_to_the_same_target():
    apps = [App(name) for name in "abcd"]
    publish(apps, balance="hash", hash_key="header:X-User")
    places = {user: get(headers={"X-User": str(user)}).text for user in range(60)}
    assert set(places.values()) == set("abcd")
    assert all(get(headers={"X-User": str(user)}).text == places[user] for user in range(60))
    publish(apps[:3], balance="hash", hash_key="header:X-User")
    for user, place in places.items():
        now = get(headers={"X-User": str(user)}).text
        assert now == place or place == "d", (user, place, now)
    publish(apps, balance="hash", hash_key="ip")
    assert len({get().text for _ in range(10)}) == 1


def turns_go_round_by_weight():
    apps = [App(name) for name in "ab"]
    publish([(apps[0], 0, {"weight": 3}), (apps[1], 0, {})], balance="round-robin")
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    seen = "".join(get(connection=connection).text for _ in range(40))
    assert seen.count("a") == 30, seen
    assert "bb" not in seen and "aaaa" not in seen, seen


def a_new_instance_takes_its_share_little_by_little():
    apps = [App(name) for name in "ab"]
    more = {"balance": "round-robin", "slow_start_ms": 1500}
    publish(apps[:1], **more)
    time.sleep(1.6)  # the first one has its whole share
    publish(apps, **more)
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    early = [get(connection=connection).text for _ in range(40)].count("b")
    took = time.monotonic() - begun
    assert took > 0.5 or early < 14, (early, took)
    time.sleep(max(0, begun + 1.7 - time.monotonic()))
    late = [get(connection=connection).text for _ in range(40)].count("b")
    assert 18 <= late <= 22, late


def what_finds_no_room_waits_its_turn():
    app = App("a")
    app.gate = threading.Event()
    publish([app], max_connections=2, queue={"limit": 100, "timeout_ms": 15000})
    before = meter(1)["counts"]
    threads, results = in_parallel(20, lambda i: get().status)
    wait_for(lambda: meter(1)["counts"][QUEUED] - before[QUEUED] == 18)
    assert app.busy == 2, app.busy
    app.gate.set()
    for thread in threads:
        thread.join()
    assert results == [200] * 20, results
    assert app.most == 2, app.most


def a_queue_has_an_end_in_number_and_in_time():
    app = App("a")
    app.gate = threading.Event()
    publish([app], max_connections=2, queue={"limit": 4, "timeout_ms": 700})
    before = meter(1)["counts"]
    start = time.monotonic()
    threads, results = in_parallel(20, lambda i: get())
    wait_for(lambda: meter(1)["counts"][REJECTED] - before[REJECTED] >= 12)
    assert time.monotonic() - start < 0.7  # not all of them have waited
    wait_for(lambda: meter(1)["counts"][REJECTED] - before[REJECTED] == 18)
    app.gate.set()
    for thread in threads:
        thread.join()
    statuses = collections.Counter(answer.status for answer in results)
    assert statuses == {200: 2, 503: 18}, statuses
    assert all(answer.getheader("Retry-After") for answer in results if answer.status == 503)
    assert counter("queue_rejected") >= 18


def a_client_that_leaves_leaves_the_queue():
    app = App("a")
    app.gate = threading.Event()
    publish([app], max_connections=2, queue={"limit": 100, "timeout_ms": 15000})
    threads, results = in_parallel(2, lambda i: get().status)
    wait_for(lambda: app.busy == 2)
    before = meter(1)["counts"]
    gone = [socket.create_connection(("127.0.0.1", PORT)) for _ in range(6)]
    for sock in gone:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_for(lambda: meter(1)["counts"][QUEUED] - before[QUEUED] == 6)
    for sock in gone:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    wait_for(lambda: meter(1)["counts"][REQUESTS] - before[REQUESTS] == 6)
    app.gate.set()
    for thread in threads:
        thread.join()
    assert app.served == 2, app.served


def requests_wait_for_the_first_target():
    app = App("a")
    publish([])
    threads, results = in_parallel(10, lambda i: get(method="POST", body="x" * 100000).text)
    time.sleep(0.2)
    assert app.served == 0
    publish([app])
    for thread in threads:
        thread.join()
    assert results == ["a"] * 10, results


def requests_wait_for_a_target_that_refuses():
    app = App("a", start=False)
    publish([app])
    start = time.monotonic()
    threads, results = in_parallel(30, lambda i: get().text)
    time.sleep(0.4)
    app.start()
    for thread in threads:
        thread.join()
    assert results == ["a"] * 30, results
    assert time.monotonic() - start < 2


def without_any_target_the_wait_ends():
    publish([], queue={"limit": 10, "timeout_ms": 300})
    start = time.monotonic()
    answer = get()
    assert answer.status == 503 and answer.getheader("Retry-After") == "1"
    assert 0.25 < time.monotonic() - start < 3


def a_target_that_fails_is_left_out_and_tried_again():
    a, b = App("a"), App("b")
    b.statuses = [500] * 3
    publish([(a, 1, {}), (b, 2, {})], max_fails=3, fail_timeout_ms=600, balance="round-robin",
            meters=[{"release": 2, "meter": 13}])
    before = meter(13)["counts"][EJECTIONS]
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    for _ in range(6):
        get(connection=connection)
    assert meter(13)["counts"][EJECTIONS] == before + 1
    assert {get(connection=connection).text for _ in range(20)} == {"a"}
    time.sleep(0.7)
    assert {get(connection=connection).text for _ in range(20)} == {"a", "b"}
    a.statuses, b.statuses = [500] * 30, [500] * 30
    answers = [get(connection=connection).status for _ in range(30)]
    assert answers == [500] * 30  # never all of them


def a_target_whose_chunks_are_none_has_failed():
    a, b = App("a"), App("b")
    b.lies = True
    publish([a, b], max_fails=3, fail_timeout_ms=20000, balance="round-robin")
    statuses = [get().status for _ in range(20)]
    assert statuses.count(502) >= 3 and b.served < 10, (statuses, b.served)
    assert {get().text for _ in range(10)} == {"a"}


def tables_change_under_load_and_nothing_is_lost():
    apps = [App(name) for name in "abc"]
    publish(apps)
    failures, done, stop = [], [0], threading.Event()

    def client(i):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
        while not stop.is_set():
            try:
                if get(connection=connection if i % 2 else None).status != 200:
                    failures.append("status")
                done[0] += 1
            except Exception as error:
                failures.append(repr(error))

    threads, _ = in_parallel(8, client)
    ways = [{}, {"balance": "two-choices"}, {"balance": "round-robin"}, {"sticky_cookie": "s"},
            {"balance": "hash", "hash_key": "uri"}, {"max_connections": 2}]
    for i in range(50):
        publish([apps[i % 3], (apps[(i + 1) % 3], i, {"draining": i % 4 == 0})], **ways[i % 6])
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == [], failures[:5]
    assert done[0] > 200, done


def what_makes_no_sense_is_refused_with_its_name():
    for members, text in [
            ({"balance": "fair"}, "unknown balance 'fair'"),
            ({"hash_key": "header:"}, "'hash_key' names nothing"),
            ({"hash_key": "moon"}, "unknown hash_key 'moon'"),
            ({"sticky_cookie": "a b"}, "'sticky_cookie' is not a name"),
            ({"sticky_cookie": "a" * 65}, "longer than 64"),
            ({"sticky_cookie": "s"}, "'sticky_cookie' needs cookies, and there is no 'sign_key'"),
            ({"split": {"by": "visitor", "shares": [{"release": 1, "share": 10000}]}},
             "'split' needs cookies, and there is no 'sign_key'"),
            ({"queue": 3}, "'queue' is not an object"),
            ({"queue": {"limit": 100001}}, "limit"),
            ({"max_fails": 1001}, "max_fails"),
            ({"max_connections": 1000001}, "max_connections"),
            ({"meters": [{"release": 1, "meter": 4096}]}, "meter"),
            ({"split": {"shares": []}}, "1 to 16"),
            ({"split": {"shares": [{"release": 1, "share": 9999}]}}, "9999 of 10000"),
            ({"split": {"by": "moon", "shares": [{"release": 1, "share": 10000}]}}, "by 'moon'"),
            ({"split": {"shares": [{"release": 1, "share": 10000}],
                        "values": {str(i): 1 for i in range(65)}}}, "at most 64")]:
        assert text in refused(**members), (members, refused(**members))


def wait_for(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(tap.run([
        meters_count_routes_and_releases,
        a_release_gets_its_share_of_requests,
        a_release_without_targets_leaves_its_share_to_the_other,
        a_visitor_stays_in_a_share_by_a_signed_cookie,
        values_of_a_header_or_a_cookie_choose_the_release,
        who_has_no_value_of_the_application_has_a_share,
        what_the_new_release_does_not_have_is_asked_of_the_old_one,
        a_visitor_stays_at_one_target_by_a_cookie,
        who_waited_gets_the_cookie_of_the_table_that_serves_him,
        keys_hash_to_the_same_target,
        turns_go_round_by_weight,
        a_new_instance_takes_its_share_little_by_little,
        what_finds_no_room_waits_its_turn,
        a_queue_has_an_end_in_number_and_in_time,
        a_client_that_leaves_leaves_the_queue,
        requests_wait_for_the_first_target,
        requests_wait_for_a_target_that_refuses,
        without_any_target_the_wait_ends,
        a_target_that_fails_is_left_out_and_tried_again,
    a_target_whose_chunks_are_none_has_failed,
        tables_change_under_load_and_nothing_is_lost,
        what_makes_no_sense_is_refused_with_its_name,
    ]))
