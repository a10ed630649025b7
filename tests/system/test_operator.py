# SPDX-License-Identifier: Apache-2.0
"""What a person at the terminal is told without having to look for it: where a service listens
that does not listen where it should, and what the edge has refused."""
import json
import os
import socket
import subprocess
import urllib.error
import urllib.request

from rig import process
from rig.system import routed, service, web

LISTEN = ("exec python3 -c 'import socket, time; s = socket.create_server((\"{}\", {})); "
          "time.sleep(1000)'")


def published(address, port):
    return {"services": {"web": service(LISTEN.format(address, port), ports=["8090:8000"])}}


# ---- a port that nobody listens on

def test_up_says_on_which_port_a_service_listens_instead_and_does_not_wait_long(system):
    system.file(published("", 3000))
    up = system.up()
    assert "'web' does not listen on its port 8000, but on 3000" in up.out + up.err
    assert up.seconds < 8, up
    system.file(published("", 8000))
    up = system.up()
    assert "listen on" not in up.out + up.err, up


def test_up_says_that_a_service_listens_for_itself_only(system):
    system.file(published("127.0.0.1", 8000))
    up = system.up()
    assert "'web' listens on port 8000 of 127.0.0.1 only" in up.out + up.err
    assert "0.0.0.0" in up.out + up.err and up.seconds < 8, up


def test_up_says_that_a_service_listens_nowhere(system):
    system.file({"services": {"web": service("exec sleep 1000", ports=["8090:8000"])}})
    up = system.up()
    assert "'web' listens on no port yet" in up.out + up.err and "8000" in up.out + up.err


def test_what_listens_late_is_waited_for(system):
    system.file({"services": {"web": service("sleep 5; " + LISTEN.format("", 8000),
                                             ports=["8090:8000"])}})
    up = system.up()
    assert "listen" not in up.out + up.err and up.seconds > 5, up
    socket.create_connection(("127.0.0.1", 8090), 5).close()


# ---- what the edge has counted

def counters(system):
    return system.ok("stats", "--edge", "--json").json()


def get(port, host, path="/health"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_what_the_edge_has_counted_is_shown_as_a_whole(system):
    system.file(routed({"web": web()}, https=0, tls="off"))
    system.up()
    before = counters(system)["totals"]
    assert get(8080, "st.localhost")[0] == 200
    request = b"GET / HTTP/1.1\r\nHost: st.localhost\r\nX: " + b"x" * 20000 + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", 8080), 5) as client:
        client.sendall(request)
        assert client.recv(1000).startswith(b"HTTP/1.1 431 ")
    after = counters(system)
    assert after["totals"]["limits_exceeded"] == before["limits_exceeded"] + 1
    assert after["totals"]["requests"] > before["requests"]
    assert after["meters"] and "event" not in after["totals"]
    assert json.loads(system.ok("stats", "--edge", "--format", "json").out)["totals"]
    shown = system.ok("stats", "--edge").out
    assert "limits_exceeded" in shown and "route " in shown and "memory_short" not in shown
    assert "memory_short" in system.ok("stats", "--edge", "-a").out


def test_a_name_that_no_route_has_is_told_so(system):
    system.file(routed({"web": web()}, https=0, tls="off"))
    system.up()
    status, page = get(8080, "127.0.0.1:8080")
    assert status == 421 and "by its own name" in page
    file = routed({"web": web()}, https=0, tls="off",
                  routes=[{"path": "/", "to": "web:8000"},
                          {"host": "*", "path": "/health", "to": "web:8000"}])
    system.file(file)
    system.up()
    assert get(8080, "127.0.0.1:8080")[0] == 200
    assert get(8080, "127.0.0.1:8080", "/else")[0] == 404


# ---- a plan that only adds

def test_the_plan_of_a_deploy_names_what_it_adds_and_scales(system):
    def planned(file):
        system.file(file)
        shown = system.ok("deploy", "--dry-run").out
        plan = system.ok("deploy", "--dry-run", "--json").json()["plan"]["services"]
        return shown, {one["service"]: one["action"] for one in plan}

    one = service("exec sleep 1000", x={"migrate": "true"})
    file = {"services": {"one": one}}
    shown, plan = planned(file)
    assert plan == {"one": "add"} and "migrates first" in shown, shown
    system.file(file)
    system.up()
    assert planned(file) == ("nothing would change\n", {})
    file["services"]["two"] = service("exec sleep 1000")
    shown, plan = planned(file)
    assert plan == {"one": "keep", "two": "add"} and "new in the file" in shown
    del file["services"]["two"]
    one["scale"] = 2
    assert planned(file)[1] == {"one": "scale"}
    system.down()
    assert planned(file)[1] == {"one": "add"}


# ---- following logs for a long time

def test_following_logs_holds_no_file_of_instances_that_are_gone(system):
    def held():
        folder = f"/proc/{system.machine.daemon_pid()}/fd"
        links = [os.readlink(f"{folder}/{one}") for one in os.listdir(folder)
                 if os.path.islink(f"{folder}/{one}")]
        return [one for one in links if f"/logs/{system.name}/" in one]

    system.file({"services": {"one": service("echo here; exec sleep 1000")}})
    system.up()
    follower = system.start("logs", "-f", "--no-log-prefix", stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    try:
        process.wait(held, 10)
        before = len(held())
        for _ in range(4):
            system.ok("restart", "-t", "0")
        assert process.wait(lambda: len(held()) <= before + 1, 10), held()
    finally:
        follower.terminate()
        out, _ = follower.communicate(timeout=20)
    assert out.count("here") == 5, out
