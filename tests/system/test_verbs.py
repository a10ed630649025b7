# SPDX-License-Identifier: Apache-2.0
"""create, start, stop, rm, kill, pause, unpause, wait, attach and run, on real processes."""
import os
import pty
import select
import signal
import socket
import subprocess
import time

import pytest

from rig import process
from rig.machine import control_groups
from rig.system import APPS, service, sleeper


def crash(machine):
    """kill -9 of the daemon, and another one."""
    assert process.end(machine.daemon_pid())
    machine.ensure()


def states(system):
    """By name without the system's; a system of which nothing is left has none."""
    status, answer = system.machine.call("GET", f"/v1/systems/{system.name}")
    return {one["name"].removeprefix(f"{system.name}-"): one["state"]
            for one in answer["instances"]} if status == 200 else {}


def is_frozen(instance):
    """What the kernel says, whatever the daemon believes."""
    for folder in control_groups():
        if os.path.basename(folder) != instance["id"]:
            continue
        for name, value in (("freezer.state", "FROZEN"), ("cgroup.events", "frozen 1")):
            path = os.path.join(folder, name)
            if os.path.exists(path) and value in open(path, encoding="utf-8").read():
                return True
    return False


def two(**web):
    """db, and web that needs it."""
    return {"services": {"db": sleeper(restart="always"),
                         "web": sleeper(restart="unless-stopped", depends_on=["db"], **web)}}


# ---- create, start, stop

def test_create_makes_instances_and_start_starts_the_same_ones(system):
    system.file(two())
    system.ok("create")
    assert states(system) == {"db-1": "pending", "web-1": "pending"}
    ids = system.ids()
    crash(system.machine)
    assert states(system) == {"db-1": "pending", "web-1": "pending"}
    system.ok("start")
    assert states(system) == {"db-1": "ready", "web-1": "ready"}
    assert system.ids() == ids
    assert system.instance("db")["started_ms"] <= system.instance("web")["started_ms"]


def test_create_leaves_alone_what_runs_unchanged(system):
    system.file(two())
    system.up()
    before = system.pids()
    system.ok("create")
    assert system.pids() == before
    system.file(two(environment={"A": "1"}))
    system.ok("create")
    assert states(system) == {"db-1": "ready", "web-1": "pending"}


def test_a_stopped_service_stays_stopped_whatever_its_policy_and_the_daemon_do(system):
    system.file(two())
    system.up()
    ids = system.ids()
    system.ok("stop")
    assert states(system) == {"db-1": "exited", "web-1": "exited"}
    crash(system.machine)
    time.sleep(1)  # long enough for a restart policy
    assert states(system) == {"db-1": "exited", "web-1": "exited"}
    assert system.ok("ps", "-q").out == ""
    system.ok("start", "web")  # and what it needs
    assert states(system) == {"db-1": "ready", "web-1": "ready"}
    assert system.ids() == ids


def test_stop_of_some_services_keeps_to_them_and_to_its_timeout(system):
    deaf = service("trap '' TERM; while :; do sleep 1; done")
    system.file({"services": {"deaf": {**deaf, "stop_grace_period": "30s"}, "other": sleeper()}})
    system.up()
    other = system.pids()[system.instance("other")["id"]]
    began = time.monotonic()
    system.ok("stop", "-t", "1", "deaf")
    assert time.monotonic() - began < 10
    assert system.instance("deaf")["exit_status"] == 137
    assert system.instance("other")["pid"] == other
    unknown = system.run("stop", "nobody")
    assert unknown.status == 2 and "there is no service 'nobody'" in unknown.err


def test_dependents_stop_first(system):
    write = "trap 'date +%s%N >> /data/{0}; exit 0' TERM; sleep 1000000 & wait"
    system.file({"services": {
        "db": service(write.format("db").replace("$", "$$"), volumes=["data:/data"]),
        "web": service(write.format("web").replace("$", "$$"), volumes=["data:/data"],
                       depends_on=["db"])}, "volumes": {"data": {}}})
    system.up()
    system.ok("stop")
    times = {name: int((system.machine.state / "volumes" / f"{system.name}_data" / name)
                       .read_text()) for name in ("db", "web")}
    assert times["web"] < times["db"]


