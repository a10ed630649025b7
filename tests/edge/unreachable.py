#!/usr/bin/env python3
"""Targets that cannot be asked: they take no connection, or no descriptor is left for one.

Run by edge_rig. What waits for them must keep no worker busy, and harm nobody else.
"""
import json
import os
import resource
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from tables import RIG, Recorder, connect, receive  # noqa: E402

DESCRIPTORS = 100  # of the small edge
GET = b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"
UPGRADE = (b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
           b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")


def publish(address, env=None):
    table = {"listeners": [{"id": 1, "kind": "http"}],
             "upstreams": [{"name": "u", "targets": [{"id": "t1", "address": address}]}],
             "routes": [{"path": "/", "upstream": 0}]}
    subprocess.run([RIG, "table"], input=json.dumps(table), text=True, check=True, env=env,
                   stdout=subprocess.DEVNULL)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def who_waits_for_a_target_that_refuses_at_once_keeps_no_worker_busy():
    for address in ("255.255.255.255:80", "127.0.0.1:1"):  # no such network; a refusal
        publish(address)
        before = cpu_seconds(os.environ["EDGE_PID"])

        def ask(_):
            with connect() as sock:
                sock.sendall(GET)
                return receive(sock)[0]

        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(ask, range(10))) == [502] * 10
        used = cpu_seconds(os.environ["EDGE_PID"]) - before
        assert used < 0.7, f"{address}: {used} s of processor time"


class Tunnels(Recorder):
    """Answers requests, and takes upgrades."""

    def serve(self, sock):
        head = sock.recv(65536)
        while head:
            sock.sendall(UPGRADE[1] if b"websocket" in head
                         else b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            head = sock.recv(65536)
        sock.close()


def small_edge():
    """An edge of its own with few descriptors: its process and its environment."""
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    edge = subprocess.Popen([RIG, "run", "-w", "1", "--", "sh", "-c", "env; echo; read end"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                            preexec_fn=limit)
    env = dict(line.rstrip("\n").split("=", 1) for line in iter(edge.stdout.readline, "\n")
               if line.startswith("EDGE_"))
    return edge, {**os.environ, **env}


def fill(port):
    """WebSockets until nobody is let in any more."""
    held = []
    while len(held) < DESCRIPTORS:
        sock = socket.create_connection(("127.0.0.1", port), timeout=1)
        held.append(sock)
        sock.sendall(UPGRADE[0])
        try:
            if not sock.recv(1000).startswith(b"HTTP/1.1 101"):
                break
        except TimeoutError:
            break
    return held


def descriptors_that_run_out_leave_some_for_those_who_are_there():
    app = Tunnels()
    edge, env = small_edge()
    try:
        port = int(env["EDGE_HTTP"])
        publish(f"127.0.0.1:{app.port}", env)
        early = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
        for sock in early:
            sock.sendall(GET)
            assert receive(sock)[0] == 200
        held = fill(port)
        assert 20 < len(held) < DESCRIPTORS / 2, len(held)
        for sock in early:
            sock.sendall(GET)
        assert [receive(sock)[0] for sock in early] == [200] * 3
        subprocess.run([RIG, "send", '{"type":"stats"}'], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        subprocess.run([RIG, "await", '"descriptors_short":1,'], env=env, check=True,
                       stdout=subprocess.DEVNULL)
        before = cpu_seconds(env["EDGE_PID"])
        time.sleep(1)  # what is measured is this second
        assert cpu_seconds(env["EDGE_PID"]) - before < 0.3, "it is busy with those outside"
        for sock in held:
            sock.close()
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sock:
            sock.sendall(GET)
            assert receive(sock)[0] == 200
    finally:
        edge.communicate("end\n", timeout=20)
    assert edge.returncode == 0, edge.returncode


sys.exit(tap.run([who_waits_for_a_target_that_refuses_at_once_keeps_no_worker_busy,
                  descriptors_that_run_out_leave_some_for_those_who_are_there]))
