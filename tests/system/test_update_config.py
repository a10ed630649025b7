# SPDX-License-Identifier: Apache-2.0
"""Each key of deploy.update_config and deploy.rollback_config by what really happens: when each
instance started, how many there were at once, and what runs in the end."""
import subprocess

import pytest

from rig import process
from rig.system import routed
from test_deploy import HOSTILE, PORT, app, deploy, rollout, visit, wait_all, wait_state

LIVE = ("pending", "starting", "warming", "ready", "unhealthy", "backoff")


@pytest.fixture
def flags(system):
    folder = system.write("flags/.keep", "").parent
    folder.chmod(0o777)
    return folder


def shop(version, replicas, flags=None, before="", update=None, rollback=None, **environment):
    """<before> is shell that runs in each instance before the service does."""
    config = {**({"update_config": update} if update is not None else {}),
              **({"rollback_config": rollback} if rollback is not None else {})}
    one = app(version, {"watch": "0s"}, environment, replicas, compose_deploy=config,
              volumes=[f"{flags}:/flags"] if flags else [])
    if before:
        one["x-ishizue"]["host"]["command"] = f"{before}; {HOSTILE}"
    return routed({"web": one}, http=PORT, https=0)


def some_crash(count, after_ms=1500):
    """So many instances end once, some time after they are healthy; all in their first life."""
    names = " ".join(f"/flags/crash{i}" for i in range(count))
    return (f"for one in {names}; do mkdir $$one 2>/dev/null && export CRASH_AFTER_MS={after_ms} "
            "&& break; done")


def starts(system, release):
    """When the instances of <release> began, in seconds, first to last."""
    return sorted(one["created_ms"] / 1000 for one in system.instances("web")
                  if one["release"] == release)


def batches(times, pause):
    """How many began together: a new batch begins after <pause>."""
    sizes = [1]
    for before, after in zip(times, times[1:]):
        if after - before < pause:
            sizes[-1] += 1
        else:
            sizes.append(1)
    return sizes


