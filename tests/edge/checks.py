# SPDX-License-Identifier: Apache-2.0
"""Checks that the edge makes of its own accord: who is asked, who leaves, who comes back."""
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

from lib import apps as apps_of, tap

RIG = sys.argv[1]
PORT, TCP = int(os.environ["EDGE_HTTP"]), int(os.environ["EDGE_TCP"])
FAST = {"interval_ms": 50, "timeout_ms": 500, "fall": 3, "rise": 2}


def rig(*argv, stdin=None):
    return subprocess.run([RIG, *argv], input=stdin, capture_output=True, text=True, timeout=20)


class App(apps_of.Answering):
    """Answers its name, and its check by <status>; keeps when it was asked what."""

    def __init__(self, name):
        self.name, self.status, self.asked, self.served, self.delay = name, 200, [], 0, 0
        self.lock, self.busy, self.most = threading.Lock(), 0, 0
        super().__init__()

    def answer(self, sock, head):
        if head.startswith("GET /health"):
            status = self.status  # what is changed after this question is for the next one
            self.asked.append((time.monotonic(), head))
            with self.lock:
                self.busy += 1
                self.most = max(self.most, self.busy)
            time.sleep(self.delay)
            with self.lock:
                self.busy -= 1
            sock.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 4\r\n\r\nwhy?" % status)
            return
        self.served += 1
        body = self.name.encode()
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


def check_of(app, **more):
    return {"target": app.name, "address": f"127.0.0.1:{app.port}", "path": "/health",
            "host": "app.test", **FAST, **more}


def publish(apps, checks, **upstream):
    targets = [{"id": app.name, "address": f"127.0.0.1:{app.port}"} for app in apps]
    table = {"listeners": [{"id": 1, "kind": "http"}, {"id": 2, "kind": "http"},
                           {"id": 3, "kind": "tcp", "upstream": 0}, {"id": 4, "kind": "http"}],
             "upstreams": [{"name": "test/app", "targets": targets, **upstream}],
             "checks": checks, "routes": [{"system": "test", "path": "/", "upstream": 0}]}
    done = rig("table", stdin=json.dumps(table))
    assert done.returncode == 0, done.stdout


def refused(**members):
    check = {"target": "t", "address": "127.0.0.1:80", **members}
    done = rig("table", stdin=json.dumps({"checks": [check]}))
    assert done.returncode == 1, done.stdout
    return done.stdout


def get():
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def names(count=20):
    answers = [get() for _ in range(count)]
    assert all(status == 200 for status, _ in answers), answers
    return {text for _, text in answers}


