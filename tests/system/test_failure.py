# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a system: it is said in one line, and what ran before goes on running."""
import time

import pytest

from rig import process
from rig.client import Client
from rig.system import routed, service, sleeper, web


def up_with_a_good_one(system, **extra):
    """A system that runs; returns its compose file and its processes."""
    compose = {"services": {"web": web(), "idle": sleeper()}, **extra}
    system.file(compose)
    system.up()
    return compose, system.pids()


def test_a_bad_command_leaves_what_ran_before_running(system):
    compose, before = up_with_a_good_one(system)
    compose["services"]["web"]["x-ishizue"]["host"]["command"] = "exec no-such-program-here"
    system.file(compose)
    failed = system.up_fails()
    assert "web" in failed.err and "no-such-program-here" in failed.err
    assert "still running: " in failed.err
    assert system.pids() == before


def test_a_new_service_that_cannot_start_leaves_what_ran_before_running(system):
    compose, before = up_with_a_good_one(system)
    compose["services"]["more"] = service("echo I give up >&2; exit 7", restart="no",
                                          x={"health": {"port": 1234, "start_period": "2s"}})
    system.file(compose)
    failed = system.up_fails()
    assert "more" in failed.err and "I give up" in failed.err
    assert system.pids() == before


def test_a_health_check_that_fails_leaves_what_ran_before_serving(system, authority):
    good = routed({"web": web()})
    system.file(good)
    system.up()
    before = system.pids()
    sick = {"start_period": "1s", "retries": 1, "path": "/no-such-page"}
    system.file(routed({"web": web(health=sick)}))
    failed = system.up_fails()
    assert "did not become healthy" in failed.err and "404" in failed.err
    assert process.wait(lambda: system.pids() == before, 10)  # the one that failed is being ended
    assert Client(8443, trust=authority).get("/health").status == 200
    system.file(good)
    assert "was up already" in system.up().out


def test_a_migration_that_fails_keeps_the_old_release(system):
    compose, before = up_with_a_good_one(system)
    compose["services"]["web"]["x-ishizue"]["migrate"] = "echo cannot alter table >&2; exit 3"
    system.file(compose)
    failed = system.up_fails()
    assert "migration" in failed.err and "status 3" in failed.err
    assert "cannot alter table" in failed.err
    assert system.pids() == before


def test_a_migration_runs_once_for_each_release_and_before_the_service(system):
    compose = {"volumes": {"data": {}}, "services": {"a": service(
        "cat /data/log; trap 'exit 0' TERM; sleep 1000000 & wait", volumes=["data:/data"],
        x={"migrate": "echo migrated >> /data/log"})}}
    system.file(compose)
    system.up()
    assert system.log("a") == "migrated\n"
    system.up()
    assert system.execute("a", "cat", "/data/log").out == "migrated\n"


def test_a_build_step_that_fails_shows_its_output(system):
    compose, before = up_with_a_good_one(system)
    system.write("app/main.txt", "one")
    compose["services"]["built"] = {"build": "./app", "x-ishizue": {"host": {
        "build": ["echo all is well", "echo cannot find lib-of-doom; exit 5"],
        "command": "sleep 1000000"}}}
    system.file(compose)
    failed = system.up_fails()
    assert "cannot find lib-of-doom" in failed.out + failed.err
    assert "built" in failed.err and "5" in failed.err
    assert system.pids() == before


def test_a_build_is_done_once_and_again_when_its_source_changes(system):
    system.write("app/main.txt", "first\n")
    system.file({"services": {"built": {"build": "./app", "x-ishizue": {"host": {
        "build": ["cp main.txt made.txt", "date +%s.%N > when.txt"],
        "command": "trap 'exit 0' TERM; sleep 1000000 & wait"}}}}})
    system.up()
    first = system.execute("built", "cat", "made.txt", "when.txt").out
    assert first.startswith("first\n")
    system.down()
    again = system.up()
    assert system.execute("built", "cat", "made.txt", "when.txt").out == first, again
    system.write("app/main.txt", "second\n")
    system.up()
    assert system.execute("built", "cat", "made.txt").out == "second\n"


