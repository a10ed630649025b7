# SPDX-License-Identifier: Apache-2.0
"""Compose's own words for a deploy, deploy.update_config and rollback_config, and what a rollout
tells about itself."""
import contextlib
import json
import sqlite3

from rig import process
from rig.system import routed, sleeper
from test_deploy import PORT, app, deploy, lines_of, rollout, shop, visit, wait_all, wait_state


def rolling(version, update=None, replicas=2, rollback=None, **options):
    config = {**({"update_config": update} if update is not None else {}),
              **({"rollback_config": rollback} if rollback is not None else {})}
    return shop(version, {"watch": "0s"}, replicas=replicas, compose_deploy=config, **options)


def counter(system, version, update, replicas, fails_from):
    """Each start of version 2 takes a number; those from <fails_from> on end at once."""
    folder = system.write("count/.keep", "").parent
    folder.chmod(0o777)
    file = rolling(version, update, replicas, volumes=[f"{folder}:/count"])
    if version == 2:
        web = file["services"]["web"]
        web["x-ishizue"]["host"]["command"] = (
            "mkdir /count/$$HOSTNAME 2>/dev/null; "
            f"[ $$(ls /count | wc -l) -lt {fails_from} ] || exit 3; "
            "exec python3 /srv/hostile.py 8000")
    return file


def test_a_failure_pauses_a_deploy_when_the_file_says_so(system):
    update = {"parallelism": 1, "failure_action": "pause", "order": "start-first"}
    system.file(counter(system, 1, update, 2, 2))
    deploy(system)
    system.file(counter(system, 2, update, 2, 2))
    result = system.run("deploy", "-y")
    assert result.status != 0, result
    now = rollout(system)
    assert now["state"] == "waiting" and now["active"] and "pause" in now["why"]
    assert visit() in ("1", "2")
    system.ok("abort")
    wait_all(1)


def test_a_failure_does_not_stop_a_deploy_that_is_to_continue(system):
    update = {"parallelism": 1, "failure_action": "continue", "order": "start-first"}
    system.file(counter(system, 1, update, 2, 2))
    deploy(system)
    system.file(counter(system, 2, update, 2, 2))
    deploy(system)
    wait_all(2)


def test_as_many_instances_as_the_file_accepts_may_fail(system):
    update = {"parallelism": 1, "max_failure_ratio": 0.5, "order": "start-first"}
    system.file(counter(system, 1, update, 2, 2))
    deploy(system)
    system.file(counter(system, 2, update, 2, 2))
    deploy(system)
    wait_all(2)
    system.file(counter(system, 1, {**update, "max_failure_ratio": 0}, 2, 2))
    deploy(system)
    system.file(counter(system, 2, {**update, "max_failure_ratio": 0}, 2, 1))
    deploy(system, status=3)
    wait_all(1)


def test_what_fails_within_the_monitor_time_is_taken_back(system):
    update = {"parallelism": 1, "monitor": "4s", "order": "start-first"}
    system.file(rolling(1, update))
    deploy(system)
    system.file(rolling(2, update, environment={"CRASH_AFTER_MS": "1200"}))
    result = deploy(system, status=3)
    assert result.seconds < 30
    wait_all(1)


def test_stop_first_ends_the_old_instance_before_the_new_one_starts(system):
    update = {"parallelism": 1, "order": "stop-first"}
    system.file(rolling(1, update, replicas=2))
    deploy(system)
    system.file(rolling(2, update, replicas=2))
    counts = []
    child = system.start("deploy", "-y")
    while child.poll() is None:
        counts.append(sum(one["state"] not in ("exited", "draining", "stopping")
                          for one in system.instances("web")))
    assert child.returncode == 0
    assert max(counts) <= 2, counts
    wait_all(2)


def test_a_rollback_rolls_as_rollback_config_says(system):
    def file(version):
        return rolling(version, None, 2, rollback={"parallelism": 1, "delay": "1s"})

    system.file(file(1))
    deploy(system)
    system.file(file(2))
    deploy(system)
    result = system.ok("rollback", "-y", "--json")
    assert max(one["steps"] for one in lines_of(result)) == 2
    assert result.seconds > 1
    wait_all(1)


def test_a_canary_has_its_share_of_inside_calls_too(system):
    """One old and one new instance; the new one is to get one call in ten."""
    def file(version):
        return routed({"web": app(version, {"strategy": "canary", "steps": ["10%"],
                                            "promote": "manual", "bake": "0s"}),
                       "caller": sleeper()}, http=PORT, https=0)

    system.file(file(1))
    deploy(system)
    system.file(file(2))
    deploy(system)
    assert rollout(system)["share"] == 1000
    got = system.execute("caller", "python3", "-c", (
        "import urllib.request as r\n"
        "for _ in range(100): print(r.urlopen('http://web:8000/').headers['X-Version'])")).out
    assert got.split().count("2") == 10 and got.split().count("1") == 90
    system.ok("promote")
    wait_all(2)


def test_a_database_is_recreated_and_that_is_said(system):
    def file(text):
        return {"services": {"db": {"image": "redis:7", "environment": {"MARK": text}},
                             "web": sleeper(environment={"MARK": text})}}

    system.file(file("1"))
    deploy(system)
    system.file(file("2"))
    result = system.ok("deploy", "-y", "--dry-run", "--json")
    answer = json.loads(result.out)
    plan = answer.get("plan", answer)["services"]
    actions = {one["service"]: (one["action"], one["strategy"]) for one in plan}
    assert actions == {"web": ("replace", "auto"), "db": ("recreate", "recreate")}
    assert all(one["build"] is False for one in plan)


def test_the_rollout_is_told_and_can_be_looked_at(system):
    assert system.machine.call("GET", f"/v1/systems/{system.name}/rollout")[0] == 404
    system.file(rolling(1))
    deploy(system)
    assert rollout(system) is None
    system.file(rolling(2))
    seen = lines_of(deploy(system, "--json"))
    assert [one["state"] for one in seen][:2] == ["starting", "shifting"]
    assert all(one["from"] == 1 and one["to"] == 2 for one in seen)
    wait_state(system, "done")
    now = rollout(system)
    assert not now["active"] and not now["can_abort"] and now["share"] == 10000
    status, answer = system.machine.call("POST", f"/v1/systems/{system.name}/promote", {})
    assert "no release" in str(answer) or status >= 400


def test_how_a_service_is_rolled_out_is_changed_without_new_instances(system):
    system.file(shop(1))
    deploy(system)
    before = system.pids()
    system.file(shop(1, {"strategy": "canary", "steps": ["50%", "100%"], "bake": "1s"},
                     compose_deploy={"update_config": {"parallelism": 1},
                                     "rollback_config": {"parallelism": 2}}))
    deploy(system)
    assert system.pids() == before
    system.file(shop(2, {"strategy": "canary", "steps": ["50%", "100%"], "bake": "1s"}))
    seen = lines_of(deploy(system, "--json"))
    assert seen[0]["steps"] == 2, seen  # and it is what counts from then on
    wait_all(2)


def test_a_state_that_cannot_be_stored_for_a_while_holds_up_no_rollout(system):
    for version in (1, 2):
        system.file(shop(version, {"watch": "3s"}))
        deploy(system)
    wait_state(system, "guarding")
    system.machine.expect_log("database is locked")
    system.machine.log_mark()
    path = system.machine.state / "state.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert process.wait(lambda: ": rollout: " in system.machine.log_since_mark(), 40, 0.1)
    wait_state(system, "done")
    wait_all(2)
