# SPDX-License-Identifier: Apache-2.0
"""Releases, the way back, what is kept and what goes, the history and locks."""
import os
import pty
import sqlite3
import subprocess
import time

import pytest

from rig import process
from rig.system import sleeper


def built(text, **extra):
    """A service whose tree holds <text>."""
    return {"build": "./app", "stop_grace_period": "3s", **extra,
            "x-ishizue": {"host": {"build": ["cp main.txt made.txt", f"echo {text} > text.txt"],
                                   "workdir": "/app",
                                   "command": "trap 'exit 0' TERM; sleep 1000000 & wait"}}}


def app(text="one", secret="hush-1", level="1", **more):
    """A service with everything that a release holds: configuration, tree, secret."""
    service = built(text, environment={"LEVEL": level}, secrets=["password"])
    return {"services": {"web": service, **more},
            "secrets": {"password": {"file": "./password.txt"}}}


def make(system, text="one", secret="hush-1", level="1", **more):
    system.write("app/main.txt", f"source of {text}\n")
    system.write("password.txt", secret)
    system.file(app(text, secret, level, **more))
    return system.up()


def releases(system, *argv):
    return system.ok("releases", "--json", *argv).json()


def current(system):
    return releases(system)["current"]


def inside(system):
    """What the running instance is made of: secret, tree and environment."""
    return system.execute("web", "sh", "-c",
                          "cat /run/secrets/password; echo; cat /app/text.txt; echo $LEVEL").out.split()


def trees(system):
    folder = system.machine.state / "trees" / system.name / "web"
    return {one.name for one in folder.iterdir() if one.is_dir()} if folder.exists() else set()


def contents(system):
    folder = system.machine.state / "files"
    return [one.read_text() for one in folder.iterdir()] if folder.exists() else []


def history(system, *argv):
    return system.ok("history", "--json", *argv).json()["actions"]


# ---- list, show, diff

def test_a_release_is_numbered_and_says_who_made_it_and_what_it_changed(system):
    system.file({"services": {"web": sleeper(), "old": sleeper()}})
    system.up()
    system.file({"services": {"web": sleeper(environment={"A": "1"}), "job": sleeper()}})
    system.up()
    second, first = releases(system)["releases"]
    assert (first["number"], second["number"]) == (1, 2)
    assert (first["state"], second["state"]) == ("reached", "current")
    assert second["user"] and second["command"] == "up" and second["commit"] is None
    assert second["changed"] == {"added": ["job"], "removed": ["old"], "replaced": ["web"]}
    assert len(releases(system, "-n", "1")["releases"]) == 1
    text = system.ok("releases").out
    assert "web, +job, -old" in text and "current" in text and "reached" in text
    system.up()  # nothing new
    assert current(system) == 2


def git(folder, *argv):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *argv],
                   cwd=folder, check=True, timeout=20, capture_output=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, timeout=20, text=True,
                          capture_output=True).stdout.strip()


def test_a_release_knows_the_commit_of_its_folder_and_whether_it_was_as_committed(system):
    system.file({"services": {"web": sleeper()}})
    git(system.folder, "init")
    git(system.folder, "add", ".")
    commit = git(system.folder, "commit", "-m", "first")
    system.up()
    release = releases(system)["releases"][0]
    assert release["commit"] == commit and release["dirty"] is False
    system.file({"services": {"web": sleeper(environment={"A": "1"})}})
    # Another user's repository: its configuration must not make root run programs.
    git(system.folder, "config", "core.fsmonitor", f"touch {system.folder}/ran-as-$(id -u); false")
    subprocess.run(["chown", "-R", "nobody:nogroup", str(system.folder)], check=True, timeout=20)
    system.up()
    release = releases(system)["releases"][0]
    assert release["number"] == 2
    assert release["commit"] == commit and release["dirty"] is True
    assert not (system.folder / "ran-as-0").exists()
    assert commit[:12] + "+" in system.ok("releases").out