def test_a_dependency_that_is_not_healthy_in_time_fails_with_its_last_log_lines(system):
    never = service("echo waiting for Godot; sleep 1000000", healthcheck={
        "test": ["CMD", "false"], "interval": "200ms", "timeout": "1s", "retries": 3,
        "start_period": "0s"})
    system.file({"services": {
        "never": never, "user": sleeper(depends_on={"never": {"condition": "service_healthy"}})}})
    failed = system.up_fails()
    assert "never" in failed.err and "did not become healthy" in failed.err
    assert "waiting for Godot" in failed.err
    assert system.is_gone()


def test_a_first_up_that_fails_leaves_nothing_behind(system):
    system.file({"services": {"a": sleeper(), "b": service("exit 9", restart="on-failure:1")}})
    failed = system.up_fails()
    assert "b" in failed.err and "9" in failed.err
    assert system.is_gone()


def test_up_gives_up_after_the_wait_timeout(system):
    slow = web(health={"path": "/no-such-page", "start_period": "60s"})
    system.file({"services": {"web": slow}})
    failed = system.up_fails("--wait-timeout", "2", status=124)
    assert 2 <= failed.seconds < 10
    assert "2 s" in failed.err


@pytest.mark.slow
def test_a_process_that_dies_again_and_again_waits_longer_each_time(system, wait):
    dies = "date +%s.%N; sleep 1.2; exit 1"
    system.file({"services": {"a": service(dies, restart="always"), "b": sleeper()}})
    system.up()
    system.wait_instance("a", lambda one: one["restarts"] >= 4)
    times = [float(line) for line in system.log("a").split()]
    pauses = [b - a - 1.2 for a, b in zip(times, times[1:])]
    assert all(0.1 * 2**i <= pause < 0.1 * 2**i + 1 for i, pause in enumerate(pauses)), pauses
    assert system.instance("b")["restarts"] == 0
    assert wait(lambda: "backoff (1)" in system.ok("ps").out, 10)


@pytest.mark.parametrize("restart, wanted", [("no", "exited"), ("on-failure", "ready"),
                                             ("always", "ready"), ("unless-stopped", "ready")])
def test_a_killed_process_is_treated_as_its_restart_policy_says(system, restart, wanted):
    system.file({"services": {"a": sleeper(restart=restart), "b": sleeper()}})
    system.up()
    first = system.instance("a")["pid"]
    process.end(first)
    one = system.wait_instance("a", lambda one: one.get("pid") != first and one["state"] == wanted)
    if wanted == "exited":
        assert one["exit_status"] == 137
    else:
        assert one["restarts"] == 1


def test_up_starts_again_what_has_ended(system):
    system.file({"services": {"a": sleeper(), "b": sleeper()}})
    system.up()
    before = {one["service"]: one["pid"] for one in system.instances()}
    process.end(before["a"])
    system.wait_instance("a", lambda one: one["state"] == "exited")
    system.up()
    assert system.instance("a")["state"] == "ready"
    assert system.instance("b")["pid"] == before["b"]


def test_up_replaces_what_is_not_healthy(system):
    system.file({"services": {"web": web(environment={"SICK_FILE": "/run/sick"},
                                         health={"interval": "200ms", "retries": 2}),
                              "b": sleeper()}})
    system.up()
    before = system.ids()
    system.execute("web", "touch", "/run/sick")
    system.wait_instance("web", lambda one: one["health"] == "unhealthy")
    system.up()
    assert system.instance("web")["health"] == "healthy"
    assert system.ids()[f"{system.name}-b-1"] == before[f"{system.name}-b-1"]


def test_a_shell_in_front_of_a_program_does_not_keep_the_stop_signal_from_it(system):
    system.file({"services": {"web": web(stop_grace_period="10s")}})
    text = (system.folder / "docker-compose.yml").read_text()
    system.write("docker-compose.yml", text.replace("exec python3", "python3"))
    system.up()
    down = system.down()
    assert down.seconds < 5, down


def test_a_clean_end_is_a_failure_only_for_always(system):
    ends = "sleep 2.2; exit 0"
    system.file({"services": {"a": service(ends, restart="on-failure"),
                              "b": service(ends, restart="always"), "c": sleeper()}})
    system.up()
    system.wait_instance("a", lambda one: one["state"] == "exited" and one["exit_status"] == 0)
    system.wait_instance("b", lambda one: one["restarts"] >= 1)


