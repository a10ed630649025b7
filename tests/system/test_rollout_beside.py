# SPDX-License-Identifier: Apache-2.0
"""What goes on beside a rollout: other services, other commands, jobs that run to their end. None
of it may move a rollout on, end it or hold it up."""
import pytest

from rig import process
from rig.system import service, sleeper
from test_deploy import deploy, is_all, rollout, shop, visit, wait_all, wait_state

CANARY = {"strategy": "canary", "steps": ["50%", "100%"], "bake": "1s",
          "gate": {"errors": "50%", "min_requests": 1}}
MANUAL = {**CANARY, "promote": "manual"}


def pair(version, other, deploy_keys=None, **options):
    """The shop with another service beside it."""
    file = shop(version, deploy_keys, **options)
    file["services"]["other"] = other
    return file


def folder_of(system, name):
    folder = system.write(f"{name}/.keep", "").parent
    folder.chmod(0o777)
    return folder


def job(folder, command, **extra):
    """Runs once, with <folder> at /shared."""
    return service(command, volumes=[f"{folder}:/shared"], restart="no", **extra)


def guarded(folder, **extra):
    """Runs while /shared/ok is there, and is in a loop of crashes without it."""
    return service("[ -e /shared/ok ] || exit 3; trap 'exit 0' TERM; sleep 1000000 & wait",
                   volumes=[f"{folder}:/shared"], restart="always", **extra)


def actions(system):
    return [one["action"] for one in system.ok("history", "--json").json()["actions"]]


def current(system):
    return system.ok("releases", "--json").json()["current"]


# ---- other commands

def test_another_command_does_not_move_a_rollout_on(system):
    system.file(pair(1, sleeper(), {"watch": "0s"}))
    deploy(system)
    system.file(pair(2, sleeper(), {"watch": "0s"}, environment={"START_MS": "6000"}))
    deploy(system, "--no-wait")
    wait_state(system, "starting")
    for command in ("stop", "start", "pause", "unpause"):
        system.ok(command, "other")
        assert rollout(system)["state"] == "starting", command
        assert visit() == "1"
    assert current(system) == 1
    wait_state(system, "done")
    wait_all(2)


def test_a_failure_of_another_command_does_not_end_a_rollout(system):
    folder = folder_of(system, "flags")
    (folder / "ok").touch()
    system.file(pair(1, guarded(folder), MANUAL))
    deploy(system)
    system.file(pair(2, guarded(folder), MANUAL))
    deploy(system)
    system.ok("stop", "other")
    (folder / "ok").unlink()
    failed = system.run("start", "other")
    assert failed.status == 1 and "status 3" in failed.err
    assert rollout(system)["state"] == "waiting"
    file = pair(2, guarded(folder), MANUAL)
    file["services"]["broken"] = {"build": "./app", "x-ishizue": {"host": {
        "build": ["exit 5"], "command": "sleep 1"}}}
    file["services"]["slow"] = {"build": "./app", "x-ishizue": {"host": {
        "build": ["sleep 4"], "command": "sleep 1"}}}
    system.write("app/main.txt", "one")
    system.file(file)
    assert system.run("build").status == 1
    assert rollout(system)["state"] == "waiting"
    system.ok("promote", "--all")
    wait_all(2)


def test_a_command_does_not_make_current_what_waits_for_a_person(system):
    file = pair(1, sleeper(), MANUAL)
    file["services"]["web"]["depends_on"] = ["other"]
    system.file(file)
    deploy(system)
    file = pair(2, sleeper(), MANUAL)
    file["services"]["web"]["depends_on"] = ["other"]
    system.file(file)
    deploy(system)
    assert "hello" in system.ok("run", "--rm", "-T", "web", "echo", "hello").out
    assert current(system) == 1 and rollout(system)["state"] == "waiting"
    file["services"]["other"]["environment"] = {"CHANGED": "1"}
    system.file(file)
    refused = system.run("run", "--rm", "-T", "web", "echo", "hello")
    assert refused.status == 4 and "is being rolled out" in refused.err
    assert rollout(system)["state"] == "waiting"
    system.ok("abort")
    wait_all(1)
    system.ok("lock", "acquire", "-m", "inventory")
    refused = system.run("run", "--rm", "-T", "web", "echo", "hello")
    assert refused.status == 4 and "inventory" in refused.err
    system.ok("lock", "release")


def test_the_same_deploy_again_waits_for_the_rollout_that_is_under_way(system):
    system.file(shop(1))
    deploy(system)
    system.file(shop(2, environment={"START_MS": "4000"}))
    deploy(system, "--no-wait")
    wait_state(system, "starting")
    again = deploy(system)
    assert again.seconds > 1
    assert is_all(2) and current(system) == 2


def test_a_rollback_without_a_number_does_not_go_past_a_release_that_is_on_its_way(system):
    for version in (1, 2):
        system.file(shop(version))
        deploy(system)
    system.file(shop(3, environment={"START_MS": "5000"}))
    deploy(system, "--no-wait")
    wait_state(system, "starting")
    refused = system.run("rollback", "-y")
    assert refused.status == 4 and "ishizue abort" in refused.err
    assert rollout(system)["state"] == "starting"
    system.ok("abort")
    wait_all(2)
    system.ok("rollback", "-y")
    wait_all(1)


def test_a_plan_that_is_only_looked_at_is_not_in_the_history(system):
    system.file(shop(1))
    deploy(system)
    system.file(shop(2))
    system.ok("deploy", "--dry-run")
    assert actions(system) == ["deploy"]


# ---- other services

