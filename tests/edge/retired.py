#!/usr/bin/env python3
"""An edge in whose place another one accepts: what goes on may take long, and what nobody will use
again must not wait for that."""
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from apps import Answering  # noqa: E402
from own_rig import run_part, wait_for  # noqa: E402
from tables import RIG, connect, counter, get, receive  # noqa: E402

CLIENTS, TABLES = 40, 50
FOLDER = ("-f", os.environ["EDGE_FILES"])
CACHED = b"c" * 200000


class App(Answering):
    """/tunnel is a tunnel that says all again, /hold is answered when <gate> opens."""

    def __init__(self):
        self.lock, self.open, self.held, self.gate = threading.Lock(), 0, 0, threading.Event()
        super().__init__()

    def serve(self, sock):
        with self.lock:
            self.open += 1
        super().serve(sock)
        sock.close()
        with self.lock:
            self.open -= 1

    def answer(self, sock, head):
        path = head.split()[1]
        if path == "/tunnel":
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                         b"Upgrade: x\r\n\r\n")
            while piece := sock.recv(100):
                sock.sendall(piece)
            return
        if path == "/hold":
            with self.lock:
                self.held += 1
            self.gate.wait(20)
        body = CACHED if path.startswith("/cached") else b"ok"
        sock.sendall(b"HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nContent-Length: %d\r\n\r\n%b"
                     % (len(body), body))


def publish(app, listeners=(1, 2, 4)):
    table = {"listeners": [{"id": i, "kind": "http"} for i in listeners]
             + [{"id": 3, "kind": "tcp", "upstream": 0}],
             "upstreams": [{"name": "test/app",
                            "targets": [{"id": "t", "address": f"127.0.0.1:{app.port}"}]}],
             "routes": [{"system": "test", "path": "/", "upstream": 0},
                        {"system": "test", "path": "/cached", "upstream": 0,
                         "cache": {"default_s": 60}},
                        {"system": "test", "path": "/files", "files_fd": 0}]}
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def send(text):
    subprocess.run([RIG, "send", text], check=True, stdout=subprocess.DEVNULL)


def open_tunnel():
    sock = connect()
    sock.sendall(b"GET /tunnel HTTP/1.1\r\nHost: a.localhost\r\nConnection: upgrade\r\n"
                 b"Upgrade: x\r\n\r\n")
    assert b" 101 " in sock.recv(1000)
    return sock


def says_again(sock):
    sock.sendall(b"again")
    return sock.recv(100) == b"again"


def descriptors():
    return len(os.listdir(f"/proc/{os.environ['EDGE_PID']}/fd"))


def threads():
    return len(os.listdir(f"/proc/{os.environ['EDGE_PID']}/task"))


def retire_with_one_tunnel(app):
    """All workers but the tunnel's have ended, after they had connections to the target."""
    before = threads()
    tunnel = open_tunnel()
    clients = [connect() for _ in range(CLIENTS)]
    for sock in clients:
        sock.sendall(b"GET /hold HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
    wait_for(lambda: app.held == CLIENTS, "all requests at the target")
    app.gate.set()
    for sock in clients:
        assert receive(sock)[0] == 200
        sock.close()
    assert app.open == CLIENTS + 1, app.open
    send('{"type":"retire","drain_ms":600000}')
    wait_for(lambda: threads() == before - 1, "the other worker's end")
    return tunnel


def connections_of_workers_that_ended():
    app = App()
    publish(app)
    with retire_with_one_tunnel(app) as tunnel:
        wait_for(lambda: app.open < CLIENTS + 1, "the end of connections to the target")
        assert says_again(tunnel)


def a_worker_that_ends_closes_its_connections_to_targets_though_others_go_on():
    run_part("connections", "-w", "2", *FOLDER)


def tables_for_workers_that_ended():
    app = App()
    publish(app)
    with retire_with_one_tunnel(app) as tunnel:
        publish(app)
        assert says_again(tunnel)
        before = descriptors()
        for _ in range(TABLES):
            publish(app)
        assert says_again(tunnel)
        wait_for(lambda: descriptors() <= before + 2, f"{before} descriptors, as before the tables")


def a_table_does_not_stay_for_a_worker_that_has_ended():
    run_part("tables", "-w", "2", *FOLDER)


def forward(seconds):
    with open(os.environ["FAULTS"], "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        ahead = struct.unpack_from("=Q", memory)[0] + seconds * 10**9
        struct.pack_into("=Q", memory, 0, ahead)


def the_store_of_a_retired_edge():
    app = App()
    publish(app)
    for i in range(20):
        assert get(f"/cached/{i}")[2] == get(f"/cached/{i}")[2] == CACHED
    full = counter("cache_bytes")
    assert full > 20 * len(CACHED)
    with open_tunnel() as tunnel, connect() as kept:
        assert get("/cached/1", sock=kept)[2] == CACHED
        send('{"type":"retire","drain_ms":600000}')
        assert get("/cached/1", sock=kept)[1]["cache-status"].startswith("ishizue; hit")
        assert counter("cache_bytes") == full
        forward(80)
        wait_for(lambda: counter("cache_bytes") == 0, "an empty store")
        publish(app)
        assert counter("cache_limit_bytes") == 0
        assert says_again(tunnel)


def the_store_of_a_retired_edge_goes_when_no_kept_connection_can_ask_any_more():
    with tempfile.NamedTemporaryFile() as plan:
        plan.truncate(mmap.PAGESIZE)
        os.chmod(plan.name, 0o666)
        run_part("store", *FOLDER, LD_PRELOAD=str(Path(RIG).resolve().parent / "libclock.so"),
                 FAULTS=plan.name, FAULTS_IN=Path(RIG).name)


PARTS = {"connections": connections_of_workers_that_ended,
         "tables": tables_for_workers_that_ended, "store": the_store_of_a_retired_edge}

if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(PARTS[sys.argv[2]]())
    sys.exit(tap.run([a_worker_that_ends_closes_its_connections_to_targets_though_others_go_on,
                      a_table_does_not_stay_for_a_worker_that_has_ended,
                      the_store_of_a_retired_edge_goes_when_no_kept_connection_can_ask_any_more]))
