# SPDX-License-Identifier: Apache-2.0
"""Looking at a system and carrying files: cp, port, top, stats, events, images, volumes, pull,
build, and the options of up, ps, logs, exec and down that go with them."""
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import tarfile
import time

import pytest

from rig import process
from rig.system import APPS, service, sleeper, web

DATA = {"volumes": ["data:/data", "/scratch"]}


def two(**extra):
    return {"services": {"web": web(ports=["18080:8000"], **DATA),
                         "job": sleeper(deploy={"replicas": 2}, **extra)},
            "volumes": {"data": {}}}


def screen(system, *argv, columns=80, seconds=4, env=None):
    """What a command writes to a terminal; ends it with SIGINT when it goes on."""
    parent, child = pty.openpty()
    import fcntl, struct, termios
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    one = system.start(*argv, stdin=child, stdout=child, stderr=child, env={"TERM": "xterm", **(env or {})})
    os.close(child)
    text, end = b"", time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([parent], [], [], 0.1)
        try:
            text += os.read(parent, 65536) if ready else b""
        except OSError:
            break
        if one.poll() is not None and not ready:
            break
    if one.poll() is None:
        one.send_signal(signal.SIGINT)
    one.wait(10)
    os.close(parent)
    return text.decode(errors="replace")


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "")


# ---- port

def test_port_says_where_the_edge_listens(make_system):
    system = make_system(two())
    system.up()
    assert system.ok("port", "web", "8000").out == "0.0.0.0:18080\n"
    assert system.ok("port", "--index", "1", "web", "8000").out == "0.0.0.0:18080\n"
    for argv, status, text in ((("web", "9"), 1, "9/tcp"), (("--protocol", "udp", "web", "8000"), 1, "8000/udp"),
                               (("none", "8000"), 2, "no service 'none'"), (("web", "x"), 2, "no port"),
                               (("--index", "7", "web", "8000"), 1, "no instance 7")):
        result = system.run("port", *argv)
        assert (result.status, text in result.err) == (status, True), result


# ---- top

def test_top_names_the_processes_of_each_instance(make_system):
    system = make_system(two())
    system.up()
    lines = system.ok("top").out.splitlines()
    assert lines[0].split() == "SERVICE # UID PID PPID C STIME TTY TIME CMD".split()
    rows = [line.split(None, 9) for line in lines[1:]]
    assert {(row[0], row[1]) for row in rows} == {("web", "1"), ("job", "1"), ("job", "2")}
    pids = {one["pid"] for one in system.instances()}
    assert pids <= {int(row[3]) for row in rows}, "the first processes are among them"
    [served] = [row for row in rows if row[0] == "web" and int(row[3]) in pids]
    assert "web.py 8000" in served[9] and served[2] == str(os.stat(f"/proc/{served[3]}").st_uid)
    assert {line.split()[0] for line in system.ok("top", "job").out.splitlines()[1:]} == {"job"}
    refused = system.run("top", "none")
    assert refused.status == 2 and "no service 'none'" in refused.err


# ---- stats

BUSY = "python3 -c 'while True: pass'"


def test_stats_measure_processor_memory_network_and_disk(make_system):
    system = make_system({"services": {
        "busy": service(f"exec {BUSY}", mem_limit="128m"),
        "web": web(volumes=["data:/data"])}, "volumes": {"data": {}}})
    system.up()
    system.python("web", "import os; f = open('/data/x', 'wb'); f.write(os.urandom(1 << 22)); os.fsync(f.fileno())")
    system.python("busy", "import urllib.request; print(len(urllib.request.urlopen('http://web:8000/health').read()))")
    rows = {row["Name"]: row for row in system.ok("stats", "--no-stream", "--format", "json").json_lines()}
    busy, served = rows[f"{system.name}-busy-1"], rows[f"{system.name}-web-1"]
    assert set(busy) == {"BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs"}
    assert float(busy["CPUPerc"].rstrip("%")) > 10 > float(served["CPUPerc"].rstrip("%"))
    assert busy["MemUsage"].endswith(" / 128MiB") and not served["MemUsage"].endswith(" / 128MiB")
    assert not served["NetIO"].startswith("0B /") and not served["NetIO"].endswith("/ 0B"), served
    assert int(served["PIDs"]) >= 1
    raw = system.ok("stats", "--json").json()
    written = {one["service"]: one["written_bytes"] for one in raw["instances"]}


