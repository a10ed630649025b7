#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line against a daemon that only answers what a test says.

    tests/cli/test_cli.py PROGRAM MANUAL [NAME...]    TAP on standard output
"""
import json
import os
import shlex
import subprocess
import sys
import threading
import traceback

from fake import Place

PROGRAM, MANUAL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])

UP = [
    {"event": "step", "service": "postgres", "state": "starting", "text": "", "elapsed_ms": 1},
    {"event": "step", "service": "backend", "state": "building", "text": "step 1 of 1: make"},
    {"event": "output", "service": "backend", "text": "cc -o \u001b[2Jmain"},
    {"event": "step", "service": "postgres", "state": "ready", "text": ""},
    {"event": "step", "service": "backend", "state": "ready", "text": ""},
    {"event": "result", "ok": True, "changed": True, "elapsed_ms": 9120,
     "addresses": ["https://shop.localhost:8443/"]},
]
DOWN = [{"event": "step", "service": "backend", "state": "removed", "text": ""},
        {"event": "result", "ok": True, "changed": True, "elapsed_ms": 1200, "addresses": []}]
SYSTEM = {
    "name": "shop", "directory": "/srv/shop", "release": 1, "operation": None,
    "addresses": ["https://shop.localhost:8443/"],
    "services": [{"name": "postgres", "ready": 1, "wanted": 1, "ports": []},
                 {"name": "backend", "ready": 0, "wanted": 1, "ports": []}],
    "instances": [
        {"id": "shop-postgres-1-aa", "name": "shop-postgres-1", "service": "postgres",
         "state": "ready", "health": "healthy", "restarts": 0, "exit_status": 0},
        {"id": "shop-migrate-1-bb", "name": "shop-migrate-1", "service": "backend",
         "state": "exited", "health": "none", "restarts": 0, "exit_status": 0}]}


def same(got, wanted):
    assert got == wanted, f"got\n{got}\nwanted\n{wanted}"


def up_prints_a_line_for_each_change_and_the_address():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        status, out, err = place.run("up", "-d")
        same((status, err), (0, ""))
        lines = out.splitlines()
        same(lines[0], " postgres  starting")
        same(lines[1], " backend   building   step 1 of 1: make")
        same(lines[2], " backend   | cc -o main")
        assert lines[3].startswith(" postgres  ready      0."), lines[3]
        same(lines[-1], "shop is up in 9.1 s: https://shop.localhost:8443/")


def up_sends_the_resolved_file_and_no_more_of_the_environment_than_builds_need():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        place.environment |= {"PASSWORD": "secret", "HTTP_PROXY": "http://p:1", "TOKEN": "t"}
        status, _, _ = place.run("up", "--wait", "--build", "--wait-timeout", "7", "backend")
        same(status, 0)
        (_, _, _, body), = place.daemon.asked("POST", "/v1/systems/shop/up")
        same(body["config"]["name"], "shop")
        same(body["config"]["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"], "secret")
        same(body["directory"], os.path.realpath(place.path))
        same(body["environment"], ["HTTP_PROXY=http://p:1"])
        same((body["build"], body["force_recreate"], body["services"], body["timeout_ms"]),
             (True, False, ["backend"], 7000))
        assert all(name.endswith("compose.yaml") for name in body["files"]) and body["files"]


def up_redraws_its_lines_in_place_on_a_terminal():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        status, screen = place.screen("up", "-d", columns=60)
        same(status, 0)
        lines = screen.text().splitlines()
        same(len(lines), 3)
        assert lines[0].startswith(" ✔ postgres  ready"), lines[0]
        assert lines[1].startswith(" ✔ backend   ready"), lines[1]
        same(lines[2], "shop is up in 9.1 s: https://shop.localhost:8443/")
        assert not screen.wrapped


def a_narrow_terminal_never_wraps_the_live_lines():
    with Place(PROGRAM) as place:
        long = {"event": "output", "service": "backend", "text": "日本語 " * 60}
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP[:2] + [long] + UP[3:5] + [
            UP[5] | {"addresses": []}]
        status, screen = place.screen("up", "-d", columns=30)
        same((status, screen.wrapped), (0, False))


def a_failed_up_shows_the_reason_the_last_log_lines_and_what_still_runs():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP[:2] + [
            {"event": "result", "ok": False, "exit_status": 1, "code": "unhealthy",
             "error": "backend: not healthy after 60 s", "logs": ["one", "two\u001b[2J"]}]
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        status, _, err = place.run("up", "-d")
        same(status, 1)
        same(err, "error: backend: not healthy after 60 s\n    one\n    two\n"
                  "still running: postgres ('ishizue ps' shows more)\n")


def the_exit_status_follows_the_result():
    with Place(PROGRAM) as place:
        for code, given, wanted in [("timeout", None, 124), ("locked", None, 4),
                                    ("invalid", None, 2), ("program", 3, 3)]:
            place.daemon.answers["POST", "/v1/systems/shop/up"] = [
                {"event": "result", "ok": False, "exit_status": given, "code": code, "error": "x"}]
            same(place.run("up", "-d")[0], wanted)


def a_refused_request_exits_by_its_code():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = (
            409, {"error": {"code": "locked", "text": "'down' is under way"}})
        same(place.run("up", "-d"), (4, "", "error: 'down' is under way\n"))
        same(place.run("up", "-d", "--json"),
             (4, "", '{"error":{"code":"locked","text":"\'down\' is under way"}}\n'))


def a_daemon_that_dies_in_the_middle_is_a_failure():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP[:2]
        status, _, err = place.run("up", "-d")
        same(status, 1)
        assert "went away before it was done" in err, err


def progress_json_passes_the_lines_through():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        for words in [("--progress", "json"), ("--json",)]:
            status, out, err = place.run("up", "-d", *words)
            same((status, err), (0, ""))
            same([json.loads(line) for line in out.splitlines()], UP)


def no_wait_returns_at_the_first_line():
    with Place(PROGRAM) as place:
        never = threading.Event()

        def stream():
            yield UP[0]
            never.wait(20)

        place.daemon.answers["POST", "/v1/systems/shop/up"] = stream
        status, out, _ = place.run("up", "--no-wait")
        never.set()
        same(status, 0)
        assert "shop is coming up" in out, out


def a_wrong_file_changes_nothing():
    with Place(PROGRAM, compose="services:\n  web: {image: a, imgae: b}\n") as place:
        status, out, err = place.run("up", "-d")
        same((status, out, place.daemon.requests), (2, "", []))
        assert err.startswith("error: compose.yaml:2:"), err
        status, out, _ = place.run("check", "--json")
        same(status, 2)
        verdict = json.loads(out)
        same(verdict["valid"], False)
        same((verdict["diagnostics"][0]["severity"], verdict["diagnostics"][0]["line"]), ("error", 2))


def ctrl_c_while_following_takes_the_system_down():
    with Place(PROGRAM) as place:
        def logs():
            yield {"time_ms": 1, "service": "backend", "instance": "shop-backend-1", "text": "hello"}
            place.daemon.gone.wait(20)

        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        place.daemon.answers["POST", "/v1/systems/shop/down"] = DOWN
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        place.daemon.answers["GET", "/v1/systems/shop/logs"] = logs
        status, screen = place.screen("up", "-t", "3", keys=[("hello", b"\x03")])
        place.daemon.gone.set()
        same(status, 130)
        (_, _, _, body), = place.daemon.asked("POST", "/v1/systems/shop/down")
        same(body, {"volumes": False, "timeout_ms": 3000})
        assert "backend-1   | hello" in screen.text(), screen.text()
        assert screen.text().endswith("shop is down in 1.2 s"), screen.text()


def ctrl_c_during_up_leaves_the_work_to_the_daemon():
    with Place(PROGRAM) as place:
        def stream():
            yield UP[0]
            place.daemon.gone.wait(20)

        place.daemon.answers["POST", "/v1/systems/shop/up"] = stream
        status, screen = place.screen("up", "-d", keys=[("starting", b"\x03")])
        place.daemon.gone.set()
        same(status, 130)
        assert "the daemon goes on with shop" in screen.text(), screen.text()


def down_and_restart_say_what_was_done():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        place.daemon.answers["POST", "/v1/systems/shop/down"] = DOWN
        place.daemon.answers["POST", "/v1/systems/shop/restart"] = DOWN
        same(place.run("down", "-v"), (0, " backend  removed    0.0 s\nshop is down in 1.2 s\n", ""))
        same(place.daemon.requests[-1][3], {"volumes": True})
        same(place.run("restart", "-t", "1", "backend")[0], 0)
        same(place.daemon.requests[-1][3], {"services": ["backend"], "timeout_ms": 1000})


def a_dry_run_asks_and_changes_nothing():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/up"] = UP
        place.run("up", "-d")
        config = [r[3] for r in place.daemon.requests if r[0] == "POST"][-1]["config"]
        place.daemon.requests.clear()
        config["services"]["postgres"]["image"] = "postgres:14"
        config["services"]["old"] = {"image": "x"}
        place.daemon.answers["GET", "/v1/systems/shop/config"] = config
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        status, out, _ = place.run("up", "--dry-run", "--json")
        same(status, 0)
        same({row["service"]: row["action"] for row in json.loads(out)["plan"]},
             {"postgres": "replace", "backend": "keep", "old": "remove"})
        same(place.run("down", "--dry-run")[0], 0)
        same(place.run("restart", "--dry-run", "postgres")[0], 0)
        same([r for r in place.daemon.requests if r[0] != "GET"], [])


def ps_shows_what_runs_in_each_form():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        same(place.run("ps"), (0, "NAME             SERVICE   STATE\n"
                                  "shop-postgres-1  postgres  ready (healthy)\n"
                                  "\nhttps://shop.localhost:8443/\n", ""))
        assert "exited (0)" in place.run("ps", "-a")[1]
        same(place.run("ps", "-q"), (0, "shop-postgres-1-aa\n", ""))
        same(place.run("ps", "-a", "--services"), (0, "postgres\nbackend\n", ""))
        same(place.run("ps", "backend")[1].count("\n"), 3)
        row, = [json.loads(line) for line in place.run("ps", "--format", "json")[1].splitlines()]
        same((row["Name"], row["State"], row["Health"]), ("shop-postgres-1", "running", "healthy"))
        same(json.loads(place.run("ps", "--json")[1])["name"], "shop")


def colours_are_for_terminals_that_want_them():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        assert "\033" not in place.run("ps")[1]
        assert "\033[32m" in place.run("ps", "--ansi", "always")[1]
        place.environment["NO_COLOR"] = "1"
        _, screen = place.screen("ps")
        assert "postgres" in screen.text()


def ls_has_the_two_json_forms():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/systems"] = {"systems": [
            {"name": "shop", "directory": place.path, "files": ["/a", "/b"], "status": "running(1)"}]}
        same(place.run("ls"), (0, "NAME  STATUS      FILES\nshop  running(1)  /a,/b\n", ""))
        same(json.loads(place.run("ls", "--format", "json")[1]),
             [{"Name": "shop", "Status": "running(1)", "ConfigFiles": "/a,/b"}])
        same(json.loads(place.run("ls", "--json")[1])["systems"][0]["files"], ["/a", "/b"])
        same(place.run("ls", "-q"), (0, "shop\n", ""))


def a_broken_file_does_not_keep_anybody_from_down():
    with Place(PROGRAM, compose="services: [\n") as place:
        place.daemon.answers["GET", "/v1/systems"] = {"systems": [
            {"name": "other", "directory": "/srv/other"},
            {"name": "shop", "directory": os.path.realpath(place.path)}]}
        place.daemon.answers["POST", "/v1/systems/shop/down"] = DOWN
        same(place.run("down")[0], 0)


def without_a_daemon_nothing_runs():
    with Place(PROGRAM, daemon=False) as place:
        same(place.run("ls"), (0, "no system is up\n", ""))
        for verb in (["ps"], ["down"], ["logs"], ["restart"], ["exec", "backend", "true"]):
            same(place.run(*verb), (1, "", "error: no system 'shop' is running\n"))
        os.makedirs(f"{place.path}/state")
        open(f"{place.path}/state/state.db", "w", encoding="utf-8").close()
        status, _, err = place.run("ps")
        same(status, 1)
        assert "no daemon runs" in err, err


def logs_have_prefixes_and_pass_the_filters_on():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        place.daemon.answers["GET", "/v1/systems/shop/logs"] = [
            {"time_ms": 1795226047123, "service": "backend", "instance": "shop-backend-1", "text": "a"},
            {"time_ms": 1795226047124, "service": "postgres", "instance": "shop-postgres-1", "text": "b"}]
        same(place.run("logs"), (0, "backend-1   | a\npostgres-1  | b\n", ""))
        same(place.run("logs", "-t", "--no-log-prefix", "-n", "5", "--since", "2026-11-21", "a b"),
             (0, "2026-11-21T01:54:07.123Z a\n2026-11-21T01:54:07.124Z b\n", ""))
        same(place.daemon.requests[-1][2], "follow=0&service=a%20b&tail=5&since_ms=1795219200000")
        place.run("logs", "-f", "--until", "2026-11-22T00:00:00+09:00")
        same(place.daemon.requests[-1][2], "follow=1&until_ms=1795273200000")
        same(place.run("logs", "--since", "soon")[0], 2)


def ctrl_c_ends_logs_with_130():
    with Place(PROGRAM) as place:
        def logs():
            yield {"time_ms": 1, "service": "backend", "instance": "shop-backend-1", "text": "hello"}
            place.daemon.gone.wait(20)

        place.daemon.answers["GET", "/v1/systems/shop"] = SYSTEM
        place.daemon.answers["GET", "/v1/systems/shop/logs"] = logs
        same(place.screen("logs", "-f", keys=[("hello", b"\x03")])[0], 130)
        place.daemon.gone.set()


def exec_becomes_the_command_and_passes_its_status():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/exec"] = {"argv": ["env", "INSIDE=yes"]}
        status, out, _ = place.run("exec", "-e", "A=1", "-w", "/srv", "-u", "root", "--index", "2",
                                   "backend", "sh", "-c", "echo $INSIDE -d; exit 7")
        same((status, out), (7, "yes -d\n"))
        same(place.daemon.requests[-1][3],
             {"service": "backend", "index": 2, "tty": False, "user": "root",
              "working_dir": "/srv", "environment": {"A": "1"}})
        same(place.run("exec", "backend", "sh", "-c", "kill -TERM $$")[0], -15)
        same(place.daemon.requests[-1][3]["index"], None)
        place.daemon.answers["POST", "/v1/systems/shop/exec"] = {"argv": ["/nonexistent"]}
        same(place.run("exec", "backend", "sh")[0], 127)
        place.daemon.answers["POST", "/v1/systems/shop/exec"] = {"argv": []}
        same(place.run("exec", "backend", "sh")[0], 1)


def exec_on_a_terminal_asks_for_one_inside():
    with Place(PROGRAM) as place:
        place.daemon.answers["POST", "/v1/systems/shop/exec"] = {"argv": ["env"]}
        same(place.screen("exec", "backend", "true")[0], 0)
        same(place.daemon.requests[-1][3]["tty"], True)
        same(place.screen("exec", "-T", "backend", "true")[0], 0)
        same(place.daemon.requests[-1][3]["tty"], False)


def ca_prints_the_certificate():
    with Place(PROGRAM) as place:
        place.daemon.answers["GET", "/v1/ca"] = {"certificate": "-----BEGIN CERTIFICATE-----\n"}
        same(place.run("ca"), (0, "-----BEGIN CERTIFICATE-----\n", ""))
        assert "would write" in place.run("ca", "--install", "--dry-run")[1]


def config_prints_the_parts_asked_for():
    with Place(PROGRAM) as place:
        same(place.run("config", "--services")[1].split(), ["backend", "postgres"])
        same(place.run("config", "--images")[1].split(), ["shop-backend", "postgres:15"])
        same(place.run("config", "-q"), (0, "", ""))
        same(list(json.loads(place.run("config", "--json", "postgres")[1])["services"]), ["postgres"])
        same(place.run("config", "-o", "out.yaml")[0], 0)
        before = dict(l.split() for l in place.run("config", "--hash", "*")[1].splitlines())
        place.environment["PASSWORD"] = "other"
        after = dict(l.split() for l in place.run("config", "--hash", "*")[1].splitlines())
        same(sorted(name for name in before if before[name] != after[name]), ["postgres"])
        same(place.run("config", "nosuch")[0], 2)
        same(place.daemon.requests, [])


def whoever_is_not_root_is_told_so():
    with Place(PROGRAM) as place:
        os.chmod(place.path, 0o755)
        try:
            status, _, err = place.run("ps", user=65534)
        except PermissionError:
            return "SKIP the program lies where nobody else may look"
        same((status, err), (1, "error: must be run as root: sudo ishizue ps\n"))
    return None


def a_reader_that_leaves_ends_it_quietly():
    with Place(PROGRAM) as place:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([PROGRAM, "help"], stdout=writing, stderr=subprocess.PIPE, timeout=30,
                              env=place.environment, check=False)
        os.close(writing)
        same((done.returncode, done.stderr), (-13, b""))


def a_daemon_that_cannot_be_started_says_why():
    with Place(PROGRAM, daemon=False) as place:
        place.environment["ISHIZUE_STATE_DIR"] = "compose.yaml/state"
        status, out, err = place.run("up", "-d")
        same((status, out), (1, ""))
        assert err.startswith("error: ") and "compose.yaml" in err and err.count("\n") == 1, err


def bash_completes_from_the_compose_file():
    with Place(PROGRAM) as place:
        os.symlink(PROGRAM, f"{place.path}/ishizue")
        script = ('source <(./ishizue completion bash); COMP_WORDS=(%s); COMP_CWORD=%d; _ishizue; '
                  'echo "${COMPREPLY[@]}"')
        place.environment["PATH"] = f"{place.path}:{place.environment['PATH']}"
        for words, wanted in [(["logs", "ba"], "backend"), (["-f", "compose.yaml", "up", "p"], "postgres"),
                              (["up", "--force"], "--force-recreate"), (["rest"], "restart")]:
            line = " ".join(map(shlex.quote, ["ishizue", *words]))
            done = subprocess.run(["bash", "-c", script % (line, len(words))], cwd=place.path,
                                  env=place.environment, capture_output=True, text=True, timeout=30,
                                  check=False)
            same(done.stdout.strip(), wanted)


def the_manual_is_what_the_program_prints():
    with Place(PROGRAM) as place, open(MANUAL, encoding="utf-8") as file:
        wanted = place.run("help", "--man")[1]
        assert file.read() == wanted, f"write it again: ishizue help --man > {MANUAL}"


def mistakes_on_the_command_line_exit_2():
    with Place(PROGRAM) as place:
        for words in (["upp"], ["up", "--detatch"], ["logs", "-n", "x"], ["exec", "backend"],
                      ["completion", "tcsh"], ["help", "upp"], ["daemon", "dance"]):
            status, out, err = place.run(*words)
            same((status, out), (2, ""))
            assert err.startswith("error: ") and err.count("\n") == 1, err


def the_edge_is_not_started_with_more_workers_than_it_can_have():
    with Place(PROGRAM) as place:
        for workers, refused in ((65, True), (64, False)):
            status, out, err = place.run("edge", "--channel-fd", "999", "--workers", str(workers),
                                         "--uid", "0", "--gid", "0")
            same((status, out), (1, ""))
            same(f"{workers} workers, expected 1 to 64" in err, refused)


def main():
    wanted = sys.argv[3:]
    tests = [test for name, test in globals().items()
             if callable(test) and getattr(test, "__module__", "") == "__main__"
             and name not in ("main", "same") and (not wanted or name in wanted)]
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        try:
            skipped = test()
            print(f"ok {number} - {test.__name__}" + (f" # {skipped}" if skipped else ""), flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {test.__name__}")
            print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()), end="",
                  flush=True)
    sys.exit(failed > 0)


if os.geteuid() != 0:
    print("1..0 # SKIP needs root")
    sys.exit(0)
main()
