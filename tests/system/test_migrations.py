# SPDX-License-Identifier: Apache-2.0
"""What runs before a service, and how often: `migrate` is about data and runs once for each
version, `pre_start` is about instances and runs for new ones."""
import json
import pathlib
import shutil

import pytest

from rig.system import service, sleeper


def volume(system, name):
    return pathlib.Path(system.machine.state, "volumes", f"{system.name}_{name}")


def ran(system):
    """What wrote into the folder of the test, in order."""
    path = system.folder / "log" / "ran"
    return path.read_text().split() if path.exists() else []


def app(system, version="1", database=None, hooks=True, **extra):
    """`app` migrates and has a pre_start; what `database` is like it needs."""
    log = system.write("log/.keep", "").parent
    log.chmod(0o777)
    mounts = [f"{log}:/log", *extra.pop("volumes", [])]
    if hooks:
        extra["pre_start"] = [{"command": ["sh", "-c", "echo hook >> /log/ran"]}]
    one = sleeper(environment={"V": version}, volumes=mounts,
                  x={"migrate": "echo migrated >> /log/ran"}, **extra)
    file = {"services": {"app": one}, "volumes": {"data": {}, "other": {}}}
    if database is not None:
        file["services"]["db"] = database
        one["depends_on"] = ["db"]
    return file


def database(**extra):
    """Keeps something in a volume."""
    return service("date > /data/kept; trap 'exit 0' TERM; sleep 1000000 & wait",
                   **{"volumes": ["data:/data"], **extra})


def test_a_migration_is_remembered_when_the_system_goes_down(system):
    system.file(app(system, database=database()))
    system.up()
    assert ran(system) == ["hook", "migrated"]
    for times in (2, 3):
        system.down()
        system.up()
        assert ran(system) == ["hook", "migrated"] + ["hook"] * (times - 1)
    system.file(app(system, "2", database=database()))
    system.up()
    assert ran(system)[4:] == ["hook", "migrated"]


def test_a_migration_runs_again_when_its_volumes_are_removed(system):
    system.file(app(system, database=database(), hooks=False))
    system.up()
    system.down("-v")
    system.up()
    assert ran(system) == ["migrated"] * 2
    system.down()
    system.down("-v")  # of a system that is down already
    system.up()
    assert ran(system) == ["migrated"] * 3


def test_a_migration_runs_again_when_the_data_it_needs_is_gone_by_other_means(system):
    file = app(system, database=database(), hooks=False)
    system.file(file)
    system.up()
    system.down()
    shutil.rmtree(volume(system, "data"))
    system.up()
    assert ran(system) == ["migrated"] * 2
    system.down()
    file["services"]["db"]["volumes"] = ["other:/data"]
    system.file(file)
    system.up()
    assert ran(system) == ["migrated"] * 3


@pytest.mark.parametrize("volumes", [[], [{"type": "tmpfs", "target": "/data"}]])
def test_a_migration_runs_again_when_what_it_depends_on_keeps_nothing(system, volumes):
    system.file(app(system, database=sleeper(volumes=volumes), hooks=False))
    system.up()
    system.down()
    system.up()
    assert ran(system) == ["migrated"] * 2


def test_pre_start_runs_for_new_instances_and_not_for_a_restart(system):
    system.file(app(system))
    system.up()
    before = system.ids()
    system.ok("restart")
    assert system.ids() != before
    assert ran(system) == ["hook", "migrated"]
    system.up("--force-recreate")
    assert ran(system) == ["hook", "migrated", "hook"]
    system.ok("restart")
    system.up()
    assert ran(system) == ["hook", "migrated", "hook"]


@pytest.mark.parametrize("migrates", [True, False])
def test_pre_start_runs_again_for_a_version_that_comes_back_by_up_and_not_by_rollback(
        system, migrates):
    def file(version):
        one = app(system, version)
        if not migrates:
            del one["services"]["app"]["x-ishizue"]["migrate"]
        return one
    expected = []
    for version, new in (("1", ["hook", "migrated"]), ("2", ["hook", "migrated"]), ("1", ["hook"])):
        system.file(file(version))
        system.up()
        expected += [what for what in new if migrates or what == "hook"]
        assert ran(system) == expected, version
    system.ok("rollback", "-y")
    assert ran(system) == expected


def test_the_steps_of_pre_start_that_were_done_are_not_repeated_after_one_that_failed(system):
    log = system.write("log/.keep", "").parent
    log.chmod(0o777)
    system.file({"services": {"app": sleeper(volumes=[f"{log}:/log"], pre_start=[
        {"command": ["sh", "-c", "echo one >> /log/ran"]},
        {"command": ["sh", "-c", "echo two >> /log/ran; test -e /log/go"]}])}})
    first = sleeper(volumes=[f"{log}:/log"])
    broken = json.loads((system.folder / "docker-compose.yml").read_text())
    system.file({"services": {"app": first}})
    system.up()
    system.file(broken)
    system.up_fails()
    (log / "go").touch()
    system.up()
    assert ran(system) == ["one", "two", "two"]


def test_a_plan_names_a_migration_only_when_it_would_run(system):
    def planned(version):
        system.file(app(system, version))
        plan = system.ok("deploy", "--dry-run", "--json").json()
        return "migrated" in json.dumps(plan)

    for version in "12":
        system.file(app(system, version))
        system.up()
    assert not planned("1")
    assert planned("3")
