# SPDX-License-Identifier: Apache-2.0
"""Keys of the file that the daemon acts on: secrets, volumes, hooks, restarts."""
import os
import pathlib
import time

from rig import process
from rig.system import service, sleeper


def who(system):
    """What runs each service, so that a new or restarted instance shows."""
    return {one["service"]: (one["id"], one.get("pid")) for one in system.instances()}


def inside(system, name, *argv):
    done = system.execute(name, *argv)
    assert done.status == 0, done
    return done.out


# ---- secrets and configs


def test_secrets_and_configs_are_files_with_owner_and_mode(system):
    system.write("key.txt", "from a file\n", mode=0o600)
    system.file({
        "services": {"web": sleeper(
            secrets=["plain", {"source": "env", "target": "token", "uid": "103", "gid": "104",
                               "mode": 0o440}],
            configs=[{"source": "text", "target": "/etc/app/a.conf"}, "plain"])},
        "secrets": {"plain": {"file": "./key.txt"}, "env": {"environment": "TOKEN"}},
        "configs": {"text": {"content": "name = ${NAME}\nprice = $$5\n"},
                    "plain": {"file": "./key.txt"}}})
    system.up(env={"TOKEN": "s3cret", "NAME": "north"})
    assert inside(system, "web", "cat", "/run/secrets/plain") == "from a file\n"
    assert inside(system, "web", "cat", "/etc/app/a.conf") == "name = north\nprice = $5\n"
    assert inside(system, "web", "cat", "/plain") == "from a file\n"
    stat = inside(system, "web", "stat", "-c", "%u %g %a", "/run/secrets/token", "/etc/app/a.conf")
    own = inside(system, "web", "id", "-u").strip()
    assert stat.split("\n")[:2] == ["103 104 440", f"{own} {own} 444"]
    assert system.execute("web", "sh", "-c", "echo x > /run/secrets/plain").status != 0
    shown = system.ok("config", env={"TOKEN": "s3cret", "NAME": "north"}).out
    assert "s3cret" not in shown
    kept = pathlib.Path(system.machine.state, "files")
    assert {file.stat().st_mode & 0o777 for file in kept.iterdir()} == {0o600}


def test_a_changed_secret_replaces_only_the_services_that_use_it(system):
    system.write("key.txt", "one")
    system.file({"services": {"with": sleeper(secrets=["key"]), "without": sleeper()},
                 "secrets": {"key": {"file": "./key.txt"}}})
    system.up()
    before = who(system)
    system.up()
    assert who(system) == before
    system.write("key.txt", "two")
    system.up()
    after = who(system)
    assert inside(system, "with", "cat", "/run/secrets/key") == "two"
    assert after["without"] == before["without"] and after["with"] != before["with"]


def test_a_secret_stays_what_the_release_was_made_with_until_up(system):
    system.write("key.txt", "one")
    system.file({"services": {"one": sleeper(secrets=["key"], restart="always")},
                 "secrets": {"key": {"file": "./key.txt"}}})
    system.up()
    system.write("key.txt", "two")
    process.end(system.machine.daemon_pid())
    system.machine.ok("daemon")
    system.ok("restart")
    assert inside(system, "one", "cat", "/run/secrets/key") == "one"


def test_a_secret_that_cannot_be_had_is_named_and_nothing_starts(system):
    one = sleeper(secrets=["key"])
    for source, said in (({"file": "./nothing"}, "nothing"), ({"external": True}, "external"),
                         ({"file": "."}, "folder"), ({"environment": "NOT_THERE"}, "NOT_THERE")):
        system.file({"services": {"one": one}, "secrets": {"key": source}})
        done = system.run("up", "-d")
        assert done.status in (1, 2) and said in done.err, done
        assert len(done.err.strip().splitlines()) <= 2, done
    assert system.is_gone()


def test_an_external_secret_is_a_file_of_the_state_folder(system):
    folders = {kind: system.machine.state / kind for kind in ("secrets", "configs")}
    name = f"{system.name}-page"
    system.file({"services": {"one": sleeper(secrets=["key"], configs=["page"])},
                 "secrets": {"key": {"external": True, "name": f"{system.name}-key"}},
                 "configs": {"page": {"external": True, "name": name}}})
    place = folders["secrets"] / f"{system.name}-key"
    for told in (system.run("check"), system.run("up", "-d")):
        assert told.status == 1 and f"'{place}' is not there" in told.err, told
        assert "write its content to that file" in told.err, told
    assert system.is_gone()
    for kind, text in (("secrets", "shh"), ("configs", "hello")):
        folders[kind].mkdir(mode=0o700, exist_ok=True)
        folders[kind].joinpath(name if kind == "configs" else place.name).write_text(text)
    system.ok("check")
    system.up()
    assert inside(system, "one", "cat", "/run/secrets/key") == "shh"
    assert inside(system, "one", "cat", "/page") == "hello"
    place.write_text("new")
    before = system.ids()
    system.up()
    assert inside(system, "one", "cat", "/run/secrets/key") == "new" and system.ids() != before