def watch_counts(system, *argv):
    """Runs a command; (status, [(live, ready)])."""
    child = system.start(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = []
    while child.poll() is None:
        states = [one["state"] for one in system.instances("web")]
        seen.append((sum(one in LIVE for one in states), states.count("ready")))
    return child.returncode, seen


def ready_of(system, release):
    return sum(one["state"] == "ready" and one["release"] == release
               for one in system.instances("web"))


# ---- update_config

@pytest.mark.parametrize("parallelism, sizes", [(1, [1, 1, 1]), (2, [2, 1]), (0, [3])])
def test_so_many_instances_at_a_time_and_so_long_between(system, parallelism, sizes):
    update = {"parallelism": parallelism, "delay": "3s"}
    system.file(shop(1, 3, update=update))
    deploy(system)
    system.file(shop(2, 3, update=update))
    result = deploy(system)
    assert batches(starts(system, 2), 3) == sizes
    assert result.seconds > 3 * (len(sizes) - 1)
    wait_all(2)


@pytest.mark.parametrize("order, most, least", [("start-first", 5, 3), ("stop-first", 3, 1)])
def test_the_order_says_how_many_there_are_at_most_and_at_least(system, order, most, least):
    update = {"parallelism": 2, "order": order}
    keys = {"update": update}
    system.file(shop(1, 3, **keys))
    deploy(system)
    system.file(shop(2, 3, **keys))
    status, seen = watch_counts(system, "deploy", "-y")
    assert status == 0
    assert max(live for live, _ in seen) <= most, seen
    assert min(ready for _, ready in seen) >= least, seen
    wait_all(2)


def test_one_end_within_the_monitor_time_is_a_failure_and_after_it_is_not(system, flags):
    def file(version, monitor):
        return shop(version, 2, flags, some_crash(1) if version > 1 else "",
                    update={"parallelism": 1, **monitor})

    system.file(file(1, {}))
    deploy(system)
    system.file(file(2, {"monitor": "6s"}))
    failed = deploy(system, status=3)
    assert "ended 1 time since" in failed.err
    wait_all(1)
    assert process.wait(lambda: ready_of(system, 1) == 2, 10)
    (flags / "crash0").rmdir()
    system.file(file(3, {}))
    deploy(system)
    assert process.wait(lambda: any(one["restarts"] == 1 for one in system.instances("web")), 10)
    wait_all(3)
    wait_state(system, "done")


@pytest.mark.parametrize("crashing, status, version", [(1, 0, 2), (2, 3, 1)])
def test_so_large_a_part_may_fail_within_the_monitor_time(system, flags, crashing, status, version):
    update = {"parallelism": 2, "monitor": "4s", "max_failure_ratio": 0.25}
    system.file(shop(1, 4, update=update))
    deploy(system)
    system.file(shop(2, 4, flags, some_crash(crashing), update=update))
    deploy(system, status=status)
    wait_all(version)
    assert process.wait(lambda: ready_of(system, version) == 4, 15), system.instances("web")


def test_a_deploy_that_continues_past_failures_ends_with_what_works(system, flags):
    update = {"parallelism": 1, "failure_action": "continue", "monitor": "1s"}
    system.file(shop(1, 3, update=update))
    deploy(system)
    # Whoever is the first never comes up; the others do.
    before = ('[ "$$(cat /flags/bad 2>/dev/null || (hostname | tee /flags/bad))" != '
              '"$$(hostname)" ] || exit 3')
    system.file(shop(2, 3, flags, before, update=update))
    deploy(system)
    wait_all(2)
    assert ready_of(system, 2) == 2
    (flags / "bad").write_text("nobody")
    assert process.wait(lambda: ready_of(system, 2) == 3, 90, 0.5), system.instances("web")


def test_a_paused_deploy_goes_on_by_promote(system, flags):
    update = {"parallelism": 1, "failure_action": "pause"}
    system.file(shop(1, 2, update=update))
    deploy(system)
    system.file(shop(2, 2, flags, "[ ! -e /flags/bad ] || exit 3", update=update))
    (flags / "bad").touch()
    deploy(system, status=1)
    assert rollout(system)["state"] == "waiting"
    assert visit() == "1" and ready_of(system, 1) == 2
    (flags / "bad").unlink()
    system.ok("promote", "--all")
    wait_all(2, 60)
    assert process.wait(lambda: ready_of(system, 2) == 2, 60), system.instances("web")
    assert process.wait(lambda: rollout(system)["state"] == "done", 20, 0.2), rollout(system)


def test_a_failure_within_the_monitor_time_pauses_too(system, flags):
    update = {"parallelism": 1, "failure_action": "pause", "monitor": "6s"}
    system.file(shop(1, 2, update=update))
    deploy(system)
    system.file(shop(2, 2, flags, some_crash(1), update=update))
    deploy(system, status=1)
    now = rollout(system)
    assert now["state"] == "waiting" and "pause" in now["why"], now
    assert process.wait(lambda: ready_of(system, 1) == 1 and ready_of(system, 2) == 1, 10)
    system.ok("abort")
    wait_all(1)
    assert process.wait(lambda: ready_of(system, 1) == 2, 15)


# ---- rollback_config

def two_releases(system, flags, rollback, replicas=3, before=""):
    """Release 2 runs; <before> is what instances of release 1 do first."""
    system.file(shop(1, replicas, flags, before, rollback=rollback))
    deploy(system)
    system.file(shop(2, replicas, flags, rollback=rollback))
    deploy(system)
    wait_state(system, "done")


@pytest.mark.parametrize("parallelism, sizes", [(1, [1, 1, 1]), (2, [2, 1]), (0, [3])])
def test_a_rollback_takes_so_many_at_a_time_and_waits_between(system, flags, parallelism, sizes):
    two_releases(system, flags, {"parallelism": parallelism, "delay": "3s"})
    system.ok("rollback", "-y")
    wait_all(1)
    current = system.ok("releases", "--json").json()["current"]
    assert batches(starts(system, current), 3) == sizes


@pytest.mark.parametrize("order, most, least", [("start-first", 5, 3), ("stop-first", 3, 1)])
def test_a_rollback_has_its_order_too(system, flags, order, most, least):
    two_releases(system, flags, {"parallelism": 2, "order": order})
    status, seen = watch_counts(system, "rollback", "-y")
    assert status == 0
    assert max(live for live, _ in seen) <= most, seen
    assert min(ready for _, ready in seen) >= least, seen
    wait_all(1)


def test_a_rollback_whose_release_fails_brings_back_what_ran(system, flags):
    two_releases(system, flags, {"parallelism": 1}, 2, "[ ! -e /flags/bad ] || exit 3")
    (flags / "bad").touch()
    assert system.run("rollback", "-y").status == 1
    wait_all(2)
    assert process.wait(lambda: ready_of(system, 2) == 2, 15)


def test_a_rollback_pauses_at_a_failure_when_the_file_says_so(system, flags):
    two_releases(system, flags, {"parallelism": 1, "failure_action": "pause"}, 2,
                 "[ ! -e /flags/bad ] || exit 3")
    (flags / "bad").touch()
    assert system.run("rollback", "-y").status == 1
    assert rollout(system)["state"] == "waiting"
    assert visit() == "2"
    system.ok("abort")
    wait_all(2)
    assert process.wait(lambda: ready_of(system, 2) == 2, 15)


def test_a_rollback_continues_past_a_failure_when_the_file_says_so(system, flags):
    one_fails = ('[ ! -e /flags/bad ] || '
                 '[ "$$(cat /flags/who 2>/dev/null || (hostname | tee /flags/who))" != '
                 '"$$(hostname)" ] || exit 3')
    two_releases(system, flags, {"parallelism": 1, "failure_action": "continue"}, 2, one_fails)
    (flags / "bad").touch()
    system.ok("rollback", "-y")
    wait_all(1)
    assert sum(one["state"] == "ready" for one in system.instances("web")) == 1


@pytest.mark.parametrize("ratio, status, version", [(0.5, 0, 1), (0, 1, 2)])
def test_a_rollback_is_monitored_and_a_part_may_fail(system, flags, ratio, status, version):
    rollback = {"parallelism": 1, "monitor": "4s", "max_failure_ratio": ratio}
    two_releases(system, flags, rollback, 2, f"[ ! -e /flags/bad ] || {{ {some_crash(1)}; }}")
    (flags / "bad").touch()
    assert system.run("rollback", "-y").status == status
    wait_all(version)
    assert process.wait(lambda: [one["state"] for one in system.instances("web")] == ["ready"] * 2,
                        15), system.instances("web")
