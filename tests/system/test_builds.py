# SPDX-License-Identifier: Apache-2.0
"""Services that are built alike, as a worker beside the web server, are built once and run from
one tree; those that differ in anything that the steps see are not."""
import os
import pathlib

import pytest

SLEEP = "trap 'exit 0' TERM; sleep 1000000 & wait"


def built(command=SLEEP, args=None, **host):
    return {"build": {"context": "./app", "args": args or {}}, "stop_grace_period": "3s",
            "x-ishizue": {"host": {"build": ["echo once >> ../app/ran; date +%s%N > when"],
                                   "command": command, **host}}}


def trees(system):
    """Where each service that runs has its tree."""
    rows = system.ok("images", "--json").json()["images"]
    return {row["service"]: row["tree"] for row in rows}


def count_built(system):
    folder = pathlib.Path(system.machine.state, "trees", system.name)
    return len([one for one in folder.glob("*/*") if one.is_dir()])


@pytest.mark.parametrize("deps", [{}, {"dependencies": ["echo deps > deps"],
                                       "cache_key": ["main.txt"]}])
def test_what_is_built_alike_is_built_once(system, deps):
    system.write("app/main.txt", "one")
    system.file({"services": {"web": built(**deps), "worker": built("exec sleep 1000000", **deps),
                              "mailer": built(**deps)}})
    out = system.up().out
    each = 1 if not deps else 2
    assert count_built(system) == each, out
    where = trees(system)
    assert len(set(where.values())) == 1 and set(where) == {"web", "worker", "mailer"}
    before = system.ids()
    system.up()
    assert system.ids() == before
    system.write("app/main.txt", "two")
    system.up()
    assert count_built(system) == 2 * each and len(set(trees(system).values())) == 1


def test_a_service_that_joins_takes_the_tree_that_is_there(system):
    system.write("app/main.txt", "one")
    file = {"services": {"web": built(), "worker": built()}}
    system.file(file)
    system.up()
    before = system.ids()
    where = trees(system)["web"]
    file["services"]["aaa"] = built()
    system.file(file)
    system.up()
    assert set(trees(system).values()) == {where}
    assert {name: one for name, one in system.ids().items() if "aaa" not in name} == before


def test_what_differs_in_a_step_or_an_argument_is_built_for_itself(system):
    system.write("app/main.txt", "one")
    other = built()
    other["x-ishizue"]["host"]["build"].append("true")
    system.file({"services": {"web": built(), "worker": built(args={"MODE": "w"}),
                              "other": other, "elsewhere": built(workdir="/srv/app")}})
    system.up()
    assert count_built(system) == 4 and len(set(trees(system).values())) == 4


def test_building_one_anew_builds_for_all_of_them(system):
    system.write("app/main.txt", "one")
    system.file({"services": {"web": built(), "worker": built()}})
    system.up()
    first = trees(system)["web"]
    system.ok("build", "--no-cache", "worker")
    assert count_built(system) == 2
    system.up()
    assert set(trees(system).values()) == {f"{first}-1"}
    assert count_built(system) == 2


def test_a_shared_build_that_fails_fails_once_and_changes_nothing(system):
    system.write("app/main.txt", "one")
    file = {"services": {"web": built(), "worker": built()}}
    system.file(file)
    system.up()
    before = system.ids()
    for one in file["services"].values():
        one["x-ishizue"]["host"]["build"] = ["echo doomed; exit 3"]
    system.file(file)
    failed = system.up_fails()
    assert "status 3" in failed.err
    assert system.ids() == before and count_built(system) == 1


def test_what_is_shared_stays_as_long_as_one_needs_it(system):
    system.write("app/main.txt", "one")
    file = {"services": {"web": built(), "worker": built()}}
    system.file(file)
    system.up()
    where = trees(system)["worker"]
    del file["services"]["web"]
    for level in range(12):  # older releases are forgotten, and what only they used goes
        file["services"]["worker"]["environment"] = {"LEVEL": str(level)}
        system.file(file)
        system.up()
    now = trees(system)["worker"]
    assert os.path.isdir(now), (where, now)
    assert system.execute("worker", "cat", "main.txt").out == "one"
