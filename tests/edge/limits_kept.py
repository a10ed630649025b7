#!/usr/bin/env python3
"""What a worker keeps for the next request has an end: connections to a target, and pipes."""
import contextlib
import os
import resource
import selectors
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import h2_frames  # noqa: E402
import tap  # noqa: E402
from apps import Listening  # noqa: E402
from own_rig import run_part, wait_for  # noqa: E402
from tables import OK, connect, counter, publish, receive  # noqa: E402

IDLE_MAX, PIPES_MAX = 1024, 16
CLIENTS, STREAMS = 10, 120  # more than IDLE_MAX together
TUNNELS, LARGE = 24, 8 << 20


class Crowd:
    """Takes any number of connections in one thread, and answers when it is told to."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = self.listener.getsockname()[1]
        self.open, self.asked = set(), []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        selector = selectors.DefaultSelector()
        selector.register(self.listener, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                self.take(selector, key.fileobj)

    def take(self, selector, sock):
        if sock is self.listener:
            accepted, _ = sock.accept()
            self.open.add(accepted)
            selector.register(accepted, selectors.EVENT_READ)
        elif sock.recv(65536):
            self.asked.append(sock)
        else:
            selector.unregister(sock)
            self.open.discard(sock)
            sock.close()

    def answer(self):
        asked, self.asked = self.asked, []
        for sock in asked:
            sock.sendall(OK)


def idle_connections():
    crowd = Crowd()
    publish(crowd)
    clients = [h2_frames.Connection() for _ in range(CLIENTS)]
    for client in clients:
        client.send(b"".join(h2_frames.get(2 * i + 1) for i in range(STREAMS)))
    wait_for(lambda: len(crowd.asked) == CLIENTS * STREAMS, "all requests at once", 20)
    assert len(crowd.open) == CLIENTS * STREAMS
    crowd.answer()
    for client in clients:
        assert client.read(lambda: len(client.ended) == STREAMS), len(client.ended)
        assert set(client.statuses.values()) == {200}, client.statuses
    wait_for(lambda: len(crowd.open) == IDLE_MAX, "the others are closed")
    made = counter("target_connections")
    with connect() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        wait_for(lambda: crowd.asked, "one more request")
        crowd.answer()
        assert receive(sock)[0] == 200
    assert (counter("target_connections"), len(crowd.open)) == (made, IDLE_MAX)


def a_target_is_left_with_1024_idle_connections():
    run_part("idle_connections")


class Large(Listening):
    def serve(self, sock):
        sock.recv(1)
        sock.sendall(b"x" * LARGE)
        sock.close()


def pipes():
    """Ends of pipes that the edge has open."""
    folder, count = f"/proc/{os.environ['EDGE_PID']}/fd", 0
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(f"{folder}/{fd}").startswith("pipe:")
    return count


def read_bytes(sock, count):
    while count > 0 and (piece := sock.recv(min(count, 65536))):
        count -= len(piece)
    assert count == 0, count


def idle_pipes():
    publish(Large())
    before, socks = pipes(), []
    for _ in range(TUNNELS):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        sock.settimeout(10)
        sock.connect(("127.0.0.1", int(os.environ["EDGE_TCP"])))
        sock.sendall(b"x")
        socks.append(sock)
    for sock in socks:
        read_bytes(sock, 1 << 20)
    wait_for(lambda: pipes() - before > 2 * PIPES_MAX, "more pipes than may be kept")
    for sock in socks:
        read_bytes(sock, LARGE - (1 << 20))
        assert sock.recv(1) == b""
        sock.close()
    wait_for(lambda: pipes() - before == 2 * PIPES_MAX, "the others are closed")


def a_worker_is_left_with_16_pipes():
    run_part("idle_pipes")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        sys.exit({"idle_connections": idle_connections, "idle_pipes": idle_pipes}[sys.argv[2]]())
    sys.exit(tap.run([a_target_is_left_with_1024_idle_connections, a_worker_is_left_with_16_pipes]))