def test_up_and_restart_start_what_was_stopped(system):
    system.file(two())
    system.up()
    system.ok("stop", "web")
    system.ok("restart", "web")
    assert states(system) == {"db-1": "ready", "web-1": "ready"}
    system.ok("stop")
    system.up()
    assert states(system) == {"db-1": "ready", "web-1": "ready"}


def test_up_of_one_service_brings_up_only_it_and_what_it_needs(system):
    file = two()
    file["services"]["alone"] = sleeper()
    system.file(file)
    system.up("web")
    assert states(system) == {"db-1": "ready", "web-1": "ready"}
    nothing = system.run("start", "alone")
    assert nothing.status == 1 and "no instances to start" in nothing.err
    before = system.pids()
    file["services"]["db"]["environment"] = {"CHANGED": "1"}
    system.file(file)
    system.up("alone")  # leaves the others as they are
    assert {key: value for key, value in system.pids().items() if key in before} == before
    assert states(system) == {"alone-1": "ready", "db-1": "ready", "web-1": "ready"}
    system.up()
    assert set(system.pids()) != set(before) and len(system.pids()) == 3


def test_a_one_shot_service_runs_again_on_up_but_not_by_itself(system):
    system.file({"services": {"job": service("date >> /data/runs", volumes=["data:/data"])},
                 "volumes": {"data": {}}})
    runs = system.machine.state / "volumes" / f"{system.name}_data" / "runs"
    system.up()
    crash(system.machine)
    assert len(runs.read_text().splitlines()) == 1
    system.up()
    assert len(runs.read_text().splitlines()) == 2


# ---- rm

def test_rm_removes_what_is_stopped_and_nothing_else(system):
    system.file(two())
    system.up()
    assert "No stopped containers" in system.ok("rm", "-f").out
    system.ok("stop", "web")
    asked = system.run("rm")
    assert asked.status == 2 and "give -f" in asked.err
    assert f"Going to remove {system.name}-web-1" in system.ok("rm", "-f").out
    assert states(system) == {"db-1": "ready"}
    crash(system.machine)
    assert states(system) == {"db-1": "ready"}
    system.ok("rm", "-fs", "db")
    assert states(system) == {}
    system.up()
    assert states(system) == {"db-1": "ready", "web-1": "ready"}


def test_rm_with_volumes_removes_the_anonymous_ones(system):
    system.file({"services": {"web": sleeper(volumes=["/data"])}})
    system.up()
    folders = lambda: [one for one in os.listdir(system.machine.state / "volumes")
                       if one.startswith(system.name)]
    assert len(folders()) == 1
    system.ok("rm", "-fs")
    assert len(folders()) == 1
    system.up()
    system.ok("rm", "-fsv")
    assert folders() == []


# ---- kill

def test_kill_ends_without_a_restart_and_other_signals_arrive(system):
    command = "trap 'echo got usr1' USR1; trap 'exit 0' TERM; while :; do sleep 0.1; done"
    system.file({"services": {
        "web": service(command, restart="always"),
        "own": service(command, restart="always", stop_signal="SIGQUIT")}})
    system.up()
    system.ok("kill", "-s", "USR1", "own")
    assert process.wait(lambda: "got usr1" in system.log("own"), 5)
    pid = system.instance("own")["pid"]
    os.kill(pid, signal.SIGKILL)  # not by `kill`: the policy holds
    system.wait_instance("own", lambda one: one["state"] == "ready" and one["pid"] != pid)
    assert f"{system.name}-web-1 killed" in system.ok("kill", "web").out
    system.wait_instance("web", lambda one: one["state"] == "exited")
    time.sleep(1)  # the policy would have acted
    assert system.instance("web")["exit_status"] == 137
    assert system.instance("web")["state"] == "exited"
    crash(system.machine)
    assert system.instance("web")["state"] == "exited"
    system.ok("start", "web")
    assert system.instance("web")["state"] == "ready"
    wrong = system.run("kill", "-s", "NOSUCH")
    assert wrong.status == 2 and "'NOSUCH' is no signal" in wrong.err


