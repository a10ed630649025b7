#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""deploy, promote, abort, rollout, rollback and maintenance, against a daemon that only answers
what a test says.

    tests/cli/test_deploy.py PROGRAM    TAP on standard output
"""
import json
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "edge/lib"))
from tap import run  # noqa: E402

from fake import Place  # noqa: E402

PROGRAM = os.path.abspath(sys.argv[1])
UP, SHOP = "/v1/systems/shop/up", "/v1/systems/shop"
PLAN = {"from": 12, "services": [
    {"service": "postgres", "action": "keep", "strategy": None, "why": None,
     "build": False, "migrate": None, "instances": 1, "steps": []},
    {"service": "backend", "action": "replace", "strategy": "canary", "why": None,
     "build": True, "migrate": "alembic upgrade head", "instances": 2,
     "steps": [{"share": 500, "bake_ms": 1000, "manual": False}, {"share": 10000}]}]}
PLANNED = [{"event": "result", "ok": True, "changed": False, "plan": PLAN}]
ROLLOUT = {"event": "rollout", "from": 12, "to": 13, "state": "watching", "step": 1, "steps": 2,
           "share": 500, "text": "errors are few enough", "until_ms": None, "releases": [
               {"release": 12, "requests": 19000, "errors": 19, "p99_ms": 12},
               {"release": 13, "requests": 1000, "errors": 1, "p99_ms": 14.5}]}
DONE = [
    {"event": "step", "service": "backend", "state": "ready", "text": ""}, ROLLOUT,
    {**ROLLOUT, "state": "draining", "step": 2, "share": 10000, "releases": []},
    {"event": "result", "ok": True, "changed": True, "elapsed_ms": 9120, "addresses": [],
     "release": 13, "rollout": {"state": "draining"}}]
BACK = [ROLLOUT, {**ROLLOUT, "state": "aborting", "text": "31 of 1000 requests failed"},
        {"event": "result", "ok": False, "exit_status": 3, "code": "unhealthy",
         "error": "backend: 31 of 1000 requests failed, release 12 is back",
         "health": "HTTP 503: the database is away", "logs": ["no route to host"],
         "rollout": {"from": 12, "to": 13, "state": "rolled-back"}}]
STATE = {"rollout": {
    "from": 12, "to": 13, "state": "waiting", "step": 1, "steps": 2, "share": 500,
    "why": "a person decides: promote or abort", "active": True, "can_promote": True,
    "can_abort": True, "test_host": "next.shop.localhost", "until_ms": None,
    "services": [{"service": "backend", "strategy": "canary", "change": "replaced", "share": 500,
                  "old": 2, "new": 1}], "releases": ROLLOUT["releases"]}}


def same(got, wanted):
    assert got == wanted, f"got\n{got}\nwanted\n{wanted}"


def place_with(**answers):
    """post_up=... is the answer of POST /v1/systems/shop/up."""
    place = Place(PROGRAM)
    for name, answer in answers.items():
        method, _, rest = name.partition("_")
        place.daemon.answers[method.upper(), f"{SHOP}/{rest.replace('_', '/')}"] = answer
    return place


def a_deploy_without_a_terminal_asks_nobody_and_shows_each_change():
    with place_with(post_up=DONE) as place:
        status, out, err = place.run("deploy")
        same((status, err), (0, ""))
        lines = out.splitlines()
        assert lines[2] == (" release 12 -> 13  watching     step 1 of 2, 5 % at release 13"
                            "  errors are few enough") or lines[1].startswith(" release"), out
        assert "   release 13  1000 requests  1 failed (0.1 %)  p99 14.5 ms" in lines
        same(lines[-1], "shop is deployed in 9.1 s")
        [(_, _, _, body)] = place.daemon.asked("POST", UP)
        same(body["deploy"], {"wait": "switched"})
        same(set(body["config"]["services"]), {"postgres", "backend"})


def who_does_not_wait_is_told_that_it_goes_on_unless_it_is_over():
    begun = {"event": "result", "ok": True, "changed": True, "took_ms": 40,
             "rollout": {"state": "starting"}}
    with place_with(post_up=[begun]) as place:
        same(place.run("deploy", "--no-wait")[1].splitlines()[-1],
             "the deploy goes on, 'ishizue rollout' shows how far it is")
        place.daemon.answers["POST", UP] = [dict(begun, rollout=None, changed=False)]
        assert "shop ran this already" in place.run("deploy", "--no-wait")[1]


def its_options_are_passed_on():
    with place_with(post_up=DONE) as place:
        for words, wanted in (
                (["--wait", "--strategy", "canary"], {"wait": "done", "strategy": "canary"}),
                (["--no-wait"], {"wait": "started"}), (["-y", "backend"], {"wait": "switched"})):
            same(place.run("deploy", *words)[0], 0)
            same(place.daemon.requests[-1][3]["deploy"], wanted)
        same(place.daemon.requests[-1][3]["services"], ["backend"])


def a_dry_run_prints_the_plan_and_sends_nothing_else():
    with place_with(post_up=PLANNED) as place:
        status, out, err = place.run("deploy", "--dry-run")
        same((status, err), (0, ""))
        assert "replace" in out and "canary 5 %, 100 %; 2 instances; builds; migrates first" in out
        same([body["deploy"].get("dry_run") for _, _, _, body in place.daemon.asked("POST", UP)],
             [True])
        assert "postgres  keep" in out and " unchanged\n" in out and " its sources changed\n" in out
        same(json.loads(place.run("deploy", "--dry-run", "--json")[1]), {"plan": PLAN})


def a_plan_says_how_many_at_a_time_and_that_nothing_would_change():
    rolling = {"service": "web", "action": "replace", "strategy": "rolling", "why": None,
               "build": False, "instances": 3,
               "steps": [{"share": 3333 * n, "instances": n} for n in (1, 2, 3)]}
    for services, text in (([rolling], "rolling, 1 at a time; 3 instances  its configuration changed"),
                           ([dict(rolling, action="scale", strategy=None, steps=[])],
                            "another number of instances"),
                           ([], "nothing would change\n")):
        answer = dict(PLANNED[0], plan={"from": 12, "services": services})
        with place_with(post_up=[answer]) as place:
            out = place.run("deploy", "--dry-run")[1]
            assert text in out, out


def a_terminal_is_asked_and_no_changes_nothing():
    with place_with(post_up=PLANNED) as place:
        status, screen = place.screen("deploy", columns=120, keys=[("[yN]", b"n\n")])
        same(status, 1)
        assert "nothing was changed" in screen.text() and "WOULD" in screen.text()
        same(len(place.daemon.asked("POST", UP)), 1)


def a_terminal_that_agrees_sees_the_rollout_below_the_services():
    with place_with() as place:
        answers = [PLANNED, DONE]
        place.daemon.answers["POST", UP] = lambda: iter(answers.pop(0))
        status, screen = place.screen("deploy", columns=120, keys=[("[yN]", b"y\n")])
        same(status, 0)
        assert "release 12 -> 13  draining" in screen.text()
        assert "shop is deployed in 9.1 s" in screen.text()


def a_plan_that_changes_nothing_asks_nothing():
    kept = {"from": 12, "services": [PLAN["services"][0]]}
    with place_with() as place:
        answers = [[{**PLANNED[0], "plan": kept}], [{**DONE[-1], "changed": False}]]
        place.daemon.answers["POST", UP] = lambda: iter(answers.pop(0))
        status, screen = place.screen("deploy", columns=120)
        same(status, 0)
        assert "[yN]" not in screen.text() and "ran this already" in screen.text()


def a_plan_that_cannot_be_made_is_an_error_and_nothing_is_deployed():
    with place_with(post_up=[{"event": "result", "ok": False, "error": "no room"}]) as place:
        same(place.run("deploy", "--dry-run")[0:3:2], (1, "error: no room\n"))


def a_deploy_that_was_rolled_back_exits_with_3_and_says_why():
    with place_with(post_up=BACK) as place:
        status, out, err = place.run("deploy")
        same(status, 3)
        assert "aborting" in out
        same(err, "error: backend: 31 of 1000 requests failed, release 12 is back\n"
                  "    health check: HTTP 503: the database is away\n    no route to host\n"
                  "release 12 is back and serves\n")


def a_rollout_before_its_switch_keeps_others_out_with_4():
    with place_with(post_up=(423, {"error": {
            "code": "locked", "text": "release 13 waits: promote or abort it first"}})) as place:
        same(place.run("deploy")[0], 4)


def json_is_one_object_a_line():
    with place_with(post_up=DONE, post_promote=DONE, get_rollout=STATE) as place:
        for verb in ("deploy", "promote"):
            same([json.loads(line) for line in place.run(verb, "--json")[1].splitlines()], DONE)
        same(json.loads(place.run("rollout", "--json")[1]), STATE)


def promote_and_abort_pass_on_what_they_are_told():
    with place_with(post_promote=DONE, post_abort=DONE) as place:
        same(place.run("promote", "--all")[0], 0)
        same(place.daemon.requests[-1][3], {"all": True, "timeout_ms": 0})
        same(place.run("abort", "--wait-timeout", "9")[0], 0)
        same(place.daemon.requests[-1][3], {"timeout_ms": 9000})


def a_dry_run_of_abort_only_looks():
    with place_with(get_rollout=STATE) as place:
        status, out, _ = place.run("abort", "--dry-run")
        same(status, 0)
        assert "waiting" in out
        same(place.daemon.asked("POST", f"{SHOP}/abort"), [])


def rollout_shows_figures_services_and_what_can_be_done():
    with place_with(get_rollout=STATE) as place:
        status, out, err = place.run("rollout")
        same((status, err), (0, ""))
        for text in ("release 12 -> 13  waiting", "a person decides", "19000 requests",
                     "next.shop.localhost", "canary", "5 %", "ishizue promote", "ishizue abort"):
            assert text in out, (text, out)
    with place_with(get_rollout={"rollout": None}) as place:
        assert "nothing of shop was rolled out yet" in place.run("rollout")[1]


def a_rollback_across_an_irreversible_migration_needs_a_yes():
    diff = {"from": 5, "to": 3, "services": {"added": [], "removed": [], "replaced": ["backend"]},
            "differences": [], "obstacle": None, "irreversible": ["backend"]}
    with place_with(get_releases_diff=diff, post_rollback=DONE) as place:
        status, _, err = place.run("rollback")
        same(status, 1)
        assert "backend cannot be taken back" in err and "-y" in err, err
        same(place.daemon.asked("POST", f"{SHOP}/rollback"), [])
        same(place.run("rollback", "-y")[0], 0)
        status, screen = place.screen("rollback", columns=200, keys=[("[yN]", b"n\n")])
        same(status, 1)
        assert "cannot be taken back" in screen.text()


def maintenance_sends_the_page_and_says_what_is():
    on = {"on": True, "since_ms": 1795226047123, "user": "anna", "page": "x"}
    off = {"on": False, "since_ms": 0, "user": None, "page": None}
    with place_with(get_maintenance=on, post_maintenance=on, delete_maintenance=off) as place:
        with open(f"{place.path}/closed.html", "w", encoding="utf-8") as file:
            file.write("<h1>茶</h1>")
        same(place.run("maintenance", "on", "--page", "closed.html"),
             (0, "shop is in maintenance\n", ""))
        same(place.daemon.requests[-1][3], {"page": "<h1>茶</h1>"})
        same(place.run("maintenance", "on")[0], 0)
        same(place.daemon.requests[-1][3], {})
        assert place.run("maintenance", "status")[1].startswith(
            "shop is in maintenance since 2026-11-")
        same(place.run("maintenance", "off"), (0, "shop is live again\n", ""))
        same(place.run("maintenance", "maybe")[0], 2)
        asked = len(place.daemon.requests)
        same(place.run("maintenance", "off", "--dry-run")[0], 0)
        same(len(place.daemon.requests), asked)


def a_page_that_is_too_long_or_no_text_is_refused():
    with place_with(post_maintenance={}) as place:
        for content, text in ((b"x" * 65537, "65536"), (b"\xff\xfe", "UTF-8")):
            with open(f"{place.path}/page", "wb") as file:
                file.write(content)
            status, _, err = place.run("maintenance", "on", "--page", "page")
            assert status != 0 and text in err, err
        same(place.daemon.asked("POST", f"{SHOP}/maintenance"), [])


if os.geteuid() != 0:
    print("1..0 # SKIP needs root")
    sys.exit(0)
sys.exit(run([test for name, test in list(globals().items())
          if callable(test) and getattr(test, "__module__", "") == "__main__"
          and name not in ("same", "place_with")]))