def test_a_sick_instance_takes_no_traffic_until_it_is_well_again(system, authority):
    system.file(routed({"web": web(deploy={"replicas": 2}, environment={"SICK_FILE": "/run/sick"},
                                   health={"interval": "200ms", "retries": 2})}))
    system.up()
    client = Client(8443, trust=authority)
    system.run("exec", "-T", "--index", "1", "web", "touch", "/run/sick")
    system.wait_instance("web", lambda one: one["number"] == 1 and one["health"] == "unhealthy")
    time.sleep(0.3)  # the edge hears of it a moment later
    seen = {client.get("/echo").headers["X-Instance"].split()[0] for _ in range(20)}
    assert len(seen) == 1
    system.run("exec", "-T", "--index", "1", "web", "rm", "/run/sick")
    system.wait_instance("web", lambda one: one["number"] == 1 and one["health"] == "healthy")
    assert system.instances("web")[0]["restarts"] == 0


def test_a_process_above_its_memory_limit_is_killed_and_that_is_said(system, machine, wait):
    hog = "python3 -c 'import time; time.sleep(1.5); x = bytearray(200 << 20); time.sleep(99)'"
    system.file({"services": {"a": service(hog, restart="no", deploy={"resources": {
        "limits": {"memory": "48M"}}}), "b": sleeper()}})
    system.up()
    one = system.wait_instance("a", lambda one: one["state"] == "exited")
    assert one["exit_status"] == 137
    assert wait(lambda: "out of memory" in machine.log_since_mark(), 2)


def test_a_service_cannot_have_more_processes_than_its_limit(system):
    system.file({"services": {"a": sleeper(deploy={"resources": {"limits": {"pids": 20}}})}})
    system.up()
    made = system.python("a", "import os, time\n"
                         "n = 0\n"
                         "try:\n"
                         "    while n < 100:\n"
                         "        if os.fork() == 0: time.sleep(2); os._exit(0)\n"
                         "        n += 1\n"
                         "except OSError as e: print(n, e.strerror)\n")
    number = int(made.out.split()[0])
    assert 10 <= number < 20, made


def test_a_stop_signal_that_is_ignored_is_followed_by_a_kill_after_the_grace_period(system):
    system.file({"services": {"a": service("trap '' TERM; while :; do sleep 1; done",
                                           stop_grace_period="1s")}})
    system.up()
    down = system.down()
    assert 1 <= down.seconds < 5


def test_a_second_operation_on_the_same_system_is_told_to_wait(system):
    system.file({"services": {"web": web(health={"path": "/no-such-page", "start_period": "1s"})}})
    assert system.run("up", "-d", "--no-wait").status == 0
    second = system.run("up", "-d")
    assert second.status == 4, second
    assert "up is under way" in second.err
    assert system.is_gone(15)


def test_a_release_with_another_port_that_fails_gives_the_old_port_back(system, authority):
    system.file(routed({"web": web()}))
    system.up()
    sick = {"start_period": "1s", "retries": 1, "path": "/no-such-page"}
    system.file(routed({"web": web(health=sick)}, https=8444))
    system.up_fails()
    assert Client(8443, trust=authority).get("/health").status == 200
    with pytest.raises(ConnectionRefusedError):
        Client(8444, trust=authority).get("/health")
    system.file(routed({"web": web()}, https=8444))
    system.up()
    assert Client(8444, trust=authority).get("/health").status == 200


def test_a_dependency_without_instances_is_an_error_and_no_endless_wait(system):
    none = sleeper()
    none["deploy"] = {"replicas": 0}
    needing = sleeper(depends_on={"none": {"condition": "service_started"}})
    system.file({"services": {"none": none, "needing": needing}})
    started = time.monotonic()
    failed = system.up_fails()
    assert "needing" in failed.err and "depends on" in failed.err
    assert time.monotonic() - started < 10


def test_only_the_last_logs_of_a_service_are_kept(system, machine, wait):
    system.file({"services": {"a": sleeper()}})
    system.up()
    for _ in range(8):
        system.ok("restart")
    folder = machine.state / "logs" / system.name
    # five of the past and the one that is written
    assert wait(lambda: len(list(folder.glob("*.log"))) == 6, 3), list(folder.iterdir())