def test_the_name_of_an_external_secret_leads_nowhere_else(system):
    for name in ("../state.db", "..", ".hidden", "a/b"):
        system.file({"services": {"one": sleeper(secrets=["key"])},
                     "secrets": {"key": {"external": True, "name": name}}})
        done = system.run("up", "-d")
        assert done.status == 2 and f"'{name}'" in done.err and "no file name" in done.err, done
    assert system.is_gone()


# ---- volumes


def test_volumes_of_the_local_driver_are_mounted_and_unmounted(system):
    system.folder.joinpath("data").mkdir()
    system.file({
        "services": {"one": sleeper(volumes=["memory:/m", "folder:/f"])},
        "volumes": {
            "memory": {"driver_opts": {"type": "tmpfs", "device": "tmpfs", "o": "size=2m,mode=1777"}},
            "folder": {"driver_opts": {"type": "none", "o": "bind",
                                       "device": str(system.folder / "data")}}}})
    system.up()
    assert " tmpfs " in inside(system, "one", "sh", "-c", "grep ' /m ' /proc/mounts")
    assert system.execute("one", "sh", "-c", "head -c 4m /dev/zero > /m/x").status != 0
    system.folder.joinpath("data", "seen").write_text("yes")
    assert inside(system, "one", "cat", "/f/seen") == "yes"
    system.down()
    mounts = pathlib.Path("/proc/mounts").read_text()
    assert f"{system.machine.state}/volumes/" not in mounts


def test_a_volume_that_cannot_be_mounted_is_named(system):
    system.file({"services": {"one": sleeper(volumes=["far:/m"])},
                 "volumes": {"far": {"driver_opts": {"type": "nfs", "o": "addr=10.0.0.1",
                                                     "device": ":/x"}}}})
    done = system.run("up", "-d")
    assert done.status != 0 and "nfs" in done.err and "mount it on the machine" in done.err, done


def test_an_external_volume_must_be_there_and_is_kept(system):
    file = {"services": {"one": sleeper(volumes=["shared:/s"])},
            "volumes": {"shared": {"external": True, "name": f"{system.name}-shared"}}}
    system.file(file)
    done = system.run("up", "-d")
    assert done.status != 0 and "external volume" in done.err, done
    system.run("down")
    file["volumes"]["shared"].pop("external")
    system.file(file)
    system.up()
    inside(system, "one", "touch", "/s/kept")
    system.down()
    file["volumes"]["shared"]["external"] = True
    system.file(file)
    system.up()
    assert inside(system, "one", "ls", "/s") == "kept\n"
    system.down("-v")
    assert pathlib.Path(system.machine.state, "volumes", f"{system.name}-shared", "kept").exists()
    file["volumes"]["shared"].pop("external")
    system.file(file)
    system.up()
    system.down("-v")


def give(folder, uid):
    """As another engine leaves it."""
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, uid, uid)


def test_what_was_copied_into_a_volume_belongs_to_the_system(system):
    copied = system.machine.state / "volumes" / f"{system.name}_data"
    bound = system.folder / "bound"
    for folder in (copied, bound):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "file").write_text("from docker\n")
        (folder / "sub" / "file").chmod(0o600)
        give(folder, 999)
    system.file({
        "services": {"one": sleeper(volumes=["data:/d", "bound:/b", "./bound:/c"])},
        "volumes": {"data": {}, "bound": {"driver_opts": {
            "type": "none", "o": "bind", "device": str(bound)}}}})
    system.up()
    assert inside(system, "one", "cat", "/d/sub/file") == "from docker\n"
    inside(system, "one", "sh", "-c", "echo more >> /d/sub/file; touch /d/new")
    for place in ("/b", "/c"):  # the machine's own stay as they are
        assert system.execute("one", "cat", f"{place}/sub/file").status != 0
    assert (bound / "sub" / "file").stat().st_uid == 999


