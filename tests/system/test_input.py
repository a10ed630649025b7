# SPDX-License-Identifier: Apache-2.0
"""Bad input: one clear line, the right exit status, and nothing is changed."""
import json
import os
import socket
import subprocess

import pytest

from rig.system import routed, sleeper, web


def one_line(result):
    """The error; there is one, and it fits on a line."""
    lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result
    return lines[0]


def refused(system, text, status=2):
    system.write("docker-compose.yml", text)
    result = system.run("up", "-d")
    assert result.status == status, result
    assert system.is_gone()
    return one_line(result)


def test_broken_yaml_is_shown_with_file_line_and_column(system):
    line = refused(system, "services:\n  web:\n    image: [unclosed\n")
    assert line.startswith("error: docker-compose.yml:"), line
    assert line.split(":")[2].strip().isdigit() and line.split(":")[3].strip().isdigit()


def test_an_unknown_key_is_shown_with_its_place_and_a_suggestion(system):
    line = refused(system, "services:\n  web:\n    image: redis\n    enviroment: {A: b}\n")
    assert line.startswith("error: docker-compose.yml:4:5:"), line
    assert "enviroment" in line and "environment" in line


@pytest.mark.parametrize("text, wanted", [
    ("services:\n  web:\n    image: redis\n    ports: ['70000:80']\n", "70000"),
    ("services:\n  web:\n    image: redis\n    depends_on: [nobody]\n", "nobody"),
    ("services:\n  a:\n    image: redis\n    depends_on: [b]\n  b:\n    image: redis\n"
     "    depends_on: [a]\n", "a"),
    ("services:\n  web:\n    image: redis\n    restart: sometimes\n", "sometimes"),
    ("services:\n  web:\n    image: redis\n    image: redis\n", "image"),
    ("services:\n\tweb: {}\n", "tab"),
    ("services: {}\nnothing_we_know: 1\n", "nothing_we_know"),
    ("", "empty"),
    ("just text\n", "map"),
])
def test_what_the_file_says_wrongly_is_named(system, text, wanted):
    assert wanted in refused(system, text)


def test_a_file_of_ten_megabytes_is_refused_by_a_limit(system):
    line = refused(system, "services:\n  web:\n    image: redis\n" + "# padding\n" * (1 << 20))
    assert "larger than" in line


def test_an_alias_bomb_is_refused_by_a_limit(system):
    text = "x-a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n"
    for i in range(1, 10):
        text += f"x-a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n"
    line = refused(system, text + "services:\n  web:\n    image: redis\n")
    assert "more than" in line or "alias" in line, line


def test_a_deeply_nested_file_is_refused_by_a_limit(system):
    assert "deep" in refused(system, "services: " + "[" * 5000 + "]" * 5000 + "\n")


def test_nothing_changes_when_the_file_is_wrong(system):
    compose = {"services": {"web": web(), "idle": sleeper()}}
    system.file(compose)
    system.up()
    before = system.pids()
    system.write("docker-compose.yml", json.dumps(compose)[:-1] + ", bad: [}")
    assert system.run("up", "-d").status == 2
    system.file(compose)
    assert system.pids() == before


def test_a_missing_file_says_what_was_looked_for(system):
    result = system.run("up", "-d")
    assert result.status == 2
    assert "compose" in one_line(result)
    named = system.machine.run("-f", "other.yml", "up", "-d", cwd=system.folder)
    assert named.status in (1, 2) and "other.yml" in one_line(named)


@pytest.mark.parametrize("argv, wanted", [
    (["upp"], "up"), (["up", "--detatch"], "--detach"), (["up", "--timeout", "soon"], "soon"),
    (["exec"], "exec"), (["--progress", "loud", "up"], "loud"), (["strat"], "start"),
])
def test_a_wrong_command_line_has_status_2_and_a_suggestion(system, argv, wanted):
    system.file({"services": {"a": sleeper()}})
    result = system.machine.run(*argv, cwd=system.folder)
    assert result.status == 2, result
    assert wanted in one_line(result)


def test_a_service_that_does_not_exist_is_named(system):
    system.file({"services": {"web": sleeper()}})
    result = system.run("up", "-d", "wbe")
    assert result.status == 2 and "wbe" in one_line(result)


def test_an_image_without_a_stand_in_is_named(system):
    line = refused(system, "services:\n  web:\n    image: example/unknown:3\n", status=1)
    assert "example/unknown:3" in line and "x-ishizue.host" in line


def test_a_version_that_is_not_installed_is_named_with_those_that_are(system):
    line = refused(system, "services:\n  db:\n    image: postgres:9\n")
    assert "postgres:9" in line and "15" in line


