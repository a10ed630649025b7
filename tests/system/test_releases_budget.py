# SPDX-License-Identifier: Apache-2.0
"""x-ishizue.releases: how many former releases stay, and how much of the disk they may take."""
from rig import process

MIB = 1 << 20


def app(releases=None):
    service = {"build": "./app", "stop_grace_period": "3s",
               "x-ishizue": {"host": {"build": ["cp main.txt made.txt"], "workdir": "/app",
                                      "command": "trap 'exit 0' TERM; sleep 1000000 & wait"}}}
    return {"services": {"web": service}, **({"x-ishizue": {"releases": releases}} if releases else {})}


def make(system, number, releases=None):
    system.write("app/main.txt", f"source {number}\n")
    system.file(app(releases))
    system.up()


def listed(system):
    return system.ok("releases", "--json", "-n", "99").json()["releases"]


def numbers(system):
    return [one["number"] for one in listed(system)]


def trees(system):
    folder = system.machine.state / "trees" / system.name / "web"
    return [one.name for one in folder.iterdir() if one.is_dir()]


def test_releases_beyond_the_number_or_the_disk_budget_go(system):
    system.write("app/big.bin", "x" * 2 * MIB)
    for number in range(1, 6):
        make(system, number)
    assert numbers(system) == [5, 4, 3, 2, 1]
    # A release's size is known a moment after it was made.
    assert process.wait(lambda: all((one["bytes"] or 0) > 2 * MIB for one in listed(system)), 10)
    assert "MiB" in system.ok("releases").out
    make(system, 6, {"keep": 4})
    assert process.wait(lambda: numbers(system) == [6, 5, 4, 3], 10), numbers(system)
    make(system, 7, {"keep": 4, "disk": "7MiB"})  # three of them fit
    assert process.wait(lambda: numbers(system) == [7, 6, 5], 10), numbers(system)
    make(system, 8, {"disk": "1MiB"})  # not even one: what runs and the one before it stay
    assert process.wait(lambda: numbers(system) == [8, 7], 10), numbers(system)
    assert process.wait(lambda: len(trees(system)) == 2, 15), trees(system)
    system.ok("rollback", "-y")
    assert system.execute("web", "cat", "/app/main.txt").out == "source 7\n"


def test_limits_that_make_no_sense_are_refused_with_their_place(system):
    system.write("app/main.txt", "x")
    for releases, text in [({"keep": 0}, "keep is from 1 to 1000"),
                           ({"keep": 1001}, "keep is from 1 to 1000"),
                           ({"disk": "10k"}, "disk is at least 1 MiB"),
                           ({"disc": "1g"}, "disc")]:
        system.file(app(releases))
        result = system.run("up", "-d")
        assert result.status == 2 and text in result.err and "docker-compose.yml:" in result.err, result