def test_stats_redraw_in_place_on_a_terminal_and_end_with_ctrl_c(make_system):
    system = make_system(two())
    system.up()
    text = screen(system, "stats", seconds=4)
    assert text.count("CPU %") >= 2 and "\x1b[" in text
    for line in plain(text).splitlines():
        assert len(line) <= 80, line
    table = system.ok("stats", "--no-stream", "web").out.splitlines()
    assert len(table) == 2 and table[0].startswith("CONTAINER ID  NAME")


# ---- events

def test_events_have_composes_form_and_keys(make_system):
    system = make_system({"services": {"web": web(), "job": sleeper()}})
    system.up()
    heard = system.folder / "events.jsonl"
    with open(heard, "w", encoding="utf-8") as file:
        follower = system.start("events", "--json", "job", stdout=file)
    assert process.wait(lambda: len(os.listdir(f"/proc/{follower.pid}/task")) > 1, 5), "it does not listen"
    time_of_restart = time.time()
    system.ok("restart", "job")
    assert process.wait(lambda: '"destroy"' in heard.read_text(), 10), heard.read_text()
    follower.send_signal(signal.SIGINT)
    assert follower.wait(5) == 130
    seen = [json.loads(line) for line in heard.read_text().splitlines()]
    assert {"service", "id", "action", "attributes", "time", "type"} == set(seen[0])
    actions = [one["action"] for one in seen]
    assert [one for one in actions if one != "kill"] == ["create", "start", "die", "stop", "destroy"], actions
    assert {one["service"] for one in seen} == {"job"}
    assert all(one["type"] == "container" and one["attributes"]["name"] == f"{system.name}-job-1" for one in seen)
    [died] = [one for one in seen if one["action"] == "die"]
    assert died["attributes"]["exitCode"] == "0"
    history = system.ok("events", "--since", f"{int(time.time() - time_of_restart) + 1}s", "--until", "0s").out
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} container die \S+ \(exitCode=0, image=tests/any, name=",
                     history, re.MULTILINE), history
    older = system.ok("events", "--since", "1h", "--until", "0s").out
    assert "health_status: healthy" in older
    assert system.run("events", "--since", "yesterday").status == 2


# ---- images, volumes, pull

def test_images_and_volumes_have_composes_columns(make_system):
    system = make_system(two())
    system.up()
    head, *rows = system.ok("images").out.splitlines()
    assert head.split("  ")[0] == "CONTAINER" and "IMAGE ID" in head
    assert len(rows) == 3 and all("tests/any" in row and "latest" in row for row in rows)
    images = system.ok("images", "--format", "json").json()
    assert {"ID", "ContainerName", "Repository", "Tag", "Platform", "Size", "LastTagTime"} <= set(images[0])
    assert system.ok("images", "-q", "web").out == "machine\n"
    assert f"{system.name}_data" in system.ok("volumes").out
    names = system.ok("volumes", "-q").out.split()
    assert f"{system.name}_data" in names and len(names) == 2, names
    rows = system.ok("volumes", "--format", "json").json_lines()
    folder = {row["Name"]: row["Mountpoint"] for row in rows}[f"{system.name}_data"]
    assert os.path.isdir(folder)
    assert system.ok("volumes", "-q", "job").out == ""


def test_pull_names_the_stand_in_or_the_missing_package(make_system):
    system = make_system({"services": {"db": {"image": "postgres"}, "job": sleeper()}})
    out = system.ok("pull").out
    assert re.search(r"db +postgres +the machine's PostgreSQL \S+ \(package postgresql", out), out
    assert system.name not in system.machine.system_names(), "nothing was made"
    assert system.ok("pull", "-q", "db").out == ""
    system.file({"services": {"x": {"image": "example/unknown:1"}, "job": sleeper()}})
    refused = system.run("pull")
    assert refused.status == 1 and "example/unknown:1" in refused.err, refused
    assert system.run("pull", "--ignore-pull-failures").status == 0
    assert system.run("pull", "job").status == 0


# ---- build

def built(marker="one"):
    return {"build": {"context": "./api", "args": {"MARK": marker}}, "stop_grace_period": "3s",
            "x-ishizue": {"host": {"build": ["date +%s%N > built; echo step says $$MARK"],
                                   "command": "trap 'exit 0' TERM; sleep 1000000 & wait"}}}


