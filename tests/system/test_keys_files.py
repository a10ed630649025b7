# SPDX-License-Identifier: Apache-2.0
"""Keys that say where the rest of the file is, and forms of others, on what runs in the end."""
import pytest

from rig import process
from rig.system import sleeper

SLEEP = "trap 'exit 0' TERM; sleep 1000000 & wait"


def inside(system, name, command):
    done = system.execute(name, "sh", "-c", command)
    assert done.status == 0, done
    return done.out.strip()


def test_the_name_in_the_file_is_that_of_the_system(system):
    folder = system.folder / "other-name"
    folder.mkdir()
    file = system.file({"name": "${OWN:-" + system.name + "}", "services": {"it": sleeper()}})
    file.rename(folder / "compose.yaml")
    system.machine.ok("up", "-d", cwd=folder)
    assert [one["name"] for one in system.instances()] == [f"{system.name}-it-1"]
    assert system.name in system.machine.system_names()
    named = system.machine.ok("config", "--format", "json", cwd=folder, env={"OWN": "third"}).json()
    assert named["name"] == "third"
    system.machine.ok("down", cwd=folder)
    assert system.is_gone()


def test_a_version_line_is_a_warning_and_nothing_more(system):
    system.file({"version": "3.8", "services": {"it": sleeper()}})
    up = system.up()
    assert "docker-compose.yml:2:" in up.err and "version" in up.err and "remove" in up.err, up
    assert system.instance("it")["state"] == "ready"


def test_what_a_file_includes_runs_with_its_own_folder_and_variables(system):
    telling = sleeper(environment={"TOLD": "${TOLD:-nothing}"}, volumes=["./near:/near:ro"])
    for part in ("short", "long", "long/data"):
        system.write(f"{part}/near/here", part)
    system.write("short/.env", "TOLD=beside\n")
    system.write("long/given.env", "TOLD=given\n")
    for name, parts in (("short/compose.yaml", {"short": telling}),
                        ("long/one.yaml", {"long": telling}),
                        ("long/two.yaml", {"long": {"environment": {"PUT_ON": "two"}}})):
        system.file({"services": parts}).rename(system.folder / name)
    system.file({
        "include": ["./short/compose.yaml",
                    {"path": ["./long/one.yaml", "./long/two.yaml"],
                     "project_directory": "./long/data", "env_file": "./long/given.env"}],
        "services": {"own": sleeper(environment={"TOLD": "${TOLD:-nothing}"},
                                    depends_on=["short", "long"])}})
    system.up()
    say = "echo $TOLD $PUT_ON $(cat /near/here 2>/dev/null)"
    assert [inside(system, name, say) for name in ("own", "short", "long")] == [
        "nothing", "beside short", "given two long/data"]
    (system.folder / "long/two.yaml").unlink()
    missing = system.run("up", "-d")
    assert missing.status == 2 and "long/two.yaml" in missing.err, missing


def test_a_service_starts_from_another_one_here_or_in_another_file(system):
    system.write("shared/near/here", "of the other file")
    system.write("shared/base.env", "FROM_FILE=yes\n")
    system.file({"services": {"base": sleeper(
        volumes=["./near:/near:ro"], env_file=["./base.env"],
        environment={"A": "base", "B": "base"})}}).rename(system.folder / "shared/base.yaml")
    system.file({"services": {
        "first": {"extends": {"file": "./shared/base.yaml", "service": "base"},
                  "environment": {"B": "first"}, "hostname": "one"},
        "second": {"extends": {"service": "first"}, "hostname": "two", "tmpfs": ["/more"]}}})
    system.up()
    say = "echo $A $B $FROM_FILE $(hostname) $(cat /near/here); grep -c ' /more ' /proc/mounts; true"
    assert inside(system, "first", say).split("\n") == ["base first yes one of the other file", "0"]
    assert inside(system, "second", say).split("\n") == ["base first yes two of the other file", "1"]
    assert {one["service"] for one in system.instances()} == {"first", "second"}
    system.file({"services": {"a": {"extends": "b"}, "b": {"extends": "a"}}})
    circle = system.run("up", "-d")
    assert circle.status == 2 and "docker-compose.yml:" in circle.err, circle


