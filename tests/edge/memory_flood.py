#!/usr/bin/env python3
"""Memory really runs out: the edge may have a few MiB more than it has, and thousands of connections
each make it keep half a request, or half a handshake. It stays the same process, closes who waits,
and serves as before when they are gone; a second flood finds it no weaker.
"""
import os
import re
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from kinds import BROKEN, edge_pid  # noqa: E402
from tables import RIG, Recorder, connect, counter, get, publish, receive  # noqa: E402
from tap import run  # noqa: E402

MIB = 1024 * 1024
MORE_BYTES = 3 * MIB  # than it has at the start, which includes its reserve
HALF = b"GET / HTTP/1.1\r\nHost: a.localhost\r\nX-Long: " + b"x" * 3000
# Of a TLS record the head and a part: a ClientHello of 16 KiB is to come.
HALF_HELLO = b"\x16\x03\x01\x3f\xf0\x01\x00\x3f\xec" + b"\x03\x03" + b"x" * 8000


def data_bytes():
    status = Path(f"/proc/{edge_pid()}/status").read_text()
    return int(re.search(r"VmData:\s+(\d+)", status)[1]) * 1024


def flood(listener, first, wanted=2500):
    """Opens up to <wanted> connections that begin with <first>, until none is let in any more."""
    socks = []
    for _ in range(wanted):
        sock = socket.socket()
        sock.settimeout(0.5)
        try:
            sock.connect(("127.0.0.1", int(os.environ[listener])))
            sock.sendall(first)
        except OSError:
            pass  # it has closed it already, or its queue is full
        socks.append(sock)
    return socks


def becomes_well():
    """Serves, and keeps connections, which it does not while memory is short."""
    until = time.monotonic() + 15
    while time.monotonic() < until:
        try:
            with connect(timeout=1) as sock:
                status, headers, _ = get(sock=sock)
                if status == 200 and headers.get("connection") != "close":
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
                    assert receive(sock)[0] == 200
                    return
        except BROKEN:
            pass
    raise AssertionError("it does not serve as before")


def survives(listener, first):
    pid, before = edge_pid(), counter("memory_short")
    socks = flood(listener, first)
    assert edge_pid() == pid, "the edge has ended"
    shortages = counter("memory_short") - before
    print(f"# {shortages} times short")
    assert shortages > 0, "memory did not run out"
    becomes_well()  # while they are still connected, as far as they are concerned
    for sock in socks:
        sock.close()
    becomes_well()
    assert edge_pid() == pid, "the edge has ended"


def a_flood_of_half_requests_is_shed_and_forgotten():
    survives("EDGE_HTTP", HALF)


def a_second_flood_too():
    survives("EDGE_HTTP", HALF)


def a_flood_of_half_handshakes_too():
    survives("EDGE_HTTPS", HALF_HELLO)


def start_again():
    """This program under a rig of its own, whose edge is limited."""
    publish(Recorder())
    becomes_well()
    limit = data_bytes() + MORE_BYTES
    began = time.monotonic()
    done = subprocess.run(["prlimit", f"--data={limit}:unlimited", RIG, "run", "-w", "2", "--",
                           "python3", __file__, RIG], env={**os.environ, "FLOOD_BEGUN": "1"},
                          stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)
    said, most = done.stderr.count("memory is short: idle"), 2 + (time.monotonic() - began) // 5
    print(f"# {said} lines of the log")
    if done.returncode == 0 and not 0 < said <= most:
        sys.exit("not ok - a worker says at most every ten seconds that memory is short")
    sys.exit(done.returncode)


def main():
    if "FLOOD_BEGUN" not in os.environ:
        start_again()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    publish(Recorder())
    becomes_well()
    sys.exit(run([a_flood_of_half_requests_is_shed_and_forgotten, a_second_flood_too,
                  a_flood_of_half_handshakes_too]))


main()