def test_a_port_in_use_is_refused_with_the_name_and_pid_of_who_has_it(system):
    with socket.create_server(("127.0.0.1", 8095)):
        system.file({"services": {"web": web(ports=["8095:8000"]), "idle": sleeper()}})
        failed = system.up_fails()
        line = one_line(failed)
        name = open(f"/proc/{os.getpid()}/comm", encoding="utf-8").read().strip()
        assert "port 8095" in line and f"(pid {os.getpid()})" in line and name in line
        assert system.is_gone()
    system.up()


def test_a_port_of_another_system_is_refused_with_its_name(make_system):
    one = make_system({"services": {"web": web(ports=["8096:8000"])}})
    two = make_system({"services": {"web": web(ports=["8096:8000"])}})
    one.up()
    assert one.name in one_line(two.up_fails())
    assert one.instance("web")["state"] == "ready"


def test_somebody_who_is_not_root_is_told_so(system):
    system.file({"services": {"a": sleeper()}})
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for argv in (["up", "-d"], ["daemon"], ["ps"]):
        result = system.run(*argv, prefix=nobody)
        assert result.status == 1, result
        assert "root" in one_line(result), result
    assert system.run("config", "-q", prefix=nobody).status == 0


def test_a_missing_program_is_named_with_its_package(park, tmp_path):
    machine = park.get("no-conmon")
    try:
        hide = ["unshare", "--mount", "sh", "-c",
                'mount --bind /dev/null /usr/bin/conmon && exec "$@"', "sh"]
        result = machine.run("daemon", prefix=hide)
        assert result.status == 1, result
        assert "'conmon'" in one_line(result) and "install the package conmon" in one_line(result)
        assert not machine.is_up()
    finally:
        park.close()


def test_a_missing_database_program_is_named_with_its_package(park, tmp_path):
    machine = park.get("no-redis")
    try:
        hide = ["unshare", "--mount", "sh", "-c",
                'mount --bind /dev/null /usr/bin/redis-server && exec "$@"', "sh"]
        (tmp_path / "compose.yaml").write_text(json.dumps({"services": {"c": {"image": "redis"}}}))
        result = machine.run("-p", "st-none", "up", "-d", cwd=tmp_path, prefix=hide)
        assert result.status == 1, result
        assert "install the package redis-server" in one_line(result)
    finally:
        park.close()


def test_a_full_disk_is_said_before_anything_starts(park, tmp_path):
    machine = park.get("full-disk")
    image = tmp_path / "disk"
    try:
        subprocess.run(["truncate", "-s", "96M", str(image)], check=True)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True, timeout=60)
        machine.state.mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(machine.state)], check=True)
        folder = tmp_path / "system"
        folder.mkdir()
        (folder / "compose.yaml").write_text(json.dumps({"services": {"a": sleeper()}}))
        result = machine.run("-p", "st-full", "up", "-d", cwd=folder)
        assert result.status == 1, result
        line = one_line(result)
        assert "disk" in line and "full" in line and str(machine.state) in line
        assert machine.system_names() == []
    finally:
        park.close()


def test_the_api_refuses_what_it_does_not_know(machine):
    assert machine.call("GET", "/v1/nothing")[0] == 404
    status, answer = machine.call("POST", "/v1/systems/st-x/down", {"volume": True})
    assert status in (400, 404) and "error" in answer
    status, answer = machine.call("GET", "/v1/systems/st-no-such-system")
    assert status == 404 and "st-no-such-system" in answer["error"]["text"]
    status, answer = machine.call("POST", "/v1/systems/st-x/up", {"config": {}, "surprise": 1})
    assert status == 400 and "surprise" in answer["error"]["text"]


@pytest.mark.parametrize("name", ["../../outside", ".", "a/b", "-x", "v" * 129])
def test_a_volume_name_that_leads_elsewhere_is_refused(system, name):
    system.file({"volumes": {"data": {"name": name}},
                 "services": {"a": sleeper(volumes=["data:/data"])}})
    failed = system.up_fails(status=2)
    assert "volumes.data.name" in failed.err and "is no name of a volume" in failed.err
    assert system.is_gone()


def test_a_name_that_no_certificate_is_made_for_is_refused_before_anything_starts(system):
    system.file(routed({"web": web()}, domain="shop.example.com"))
    failed = system.up_fails(status=2)
    assert "no certificate for 'shop.example.com'" in failed.err and "x-ishizue.tls" in failed.err
    assert system.is_gone()
