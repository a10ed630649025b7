"""Every kind of work the edge does, once, as a client that may find any of it broken: for tests that
break something and then look whether all is well again."""
import os
import re
import socket
import ssl
import threading
import time
from pathlib import Path

import h2_frames
from tables import connect, expect_counter, receive

BROKEN = (OSError, AssertionError, IndexError, ValueError)

# ---- the application: answers, echoes tunnels ----


def serve(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
            while b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                if b"pgrade: websocket" in head:
                    sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                                 b"Upgrade: websocket\r\n\r\n")
                    echo(sock, data)
                    return
                length = re.search(rb"(?i)content-length: (\d+)", head)
                left = int(length[1]) if length else 0
                while len(data) < left:
                    if not (piece := sock.recv(65536)):
                        return
                    data += piece
                data = data[left:]
                size = 200000 if b"/large" in head else 2
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"o" * size)
    except OSError:
        pass
    finally:
        sock.close()


def echo(sock, first):
    sock.sendall(first)
    while piece := sock.recv(65536):
        sock.sendall(piece)


def application():
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept():
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=serve, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


# ---- what clients do ----

HEAD = b"Host: a.localhost\r\n"


def two_requests():
    with connect(timeout=1) as sock:
        for _ in range(2):
            sock.sendall(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert receive(sock)[0] == 200


def an_upload():
    with connect(timeout=1) as sock:
        sock.sendall(b"POST /large HTTP/1.1\r\n" + HEAD + b"Content-Length: 300000\r\n\r\n")
        sock.sendall(b"x" * 300000)
        assert receive(sock)[0] == 200


def small_and_large_files():
    with connect(timeout=1) as sock:
        for name in (b"hello.txt", b"large.bin"):
            sock.sendall(b"GET /files/" + name + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
            assert receive(sock)[0] == 200


def tls():
    context = ssl._create_unverified_context()
    with connect("EDGE_HTTPS", 1) as plain, context.wrap_socket(
            plain, server_hostname="a.localhost") as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert receive(sock)[0] == 200


def a_websocket():
    with connect(timeout=1) as sock:
        sock.sendall(b"GET /ws HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                     b"\r\n")
        assert b" 101 " in sock.recv(4096)
        for _ in range(3):
            sock.sendall(b"\x81\x05hello")
            assert sock.recv(4096)


def a_tcp_connection():
    with connect("EDGE_TCP", 1) as sock:
        sock.sendall(b"GET /large HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert receive(sock)[0] == 200


def http2():
    with h2_frames.Connection() as client:
        client.send(h2_frames.get(1, authority="a.localhost") +
                    h2_frames.get(3, authority="a.localhost"))
        client.read(lambda: len(client.ended) == 2, 1)
        assert client.statuses.get(1) == client.statuses.get(3) == 200, client.statuses


KINDS = (two_requests, an_upload, small_and_large_files, tls, a_websocket, a_tcp_connection, http2)


def go_through_all():
    """As a client that may find any of it broken."""
    for kind in KINDS:
        try:
            kind()
        except BROKEN:
            pass


def works(kind):
    """A target that failed a moment ago is left alone for a second."""
    try:
        kind()
    except BROKEN:
        time.sleep(1.1)
        kind()


def nothing_is_broken():
    for kind in KINDS:
        works(kind)
    expect_counter("connections_open", 0)


def edge_pid():
    rig = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[1])
    pids = Path(f"/proc/{rig}/task/{rig}/children").read_text().split()
    return next(int(pid) for pid in pids if int(pid) != os.getpid())


def descriptors():
    return len(os.listdir(f"/proc/{edge_pid()}/fd"))


def resident_kib():
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{edge_pid()}/status").read_text())[1])
