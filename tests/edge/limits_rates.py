"""Rates, addresses, sizes: who may ask how often and how much."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from h2_frames import Connection  # noqa: E402
from tables import RIG, Recorder, connect, expect_counter, get, publish  # noqa: E402

app = Recorder()


def rate(text, requests, seconds, burst, **more):
    return {"text": text, "requests": requests, "seconds": seconds, "burst": burst, **more}


def statuses(count, *args, **more):
    return [get(*args, **more)[0] for _ in range(count)]


def the_burst_is_let_through_and_the_rest_is_told_when_to_come_back():
    publish(app, [{"limits": {"rates": [rate("1/m:3 per ip", 1, 60, 3)]}}])
    assert statuses(3) == [200] * 3
    status, headers, _ = get()
    assert status == 429
    assert 58 <= int(headers["retry-after"]) <= 60, headers
    assert headers["ratelimit-policy"] == '"1/m:3 per ip";q=3;w=180', headers
    assert headers["ratelimit"].startswith('"1/m:3 per ip";r=0;t='), headers
    expect_counter("rate_limited", 1)


def a_new_table_with_the_same_limit_goes_on_counting():
    publish(app, [{"limits": {"rates": [rate("1/m:3 per ip", 1, 60, 3)]}}])
    assert get()[0] == 429
    expect_counter("rate_limited", 2)


def tokens_come_back_with_time():
    publish(app, [{"limits": {"rates": [rate("10/s:1 per ip", 10, 1, 1)]}}])
    assert statuses(2) == [200, 429]
    time.sleep(0.11)
    assert statuses(2) == [200, 429]
    expect_counter("rate_limited", 4)


def workers_count_together():
    """Many connections are spread over the workers; the burst is one all the same."""
    publish(app, [{"limits": {"rates": [rate("1/h:20 per route", 1, 3600, 20, per="route")]}}])
    seen = statuses(40)
    assert seen.count(200) == 20, seen.count(200)
    expect_counter("rate_limited", 24)


def a_header_or_a_cookie_may_be_the_key():
    publish(app, [{"limits": {"rates": [
        rate("1/h:2 per header:X-Api-Key", 1, 3600, 2, per="header", name="x-api-key"),
        rate("1/h:2 per cookie:sid", 1, 3600, 2, per="cookie", name="sid")]}}])
    one = [("X-API-Key", "one"), ("Cookie", "a=b; sid=1")]
    assert statuses(3, headers=one) == [200, 200, 429]
    assert get(headers=[("X-Api-Key", "two"), ("Cookie", "sid=2")])[0] == 200
    assert get(headers=[("X-Api-Key", "three"), ("Cookie", "xsid=1; sid=1")])[0] == 429
    expect_counter("rate_limited", 26)


def requests_without_the_header_count_by_address():
    publish(app, [{"limits": {"rates": [
        rate("1/h:1 per header:X-Other", 1, 3600, 1, per="header", name="x-other")]}}])
    assert statuses(2) == [200, 429]
    expect_counter("rate_limited", 27)


def a_dry_run_counts_only():
    publish(app, [{"limits": {"dry_run": True, "rates": [rate("1/h:1 dry", 1, 3600, 1)]}}])
    assert statuses(3) == [200] * 3
    expect_counter("rate_limited_dry_run", 2)
    expect_counter("rate_limited", 27)


def other_routes_are_not_counted():
    publish(app, [{"path": "/api", "limits": {"rates": [rate("1/h:1 api", 1, 3600, 1)]}}, {}])
    assert statuses(2, "/api") == [200, 429] and statuses(3, "/") == [200] * 3
    expect_counter("rate_limited", 28)


def http2_is_counted_too():
    publish(app, [{"limits": {"rates": [rate("1/h:2 h2", 1, 3600, 2)]}}])
    with Connection() as client:
        assert [client.ask(n) for n in (1, 3, 5)] == [200, 200, 429]
    expect_counter("rate_limited", 29)


def the_narrowest_range_decides_who_may_ask():
    for limits, status in (({"deny": ["127.0.0.0/8"]}, 403), ({"allow": ["10.0.0.0/8"]}, 403),
                           ({"allow": ["127.0.0.0/8"]}, 200), ({"deny": ["10.0.0.0/8"]}, 200),
                           ({"deny": ["127.0.0.0/8"], "allow": ["127.0.0.1"]}, 200),
                           ({"allow": ["127.0.0.0/8"], "deny": ["127.0.0.0/24"]}, 403),
                           ({"allow": ["127.0.0.1"], "deny": ["127.0.0.1"]}, 403)):
        publish(app, [{"limits": limits}])
        assert get()[0] == status, limits
    expect_counter("addresses_denied", 4)


def long_addresses_and_large_heads_are_refused_where_the_route_says():
    publish(app, [{"limits": {"url_bytes": 20, "header_bytes": 200}}])
    assert get("/" + "x" * 19)[0] == 200
    assert get("/" + "x" * 20)[0] == 414
    assert get(headers=[("X", "y" * 100)])[0] == 200
    assert get(headers=[("X", "y" * 200)])[0] == 431
    expect_counter("long_urls", 1)
    expect_counter("large_heads", 1)


def the_listener_has_such_limits_too_before_the_head_is_complete():
    publish(app, listener={"url_bytes": 20, "header_bytes": 200})
    assert get("/" + "x" * 20)[0] == 414
    assert get(headers=[("X", "y" * 200)])[0] == 431
    with connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 200)
        assert b" 431 " in sock.recv(4096).split(b"\r\n")[0]
    with connect() as sock:
        sock.sendall(b"GET /" + b"y" * 200)
        assert b" 414 " in sock.recv(4096).split(b"\r\n")[0]
    with Connection() as client:
        assert client.ask(1, "/" + "x" * 20) == 414
    expect_counter("long_urls", 4)
    expect_counter("large_heads", 3)


def what_makes_no_sense_is_refused_with_its_name():
    for limits, word in (({"rates": [rate("x", 0, 1, 1)]}, "rates[0]"),
                         ({"rates": [rate("x", 1, 1, 1, per="moon")]}, "per"),
                         ({"rates": [rate("x", 1, 1, 1, per="header")]}, "name"),
                         ({"rates": [rate("x", 1, 1, 1)] * 17}, "more than 16"),
                         ({"rates": [rate("x", 1, 86400, 31)]}, "30 days"),
                         ({"deny": ["10.0.0.1/8"]}, "deny[0]"), ({"deny": ["moon"]}, "moon"),
                         ({"allow": ["::1"] * 1001}, "1000"),
                         ({"url_bytes": 16385}, "url_bytes"),
                         ({"client_certificate": "maybe"}, "maybe")):
        try:
            publish(app, [{"limits": limits}])
        except AssertionError as error:
            assert word in str(error), error
        else:
            raise AssertionError(f"{limits} was taken")


if __name__ == "__main__":
    assert RIG
    sys.exit(tap.run([
        the_burst_is_let_through_and_the_rest_is_told_when_to_come_back,
        a_new_table_with_the_same_limit_goes_on_counting,
        tokens_come_back_with_time,
        workers_count_together,
        a_header_or_a_cookie_may_be_the_key,
        requests_without_the_header_count_by_address,
        a_dry_run_counts_only,
        other_routes_are_not_counted,
        http2_is_counted_too,
        the_narrowest_range_decides_who_may_ask,
        long_addresses_and_large_heads_are_refused_where_the_route_says,
        the_listener_has_such_limits_too_before_the_head_is_complete,
        what_makes_no_sense_is_refused_with_its_name,
    ]))