def test_show_and_diff_print_the_file_and_never_a_secret(system):
    secret = "c0ntent-that-nobody-may-see"
    compose = app()
    compose["secrets"]["inline"] = {"environment": "INLINE"}
    compose["services"]["web"]["secrets"].append("inline")
    system.write("app/main.txt", "x")
    system.write("password.txt", secret)
    system.file(compose)
    system.up(env={"INLINE": secret + "-inline"})
    make(system, "two", secret + "-2", "7")
    shown = system.ok("releases", "show", "1")
    assert 'LEVEL: "1"' in shown.out and shown.out.startswith("# release 1, reached")
    changed = system.ok("releases", "diff", "1")
    assert '-      LEVEL: "1"' in changed.out and '+      LEVEL: "7"' in changed.out
    assert "web: built tree: " in changed.out and "content of secret 'password'" in changed.out
    assert changed.out.startswith("--- release 1\n+++ release 2\n@@ ")
    back = system.ok("releases", "diff", "2", "1")
    assert '+      LEVEL: "1"' in back.out
    assert system.ok("releases", "diff", "2", "2").out == ""
    assert system.ok("releases", "diff").out == changed.out
    system.ok("restart")
    system.ok("restart")
    assert system.ok("releases", "diff").out.startswith("--- release 1\n+++ release 4\n")
    for one in (shown, changed, back, system.ok("releases", "show", "1", "--json"),
                system.ok("releases", "diff", "1", "--json")):
        assert secret not in one.out + one.err
    assert "no release 9" in system.run("releases", "show", "9").err
    assert system.run("releases", "show", "x").status == 2
    assert system.run("releases", "frobnicate").status == 2


# ---- rollback

@pytest.mark.slow
def test_rollback_brings_back_configuration_tree_and_secrets(system):
    make(system, "one", "hush-1", "1")
    assert inside(system) == ["hush-1", "one", "1"]
    make(system, "two", "hush-2", "2")
    assert inside(system) == ["hush-2", "two", "2"]
    plan = system.ok("rollback", "--dry-run")
    assert "release 2 -> 1: web" in plan.out and current(system) == 2
    before = system.instance("web")["id"]
    system.ok("rollback", "-y")
    assert inside(system) == ["hush-1", "one", "1"]
    assert system.instance("web")["id"] != before
    third = releases(system)["releases"][0]
    assert (third["number"], third["state"]) == (3, "current")
    assert third["command"] == "rollback" and third["back_to"] == 1
    assert "rollback to 1" in system.ok("releases").out
    system.ok("rollback", "-y", "2")
    assert inside(system) == ["hush-2", "two", "2"]
    system.ok("rollback", "-y")  # the one before
    assert inside(system) == ["hush-1", "one", "1"]
    # The daemon may die; a release outlasts it.
    assert process.end(system.machine.daemon_pid())
    system.machine.ensure()
    system.ok("rollback", "-y", "2")
    assert inside(system) == ["hush-2", "two", "2"]


def test_rollback_passes_over_restarts_and_failures(system):
    system.file({"services": {"web": sleeper(environment={"LEVEL": "1"})}})
    system.up()
    system.file({"services": {"web": sleeper(environment={"LEVEL": "2"})}})
    system.up()
    system.ok("restart")
    bad = sleeper(environment={"LEVEL": "3"})
    bad["x-ishizue"]["host"]["command"] = "exit 7"
    system.file({"services": {"web": bad}})
    system.up_fails()
    listed = {one["number"]: one["state"] for one in releases(system)["releases"]}
    assert listed == {4: "failed", 3: "current", 2: "reached", 1: "reached"}
    system.ok("rollback", "-y")
    assert system.execute("web", "sh", "-c", "echo $LEVEL").out.strip() == "1"
    assert releases(system)["releases"][0]["back_to"] == 1


def test_a_rollback_that_fails_leaves_what_runs(system):
    flag = system.write("flag", "")
    good = sleeper(volumes=[f"{system.folder}:/flags:ro"])
    good["x-ishizue"]["host"]["command"] = ("test -e /flags/flag || exit 3; "
                                            "trap 'exit 0' TERM; sleep 1000000 & wait")
    system.file({"services": {"web": good}})
    system.up()
    system.file({"services": {"web": sleeper(environment={"LEVEL": "2"})}})
    system.up()
    flag.unlink()
    failed = system.run("rollback", "-y")
    assert failed.status == 1 and "web" in failed.err
    assert system.execute("web", "sh", "-c", "echo $LEVEL").out.strip() == "2"
    listed = releases(system)
    assert listed["current"] == 2 and listed["releases"][0]["state"] == "failed"


