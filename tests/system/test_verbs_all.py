# SPDX-License-Identifier: Apache-2.0
"""All verbs at once: each is tried by some test, explains itself, and is completed by shells."""
import pathlib
import re
import shutil
import subprocess

from rig.system import sleeper

HERE = pathlib.Path(__file__).resolve().parent


def verbs(machine):
    listed = machine.ok("--help").out.partition("Commands:\n")[2].partition("\n\n")[0]
    found = re.findall(r"^  ([a-z-]+) ", listed, re.M)
    assert {"up", "down", "run", "help"} <= set(found), listed
    return found


def test_every_verb_is_run_by_a_test(machine):
    tests = "".join(path.read_text() for path in sorted(HERE.glob("test_*.py")))
    calls = r"\b(?:run|ok|start|up_fails)\(\s*(?:\"-[\w-]+\", ?\S+ )*"
    without = [verb for verb in verbs(machine)
               if not re.search(rf'{calls}"{verb}"', tests) and not re.search(rf'\(\("{verb}"', tests)]
    assert without == []


def test_every_verb_explains_itself(machine):
    for verb in verbs(machine):
        told, short = machine.ok("help", verb), machine.ok(verb, "--help")
        assert told.out == short.out and told.err == short.err == "", verb
        assert re.search(rf"\bishizue {verb}\b", told.out), told
        assert len(told.out.splitlines()) >= 3, told
    wrong = machine.run("help", "no-such-verb")
    assert wrong.status == 2 and "no-such-verb" in wrong.err, wrong


def test_the_manual_has_every_verb(machine):
    manual = machine.ok("help", "--man").out
    for verb in verbs(machine):
        assert re.search(rf"^\.S[SHB] .*\b{verb}\b|^\.B .*\b{verb}\b", manual, re.M), verb


def test_completion_is_understood_by_its_shell_and_has_every_verb(machine, tmp_path):
    for shell in ("bash", "zsh", "fish"):
        script = machine.run("completion", shell)
        if script.status != 0:  # not one that there is a script for
            assert script.status == 2 and f"'{shell}'" in script.err and shell != "bash", script
            continue
        if shutil.which(shell) is not None:
            file = tmp_path / shell
            file.write_text(script.out)
            subprocess.run([shell, "-n", str(file)], check=True, timeout=20)
        asked = re.search(r"ishizue (\w+) -- ", script.out)  # the script asks the program
        assert asked, script
        offered = machine.ok(asked[1], "--", "").out
        assert set(verbs(machine)) <= {line.split("\t")[0].strip() for line in offered.splitlines()}


def test_check_tells_of_each_key_and_leaves_what_runs_alone(system):
    system.file({"services": {"it": sleeper(tmpfs=["/t"])}})
    system.up()
    before = system.pids()
    system.file({"services": {"it": sleeper(tmpfs=["/t"], labels={"a": "b"}, privileged=True)}})
    told = system.run("check")
    assert told.status == 2 and "'privileged'" in told.err, told
    lines = {line.split()[0]: line.split()[2] for line in told.out.splitlines()
             if line.startswith("services.it.")}
    assert lines["services.it.privileged"] == "refused"
    assert lines["services.it.labels"] == "emulated"
    assert "1 refused" in told.out and system.pids() == before


def test_ls_names_the_systems_of_the_machine(make_system):
    systems = [make_system({"services": {"it": sleeper()}}) for _ in range(2)]
    for one in systems:
        one.up()
    listed = systems[0].machine.ok("ls", "-q").out.split()
    assert {one.name for one in systems} <= set(listed)
    table = systems[0].machine.ok("ls").out
    for one in systems:
        assert re.search(rf"^{one.name} +running\(1\) +{one.folder}/docker-compose.yml", table, re.M)


def test_a_service_that_is_not_there_is_a_mistake_of_the_command_line(system):
    system.file({"services": {"it": sleeper()}})
    system.up()
    before = system.pids()
    behind = {"exec": ["true"], "run": ["true"], "port": ["80"], "cp": ["/tmp/x"]}
    for verb in ("up", "stop", "start", "kill", "pause", "unpause", "restart", "logs", "exec", "run",
                 "rm", "wait", "attach", "top", "ps", "stats", "images", "port", "create", "pull",
                 "build", "scale", "config", "cp", "volumes"):
        name = {"scale": "nobody=2", "cp": "nobody:/x"}.get(verb, "nobody")
        done = system.run(verb, name, *behind.get(verb, []), timeout=20)
        assert done.status == 2 and "no s" in done.err and "'nobody'" in done.err, (verb, done)
        assert len(done.err.splitlines()) == 1 and done.out == "", (verb, done)
    assert system.pids() == before


def test_cp_blames_the_side_that_is_wrong(system, tmp_path):
    system.file({"services": {"it": sleeper()}})
    system.up()
    (tmp_path / "file").write_text("x")
    inside, here = f"{system.name}-it-1: ", "this machine: "
    for argv, side in (
            (("it:/nowhere", tmp_path), inside + "there is no '/nowhere'"),
            ((tmp_path / "nowhere", "it:/tmp"), here + "there is no '"),
            (("it:/etc/hosts", tmp_path / "no/x"), here + "there is no folder '"),
            ((tmp_path / "file", "it:/no/x"), inside + "there is no folder '/no'"),
            ((tmp_path / "file", "it:/proc/x"), inside + "cannot write 'x'"),
            (("it:/etc/hosts", "/proc/x"), here + "cannot write 'x'")):
        done = system.run("cp", *argv)
        assert done.status == 1 and done.err.startswith(f"error: {side}"), (argv, done)
