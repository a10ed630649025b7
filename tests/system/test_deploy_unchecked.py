# SPDX-License-Identifier: Apache-2.0
"""Services without any health check, as most compose files have them: `ports:` and nothing else.
What listens late must not cost a request."""
import subprocess
import threading
import time

import pytest

from rig import process
from rig.client import Client
from rig.system import APPS, routed, service, sleeper
from test_deploy import HOSTILE, PORT, deploy, nothing_was_lost, visit
from test_deploy import load  # noqa: F401  (a fixture)

GENTLE = {"keepalive": 20, "fresh": 30, "websockets": 2}


def plain(version, start_ms, deploy_keys=None, replicas=1, **environment):
    """No health check, no route, no domain: a published port."""
    one = service(HOSTILE, volumes=[f"{APPS}:/srv:ro"], ports=[f"{PORT}:8000"], restart="always",
                  environment={"VERSION": str(version), "START_MS": str(start_ms), **environment},
                  deploy={"replicas": replicas})
    if deploy_keys:
        one["x-ishizue"]["deploy"] = deploy_keys
    return {"services": {"web": one}}


@pytest.mark.slow
@pytest.mark.parametrize("strategy, seconds", [(None, 5), (None, 14), ("blue-green", 5),
                                               ("rolling", 14)])
def test_a_version_that_is_slow_to_listen_loses_nothing(system, load, strategy, seconds):
    keys = {"strategy": strategy} if strategy else None
    system.file(plain(1, 0, keys))
    deploy(system)
    seen = load(GENTLE, websocket_ms=2000)
    time.sleep(1)
    system.file(plain(2, seconds * 1000, keys))
    result = deploy(system)
    assert result.seconds > seconds
    assert process.wait(lambda: visit() == "2", 5)
    time.sleep(1)
    counts = nothing_was_lost(seen.stop())
    assert counts["requests"] > 100


def test_up_returns_when_the_published_port_answers(system):
    system.file(plain(1, 3000))
    result = system.up()
    assert result.seconds > 3
    assert visit() == "1"


def test_who_asks_while_the_first_version_starts_waits_for_it(system):
    file = plain(1, 3000)
    del file["services"]["web"]["ports"]
    system.file(routed(file["services"], http=PORT, https=0, routes=[
        {"path": "/", "to": "web:8000", "queue": {"timeout": "20s"}}]))
    child = system.start("up", "-d", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    answers = []

    def ask():
        answers.append(Client(PORT, timeout=20).get("/").status)

    try:
        assert process.wait(connects, 10, 0.02)
        askers = [threading.Thread(target=ask) for _ in range(20)]
        for one in askers:
            one.start()
            time.sleep(0.05)
        for one in askers:
            one.join(30)
        assert child.wait(30) == 0
    finally:
        child.kill()
    assert answers == [200] * 20


def connects():
    try:
        Client(PORT, timeout=1).connect().close()
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_more_instances_take_part_when_they_listen(system, load):
    system.file(plain(1, 2500))
    deploy(system)
    seen = load(GENTLE, websocket_ms=2000)
    time.sleep(0.5)
    assert system.ok("scale", "web=3").seconds > 2.5
    assert len(system.instances("web")) == 3
    time.sleep(1)
    nothing_was_lost(seen.stop())


def test_a_port_that_nobody_ever_listened_on_does_not_hold_up_a_deploy(system):
    def silent(text):
        return {"services": {"web": sleeper(ports=[f"{PORT}:9"], environment={"MARK": text})}}

    system.file(silent("1"))
    deploy(system)
    system.file(silent("2"))
    assert deploy(system).seconds < 20


@pytest.mark.slow
def test_a_version_that_never_listens_where_the_one_before_did_is_refused(system, load):
    system.file(plain(1, 0))
    deploy(system)
    seen = load(GENTLE, websocket_ms=2000)
    system.file(plain(2, 3600000))
    failed = deploy(system, status=3, timeout=200)
    assert "nothing listens on its port 8000" in failed.err, failed
    assert "healthcheck: {disable: true}" in failed.err
    result = seen.stop()
    nothing_was_lost(result)
    assert set(result["versions"]) == {"1"}
    silent = plain(3, 3600000)
    silent["services"]["web"]["healthcheck"] = {"disable": True}
    system.file(silent)
    assert deploy(system).seconds < 20
