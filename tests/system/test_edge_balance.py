# SPDX-License-Identifier: Apache-2.0
"""Which instance serves a request, and what happens when none can: the keys of a route."""
import collections
import threading
import time

import pytest

from rig.client import Client
from rig.system import APPS, routed, service, web

ROUTES = [{"path": "/turns", "to": "app:8000", "balance": "round-robin"},
          {"path": "/hash", "to": "app:8000", "balance": "hash", "hash_by": "header:X-User"},
          {"path": "/stay", "to": "app:8000", "sticky": "cookie"},
          {"path": "/named", "to": "app:8000", "sticky": "cookie:place", "balance": "two-choices"},
          {"path": "/few", "to": "app:8000", "max_connections": 1,
           "queue": {"limit": 3, "timeout": "1s"}},
          {"path": "/fail", "to": "app:8000", "max_fails": 2, "fail_timeout": "30s",
           "slow_start": "1s", "balance": "round-robin"},
          {"path": "/", "to": "app:8000"}]


@pytest.fixture
def app(system):
    command = "exec python3 /srv/named.py 8000"
    system.file(routed({"app": service(command, x={"health": {
        "path": "/health", "port": 8000, "interval": "1s"}}, volumes=[f"{APPS}:/srv:ro"],
        deploy={"replicas": 3})}, https=0, tls="off", routes=ROUTES))
    system.up()
    return Client(8080)


def names(client, path, count, headers=None):
    return [client.get(path, headers=headers).body for _ in range(count)]


def meters(system):
    status, answer = system.machine.call("GET", "/v1/edge")
    assert status == 200, answer
    return answer["meters"]


def test_instances_are_chosen_as_the_route_says(app):
    assert len(set(names(app, "/turns", 30))) == 3
    places = {user: names(app, "/hash", 3, {"X-User": str(user)}) for user in range(12)}
    assert all(len(set(place)) == 1 for place in places.values())
    assert len({place[0] for place in places.values()}) > 1


def test_a_visitor_stays_at_one_instance(app):
    for path, name in (("/stay", "ishizue-sticky"), ("/named", "place")):
        first = app.get(path)
        cookie = first.headers["set-cookie"].split(";")[0]
        assert cookie.startswith(f"{name}="), cookie
        assert set(names(app, path, 10, {"Cookie": cookie})) == {first.body}


def test_what_finds_no_room_waits_and_is_refused_after_its_time(app, system):
    answers = []

    def ask():
        start = time.monotonic()
        answer = app.get("/few?ms=2500")
        answers.append((answer.status, answer.headers.get("retry-after"),
                        time.monotonic() - start))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = collections.Counter(status for status, _, _ in answers)
    assert statuses == {200: 3, 503: 9}, answers
    assert all(after == "1" and seconds < 2.3 for status, after, seconds in answers
               if status == 503)
    counts = meters(system)[route_of(system, "/few")]
    assert counts["rejected"] == 9 and 0 < counts["queued"] <= 6, counts


def route_of(system, path):
    return f"route {system.name} st.localhost{path}"


def test_an_instance_that_fails_is_left_out(app):
    first = app.get("/stay")
    cookie = {"Cookie": first.headers["set-cookie"].split(";")[0]}
    assert app.get("/stay?fail=1000", headers=cookie).body == first.body
    statuses = [app.get("/fail").status for _ in range(40)]
    assert 2 <= statuses.count(500) <= 4, statuses  # two for each thread of the edge


def test_what_was_served_is_counted_for_routes_and_releases(app, system):
    before = meters(system)[route_of(system, "/turns")]["requests"]
    names(app, "/turns", 20)
    counts = meters(system)
    route = counts[route_of(system, "/turns")]
    release, = [value for key, value in counts.items()
                if key.startswith(f"upstream {system.name}/app:8000 release ")]
    assert route["requests"] - before == 20 and route["first_byte"]["count"] >= 20
    assert route["first_byte"]["p50_us"] > 0
    assert release["responses_2xx"] >= 20 and release["active"] == 0


def test_a_sick_instance_is_well_again_after_so_many_successes(system):
    system.file(routed({"web": web(environment={"SICK_FILE": "/run/sick"}, health={
        "interval": "300ms", "retries": 1, "rise": 5})}, https=0, tls="off"))
    system.up()
    system.run("exec", "-T", "web", "touch", "/run/sick")
    system.wait_instance("web", lambda one: one["health"] == "unhealthy")
    system.run("exec", "-T", "web", "rm", "/run/sick")
    start = time.monotonic()
    system.wait_instance("web", lambda one: one["health"] == "healthy")
    assert 0.9 < time.monotonic() - start < 6