def test_a_database_is_given_its_data_folder_wherever_that_is(system):
    system.file({"services": {"store": {
        "image": "redis:7", "command": "redis-server --appendonly yes",
        "volumes": ["./data:/data"]}}})
    system.up()
    assert inside(system, "store", "redis-cli", "set", "a", "kept") == "OK\n"
    system.down()
    give(system.folder / "data", 999)
    system.up()
    assert inside(system, "store", "redis-cli", "get", "a") == "kept\n"
    assert inside(system, "store", "redis-cli", "set", "b", "new") == "OK\n"


def test_volumes_from_shows_those_of_another_service(system):
    system.folder.joinpath("conf").mkdir()
    system.file({"services": {
        "db": sleeper(volumes=["data:/data", "./conf:/conf", "/scratch"]),
        "backup": sleeper(volumes_from=["db:ro"], volumes=["own:/own"])},
        "volumes": {"data": {}, "own": {}}})
    system.up()
    inside(system, "db", "sh", "-c", "echo a > /data/a; echo b > /scratch/b")
    assert inside(system, "backup", "cat", "/data/a", "/scratch/b") == "a\nb\n"
    assert system.execute("backup", "touch", "/data/x").status != 0
    inside(system, "backup", "touch", "/own/x")


# ---- hooks


def test_post_start_runs_inside_before_the_service_counts_as_started(system):
    system.file({"services": {"one": sleeper(
        post_start=[{"command": ["sh", "-c", "echo $$WHO > /tmp/first; echo said by the hook"],
                     "environment": {"WHO": "me"}, "working_dir": "/tmp"},
                    {"command": "cp first second", "working_dir": "/tmp"}])}})
    up = system.up()
    assert "said by the hook" in up.out + up.err
    assert inside(system, "one", "cat", "/tmp/second") == "me\n"


def test_a_post_start_that_fails_fails_up_and_says_why(system):
    system.file({"services": {"one": sleeper(
        post_start=[{"command": ["sh", "-c", "echo no luck; exit 7"]}])}})
    done = system.run("up", "-d")
    assert done.status == 1 and "post_start[0] ended with status 7" in done.err, done
    assert "no luck" in done.out + done.err, done


def test_pre_start_runs_to_its_end_before_the_service_in_order(system):
    say = "echo {} >> /v/log"
    def file(last):
        return {"services": {"one": service(
            "echo started >> /v/log; sleep 1000", volumes=["v:/v"], deploy={"replicas": 2},
            environment={"WHO": "me"},
            pre_start=[{"command": ["sh", "-c", say.format("first $$WHO")]},
                       {"image": "alpine", "command": ["sh", "-c", say.format("each")],
                        "per_replica": True, "volumes": ["w:/w"]},
                       {"command": ["sh", "-c", last]}])}, "volumes": {"v": {}, "w": {}}}
    system.file(file(say.format("last")))
    system.up()
    log = pathlib.Path(system.machine.state, "volumes", f"{system.name}_v", "log")
    done = ["first me", "each", "each", "last", "started", "started"]
    assert log.read_text().split("\n")[:-1] == done
    system.up()
    assert log.read_text().split("\n")[:-1] == done
    before = who(system)
    system.file(file("echo no luck; exit 3"))
    failed = system.run("up", "-d")
    assert failed.status == 1 and "pre_start[2]" in failed.err and "status 3" in failed.err, failed
    assert "no luck" in failed.out + failed.err
    assert who(system) == before


def test_pre_stop_runs_before_the_stop_signal(system):
    system.file({"services": {"one": service(
        "trap 'echo stopped >> /v/log; exit 0' TERM; while :; do sleep 0.1; done",
        volumes=["v:/v"], pre_stop=[{"command": ["sh", "-c", "echo asked >> /v/log"]}])},
        "volumes": {"v": {}}})
    system.up()
    system.ok("stop")
    log = pathlib.Path(system.machine.state, "volumes", f"{system.name}_v", "log")
    assert log.read_text() == "asked\nstopped\n"


def test_a_pre_stop_that_hangs_costs_no_more_than_the_grace_period(system):
    system.file({"services": {"one": sleeper(
        stop_grace_period="1s", pre_stop=[{"command": ["sleep", "100"]}])}})
    system.up()
    began = time.monotonic()
    system.down()
    assert time.monotonic() - began < 6


# ---- restarts


def starts(system, name):
    return system.log(name).count("started")