# ---- pause

def test_pause_freezes_survives_the_daemon_and_ends_with_unpause(system):
    system.file({"services": {"web": sleeper(
        healthcheck={"test": ["CMD", "true"], "interval": "1s", "timeout": "1s", "retries": 1})}})
    system.up()
    system.ok("pause")
    one = system.instance("web")
    assert one["state"] == "paused" or one.get("paused") is True
    assert is_frozen(one)
    crash(system.machine)
    time.sleep(2.5)  # checks would have failed by now
    assert is_frozen(system.instance("web"))
    system.ok("unpause")
    assert not is_frozen(system.instance("web"))
    assert system.instance("web")["state"] == "ready"
    assert system.instance("web")["pid"] == one["pid"]


@pytest.mark.parametrize("verb", [("stop",), ("kill",), ("down",)])
def test_a_paused_service_can_be_ended(system, verb):
    system.file({"services": {"web": sleeper()}})
    system.up()
    system.ok("pause")
    system.ok(*verb, timeout=20)
    if verb != ("down",):
        one = system.wait_instance("web", lambda one: one["state"] == "exited")
        assert one["exit_status"] == (0 if verb == ("stop",) else 137)


# ---- wait

def test_wait_returns_the_status_of_what_ended(system):
    system.file({"services": {"job": service("sleep 1.5; exit 7"), "other": sleeper()}})
    system.ok("up", "-d", "--no-wait")
    system.wait_instance("other", lambda one: one["state"] == "ready")
    waited = system.run("wait", "job")
    assert waited.status == 7, waited
    assert waited.out == f'container "{system.name}-job-1" exited with status code 7\n'
    assert system.run("wait", "job").status == 1  # nothing runs