@pytest.mark.parametrize("after", [0.05, 0.3, 1.2])
def test_a_rollback_outlasts_the_daemon(system, after):
    """Whenever the daemon is killed, one release or the other runs in the end, and all of it."""
    def slow(level):
        one = sleeper(environment={"LEVEL": level})
        one["x-ishizue"]["host"]["command"] = "sleep 0.5; " + one["x-ishizue"]["host"]["command"]
        return {"services": {"web": one, "job": sleeper(environment={"LEVEL": level})}}

    for level in "12":
        system.file(slow(level))
        system.up()
    child = system.start("rollback", "-y", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    assert process.end(system.machine.daemon_pid())
    child.wait(30)
    system.machine.ensure()
    settled = lambda: (lambda got: got["current"] == got["wanted"] != 0)(releases(system))
    assert process.wait(settled, 15)
    assert process.wait(lambda: len(system.instances()) == 2, 15)
    levels = {system.execute(name, "sh", "-c", "echo $LEVEL").out.strip()
              for name in ("web", "job")}
    assert levels == ({"1"} if current(system) == 3 else {"2"})


def test_nothing_to_go_back_to_is_said(system):
    assert system.run("rollback", "-y").status == 1
    system.file({"services": {"web": sleeper()}})
    system.up()
    only = system.run("rollback", "-y")
    assert only.status == 1 and "no release before 1" in only.err
    assert "no release 7" in system.run("rollback", "-y", "7").err
    assert system.run("rollback", "-y", "zero").status == 2
    assert current(system) == 1
    system.ok("rollback", "-y", "1")  # it runs already
    assert current(system) == 1


def test_a_tree_or_a_content_that_is_gone_is_a_clear_error(system):
    make(system, "one", "hush-1")
    first = trees(system)
    make(system, "two", "hush-2")
    folder = system.machine.state / "trees" / system.name / "web" / first.pop()
    folder.rename(folder.with_name("elsewhere.tmp"))
    gone = system.run("rollback", "-y")
    assert gone.status == 1
    assert "release 1 cannot be brought back: web: the built tree" in gone.err
    folder.with_name("elsewhere.tmp").rename(folder)
    kept = system.machine.state / "files"
    [content] = [one for one in kept.iterdir() if one.read_text() == "hush-1"]
    content.unlink()
    gone = system.run("rollback", "-y")
    assert gone.status == 1 and "the contents of its secrets are gone" in gone.err
    assert "# release 1 cannot be brought back" in system.ok("releases", "show", "1").out
    assert inside(system) == ["hush-2", "two", "1"]


def test_what_a_person_stopped_stays_stopped(system):
    system.file({"services": {"web": sleeper(environment={"A": "1"}), "job": sleeper()}})
    system.up()
    system.file({"services": {"web": sleeper(environment={"A": "2"}), "job": sleeper()}})
    system.up()
    system.ok("stop", "job")
    system.ok("rollback", "-y")
    assert system.instance("job")["state"] == "exited"
    assert system.instance("web")["state"] == "ready"


def test_a_migration_is_not_run_again_on_the_way_back(system):
    log = system.write("log/ran", "", 0o666)

    def service(level):
        one = sleeper(environment={"LEVEL": level}, volumes=[f"{log.parent}:/log"])
        one["x-ishizue"]["migrate"] = f"echo {level} >> /log/ran"
        return {"services": {"web": one}}

    for level in "12":
        system.file(service(level))
        system.up("--force-recreate")
    assert log.read_text().split() == ["1", "2"]
    system.ok("rollback", "-y")
    assert log.read_text().split() == ["1", "2"]


def test_a_terminal_is_asked_and_no_means_no(system):
    system.file({"services": {"web": sleeper(environment={"A": "1"})}})
    system.up()
    system.file({"services": {"web": sleeper(environment={"A": "2"})}})
    system.up()
    for answer, status, release in (("n", 1, 2), ("y", 0, 3)):
        outer, inner = pty.openpty()
        child = system.start("rollback", stdin=inner, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        os.write(outer, f"{answer}\n".encode())
        out, err = child.communicate(timeout=30)
        os.close(inner)
        os.close(outer)
        assert child.returncode == status, err
        assert "Go back?" in out
        assert current(system) == release


# ---- what is kept

@pytest.mark.slow
def test_old_releases_go_with_their_trees_and_contents_and_the_disk_space_comes_back(system):
    system.write("app/big.bin", "x" * 2_000_000)
    for number in range(1, 15):
        make(system, f"v{number}", f"secret-{number}-{system.name}", str(number))
    listed = [one["number"] for one in releases(system, "-n", "99")["releases"]]
    assert listed == list(range(14, 4, -1))
    assert process.wait(lambda: len(trees(system)) == 10, 15), trees(system)
    mine = lambda: {text for text in contents(system) if system.name in text}
    wanted = {f"secret-{number}-{system.name}" for number in range(5, 15)}
    assert process.wait(lambda: mine() == wanted, 15), mine()
    folder = system.machine.state / "trees"
    used = lambda: int(subprocess.run(["du", "-sk", str(folder / system.name)], text=True,
                                      timeout=20, capture_output=True).stdout.split()[0])
    assert 10 * 1900 < used() < 11 * 2200
    assert process.wait(lambda: not (folder / ".gone").exists(), 15)
    system.ok("rollback", "-y", "5")  # the oldest that is kept
    assert inside(system)[1] == "v5"
    assert "no release 4" in system.run("rollback", "-y", "4").err


@pytest.mark.slow
def test_the_release_before_stays_whatever_fails_after_it(system):
    make(system, "one", "hush-1")
    make(system, "two", "hush-2")
    for number in range(12):
        bad = app("two", level=str(number))
        bad["services"]["web"]["x-ishizue"]["host"]["command"] = f"exit {number + 1}"
        system.file(bad)
        system.up_fails()
    listed = releases(system, "-n", "99")
    assert [one["number"] for one in listed["releases"]] == [*range(14, 4, -1), 2, 1]
    assert listed["current"] == 2
    system.ok("rollback", "-y")
    assert inside(system) == ["hush-1", "one", "1"]


def test_a_tree_that_was_built_for_later_is_not_collected(system):
    make(system, "one")
    system.write("app/main.txt", "another source\n")
    system.ok("build")
    before = trees(system)
    assert len(before) == 2
    system.ok("restart")
    assert not process.wait(lambda: trees(system) != before, 6)


def test_nothing_is_collected_while_something_is_built(make_system):
    quiet, busy = make_system(), make_system()
    make(quiet)
    [tree] = trees(quiet)
    folder = quiet.machine.state / "trees" / quiet.name / "web"
    first = folder / "taken-by-the-first-collection"
    first.mkdir()
    process.wait(lambda: not first.exists(), 3)  # that of the `up` above, when it is still to come
    stale = folder / "nobody-needs-it"
    stale.mkdir()

    def is_older():  # the newest stays anyhow; the file system's clock is a coarse one
        os.utime(folder / tree)
        return stale.stat().st_ctime_ns < (folder / tree).stat().st_ctime_ns

    assert process.wait(is_older, 2)
    busy.write("app/main.txt", "x")
    slow = built("slow")
    slow["x-ishizue"]["host"]["build"].append("touch began; sleep 4")
    busy.file({"services": {"web": slow}})
    child = busy.start("up", "-d", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    began = busy.machine.state / "trees" / busy.name / "web"
    assert process.wait(lambda: list(began.glob("*.tmp/app/began")), 10)
    quiet.ok("restart")
    assert stale.exists() and trees(quiet) - {first.name} == {tree, stale.name}
    assert child.wait(30) == 0
    assert process.wait(lambda: trees(quiet) == {tree}, 15), trees(quiet)
    assert len(trees(busy)) == 1


def test_down_keeps_releases_and_down_v_forgets_them(system):
    make(system, "one", f"hush-{system.name}")
    system.down()
    assert system.is_gone()
    listed = releases(system)
    assert [one["number"] for one in listed["releases"]] == [1] and listed["current"] == 0
    make(system, "two", "other")
    system.ok("rollback", "-y")
    assert inside(system) == [f"hush-{system.name}", "one", "1"]
    system.down("-v")
    assert system.is_gone()
    assert system.run("releases").status == 1
    assert process.wait(lambda: f"hush-{system.name}" not in contents(system), 15)
    make(system, "one")
    assert current(system) == 4  # no number is given twice


# ---- scale

def test_scale_changes_how_many_run_and_nothing_else(system):
    system.file({"services": {"web": sleeper(environment={"A": "1"}), "job": sleeper()}})
    system.up()
    ids = system.ids()
    system.file("this is not read: [")
    system.ok("scale", "web=3")
    assert len(system.instances("web")) == 3
    assert ids.items() <= system.ids().items()
    assert releases(system)["releases"][0]["command"] == "scale"
    system.ok("scale", "web=1")
    assert process.wait(lambda: system.ids() == ids, 10), system.ids()
    system.ok("rollback", "-y")
    assert len(system.instances("web")) == 3
    assert system.run("scale", "web").status == 2
    assert system.run("scale", "web=101").status == 2
    assert "no service 'nobody'" in system.run("scale", "nobody=1").err


# ---- history

def test_the_history_says_who_did_what_and_how_it_ended(system):
    system.file({"services": {"web": sleeper()}})
    system.up()
    system.ok("restart", "web")
    system.execute("web", "true")
    system.run("scale", "nobody=2")
    system.run("rm", "-f", "nobody")
    system.ok("ps")
    actions = history(system)
    seen = [(one["action"], one["services"], one["ok"]) for one in reversed(actions)]
    assert seen[:3] == [("up", "", True), ("restart", "web", True), ("exec", "web", True)]
    assert ("scale", "", False) in seen
    assert all(one["user"] and one["time_ms"] > 0 for one in actions)
    refused = [one for one in actions if not one["ok"]]
    assert all("nobody" in one["error"] for one in refused)
    assert len(history(system, "-n", "2")) == 2
    assert system.ok("audit").out == system.ok("history").out
    assert {one["system"] for one in history(system, "--all")} >= {system.name}
    system.down()
    assert history(system)[0]["action"] == "down"


def test_an_operation_is_in_the_history_once(system):
    bad = sleeper()
    bad["x-ishizue"]["host"]["command"] = "exit 7"
    system.file({"services": {"web": bad}})
    system.up_fails()
    assert [(one["action"], one["ok"]) for one in history(system)] == [("up", False)]
    system.file({"services": {"web": {"image": "nothing/like-it"}}})
    system.up_fails()
    assert [(one["action"], one["ok"]) for one in history(system)] == [("up", False)] * 2


# ---- lock

def test_a_lock_keeps_everybody_out_until_it_is_released(system):
    system.file({"services": {"web": sleeper()}})
    system.up()
    assert "is not locked" in system.ok("lock", "status").out
    system.ok("lock", "acquire", "-m", "inventory until noon")
    before = system.pids()
    assert process.end(system.machine.daemon_pid())
    system.machine.ensure()
    for command in (["up", "-d"], ["down"], ["restart"], ["stop"], ["start"], ["rm", "-fs"],
                    ["scale", "web=2"], ["rollback", "-y", "1"], ["create"]):
        refused = system.run(*command)
        assert refused.status == 4, refused
        assert "inventory until noon" in refused.err and "is locked by" in refused.err
    assert system.pids() == before
    assert system.run("lock", "acquire", "-m", "me too").status == 4
    assert "inventory until noon" in system.ok("lock", "status").out
    assert system.execute("web", "true").status == 0
    system.ok("lock", "release")
    assert system.run("lock", "release").status == 1
    system.ok("restart")
    assert system.run("lock", "acquire").status == 2
    assert system.run("lock", "acquire", "-m", "x" * 201).status == 1
    assert system.run("lock", "acquire", "-m", "two\nlines").status == 2


def test_a_system_that_is_not_up_can_be_locked(system):
    system.file({"services": {"web": sleeper()}})
    system.ok("lock", "acquire", "-m", "not yet")
    assert system.run("up", "-d").status == 4
    assert process.wait(lambda: system.name not in system.machine.system_names(), 5)
    system.ok("lock", "release")
    system.up()


# ---- the database

def test_a_state_of_the_version_before_is_taken_over(system):
    """Its tables are as they were then: no facts, no history, no locks."""
    system.file({"services": {"web": sleeper(environment={"A": "1"})}})
    system.up()
    ids = system.ids()
    machine = system.machine
    machine.ok("daemon", "stop")
    with sqlite3.connect(machine.state / "state.db") as db:
        undo = [sql for [sql] in db.execute(
            "SELECT sql FROM schema_undo WHERE version>=4 ORDER BY version DESC")]
        db.executescript("; ".join([*undo, "PRAGMA user_version=3"]))
    db.close()
    machine.ensure()
    assert system.ids() == ids
    assert [(one["number"], one["state"], one["user"]) for one in releases(system)["releases"]] == [
        (1, "current", None)]
    system.file({"services": {"web": sleeper(environment={"A": "2"})}})
    system.up()
    assert current(system) == 2
    system.ok("rollback", "-y")
    assert system.execute("web", "sh", "-c", "echo $A").out.strip() == "1"