def test_a_restart_policy_of_deploy_has_its_delay_and_its_most_attempts(system):
    system.file({"services": {"one": service(
        "echo started; test -e /v/go && exit 3; sleep 1000", volumes=["v:/v"], restart="no",
        deploy={"restart_policy": {"condition": "on-failure", "delay": "300ms", "max_attempts": 2,
                                   "window": "1h"}})}, "volumes": {"v": {}}})
    system.up()
    assert starts(system, "one") == 1
    pathlib.Path(system.machine.state, "volumes", f"{system.name}_v", "go").touch()
    began = time.monotonic()
    process.end(system.instance("one")["pid"])
    assert process.wait(lambda: system.instance("one")["state"] == "exited", 10)
    assert starts(system, "one") == 3 and time.monotonic() - began >= 0.6


def test_an_instance_that_stays_unhealthy_is_restarted_unless_the_file_says_no(system):
    check = {"test": ["CMD", "test", "!", "-e", "/tmp/sick"], "interval": "200ms", "retries": 2}
    system.file({"services": {
        "one": sleeper(healthcheck=check, restart="always"),
        "kept": sleeper(healthcheck=check, restart="always", x={"restart_unhealthy": False}),
        "never": sleeper(healthcheck=check)}})
    system.up()
    before = who(system)
    for name in before:
        inside(system, name, "touch", "/tmp/sick")
    assert process.wait(lambda: system.instance("one")["restarts"] == 1, 15)
    assert process.wait(lambda: system.instance("one")["state"] == "ready", 15)
    after = who(system)
    assert after["one"] != before["one"]
    assert (after["kept"], after["never"]) == (before["kept"], before["never"])
    assert system.instance("kept")["health"] == "unhealthy"


def test_depends_on_restart_makes_the_dependent_anew(system):
    def file(tag):
        return {"services": {
            "db": sleeper(labels={"tag": tag}),
            "with": sleeper(depends_on={"db": {"condition": "service_started", "restart": True}}),
            "without": sleeper(depends_on=["db"])}}
    system.file(file("a"))
    system.up()
    before = who(system)
    system.file(file("b"))
    system.up()
    after = who(system)
    assert after["db"] != before["db"] and after["with"] != before["with"]
    assert after["without"] == before["without"]
    system.ok("restart", "db")
    assert who(system)["with"] != after["with"]
    assert who(system)["without"] == after["without"]


def test_start_interval_is_how_often_a_starting_instance_is_looked_at(system):
    system.file({"services": {"one": service(
        "echo started; sleep 1000", volumes=["v:/v"],
        healthcheck={"test": ["CMD-SHELL", "echo x >> /v/checks; test $$(wc -l < /v/checks) -ge 5"],
                     "interval": "30s", "start_period": "20s", "start_interval": "100ms"})},
        "volumes": {"v": {}}})
    began = time.monotonic()
    system.up()
    assert time.monotonic() - began < 5
    assert system.instance("one")["health"] == "healthy"


def test_a_volume_that_another_system_uses_is_kept(system, make_system):
    other = make_system()
    name = f"{system.name}-shared"
    file = {"services": {"one": sleeper(volumes=["v:/v"])}, "volumes": {"v": {"name": name}}}
    system.file(file)
    system.up()
    file["volumes"]["v"]["external"] = True
    other.file(file)
    other.up()
    inside(other, "one", "touch", "/v/kept")
    down = system.down("-v")
    assert f"volume '{name}' is kept: system '{other.name}' uses it" in down.out + down.err
    assert inside(other, "one", "ls", "/v") == "kept\n"
    other.down()
    file["volumes"]["v"].pop("external")
    system.file(file)
    system.up()
    system.down("-v")
    assert not pathlib.Path(system.machine.state, "volumes", name).exists()


def test_down_of_what_is_not_up_is_no_failure_and_v_finds_the_volumes_of_the_file(system):
    system.file({"services": {"one": sleeper(volumes=["v:/v", "/scratch"])}, "volumes": {"v": {}}})
    done = system.run("down")
    assert done.status == 0 and f"nothing of '{system.name}' runs" in done.err, done
    system.up()
    system.down()
    kept = pathlib.Path(system.machine.state, "volumes")
    assert len(list(kept.glob(f"{system.name}_*"))) == 2
    assert system.is_gone()
    system.down("-v")
    assert list(kept.glob(f"{system.name}_*")) == []
    assert system.is_gone()