def test_each_form_of_a_health_test_is_run_as_it_says(system):
    def looked(test, patience="10s"):
        return sleeper(volumes=["v:/v"], healthcheck={
            "test": test, "interval": "200ms", "retries": 2, "start_period": patience})
    system.file({"volumes": {"v": {}}, "services": {
        "cmd": looked(["CMD", "touch", "/v/cmd $$HOME; x"]),  # no shell reads it
        "shell": looked(["CMD-SHELL", "test -n \"$$PATH\" && echo $$(basename /a/shell) >>/v/shell"]),
        "text": looked("echo a text >>/v/text || exit 1"),
        "none": looked(["NONE"])}})
    system.up()
    assert {one["service"]: one["health"] for one in system.instances()} == {
        "cmd": "healthy", "shell": "healthy", "text": "healthy", "none": "none"}
    assert sorted(inside(system, "none", "ls /v").split("\n")) == ["cmd $HOME; x", "shell", "text"]
    assert inside(system, "none", "sort -u /v/shell /v/text") == "a text\nshell"
    system.file({"services": {"it": looked(["CMD", "false"], "0s")}, "volumes": {"v": {}}})
    failed = system.up_fails()
    assert "it: " in failed.err and "did not become healthy" in failed.err, failed


def test_hooks_run_as_their_user_and_as_no_other(system):
    hook = {"command": ["sh", "-c", "id -un >>/v/who"], "user": "node"}
    one = sleeper(user="node", volumes=["v:/v"], post_start=[hook], pre_stop=[hook])
    system.file({"services": {"it": one}, "volumes": {"v": {}}})
    system.up()
    system.ok("stop")
    who = system.machine.state / "volumes" / f"{system.name}_v" / "who"
    assert who.read_text() == "node\nnode\n"
    one["post_start"] = [{**hook, "user": "other"}]
    system.file({"services": {"it": one}, "volumes": {"v": {}}})
    failed = system.up_fails()
    assert "post_start[0]: cannot run as 'other'" in failed.err, failed
    one["post_start"] = [{**hook, "user": "root"}]
    system.file({"services": {"it": one}, "volumes": {"v": {}}})
    refused = system.up_fails(status=2)
    assert "post_start[0].user: the host runtime refuses 'user'" in refused.err, refused
    assert set(who.read_text().split()) == {"node"}


@pytest.mark.parametrize("user", ["root", "1234:5678", "0"])
def test_a_user_that_cannot_be_had_stands_for_the_one_there_is(system, user):
    system.file({"services": {"it": sleeper(user=user, healthcheck={"test": ["NONE"]})}})
    told = {key["path"]: key for key in system.ok("check", "--json").json()["keys"]}
    assert told["services.it.user"]["support"] == "emulated"
    assert "one unprivileged user" in told["services.it.user"]["how"]
    system.file({"services": {"it": sleeper()}})
    done = system.run("run", "--rm", "-u", user, "it", "id", "-u")
    assert int(done.out) >= 700000 and f"warning: '{user}' stands for" in done.err, done


def test_dependencies_are_installed_again_only_when_their_files_change(system):
    system.write("app/lock", "one")
    system.write("app/page", "first")
    stamp = "cat /proc/sys/kernel/random/uuid"  # of a step: another each time it runs
    system.file({"services": {"it": {"build": "./app", "x-ishizue": {"host": {
        "dependencies": [f"mkdir lib; {stamp} >lib/installed; ! test -e page"],
        "cache_key": ["lock"], "build": [f"{stamp} >built"],
        "command": SLEEP}}}}})

    def run():
        system.up()
        return inside(system, "it", "cat lib/installed built page").split()
    installed, built, page = run()
    assert page == "first"
    system.write("app/page", "second")
    again = run()
    assert again[0] == installed and again[1] != built and again[2] == "second"
    system.write("app/lock", "two")
    anew = run()
    assert anew[0] != installed and anew[2] == "second"


@pytest.mark.parametrize("name, says", [("auto", None), ("host", None), ("docker", "docker")])
def test_the_runtime_is_the_host_or_up_refuses(system, name, says):
    system.file({"services": {"it": sleeper()}, "x-ishizue": {"runtime": name}})
    done = system.run("up", "-d")
    if says is None:
        assert done.status == 0 and process.is_alive(system.instance("it")["pid"]), done
    else:
        assert done.status != 0 and f"'{says}'" in done.err and system.is_gone(), done
