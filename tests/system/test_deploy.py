# SPDX-License-Identifier: Apache-2.0
"""Deploys: each strategy, what a bad version can and cannot do, and the way back."""
import http.client
import json
import os
import pathlib
import pty
import subprocess
import sys
import threading
import time

import pytest

from rig import machine as machines, process
from rig.client import Client, WebSocket
from rig.system import APPS, routed, service, sleeper, web

sys.path.append(str(machines.REPOSITORY / "bench" / "deploy"))
import clients  # noqa: E402

PORT = 8080
HOSTILE = "exec python3 /srv/hostile.py 8000"
RATES = {"keepalive": 60, "fresh": 30, "http2": 20, "websockets": 5}


def app(version, deploy=None, environment=None, replicas=1, x=None, **extra):
    """A version of apps/hostile.py."""
    x = {"health": {"path": "/health", "port": 8000, "interval": "300ms", "timeout": "2s",
                    "start_period": "20s"}, **({"deploy": deploy} if deploy else {}), **(x or {})}
    return service(HOSTILE, x=x, volumes=[f"{APPS}:/srv:ro", *extra.pop("volumes", [])],
                   restart="unless-stopped",
                   environment={"VERSION": str(version), **(environment or {})},
                   deploy={"replicas": replicas, **extra.pop("compose_deploy", {})}, **extra)


def shop(*args, **options):
    return routed({"web": app(*args, **options)}, http=PORT, https=0)


def load_program():
    path = machines.find_program().parent / "bench" / "deploy" / "deploy_load"
    if not os.access(path, os.X_OK):
        pytest.skip("there is no bench/deploy/deploy_load beside the program")
    return path


@pytest.fixture
def load():
    """load(**rates) begins; ended with the test at the latest."""
    began = []

    def begin(rates=None, **options):
        began.append(clients.Load(load_program(), PORT, rates or RATES, **options))
        return began[-1]

    yield begin
    for one in began:
        if one.child.poll() is None:
            one.child.kill()
            one.child.wait()


def nothing_was_lost(seen):
    counts = clients.summary(seen)
    assert counts["failed"] == 0 and counts["websockets_cut"] == 0, seen
    assert counts["requests"] >= 5
    return counts


def deploy(system, *argv, status=0, **options):
    result = system.run("deploy", "-y", *argv, **options)
    assert result.status == status, result
    return result


def rollout(system):
    return system.machine.call("GET", f"/v1/systems/{system.name}/rollout")[1]["rollout"]


def lines_of(result):
    return [one for one in result.json_lines() if one["event"] == "rollout"]