def trees(system):
    folder = system.machine.state / "trees" / system.name / "api"
    return sorted(one.name for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []


def test_build_builds_and_starts_nothing(make_system):
    system = make_system({"services": {"api": built(), "job": sleeper()}})
    system.write("api/app.txt", "x")
    assert "would build api" in system.ok("build", "--dry-run").out and trees(system) == []
    out = system.ok("build").out
    assert "step says one" in out and "is built" in out, out
    assert len(trees(system)) == 1
    assert system.is_gone(), "a system that only was built is not there"
    assert "step says" not in system.ok("build", "-q").out
    assert system.ok("build", "job").out == "nothing has to be built\n"
    system.up("--no-build")
    image = system.ok("images", "--json", "api").json()["images"][0]
    assert os.path.basename(image["tree"]) == trees(system)[0]


def test_no_cache_builds_anew_and_up_takes_it(make_system):
    system = make_system({"services": {"api": built()}})
    system.write("api/app.txt", "x")
    system.up()
    first = system.execute("api", "cat", "built").out
    before = system.ids()
    system.ok("build", "--no-cache")
    assert len(trees(system)) == 2 and system.ids() == before, "what runs goes on as it was"
    system.up()
    assert system.execute("api", "cat", "built").out != first and system.ids() != before
    ids = system.ids()
    system.up()
    assert system.ids() == ids and len(trees(system)) == 2
    refused = system.run("build", "--push")
    assert refused.status == 2 and "--push is refused" in refused.err


def test_build_arguments_and_down_rmi(make_system):
    system = make_system({"services": {"api": built()}})
    system.write("api/app.txt", "x")
    out = system.ok("build", "--build-arg", "MARK=other").out
    assert "step says other" in out
    refused = system.run("up", "-d", "--no-build")
    assert refused.status != 0 and "--no-build" in refused.err, refused
    system.up()
    assert trees(system)
    system.ok("down", "--rmi", "all", "-t", "2")
    assert trees(system) == []


# ---- cp

def test_cp_carries_files_and_folders_both_ways(make_system):
    system = make_system(two())
    system.up()
    system.write("in/sub/a.txt", "one")
    system.write("in/tool", "#!/bin/sh\n", 0o755)
    assert "copied 2 files" in system.ok("cp", "in", "web:/data/").out
    assert system.execute("web", "cat", "/data/in/sub/a.txt").out == "one"
    assert system.execute("web", "stat", "-c", "%a %u", "/data/in/tool").out.split() == \
        ["755", system.execute("web", "id", "-u").out.strip()]
    system.ok("cp", "in/.", "web:/data/flat")
    assert system.execute("web", "cat", "/data/flat/sub/a.txt").out == "one"
    system.ok("cp", "in/sub/a.txt", "web:/data/b.txt")
    system.ok("cp", "web:/data/b.txt", "out.txt")
    assert (system.folder / "out.txt").read_text() == "one"
    assert (system.folder / "out.txt").stat().st_uid == 0
    system.ok("cp", "-a", "web:/data/b.txt", "kept.txt")
    assert (system.folder / "kept.txt").stat().st_uid >= 700000
    system.ok("cp", "web:/data/in", "back")
    assert (system.folder / "back/sub/a.txt").read_text() == "one"
    for source, target, text in (("web:/none", "x", "no '/none'"), ("in", "out.txt", "neither"), ("none", "web:/", "none"),
                                 ("in", "web:/data/b.txt", "no folder"), ("none:/x", "y", "service 'none'"),
                                 ("web:/data", "job:/data", "between services")):
        result = system.run("cp", source, target)
        assert result.status != 0 and text in result.err, result


def test_cp_reaches_every_instance_or_the_one_named(make_system):
    system = make_system(two())
    system.up()
    system.write("a.txt", "all")
    system.ok("cp", "a.txt", "job:/tmp/a.txt")
    for index in ("1", "2"):
        assert system.run("exec", "-T", "--index", index, "job", "cat", "/tmp/a.txt").out == "all"
    system.ok("cp", "--index", "2", "a.txt", "job:/tmp/b.txt")
    assert system.run("exec", "-T", "--index", "1", "job", "cat", "/tmp/b.txt").status != 0
    assert system.run("exec", "-T", "--index", "2", "job", "cat", "/tmp/b.txt").out == "all"


def test_cp_streams_archives(make_system):
    system = make_system(two())
    system.up()
    system.execute("web", "sh", "-c", "mkdir -p /data/d && echo one > /data/d/a.txt")
    archive = subprocess.run([str(system.machine.program), "-p", system.name, "cp", "web:/data/d", "-"],
                             env=system.machine.environment(), capture_output=True, timeout=20, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert sorted(tar.getnames()) == ["d", "d/a.txt"]
        assert tar.extractfile("d/a.txt").read() == b"one\n"
    done = subprocess.run([str(system.machine.program), "-p", system.name, "cp", "-", "web:/scratch"], input=archive,
                          env=system.machine.environment(), capture_output=True, timeout=20, check=False)
    assert done.returncode == 0, done.stderr
    assert system.execute("web", "cat", "/scratch/d/a.txt").out == "one\n"


def test_cp_is_not_led_out_of_the_instance_by_its_links(make_system, tmp_path):
    system = make_system(two())
    system.up()
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    system.write("a.txt", "written")
    system.execute("web", "sh", "-c", f"ln -s {outside} /data/file; ln -s {tmp_path} /data/folder; mkfifo /data/pipe")
    assert system.run("cp", "a.txt", "web:/data/folder/outside").status != 0
    assert system.run("cp", "-L", "web:/data/file", "stolen").status != 0
    assert not (system.folder / "stolen").exists()
    result = system.ok("cp", "web:/data", "copy", timeout=10)
    assert "left out" in result.err and (system.folder / "copy/file").is_symlink()
    assert outside.read_text() == "untouched"


def test_cp_says_clearly_that_a_stopped_instance_cannot_be_reached(make_system):
    system = make_system({"services": {"once": service("exit 0", restart="no"), "job": sleeper()}})
    system.up()
    system.wait_instance("once", lambda one: one["state"] == "exited")
    refused = system.run("cp", "once:/etc/hostname", "x")
    assert refused.status == 1 and "does not run" in refused.err and "ishizue start once" in refused.err


# ---- refusals

@pytest.mark.parametrize("verb", "push export commit publish watch bridge alpha".split())
def test_verbs_without_meaning_are_refused_with_a_reason(make_system, verb):
    system = make_system({"services": {"job": sleeper()}})
    for argv in ((verb,), (verb, "--any", "thing")):
        result = system.run(*argv)
        assert result.status == 2 and f"'{verb}' is refused: " in result.err, result
    assert system.run("convert", "--services").out == "job\n"


# ---- up

def test_up_scale_overrides_the_file(make_system):
    system = make_system(two())
    system.up("--scale", "job=3")
    assert len(system.instances("job")) == 3
    system.up()
    assert process.wait(lambda: len(system.instances("job")) == 2, 10)
    for text in ("job", "none=1", "job=x", "job=101"):
        assert system.run("up", "-d", "--scale", text).status == 2


def test_up_leaves_out_dependencies_and_does_not_recreate(make_system):
    file = {"services": {"db": sleeper(), "api": sleeper(depends_on=["db"])}}
    system = make_system(file)
    system.up("--no-deps", "api")
    assert [one["service"] for one in system.instances()] == ["api"]
    system.up()
    ids = system.ids()
    file["services"]["api"]["environment"] = {"NEW": "1"}
    system.file(file)
    system.up("--no-recreate")
    assert system.ids() == ids
    system.up()
    assert system.ids() != ids
    for argv in (("--no-recreate", "--force-recreate"), ("--build", "--no-build"), ("--exit-code-from", "api")):
        assert system.run("up", "-d", *argv).status == 2


def test_up_no_start_makes_and_starts_nothing(make_system):
    system = make_system({"services": {"job": sleeper()}})
    system.ok("up", "--no-start")
    assert [one.get("pid", 0) for one in system.instances("job")] in ([], [0])
    assert system.ok("ps", "-a", "--status", "created", "--services").out in ("job\n", "")
    system.up()
    assert system.instance("job")["state"] == "ready"


def test_up_takes_the_exit_status_of_a_service(make_system):
    system = make_system({"services": {
        "db": sleeper(), "tests": service("echo testing; sleep 2; exit 7", restart="no", depends_on=["db"])}})
    result = system.run("up", "--exit-code-from", "tests", "-t", "2", timeout=40)
    assert result.status == 7, result
    assert "testing" in result.out
    assert system.is_gone()
    result = system.run("up", "--abort-on-container-exit", "-t", "2", timeout=40)
    assert result.status == 7, result
    system.file({"services": {"db": sleeper(), "tests": service("exit 9", restart="no", depends_on=["db"])}})
    result = system.run("up", "--exit-code-from", "tests", "-t", "2", timeout=40)
    assert result.status == 9 and "no system" not in result.err, result


def test_up_follows_only_the_logs_asked_for(make_system):
    system = make_system({"services": {
        "loud": service("while :; do echo loud; sleep 0.2; done"),
        "quiet": service("echo quiet; sleep 2; exit 0", restart="no")}})
    result = system.run("up", "--no-attach", "loud", "--timestamps", "--exit-code-from", "quiet", "-t", "1", timeout=40)
    assert result.status == 0 and "| loud" not in result.out, result
    assert re.search(r"quiet-1 +\| \d{4}-\d\d-\d\dT\S+Z quiet", result.out), result


def test_up_builds_quietly_and_recreates_dependencies(make_system):
    system = make_system({"services": {"api": built(), "front": sleeper(depends_on=["api"]), "job": sleeper()}})
    system.write("api/app.txt", "x")
    out = system.up("--quiet-build", "--pull", "never", "--quiet-pull", "-y", "--menu=false").out
    assert "step says" not in out and re.search(r"api +built", out), out
    ids = system.ids()
    system.up("--build")
    assert system.ids() == ids, "nothing changed"
    system.up("--always-recreate-deps", "front")
    changed = {name.rsplit("-", 2)[1] for name, one in system.ids().items() if ids[name] != one}
    assert changed == {"api", "front"}


def test_stats_show_stopped_instances_on_request(make_system):
    system = make_system({"services": {"job": sleeper(), "once": service("exit 0", restart="no")}})
    system.up()
    system.wait_instance("once", lambda one: one["state"] == "exited")
    assert "once" not in system.ok("stats", "--no-stream").out
    rows = {row["Name"]: row for row in system.ok("stats", "-a", "--no-stream", "--no-trunc", "--format", "json").json_lines()}
    assert rows[f"{system.name}-once-1"]["MemUsage"] == "-- / --"
    assert rows[f"{system.name}-job-1"]["ID"] == system.instance("job")["id"]


# ---- ps, logs, exec

def test_ps_filters_by_status(make_system):
    system = make_system({"services": {"job": sleeper(), "once": service("exit 0", restart="no")}})
    system.run("up", "-d", "--no-wait")
    system.wait_instance("once", lambda one: one["state"] == "exited")
    system.wait_instance("job", lambda one: one["state"] == "ready")
    assert system.ok("ps", "--status", "exited", "--services").out == "once\n"
    assert system.ok("ps", "--filter", "status=running", "--services").out == "job\n"
    assert set(system.ok("ps", "--status", "running", "--status", "exited", "--services").out.split()) == {"job", "once"}
    assert system.ok("ps", "--orphans=false", "--no-trunc", "--status", "dead", "-q").out == ""
    for argv in (("--status", "happy"), ("--filter", "name=x"), ("--format", "{{.Name}}")):
        assert system.run("ps", *argv).status == 2


def test_logs_of_one_instance(make_system):
    system = make_system({"services": {"job": service("echo I am $HOSTNAME; sleep 1000000", deploy={"replicas": 2})}})
    system.up()
    lines = system.ok("logs", "--index", "2", "job").out.splitlines()
    assert lines and all(line.startswith("job-2 ") for line in lines), lines
    assert {line.split()[0] for line in system.ok("logs", "job").out.splitlines()} == {"job-1", "job-2"}
    assert system.run("logs", "--index", "2").status == 2


def test_exec_in_the_background_and_with_the_callers_variables(make_system):
    system = make_system({"services": {"job": sleeper()}})
    system.up()
    assert system.run("exec", "-T", "-e", "GIVEN", "job", "sh", "-c", "echo $GIVEN", env={"GIVEN": "by us"}).out == "by us\n"
    began = time.monotonic()
    result = system.ok("exec", "-d", "job", "sh", "-c", "sleep 1; echo done > /tmp/mark")
    assert time.monotonic() - began < 1 and result.out == ""
    assert process.wait(lambda: system.execute("job", "cat", "/tmp/mark").out == "done\n", 10)
    refused = system.run("exec", "--privileged", "job", "true")
    assert refused.status == 2 and "refused" in refused.err


# ---- terminals

def test_tables_fit_a_terminal_of_80_columns(make_system):
    long = "a-service-with-a-name-that-is-rather-long-for-a-terminal"
    system = make_system({"services": {long: web(ports=["18081:8000"], **DATA), "job": sleeper()},
                          "volumes": {"data": {}}})
    system.up()
    for argv in (("ps",), ("top",), ("images",), ("volumes",), ("stats", "--no-stream"), ("pull",), ("ls",)):
        lines = plain(screen(system, *argv)).splitlines()
        assert len(lines) >= 2, (argv, lines)
        assert max(map(len, lines)) <= 80, (argv, lines)
    assert APPS.is_dir()