def wait(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def targets_are_asked_at_their_interval_as_the_table_says():
    a = App("a")
    publish([a], [check_of(a, interval_ms=100)])
    wait(lambda: len(a.asked) >= 6)
    pauses = [later[0] - one[0] for one, later in zip(a.asked, a.asked[1:])]
    assert all(0.08 < pause < 0.4 for pause in pauses), pauses
    assert "Host: app.test\r\n" in a.asked[0][1] and "ishizue-probe" in a.asked[0][1]


def a_target_that_fails_leaves_and_comes_back_without_a_lost_request():
    a, b = App("leaver"), App("stayer")
    publish([a, b], [check_of(a), check_of(b)])
    assert names() == {"leaver", "stayer"}
    a.status = 500
    asked = len(a.asked)
    said = rig("await", '"sick":true').stdout
    assert '"target":"leaver"' in said and '"status":500' in said and "why?" in said, said
    assert len(a.asked) - asked >= 3, "it left before it had failed three times"
    wait(lambda: names(6) == {"stayer"})
    served = a.served
    assert names() == {"stayer"} and a.served == served
    a.status = 200
    wait(lambda: names(10) == {"leaver", "stayer"})


def one_failure_less_than_fall_changes_nothing_and_one_success_less_than_rise():
    a, b = App("patient"), App("other")
    publish([a, b], [check_of(a, interval_ms=100)])
    for _ in range(3):  # two failures, a success, ...
        start = len(a.asked)
        a.status = 500
        wait(lambda: len(a.asked) == start + 2)
        a.status = 200
        wait(lambda: len(a.asked) == start + 3)
    assert names() == {"patient", "other"}
    a.status = 500
    wait(lambda: names(6) == {"other"})
    start = len(a.asked)
    a.status = 200
    wait(lambda: len(a.asked) == start + 1)
    a.status = 500
    wait(lambda: len(a.asked) == start + 3)
    assert names() == {"other"}


def without_a_path_a_connection_is_enough():
    a, b = App("closed"), App("open")
    publish([a, b], [check_of(a, path=None), check_of(b, path=None)])
    assert names() == {"closed", "open"}
    a.stop()
    said = rig("await", '"sick":true,"status":0,"target":"closed"').stdout
    assert "refused" in said, said
    assert names() == {"open"}
    a.start_again()
    wait(lambda: names(10) == {"closed", "open"})
    assert not b.asked


def another_status_may_be_the_good_one():
    a, b = App("teapot"), App("fine")
    a.status = 418
    publish([a, b], [check_of(a, status=[418, 418]), check_of(b, status=[200, 299])])
    wait(lambda: len(a.asked) > 5 and len(b.asked) > 5)
    assert names() == {"teapot", "fine"}
    a.status = 200
    wait(lambda: names(6) == {"fine"})


def an_answer_that_comes_too_late_is_a_failure():
    a, b = App("slow"), App("quick")
    publish([a, b], [check_of(a, timeout_ms=60), check_of(b)])
    assert "slow" in names()
    a.delay = 0.3
    wait(lambda: names(6) == {"quick"})


class Endless(App):
    """Begins to answer a check, and says so much that it ends nowhere; then waits."""

    def answer(self, sock, head):
        if not head.startswith("GET /health"):
            return super().answer(sock, head)
        self.asked.append((time.monotonic(), head))
        sock.sendall(b"HTTP/1.1 200 OK\r\nX-Much: " + b"x" * 20000)
        threading.Event().wait(20)


def an_answer_without_an_end_is_a_failure_long_before_its_time_is_up():
    a, b = Endless("endless"), App("brief")
    publish([a, b], [check_of(a, timeout_ms=10000), check_of(b)])
    began = time.monotonic()
    said = rig("await", '"target":"endless"').stdout
    assert "answer is incomplete" in said and time.monotonic() - began < 5, said
    wait(lambda: names(6) == {"brief"})


def when_all_are_out_requests_wait_and_go_on_with_the_first_that_is_back():
    a, b = App("one"), App("two")
    publish([a, b], [check_of(a), check_of(b)])
    a.status = b.status = 500
    for name in ("one", "two"):
        rig("await", f'"sick":true,"status":500,"target":"{name}"')
    served = a.served + b.served
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(get())) for _ in range(10)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert not answers and a.served + b.served == served, answers
    b.status = 200
    for thread in threads:
        thread.join()
    assert answers == [(200, "two")] * 10, answers


def when_all_stay_out_requests_are_refused_by_503():
    a = App("alone")
    publish([a], [check_of(a)], queue={"limit": 10, "timeout_ms": 200})
    a.status = 500
    rig("await", '"sick":true,"status":500,"target":"alone"')
    status, _ = get()
    assert status == 503 and a.served == 0


def what_is_known_stays_when_a_table_comes_and_the_daemon_is_told_again():
    a, b = App("known"), App("else")
    publish([a, b], [check_of(a, interval_ms=300, fall=1), check_of(b)])
    a.status = 500
    rig("await", '"sick":true,"status":500,"target":"known"')
    publish([a, b], [check_of(a, interval_ms=300, fall=1), check_of(b)])
    said = rig("await", '"sick":true,"status":0,"target":"known"').stdout
    assert '"ok":false' in said, said
    assert names() == {"else"}
    publish([a, b], [check_of(b)])  # without its check it is like any other
    assert names() == {"known", "else"}
    publish([a, b], [check_of(a, sick=True, rise=1000), check_of(b)])
    assert names() == {"else"}


def connections_of_a_tcp_port_go_where_the_checks_succeed():
    a, b = App("tcp-a"), App("tcp-b")
    publish([a, b], [check_of(a), check_of(b)])
    a.status = 500
    rig("await", '"sick":true,"status":500,"target":"tcp-a"')
    for _ in range(10):
        sock = socket.create_connection(("127.0.0.1", TCP), timeout=5)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sock.recv(4096).endswith(b"tcp-b")
        sock.close()


def checks_go_on_when_the_daemon_is_away():
    a, b = App("lonely"), App("steady")
    publish([a, b], [check_of(a), check_of(b)])
    assert names() == {"lonely", "steady"}
    assert rig("restart").returncode == 0
    asked = len(a.asked)
    wait(lambda: len(a.asked) > asked + 3)
    a.status = 500
    wait(lambda: names(6) == {"steady"})
    a.status = 200
    wait(lambda: names(10) == {"lonely", "steady"})


