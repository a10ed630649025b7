# SPDX-License-Identifier: Apache-2.0
"""What the edge keeps of a service's answers, as a compose file says it."""
import json
import time

from rig.client import Client
from rig.system import APPS, routed, service


def start(system, *routes, **x):
    app = service("exec python3 /srv/cached.py 8000", volumes=[f"{APPS}:/srv:ro"],
                  x={"health": {"path": "/health", "port": 8000, "interval": "1s"}})
    system.file(routed({"app": app}, **x,
                       routes=[{"path": "/", "to": "app:8000", **route} for route in routes]))
    system.up()


def refused(system, message, **route):
    route = {"path": "/", "to": "app:8000", **route}
    system.file(routed({"app": service("true")}, routes=[route]))
    done = system.up_fails(status=2)
    assert message in done.err and "docker-compose.yml:" in done.err, done


def get(client, path, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = client.get(path, headers=headers)
    return answer.body.strip().decode(), answer.headers.get("Cache-Status") or ""


def test_answers_are_kept_as_long_as_they_say_or_the_route_does(system, authority):
    start(system, {"cache": "1m"}, {"path": "/own", "cache": True},
          {"path": "/off", "cache": False}, {"path": "/none"})
    client = Client(8443, trust=authority)
    assert [get(client, "/a")[0] for _ in range(3)] == ["1", "1", "1"]
    assert "hit; ttl=5" in get(client, "/a")[1] or "hit; ttl=60" in get(client, "/a")[1]
    assert [get(client, "/no?cc=no-store")[0] for _ in range(2)] == ["1", "2"]
    assert [get(client, "/own/a")[0] for _ in range(2)] == ["1", "2"]
    assert [get(client, "/own/b?cc=max-age%3D60")[0] for _ in range(2)] == ["1", "1"]
    assert [get(client, "/off?cc=max-age%3D60") for _ in range(2)] == [("1", ""), ("2", "")]
    assert [get(client, "/none?cc=max-age%3D60") for _ in range(2)] == [("1", ""), ("2", "")]
    refused(system, "'soon'", cache="soon")
    refused(system, "only answers of services are kept", cache=True, to=None,
            redirect="https://a.test/")


def test_cookies_headers_and_parameters_count_as_the_route_says(system, authority):
    start(system, {"cache": {"default": "60s", "key": ["cookie theme"], "ignore": "utm_source",
                             "bypass": ["cookie session", "header X-Preview"]}})
    client = Client(8443, trust=authority)
    themes = [get(client, "/a", Cookie=f"theme={name}")[0] for name in ("dark", "light", "dark")]
    assert themes == ["1", "2", "1"]
    assert get(client, "/b?x=1&utm_source=a")[0] == get(client, "/b?x=1&utm_source=b")[0] == "1"
    assert get(client, "/b?x=2")[0] == "2"
    assert get(client, "/b?x=1", Cookie="session=7") == ("3", "ishizue; fwd=bypass")
    assert get(client, "/b?x=1", X_Preview="1")[0] == "4"
    refused(system, "'theme' is not understood", cache={"key": ["theme"]})
    refused(system, "more than 16", cache={"ignore": [f"p{i}" for i in range(17)]})
    refused(system, "'a=b' is not understood", cache={"ignore": ["a=b"]})
    refused(system, "is not the name of a header", cache={"tags_header": "a b"})


def test_what_is_stale_serves_while_a_new_one_comes_or_none_does(system, authority):
    start(system, {"cache": {"default": "1s", "stale_while_revalidate": "30s",
                             "stale_if_error": "1m"}},
          {"path": "/strict", "cache": {"default": "1s"}})
    client = Client(8443, trust=authority)
    assert get(client, "/a")[0] == "1" and get(client, "/strict")[0] == "1"
    time.sleep(2.1)
    body, status = get(client, "/a")
    assert body == "1" and "hit; ttl=-" in status
    for _ in range(100):
        if get(client, "/a")[0] == "2":
            break
        time.sleep(0.02)
    else:
        raise AssertionError("no new one came")
    system.execute("app", "touch", "/tmp/sick")
    time.sleep(2.1)
    assert client.get("/a").status == 200
    assert client.get("/strict").status == 503


def test_a_purge_reaches_a_path_a_prefix_a_tag_or_all(system, authority):
    start(system, {"cache": True})
    client = Client(8443, trust=authority)
    paths = ["/p/a?x=1&", "/p/a?x=2&", "/p/b?", "/t?tag=red,blue&", "/z?"]
    for path in paths:
        assert get(client, path + "cc=max-age%3D60")[0] in ("1", "2")
    shown = json.loads(system.ok("--json", "cache").out)
    assert shown["entries"] == 5
    assert 0 < shown["bytes"] <= shown["used_bytes"] <= shown["limit_bytes"]
    for argv, count in ((("--path", "/p/a"), 2), (("--prefix", "/p/"), 1), (("--tag", "red"), 1),
                        (("--tag", "red"), 0), (("--all",), 1)):
        assert f"{count} answers purged" in system.ok("cache", "purge", *argv).out
    assert get(client, "/z?cc=max-age%3D60")[0] == "2"
    assert "keeps 1 answers" in system.ok("cache").out
    assert "needs one of" in system.run("cache", "purge").err
    assert "does not start with '/'" in system.run("cache", "purge", "--path", "a").err
    assert "takes purge or nothing" in system.run("cache", "clean").err


def test_answers_that_are_too_large_are_not_kept(system, authority):
    start(system, {"cache": {"default": "1m", "max_object": "10k"}}, edge={"cache_size": "1m"})
    client = Client(8443, trust=authority)
    assert [get(client, "/fits?n=10240")[0] for _ in range(2)] == ["1", "1"]
    assert [get(client, "/large?n=10241")[0] for _ in range(2)] == ["1", "2"]
    for i in range(200):
        get(client, f"/many{i}?n=10000")
    shown = json.loads(system.ok("--json", "cache").out)
    assert shown["limit_bytes"] == 1 << 20 and shown["used_bytes"] <= 1 << 20
    assert shown["edge"]["evicted"] > 50 and 50 < shown["entries"] < 110
