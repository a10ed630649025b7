# SPDX-License-Identifier: Apache-2.0
"""What a compose file or an instance could do to the machine, to the daemon or to another system."""
import os
import shutil
import signal
import subprocess

import pytest

from rig import machine as machines, process
from rig.system import sleeper


@pytest.fixture
def kept(machine):
    """A folder of the machine, on the file system of the volumes, with something in it."""
    folder = machine.state / "kept"
    folder.mkdir()
    (folder / "data").write_text("of the machine")
    yield folder
    shutil.rmtree(folder)


def bound(folder):
    """Two services that share a volume whose data is in <folder>."""
    options = {"type": "none", "o": "bind", "device": str(folder)}
    return {"services": {name: sleeper(volumes=["d:/d"]) for name in ("a", "b")},
            "volumes": {"d": {"driver": "local", "driver_opts": options}}}


def mounted(machine):
    return [path for path in machines.mounts() if path.startswith(f"{machine.state}/volumes/")]


def test_a_bound_volume_is_mounted_once_and_down_unmounts_it(system, machine, kept):
    system.file(bound(kept))
    system.up()
    assert system.execute("b", "cat", "/d/data").out == "of the machine"
    system.ok("restart")
    assert len(mounted(machine)) == 1
    system.down()
    assert mounted(machine) == []


def test_down_with_volumes_keeps_the_folder_of_the_machine_that_one_was_bound_to(
        system, machine, kept):
    system.file(bound(kept))
    system.up()
    system.ok("restart")
    system.down("-v")
    assert mounted(machine) == []
    assert not (machine.state / "volumes" / f"{system.name}_d").exists()
    assert (kept / "data").read_text() == "of the machine"


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_a_pipe_as_a_secret_is_refused_and_the_daemon_goes_on(system, machine, kind):
    os.mkfifo(system.folder / "pipe")
    system.file({"services": {"a": sleeper(**{kind: ["s"]})}, kind: {"s": {"file": "./pipe"}}})
    failed = system.up_fails(status=2, timeout=10)
    assert "is no regular file" in failed.err
    assert machine.is_up()


def test_contents_of_secrets_and_their_hashes_are_for_root_only(system, machine):
    system.write("secret", "word")
    system.file({"services": {"a": sleeper(secrets=["s"])}, "secrets": {"s": {"file": "./secret"}}})
    system.up()
    folder = machine.state / "files"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o600]


@pytest.mark.parametrize("request_of", ["up", "pull", "run"])
def test_a_request_about_a_relative_folder_is_refused(machine, request_of):
    body = {"config": {"name": "x", "services": {"a": {"image": "y"}}}, "directory": "here"}
    if request_of == "run":
        body["service"] = "a"
    status, answer = machine.call("POST", f"/v1/systems/x/{request_of}", body)
    assert status == 400 and "absolute path" in answer["error"]["text"]
    assert machine.is_up()


def test_a_build_of_a_daemon_that_was_killed_is_ended_by_the_next_one(system, machine):
    seconds = str(100000 + os.getpid())
    system.file({"services": {"a": {
        "build": ".", "x-ishizue": {"host": {"build": [f"sleep {seconds}"],
                                             "command": "sleep 1000000"}}}}})
    def runs():
        return [pid for pid in process.matching(seconds)
                if process.command_line(pid).split()[0].endswith("sleep")]

    up = system.start("up", "-d", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    assert process.wait(runs, 20)
    os.kill(machine.daemon_pid(), signal.SIGKILL)
    assert up.wait(20) == 1
    assert runs()
    machine.ensure()
    assert not runs()
    assert os.listdir(machine.run_dir / "builds") == []
    assert not [path for path in machines.mounts()
                if path.startswith(f"{machine.run_dir}/builds/")]


def test_members_of_a_wrong_type_are_refused_not_defaulted(system):
    system.file({"services": {"one": sleeper()}})
    system.up()
    before = system.pids()
    for verb, body, said in (("kill", {"signal": 15}, "'signal' must be a text"),
                             ("down", {"volumes": "true"}, "'volumes' must be true or false"),
                             ("stop", {"timeout_ms": -1}, "'timeout_ms' must be a whole number"),
                             ("rm", {"services": "one"}, "'services' must be a list")):
        status, answer = system.machine.call("POST", f"/v1/systems/{system.name}/{verb}", body)
        assert status == 400 and said in answer["error"]["text"], (verb, answer)
    assert system.pids() == before