def visit(path="/", host="st.localhost", **headers):
    """Which version answers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(PORT, host=host).get(path, headers=named).headers["X-Version"]


def is_all(version, times=10):
    return {visit() for _ in range(times)} == {str(version)}


def wait_all(version, timeout=15):
    assert process.wait(lambda: is_all(version), timeout, 0.2), visit()


def wait_state(system, *states, timeout=20):
    assert process.wait(lambda: rollout(system)["state"] in states, timeout, 0.05), rollout(system)


# ---- what every deploy does

@pytest.mark.parametrize("strategy", ["auto", "rolling", "blue-green"])
def test_a_deploy_loses_no_request_and_cuts_no_websocket(system, load, strategy):
    system.file(shop(1, replicas=2))
    deploy(system)
    clients_seen = load(websocket_ms=3000)
    time.sleep(1)
    for version in (2, 3):
        system.file(shop(version, {"strategy": strategy}, replicas=2))
        deploy(system)
        wait_all(version)
    time.sleep(2)
    seen = clients_seen.stop()
    nothing_was_lost(seen)
    assert set(seen["versions"]) == {"1", "2", "3"}


def test_old_and_new_do_not_answer_in_turn(system, load):
    """One swap: a request that began after the first answer of the new version gets the new one."""
    system.file(shop(1, replicas=2))
    deploy(system)
    seen = []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            seen.append(visit())

    asker = threading.Thread(target=ask)
    asker.start()
    system.file(shop(2, {"strategy": "blue-green"}, replicas=2))
    deploy(system)
    time.sleep(0.5)
    stop.set()
    asker.join(10)
    assert seen == sorted(seen) and set(seen) == {"1", "2"}


def test_a_file_with_a_fixed_port_and_a_container_name_and_no_curl_is_deployed_without_loss(system,
                                                                                            load):
    """No x-ishizue but what starts it here: the port is passed on as it is."""
    def fixed(version):
        one = service(HOSTILE, volumes=[f"{APPS}:/srv:ro"], ports=[f"{PORT}:8000"],
                      container_name=f"{system.name}-fixed", restart="always",
                      environment={"VERSION": str(version)})
        return {"services": {"web": one}}

    def answers():
        try:
            return visit()
        except (OSError, http.client.HTTPException):
            return None

    system.file(fixed(1))
    deploy(system)
    # The first version replaces nothing, so nobody knows when it listens.
    assert process.wait(answers, 20, 0.1) == "1"
    seen = load({"keepalive": 30, "fresh": 30, "websockets": 3}, websocket_ms=2000)
    time.sleep(1)
    for version in (2, 3):
        system.file(fixed(version))
        deploy(system)
        assert process.wait(lambda: visit() == str(version), 5)
    time.sleep(2)
    nothing_was_lost(seen.stop())


def test_dry_run_prints_the_plan_and_changes_nothing(system):
    system.file(shop(1))
    deploy(system)
    system.file(shop(2, {"strategy": "canary", "steps": ["10%", "100%"], "bake": "1s"}))
    before = system.ids()
    told = deploy(system, "--dry-run")
    assert "web" in told.out and "replace" in told.out and "canary 10 %, 100 %" in told.out
    plan = deploy(system, "--dry-run", "--json").json()["plan"]
    [web_row] = [one for one in plan["services"] if one["service"] == "web"]
    assert web_row["action"] == "replace" and web_row["strategy"] == "canary"
    assert system.ids() == before and is_all(1)
    assert system.ok("releases", "--json").json()["current"] == 1


def test_a_terminal_is_shown_the_plan_and_asked(system):
    system.file(shop(1))
    deploy(system)
    system.file(shop(2))
    for answer, status, version in (("n", 1, 1), ("y", 0, 2)):
        outer, inner = pty.openpty()
        child = system.start("--ansi", "never", "deploy", stdin=inner, stdout=inner, stderr=inner)
        os.close(inner)
        os.write(outer, f"{answer}\n".encode())
        text = b""
        while True:
            try:
                piece = os.read(outer, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(outer)
        assert child.wait(30) == status, text.decode()
        assert b"WOULD" in text and b"Deploy? [yN]" in text
        assert is_all(version)


def test_nothing_to_do_is_said_and_nothing_is_replaced(system):
    system.file(shop(1))
    deploy(system)
    before = system.pids()
    again = deploy(system)
    assert "ran this already" in again.out
    assert system.pids() == before


def test_a_lock_keeps_deploys_out(system):
    system.file(shop(1))
    deploy(system)
    system.ok("lock", "acquire", "-m", "inventory")
    system.file(shop(2))
    assert "inventory" in deploy(system, status=4).err
    assert is_all(1)
    system.ok("lock", "release")
    deploy(system)


def test_options_that_exclude_each_other_are_refused(system):
    system.file(shop(1))
    assert deploy(system, "--wait", "--no-wait", status=2)
    assert deploy(system, "--build", "--no-build", status=2)
    assert deploy(system, "--strategy", "sideways", status=2)


# ---- a bad version

def test_a_version_that_never_answers_takes_no_traffic_and_the_error_shows_why(system, load):
    system.file(shop(1))
    deploy(system)
    seen = load()
    time.sleep(0.5)
    system.file(shop(2, environment={"SICK": "the database is away"}, x={
        "health": {"path": "/health", "port": 8000, "interval": "300ms", "start_period": "3s"}}))
    failed = deploy(system, status=3)
    assert "the database is away" in failed.err and "503" in failed.err
    assert "version 2 is listening" in failed.err
    result = seen.stop()
    nothing_was_lost(result)
    assert set(result["versions"]) == {"1"}
    listed = system.ok("releases", "--json").json()
    assert listed["current"] == 1
    assert [one["number"] for one in listed["releases"] if one["state"] == "failed"] == [2]


def test_a_version_that_ends_at_once_takes_no_traffic(system, load):
    system.file(shop(1))
    deploy(system)
    seen = load()
    system.file(shop(2, environment={"CRASH_AT_START": "1"}))
    failed = deploy(system, status=3)
    assert "cannot find its configuration" in failed.err
    result = seen.stop()
    nothing_was_lost(result)
    assert set(result["versions"]) == {"1"}


def test_a_crash_loop_after_the_deploy_brings_the_old_release_back(system):
    system.file(shop(1))
    deploy(system)
    system.file(shop(2, {"strategy": "blue-green"}, environment={"CRASH_AFTER_MS": "1500"}))
    deploy(system)
    wait_state(system, "rolled-back", timeout=60)
    wait_all(1)
    listed = system.ok("releases", "--json").json()
    assert [one["state"] for one in listed["releases"] if one["number"] == 2] == ["failed"]


def test_a_first_deploy_that_fails_has_nothing_to_go_back_to(system):
    system.file(shop(1, environment={"CRASH_AT_START": "1"}))
    deploy(system, status=1)


# ---- rolling

def count_states(system):
    instances = system.state()["instances"]
    live = [one for one in instances if one["state"] in ("pending", "starting", "warming", "ready",
                                                         "unhealthy", "backoff")]
    return len(live), len([one for one in live if one["state"] == "ready"])


@pytest.mark.parametrize("surge, missing", [(1, 0), (0, 1), (2, 0)])
def test_a_rolling_deploy_has_no_more_and_no_fewer_instances_than_it_may(system, surge, missing):
    keys = {"strategy": "rolling", "max_surge": surge, "max_unavailable": missing,
            "stream_drain": "2s"}
    system.file(shop(1, keys, replicas=4))
    deploy(system)
    system.file(shop(2, keys, replicas=4))
    child = system.start("deploy", "-y", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    counts = []
    while child.poll() is None:
        counts.append(count_states(system))
    assert child.returncode == 0
    assert max(live for live, _ in counts) <= 4 + surge, counts
    assert min(ready for _, ready in counts) >= 4 - missing, counts
    wait_all(2)


def test_update_config_says_how_many_at_a_time_and_how_long_between(system):
    def keys(version):
        return shop(version, {"strategy": "rolling"}, replicas=4, compose_deploy={
            "update_config": {"parallelism": 2, "delay": "2s", "order": "start-first"}})

    system.file(keys(1))
    deploy(system)
    system.file(keys(2))
    result = deploy(system, "--json")
    seen = lines_of(result)
    assert max(one["steps"] for one in seen) == 2
    assert result.seconds > 2
    wait_all(2)


def test_a_rolling_deploy_that_fails_on_the_way_goes_back_whole(system, load):
    """The second batch finds no flag any more."""
    flag = system.write("flags/go", "")

    def command(version):
        one = app(version, {"strategy": "rolling", "max_surge": 1}, replicas=3,
                  volumes=[f"{flag.parent}:/flags"])
        if version == 2:
            one["x-ishizue"]["host"]["command"] = f"rm /flags/go || exit 3; {HOSTILE}"
        return routed({"web": one}, http=PORT, https=0)

    flag.parent.chmod(0o777)
    system.file(command(1))
    deploy(system)
    seen = load()
    system.file(command(2))
    deploy(system, status=3)
    wait_all(1)
    nothing_was_lost(seen.stop())
    assert {one["release"] for one in system.instances("web")
            if one["state"] == "ready"} == {1}


def test_restart_is_rolling_and_loses_nothing(system, load):
    system.file(shop(1, replicas=2))
    deploy(system)
    before = system.pids()
    seen = load()
    time.sleep(0.5)
    system.ok("restart", "web")
    assert not set(before.values()) & set(system.pids().values()) or process.wait(
        lambda: not set(before.values()) & set(system.pids().values()), 15)
    time.sleep(0.5)
    nothing_was_lost(seen.stop())


def test_a_failure_pauses_when_the_file_says_so(system):
    def pausing(version, environment=None):
        return shop(version, {"strategy": "rolling"}, environment, replicas=2, compose_deploy={
            "update_config": {"parallelism": 1, "order": "start-first",
                              "failure_action": "pause"}})

    system.file(pausing(1))
    deploy(system)
    system.file(pausing(2, {"CRASH_AT_START": "1"}))
    assert "cannot find its configuration" in deploy(system, status=1).err
    assert rollout(system)["state"] == "waiting"
    assert not process.wait(lambda: len([one for one in system.instances("web")
                                         if one["state"] == "ready"]) != 2, 2)
    assert is_all(1)
    system.ok("abort")
    wait_all(1)


# ---- recreate

def test_a_database_is_recreated_by_itself_and_the_plan_says_so(system):
    def database(level):
        return {"volumes": {"data": {}}, "services": {"db": {
            "image": "postgres:15", "volumes": ["data:/var/lib/postgresql/data"],
            "environment": {"POSTGRES_PASSWORD": "x", "LEVEL": level}}}}

    system.file(database("1"))
    deploy(system)
    system.file(database("2"))
    [row] = deploy(system, "--dry-run", "--json").json()["plan"]["services"]
    assert row["action"] == "recreate" and row["why"], row
    deploy(system)
    assert system.execute("db", "printenv", "LEVEL").out.strip() == "2"


# ---- blue-green

def test_a_blue_green_deploy_switches_all_services_together(system):
    def both(version):
        keys = {"strategy": "blue-green"}
        slow = {"START_MS": "1500"} if version == 2 else {}
        return routed({"web": app(version, keys), "api": app(version, keys, environment=slow)},
                      http=PORT, https=0, routes=[{"path": "/", "to": "web:8000"},
                                                  {"path": "/api", "to": "api:8000"}])

    system.file(both(1))
    deploy(system)
    seen = []
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            seen.extend([visit("/"), visit("/api")])

    asker = threading.Thread(target=ask)
    asker.start()
    system.file(both(2))
    deploy(system)
    stop.set()
    asker.join(10)
    assert seen == sorted(seen) and set(seen) == {"1", "2"}


def waiting_release(system, version=2, **keys):
    """Version 1 serves, <version> waits for a person."""
    system.file(shop(1))
    deploy(system)
    system.file(shop(version, {"strategy": "blue-green", "promote": "manual", **keys}))
    waits = deploy(system)
    assert "promote" in waits.out
    assert rollout(system)["state"] == "waiting"


def test_a_blue_green_deploy_waits_for_promote_and_answers_on_its_test_host(system, load):
    waiting_release(system)
    assert is_all(1)
    assert visit(host="next.st.localhost") == "2"
    shown = system.ok("rollout").out
    assert "waiting" in shown and "next.st.localhost" in shown and "ishizue promote" in shown
    seen = load()
    time.sleep(0.5)
    system.ok("promote")
    wait_all(2)
    nothing_was_lost(seen.stop())


def test_abort_takes_a_waiting_release_back(system, load):
    waiting_release(system)
    seen = load()
    system.ok("abort")
    assert rollout(system)["state"] == "rolled-back"
    assert process.wait(lambda: len(system.instances("web")) == 1, 15)
    result = seen.stop()
    nothing_was_lost(result)
    assert set(result["versions"]) == {"1"}
    assert system.run("abort").status == 1
    assert system.run("promote").status == 1


def test_while_a_release_waits_another_deploy_is_refused(system):
    waiting_release(system)
    system.file(shop(3))
    refused = deploy(system, status=4)
    assert "promote" in refused.err and "abort" in refused.err
    system.ok("abort")
    deploy(system)
    wait_all(3)


def test_a_rollback_to_a_warm_release_takes_less_than_three_seconds(system, load, figure):
    keys = {"strategy": "blue-green", "keep_warm": "60s"}
    system.file(shop(1, keys))
    deploy(system)
    system.file(shop(2, keys))
    deploy(system)
    assert rollout(system)["state"] == "keeping"
    seen = load()
    time.sleep(0.5)
    back = system.ok("rollback", "-y")
    figure("warm_rollback", back.seconds, "s")
    assert back.seconds < 3
    wait_all(1)
    nothing_was_lost(seen.stop())


def test_promote_ends_the_warm_time(system):
    keys = {"strategy": "blue-green", "keep_warm": "60s"}
    system.file(shop(1, keys))
    deploy(system)
    system.file(shop(2, keys))
    deploy(system)
    assert len(system.instances("web")) == 2
    system.ok("promote")
    assert process.wait(lambda: len(system.instances("web")) == 1, 15)
    assert is_all(2)


def test_streams_stay_at_the_old_release_until_stream_drain_is_over(system):
    keys = {"strategy": "blue-green", "stream_drain": "4s"}
    system.file(shop(1, keys))
    deploy(system)
    stream = WebSocket(Client(PORT))
    assert stream.echo(b"before") == b"before"
    system.file(shop(2, keys))
    deploy(system)
    switched = time.monotonic()
    assert is_all(2)
    stream.sock.settimeout(10)
    ended = None
    while time.monotonic() < switched + 12 and ended is None:
        try:
            if stream.echo(b"still") != b"still":
                ended = time.monotonic()
        except OSError:
            ended = time.monotonic()
        time.sleep(0.1)
    stream.close()
    assert ended is not None and 2.5 < ended - switched < 9


def test_static_assets_of_the_old_release_stay_reachable_while_it_is_there(system):
    keys = {"strategy": "blue-green", "keep_warm": "60s", "assets": ["/static/"]}
    status = lambda path: Client(PORT).get(path).status
    system.file(shop(1, keys))
    deploy(system)
    system.file(shop(2, keys))
    deploy(system)
    assert is_all(2)
    assert status("/static/app-2.js") == 200
    assert status("/static/app-1.js") == 200
    assert status("/static/app-9.js") == 404
    system.ok("promote")
    assert process.wait(lambda: status("/static/app-1.js") == 404, 15)


# ---- canary

def canary(version, environment=None, **keys):
    keys = {"strategy": "canary", "steps": ["20%", "100%"], "bake": "3s", "stream_drain": "2s",
            "gate": {"errors": "5%", "min_requests": 20}, **keys}
    return shop(version, keys, environment=environment)


def test_a_canary_takes_its_share_step_by_step(system, load):
    system.file(canary(1))
    deploy(system)
    seen = load()
    time.sleep(0.5)
    system.file(canary(2))
    told = lines_of(deploy(system, "--json"))
    nothing_was_lost(seen.stop())
    shares = [one["share"] for one in told if one["state"] == "watching"]
    assert shares == sorted(shares) and 2000 in shares and 10000 in shares
    first = [one for one in told if one["state"] == "watching" and one["share"] == 2000]
    counts = {one["release"]: one["requests"] for one in first[-1]["releases"]}
    assert sum(counts.values()) > 60, counts
    assert 0.1 < counts[2] / sum(counts.values()) < 0.33, counts
    wait_all(2)


def test_a_canary_that_fails_is_taken_back_by_its_gate(system, load):
    system.file(canary(1))
    deploy(system)
    seen = load({"keepalive": 100, "fresh": 50})
    time.sleep(0.5)
    system.file(canary(2, {"ERROR_PERCENT": "40"}, bake="20s"))
    began = time.monotonic()
    failed = deploy(system, status=3)
    assert time.monotonic() - began < 15
    assert "error" in failed.err or "fail" in failed.err
    wait_all(1)
    assert rollout(system)["state"] == "rolled-back"
    result = seen.stop()
    assert 0 < result["versions"]["2"]["answers"] < result["versions"]["1"]["answers"] / 2
    assert result["versions"]["1"]["failed"] == 0


def test_a_canary_that_is_slow_is_taken_back_by_its_gate(system, load):
    system.file(canary(1))
    deploy(system)
    load({"keepalive": 100, "fresh": 50})
    system.file(canary(2, {"SLOW_MS": "300"}, bake="20s",
                       gate={"p99": "100ms", "min_requests": 20}))
    failed = deploy(system, status=3)
    assert "100 ms" in failed.err
    wait_all(1)


def test_a_canary_with_manual_steps_goes_on_when_a_person_says_so(system, load):
    system.file(canary(1))
    deploy(system)
    load({"keepalive": 60})
    system.file(canary(2, promote="manual", bake="500ms", steps=["10%", "50%", "100%"]))
    deploy(system)
    assert rollout(system)["state"] == "waiting" and rollout(system)["share"] == 1000
    system.ok("promote")
    assert rollout(system)["state"] == "waiting" and rollout(system)["share"] == 5000
    system.ok("promote", "--all")
    wait_all(2)


# ---- A/B

def variants(version, **split):
    return shop(version, {"strategy": "ab", "split": split} if split else None)


def test_two_variants_are_chosen_by_cookie_and_stay_with_the_visitor(system):
    system.file(variants(1))
    deploy(system)
    system.file(variants(2, cookie="variant", values={"beta": "new", "stable": "old"}, share="50%"))
    deploy(system)
    assert rollout(system)["state"] == "waiting"
    for _ in range(5):
        assert visit(Cookie="variant=beta") == "2"
        assert visit(Cookie="variant=stable") == "1"
    seen = set()
    for _ in range(40):
        first = Client(PORT).get("/")
        cookie = (first.headers["Set-Cookie"] or "").partition(";")[0]
        version = first.headers["X-Version"]
        seen.add(version)
        assert cookie, "a visitor has to be known again"
        assert {visit(Cookie=cookie) for _ in range(3)} == {version}
    assert seen == {"1", "2"}
    system.ok("promote")
    wait_all(2)


def test_two_variants_are_chosen_by_header(system):
    system.file(variants(1))
    deploy(system)
    system.file(variants(2, header="X-Group", values={"beta": "new", "stable": "old"}))
    deploy(system)
    for _ in range(5):
        assert visit(X_Group="beta") == "2"
        assert visit(X_Group="stable") == "1"
    told = rollout(system)
    assert {one["release"] for one in told["releases"] if one["requests"] > 0} == {1, 2}
    system.ok("abort")
    assert visit(X_Group="beta") == "1"


# ---- migrations

def test_a_rollback_across_an_irreversible_migration_asks(system):
    def migrating(version):
        return shop(version, x={"migrate": {"command": f"echo to {version}", "reversible": False}})

    for version in (1, 2):
        system.file(migrating(version))
        deploy(system)
    refused = system.run("rollback", stdin="")
    assert refused.status != 0 and "migration" in refused.err + refused.out
    assert is_all(2)
    system.ok("rollback", "-y")
    wait_all(1)


def test_a_migration_that_fails_leaves_the_old_release_and_its_output_is_shown(system, load):
    system.file(shop(1))
    deploy(system)
    seen = load()
    system.file(shop(2, x={"migrate": "echo no such column >&2; exit 1"}))
    failed = deploy(system, status=3)
    assert "no such column" in failed.err
    result = seen.stop()
    nothing_was_lost(result)
    assert set(result["versions"]) == {"1"}


# ---- maintenance

def test_maintenance_answers_with_a_page_until_it_is_off(system):
    system.file(shop(1))
    deploy(system)
    page = system.write("closed.html", "<h1>back at noon</h1>")
    assert "live" in system.ok("maintenance", "status").out
    system.ok("maintenance", "on", "--page", page)
    answer = Client(PORT).get("/")
    assert answer.status == 503 and b"back at noon" in answer.body
    assert answer.headers["Retry-After"]
    assert system.ok("maintenance", "status", "--json").json()["on"] is True
    assert system.instance("web")["state"] == "ready"
    system.ok("maintenance", "off")
    assert process.wait(lambda: Client(PORT).get("/").status == 200, 3)
    assert system.run("maintenance", "sideways").status == 2


# ---- the bench

@pytest.mark.slow
def test_the_bench_of_deploys_finds_nothing_lost(machine):
    """bench/deploy/run in its short form, in a network of its own."""
    load_program()
    program = machines.find_program()
    output = pathlib.Path(f"{machines.OUTPUT}/deploy-short.json")
    output.unlink(missing_ok=True)
    environment = {**os.environ, "ISHIZUE_TESTS_SESSION": f"{machines.SESSION}bench"}
    done = subprocess.run(
        [str(machines.REPOSITORY / "bench/deploy/run"), "--short", "--deploys", "2", "--without",
         "bad,nginx", "--build", str(program.parent), "--output", str(output)],
        env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(output.read_text())
    assert set(result["strategies"]) == {"blue-green", "rolling", "canary", "ab"}
