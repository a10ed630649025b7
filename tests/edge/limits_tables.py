# SPDX-License-Identifier: Apache-2.0
"""Limits of the tables that the edge takes: what is at the limit is taken, one more is refused, with
an error that says which member and how many, and the table before goes on."""
import json
import subprocess
import sys

from lib import tap

RIG = sys.argv[1]


def send(route=None, listener=None, **upstream):
    """The error; empty: it was taken."""
    table = {"listeners": [{"id": 1, "kind": "http", **(listener or {})}],
             "upstreams": [{"name": "u", "targets": [], **upstream}],
             "routes": [{"system": "test", "path": "/", "upstream": 0, **(route or {})}]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), capture_output=True, text=True,
                          timeout=20)
    assert done.returncode in (0, 1), done
    return done.stdout if done.returncode else ""


def expect(limit, make, text):
    """<make> gives the arguments of send() for a number."""
    taken, refused = send(**make(limit)), send(**make(limit + 1))
    assert taken == "", taken
    assert text in refused, refused


def rules(**members):
    return {"route": {"rules": members}}


def meters_of_an_upstream():
    expect(256, lambda n: {"meters": [{"release": i, "meter": 1} for i in range(n)]},
           "'meters' is not a list of at most 256")


def the_value_that_decides_a_split():
    def split(n):
        return {"split": {"shares": [{"release": 1, "share": 10000}], "values": {"v" * n: 1}}}
    expect(256, split, "a value is longer than 256 bytes")


def headers_of_a_route():
    def headers(n):
        return rules(response_headers=[{"op": "set", "name": f"X-{i}", "value": "v"}
                                       for i in range(n)])
    expect(24, headers, "'response_headers' has more than 24 items")


def parts_of_a_value():
    def value(n):
        return rules(response_headers=[{"op": "set", "name": "X-V", "value": "{host}" * n}])
    expect(16, value, "a value has more than 16 parts")


def names_of_systems():
    expect(255, lambda n: {"route": {"system": "s" * n}}, "'system' is longer than 255")


def values_of_headers():
    expect(2048, lambda n: {"route": {"cache_control": "v" * n}},
           "'cache_control' is longer than 2048")


def connections_of_an_address_that_can_be_counted():
    expect((1 << 24) - 1, lambda n: {"listener": {"limits": {"connections_per_ip": n}}},
           "'connections_per_ip'")


def error_pages():
    def pages(n):
        return rules(error_pages=[{"status": 400 + i, "body": "text"} for i in range(n)])
    expect(16, pages, "more than 16 error pages")


def seconds_that_a_browser_may_remember_a_preflight():
    def cors(n):
        return rules(cors={"origins": ["https://a.test"], "methods": "GET", "max_age": n})
    expect(86400, cors, "'max_age'")


sys.exit(tap.run([meters_of_an_upstream, the_value_that_decides_a_split, headers_of_a_route,
                  parts_of_a_value, names_of_systems, values_of_headers,
                  connections_of_an_address_that_can_be_counted, error_pages,
                  seconds_that_a_browser_may_remember_a_preflight]))