def test_wait_with_down_project_takes_the_system_down(system):
    system.file({"services": {"web": sleeper()}})
    system.up()
    waiting = system.start("wait", "--down-project", "web", stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    time.sleep(0.3)
    system.ok("kill", "-s", "TERM", "web")
    assert waiting.wait(20) == 0
    assert system.is_gone()


# ---- run

def test_run_passes_output_status_environment_and_input(system):
    system.file({"services": {"web": sleeper(environment={"A": "1"}, restart="always")}})
    done = system.run("run", "--rm", "-e", "B=2", "web", "sh", "-c",
                      "echo $A$B; echo wrong >&2; exit 7")
    assert (done.status, done.out) == (7, "12\n") and "wrong\n" in done.err, done
    done = system.run("run", "--rm", "-T", "web", "cat", stdin="in put\n")
    assert (done.status, done.out) == (0, "in put\n"), done
    many = system.run("run", "--rm", "web", "seq", "1", "50000")
    assert many.out == "".join(f"{i}\n" for i in range(1, 50001))
    assert states(system) == {}
    missing = system.run("run", "--rm", "web", "no-such-program")
    assert missing.status == 127, missing
    assert states(system) == {}


def test_run_starts_what_the_service_depends_on_unless_told_not_to(system):
    system.file(two())
    system.ok("run", "--rm", "--no-deps", "web", "true")
    assert states(system) == {}
    system.ok("run", "--rm", "web", "true")
    assert states(system) == {"db-1": "ready"}
    before = system.pids()
    system.ok("run", "--rm", "web", "true")
    assert system.pids() == before


def test_run_takes_folder_entry_point_name_label_and_volume(system):
    (system.folder / "given").mkdir()
    (system.folder / "given" / "file").write_text("from outside")
    system.file({"services": {"web": sleeper()}})
    done = system.run("run", "--name", "special", "-w", "/tmp", "-v", "./given:/given:ro",
                      "-l", "a=b", "--entrypoint", "sh -c", "web", "pwd; cat /given/file")
    assert (done.status, done.out) == (0, "/tmp\nfrom outside"), done
    assert [one["name"] for one in system.instances()] == ["special"]
    assert "from outside" in system.ok("logs", "--no-log-prefix").out
    again = system.run("run", "--name", "special", "web", "true")
    assert again.status == 1 and "already" in again.err
    system.down()
    assert system.is_gone()


def test_a_detached_run_goes_on_and_removes_itself(system):
    system.file({"services": {"web": sleeper()}})
    ident = system.ok("run", "-d", "--rm", "web", "sleep", "2").out.strip()
    assert [one["id"] for one in system.instances()] == [ident]
    crash(system.machine)
    assert process.wait(lambda: states(system) == {}, 10)


def test_a_run_whose_client_is_killed_is_removed_when_it_ends(system):
    system.file({"services": {"web": sleeper()}})
    client = system.start("run", "--rm", "web", "sleep", "3", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(lambda: "ready" in states(system).values(), 10)
    client.kill()
    client.communicate()
    assert list(states(system).values()) == ["ready"]
    assert process.wait(lambda: states(system) == {}, 10)


def test_a_daemon_that_is_killed_cuts_no_run(system):
    system.file({"services": {"web": sleeper()}})
    client = system.start("run", "--rm", "web", "sh", "-c", "echo one; sleep 4; echo two; exit 5",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(lambda: "ready" in states(system).values(), 10)
    crash(system.machine)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (5, "one\ntwo\n"), err
    assert process.wait(lambda: states(system) == {}, 10)


def test_signals_of_the_client_reach_what_it_runs(system):
    system.file({"services": {"web": sleeper()}})
    client = system.start("run", "--rm", "web", "sh", "-c",
                          "trap 'echo ended; exit 9' TERM; echo on; while :; do sleep 0.1; done",
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == "on\n"
    client.send_signal(signal.SIGTERM)
    out, err = client.communicate(timeout=20)
    assert (client.returncode, out) == (9, "ended\n"), err


def answers(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as one:
            one.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return one.recv(20).startswith(b"HTTP/")
    except OSError:
        return False


@pytest.mark.parametrize("options, port", [(["-p", "18090:8000"], 18090),
                                           (["--service-ports"], 18091)])
def test_run_publishes_ports_only_when_asked_to(system, options, port):
    server = ["python3", "/srv/web.py", "8000"]
    system.file({"services": {"web": sleeper(ports=["18091:8000"], volumes=[f"{APPS}:/srv:ro"])}})
    ident = system.ok("run", "-d", "--rm", "web", *server).out.strip()
    assert process.wait(lambda: "ready" in states(system).values(), 10)
    assert not answers(18091)
    system.down()
    assert system.is_gone(10)
    assert system.ok("run", "-d", "--rm", *options, "web", *server).out.strip() != ident
    assert process.wait(lambda: answers(port), 10)
    system.ok("kill", "web")
    assert process.wait(lambda: states(system) == {}, 10)
    assert not answers(port)


def test_run_with_aliases_answers_to_the_service_s_name(system):
    server = ["python3", "/srv/web.py", "8000"]
    system.file({"services": {"web": sleeper(volumes=[f"{APPS}:/srv:ro"]), "other": sleeper()}})
    system.up()
    system.ok("stop", "web")
    ask = "import socket; print(socket.create_connection(('web', 8000), 2) and 'there')"
    system.ok("run", "-d", "--rm", "web", *server)
    time.sleep(1)  # long enough to be there
    assert system.python("other", ask).status != 0
    system.ok("run", "-d", "--rm", "--use-aliases", "web", *server)
    assert process.wait(lambda: system.python("other", ask).out == "there\n", 10)


def read_until(fd, text, timeout=15):
    seen, until = "", time.monotonic() + timeout
    while text not in seen and time.monotonic() < until:
        if select.select([fd], [], [], 0.2)[0]:
            try:
                seen += os.read(fd, 4096).decode(errors="replace")
            except OSError:
                break
    return seen


def on_terminal(system, *argv):
    """The command on a terminal of 24 by 80; its process and the other end."""
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "rows", "24", "cols", "80"], stdin=theirs, check=True, timeout=5)
    child = system.start(*argv, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    return child, ours


def test_run_on_a_terminal_gives_a_terminal_of_its_size(system):
    system.file({"services": {"web": sleeper()}})
    child, fd = on_terminal(system, "run", "--rm", "web", "sh", "-c",
                            "tty; stty size; read line; echo got:$line; exit 4")
    try:
        seen = read_until(fd, "24 80")
        assert "/dev/pts/" in seen and "24 80" in seen, seen
        os.write(fd, b"typed\n")
        assert "got:typed" in read_until(fd, "got:typed")
        assert child.wait(15) == 4
    finally:
        os.close(fd)
        child.kill()


# ---- attach

def test_attach_shows_output_and_ends_with_the_service(system):
    system.file({"services": {"web": service(
        "trap 'exit 6' TERM; while :; do echo tick; sleep 0.2; done")}})
    system.up()
    client = system.start("attach", "--no-stdin", "web", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == "tick\n"
    client.send_signal(signal.SIGTERM)  # goes to the service
    client.communicate(timeout=15)
    assert client.returncode == 6
    assert system.run("attach", "web").status == 1  # nothing runs


def test_attach_without_passing_signals_only_watches(system):
    system.file({"services": {"web": service(
        "trap 'exit 6' TERM; while :; do echo tick; sleep 0.2; done")}})
    system.up()
    client = system.start("attach", "--sig-proxy=false", "web", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdout.readline() == "tick\n"
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=15)
    assert client.returncode == 130
    assert system.instance("web")["state"] == "ready"


def test_the_detach_keys_leave_a_terminal_and_end_nothing(system):
    system.file({"services": {"shell": service("exec sh", tty=True, stdin_open=True)}})
    system.up()
    child, fd = on_terminal(system, "attach", "shell")
    try:
        time.sleep(0.5)  # there is no event for "attached" on a terminal that is silent
        os.write(fd, b"echo $((6*7))\n")
        assert "42" in read_until(fd, "42")
        os.write(fd, b"\x10\x11")
        assert child.wait(15) == 0
        assert system.instance("shell")["state"] == "ready"
    finally:
        os.close(fd)
        child.kill()


# ---- down, builds

def test_down_with_volumes_keeps_its_word_when_the_daemon_is_killed(system):
    slow = service("trap 'sleep 2; exit 0' TERM; sleep 1000000 & wait",
                   volumes=["data:/data", "/anonymous"])
    system.file({"services": {"web": {**slow, "stop_grace_period": "8s"}},
                 "volumes": {"data": {}}})
    system.up()
    folders = lambda: [one for one in os.listdir(system.machine.state / "volumes")
                       if one.startswith(system.name)]
    assert len(folders()) == 2
    client = system.start("down", "-v", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    system.wait_instance("web", lambda one: one["state"] == "stopping")
    crash(system.machine)
    client.communicate(timeout=20)
    assert system.is_gone(15)
    assert folders() == []


def building(system):
    (system.folder / "app").mkdir(exist_ok=True)
    (system.folder / "app" / "file").write_text(os.urandom(4).hex())
    app = service("trap 'exit 0' TERM; sleep 1000000 & wait", build="./app")
    app.pop("image")
    app["x-ishizue"]["host"]["build"] = ["sleep 4711"]
    system.file({"services": {"app": app}})


def is_building():
    return [pid for pid in process.matching("sleep 4711")
            if process.command_line(pid) == "sleep 4711"]


@pytest.mark.parametrize("way", ["interrupt", "timeout", "down"])
def test_a_build_that_hangs_can_be_ended(system, way):
    building(system)
    argv = ["up", "-d", *(["--wait-timeout", "3"] if way == "timeout" else [])]
    client = system.start(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(is_building, 20)
    if way == "interrupt":
        client.send_signal(signal.SIGINT)
    elif way == "down":
        system.down()
    _, err = client.communicate(timeout=20)
    assert client.returncode == {"interrupt": 130, "timeout": 124, "down": 1}[way], err
    assert process.wait(lambda: not is_building(), 10)
    assert system.is_gone(10)