def what_makes_no_sense_is_refused():
    for members, words in [({"fall": 0}, "'fall' is 0"), ({"rise": 1001}, "1000"),
                           ({"interval_ms": 9}, "below 10"), ({"path": "health"}, "bad path"),
                           ({"path": "/a b"}, "bad path"), ({"host": "a\\r\\nb: c"}, "bad host"),
                           ({"status": [200]}, "not [from, to]"),
                           ({"status": [300, 200]}, "not [from, to]"),
                           ({"status": [200, 600]}, "not [from, to]"),
                           ({"address": "nowhere"}, "bad address"),
                           ({"timeout_ms": 0}, "timeout_ms")]:
        assert words in refused(**members), (members, refused(**members))
    done = rig("table", stdin=json.dumps({"checks": [
        {"target": f"t{i}", "address": "127.0.0.1:9"} for i in range(4097)]}))
    assert done.returncode == 1 and "4096" in done.stdout, done.stdout


def without_more_words_a_target_is_asked_every_two_seconds_and_has_five_to_answer():
    plain, silent = App("plain"), App("silent")
    silent.delay = 20
    checks = [{"target": app.name, "address": f"127.0.0.1:{app.port}", "path": "/health", "fall": 1}
              for app in (plain, silent)]
    publish([plain, silent], checks)
    begun = time.monotonic()
    rig("send", json.dumps({"type": "probe", "probe": 78, "address": f"127.0.0.1:{silent.port}",
                            "path": "/health?probe"}))
    assert "no answer in time" in rig("await", '"probe":78').stdout
    assert 4.8 < time.monotonic() - begun < 9
    assert rig("await", '"sick":true,"status":0,"target":"silent"').returncode == 0
    first = min(when for when, head in silent.asked if "?probe" not in head)
    assert 4.8 < time.monotonic() - first < 9
    wait(lambda: len(plain.asked) >= 3)
    pauses = [later[0] - one[0] for one, later in zip(plain.asked, plain.asked[1:])]
    assert all(1.9 < pause < 3.5 for pause in pauses), pauses
    publish([plain], [])


def counted():
    """What the edge says of its checks."""
    rig("send", '{"type":"stats"}')
    text = rig("await", '"event":"stats"').stdout
    return {name: int(re.search(rf'"{name}": *(\d+)', text)[1])
            for name in ("health_checks", "health_checks_failed", "targets_up", "targets_down")}


def targets(up, down):
    now = counted()
    return (now["targets_up"], now["targets_down"]) == (up, down)


def what_checks_found_is_counted():
    a, b = App("healthy"), App("ill")
    b.status = 500
    publish([a, b], [])
    wait(lambda: targets(0, 0))
    before = counted()
    publish([a, b], [check_of(a), check_of(b)])
    wait(lambda: targets(1, 1))
    b.status = 200
    wait(lambda: targets(2, 0))
    publish([a, b], [])
    wait(lambda: targets(0, 0))
    now = counted()
    made, failed = (now[name] - before[name] for name in ("health_checks", "health_checks_failed"))
    asked = len(a.asked) + len(b.asked)
    assert asked - 2 <= made <= asked, (made, asked)  # those under way were given up
    assert 3 <= failed <= made - 2 and failed < len(b.asked), (failed, made, len(b.asked))


def more_targets_than_probes_at_once_are_all_asked():
    apps = App("many")
    apps.delay = 1
    publish([apps], [check_of(apps, target=f"m{i}", path=f"/health?{i}", timeout_ms=3000)
                     for i in range(600)])
    wait(lambda: len({head.split()[1] for _, head in list(apps.asked)}) == 600, 15)
    assert 200 < apps.most <= 256, apps.most
    publish([apps], [])


sys.exit(tap.run([
    targets_are_asked_at_their_interval_as_the_table_says,
    a_target_that_fails_leaves_and_comes_back_without_a_lost_request,
    one_failure_less_than_fall_changes_nothing_and_one_success_less_than_rise,
    without_a_path_a_connection_is_enough,
    another_status_may_be_the_good_one,
    an_answer_that_comes_too_late_is_a_failure,
    an_answer_without_an_end_is_a_failure_long_before_its_time_is_up,
    when_all_are_out_requests_wait_and_go_on_with_the_first_that_is_back,
    when_all_stay_out_requests_are_refused_by_503,
    what_is_known_stays_when_a_table_comes_and_the_daemon_is_told_again,
    connections_of_a_tcp_port_go_where_the_checks_succeed,
    checks_go_on_when_the_daemon_is_away,
    what_makes_no_sense_is_refused,
    without_more_words_a_target_is_asked_every_two_seconds_and_has_five_to_answer,
    what_checks_found_is_counted,
    more_targets_than_probes_at_once_are_all_asked,
]))