def test_a_service_that_was_not_changed_and_crashes_does_not_end_a_rollout(system):
    folder = folder_of(system, "flags")
    (folder / "ok").touch()
    system.file(pair(1, guarded(folder), MANUAL))
    deploy(system)
    system.file(pair(2, guarded(folder), MANUAL))
    deploy(system)
    (folder / "ok").unlink()
    assert process.end(system.instance("other")["pid"])
    system.wait_instance("other", lambda one: one["restarts"] >= 3, 30)
    assert rollout(system)["state"] == "waiting"
    system.ok("promote", "--all")
    wait_all(2)


def test_a_service_that_is_new_and_crashes_again_and_again_is_taken_back(system):
    system.file(shop(1))
    deploy(system)
    system.file(pair(2, service("sleep 1.5; exit 3", restart="always"), {"watch": "60s"}))
    deploy(system)
    wait_state(system, "rolled-back", timeout=40)
    wait_all(1)
    assert actions(system)[0] == "rolled back"


def test_a_deploy_that_only_adds_what_fails_says_that_the_old_release_is_back(system):
    system.file(shop(1))
    deploy(system)
    system.file(pair(1, service("exit 7", restart="always")))
    failed = deploy(system, status=3)
    assert "status 7" in failed.err
    assert is_all(1) and current(system) == 1


def test_what_is_broken_is_not_waited_for_when_its_turn_comes_later(system):
    """The release that mends it must not wait for it."""
    folder = folder_of(system, "flags")
    (folder / "ok").touch()

    def file(version, other):
        made = pair(version, other, CANARY)
        made["services"]["web"]["depends_on"] = {"other": {"condition": "service_healthy"}}
        return made

    health = {"test": ["CMD-SHELL", "true"], "interval": "1s"}
    system.file(file(1, guarded(folder, healthcheck=health)))
    deploy(system)
    (folder / "ok").unlink()
    assert process.end(system.instance("other")["pid"])
    system.wait_instance("other", lambda one: one["restarts"] >= 3, 30)
    system.file(file(2, sleeper(healthcheck=health)))
    deploy(system, timeout=50)
    wait_all(2)


# ---- what runs to its end before

def test_a_job_that_others_wait_for_runs_before_the_first_step_of_a_canary(system):
    folder = folder_of(system, "shared")

    def file(version):
        made = pair(version, job(folder, f"sleep 1; touch /shared/{version}"), CANARY,
                    volumes=[f"{folder}:/shared"])
        web = made["services"]["web"]
        web["depends_on"] = {"other": {"condition": "service_completed_successfully"}}
        web["x-ishizue"]["host"]["command"] = (
            "[ -e /shared/$$VERSION ] || exit 9; exec python3 /srv/hostile.py 8000")
        return made

    for version in (1, 2):
        system.file(file(version))
        deploy(system, timeout=50)
        wait_all(version)
    assert (folder / "2").exists()


def test_nothing_new_takes_traffic_while_another_service_is_migrated(system):
    def file(version):
        return pair(version, sleeper(environment={"VERSION": str(version)},
                                     x={"migrate": "sleep 4"} if version > 1 else {}))

    system.file(file(1))
    deploy(system)
    system.file(file(2))
    deploy(system, "--no-wait")
    wait_state(system, "migrating")
    seen = set()
    while (state := rollout(system)["state"]) == "migrating":
        seen.add(visit())
    assert seen == {"1"}, (seen, state)
    wait_all(2)


def test_what_a_migration_needs_is_new_before_it(system):
    """The new version of a database may be what the migration is about."""
    folder = folder_of(system, "shared")

    def file(version):
        made = pair(version, service(
            f"echo {version} > /shared/database; trap 'exit 0' TERM; sleep 1000000 & wait",
            volumes=[f"{folder}:/shared"], healthcheck={
                "test": ["CMD-SHELL", f"grep -q {version} /shared/database"], "interval": "1s"}),
            volumes=[f"{folder}:/shared"],
            x={"migrate": "cat /shared/database > /shared/migrated"})
        made["services"]["web"]["depends_on"] = {"other": {"condition": "service_healthy"}}
        return made

    for version in (1, 2):
        system.file(file(version))
        deploy(system)
        wait_all(version)
        assert (folder / "migrated").read_text() == f"{version}\n"


def test_a_migration_of_a_service_that_nobody_asked_for_holds_up_no_rollout(system):
    def file(version):
        return pair(version, sleeper(x={"migrate": "true"}), x={"migrate": f"echo {version}"})

    system.file(file(1))
    system.up("web")
    system.file(file(2))
    deploy(system, "web", timeout=40)
    wait_all(2)
    assert not system.instances("other")


@pytest.mark.parametrize("command", [("restart",), ("up", "-d", "--force-recreate")])
def test_a_migration_is_not_run_again_for_the_same_version(system, command):
    folder = folder_of(system, "shared")
    system.file(shop(1, volumes=[f"{folder}:/shared"], x={"migrate": "echo ran >> /shared/log"}))
    deploy(system)
    before = system.ids()
    system.ok(*command)
    assert system.ids() != before
    assert (folder / "log").read_text() == "ran\n"
    system.file(shop(2, volumes=[f"{folder}:/shared"], x={"migrate": "echo ran >> /shared/log"}))
    deploy(system)
    assert (folder / "log").read_text() == "ran\nran\n"


# ---- what is said

def test_who_was_waited_for_in_vain_is_named_with_the_reason(system):
    system.file(shop(1, environment={"SICK": "cache is cold"}))
    late = system.run("up", "-d", "--wait", "--wait-timeout", "4")
    assert late.status == 124, late
    assert "web is warming: " in late.err and "cache is cold" in late.err
