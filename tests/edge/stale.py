# SPDX-License-Identifier: Apache-2.0
"""Connections to applications that wait for their next request: what an application says there that
nobody asked for must not become the answer to somebody."""
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap  # noqa: E402
from tables import RIG, connect, publish, receive  # noqa: E402

POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
TIMEOUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow"
LASTING = TIMEOUT.replace(b"Connection: close\r\n", b"")


class App:
    """An application whose part the test plays."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(5)
        self.port = self.listener.getsockname()[1]

    def accept(self):
        sock, _ = self.listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(5)
        return sock

    def is_left_alone(self):
        self.listener.settimeout(0.5)
        try:
            self.listener.accept()
        except TimeoutError:
            return True
        finally:
            self.listener.settimeout(5)
        return False


def read_request(sock, body=b""):
    """Its first line."""
    data = b""
    while not (b"\r\n\r\n" in data and data.endswith(body)):
        piece = sock.recv(65536)
        assert piece, "closed instead of a request"
        data += piece
    return data.split(b"\r\n")[0].decode()


def answer(sock, text):
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text.encode()))


def ask(client, path, method="GET", body=b""):
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    client.sendall(f"{method} {path} HTTP/1.1\r\nHost: a.localhost\r\n{length}\r\n".encode() + body)


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def begin():
    """An application, a client, and a connection of the edge that has answered once."""
    app = App()
    publish(app)
    client = connect()
    ask(client, "/one")
    server = app.accept()
    assert read_request(server) == "GET /one HTTP/1.1"
    answer(server, "one")
    assert receive(client)[2] == b"one"
    return app, client, server


def goes_over_a_new_connection(app, client, first_line, body=b""):
    server = app.accept()
    assert read_request(server, body) == first_line
    answer(server, "two")
    status, _, text = receive(client)
    assert (status, text) == (200, b"two"), (status, text)


def edge_pid():
    done = subprocess.run([RIG, "await", '"event":"ready"'], capture_output=True, text=True, timeout=20)
    return int(re.search(r'"pid": *(\d+)', done.stdout)[1])


def states(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii", errors="replace") as file:
            yield file.read().rsplit(")", 1)[1].split()[0]


class Paused:
    """While the edge stands still, what is sent to it becomes events of one round."""

    def __enter__(self):
        self.pid = edge_pid()
        os.kill(self.pid, signal.SIGSTOP)
        while any(state != "T" for state in states(self.pid)):
            time.sleep(0.005)

    def __exit__(self, *_):
        os.kill(self.pid, signal.SIGCONT)


def what_comes_on_an_idle_connection_closes_it():
    app, client, server = begin()
    server.sendall(POISON)
    assert is_closed(server)
    ask(client, "/two")
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def what_comes_with_an_answer_is_nobodys():
    app, client, server = begin()
    ask(client, "/more")
    assert read_request(server) == "GET /more HTTP/1.1"
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore" + POISON)
    assert receive(client)[2] == b"more"
    assert is_closed(server)
    ask(client, "/two")
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def what_comes_before_a_request_is_not_its_answer_though_the_request_was_seen_first():
    app, client, server = begin()
    with Paused():
        ask(client, "/two")
        server.sendall(POISON)
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def the_same_holds_for_what_cannot_be_repeated():
    app, client, server = begin()
    with Paused():
        ask(client, "/two", "POST", b"body")
        server.sendall(POISON)
    goes_over_a_new_connection(app, client, "POST /two HTTP/1.1", b"body")
    assert is_closed(server), "it was sent there too"


def an_end_before_a_request_costs_it_nothing():
    app, client, server = begin()
    with Paused():
        ask(client, "/two")
        server.close()
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def a_408_that_crosses_the_next_request_is_not_its_answer():
    app, client, server = begin()
    ask(client, "/two")
    assert read_request(server) == "GET /two HTTP/1.1"
    server.sendall(TIMEOUT)
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def a_408_in_two_pieces_is_no_answer_either():
    app, client, server = begin()
    ask(client, "/two")
    assert read_request(server) == "GET /two HTTP/1.1"
    server.sendall(TIMEOUT[:20])
    time.sleep(0.1)
    server.sendall(TIMEOUT[20:])
    goes_over_a_new_connection(app, client, "GET /two HTTP/1.1")


def of_what_must_not_be_repeated_the_client_is_told():
    app, client, server = begin()
    ask(client, "/two", "POST", b"body")
    assert read_request(server, b"body") == "POST /two HTTP/1.1"
    server.sendall(TIMEOUT)
    status, head, text = receive(client)
    assert (status, text, head.get("connection")) == (408, b"slow", "close"), head
    assert app.is_left_alone(), "it was repeated"
    assert is_closed(client)


def what_must_not_be_repeated_is_not_sent_where_the_end_may_be_near():
    app, client, server = begin()
    time.sleep(0.5)
    ask(client, "/two", "POST", b"body")
    goes_over_a_new_connection(app, client, "POST /two HTTP/1.1", b"body")
    assert is_closed(server), "both are kept"


def what_may_be_repeated_is_sent_there():
    app, client, server = begin()
    time.sleep(0.5)
    ask(client, "/two")
    assert read_request(server) == "GET /two HTTP/1.1"
    answer(server, "two")
    assert receive(client)[2] == b"two"
    ask(client, "/three", "POST", b"body")
    assert read_request(server, b"body") == "POST /three HTTP/1.1"
    answer(server, "three")
    assert receive(client)[2] == b"three"


def an_application_may_say_408_itself():
    app, client, server = begin()
    ask(client, "/two")
    assert read_request(server) == "GET /two HTTP/1.1"
    server.sendall(LASTING)
    assert receive(client)[::2] == (408, b"slow")
    assert app.is_left_alone()


def a_408_on_a_new_connection_is_an_answer():
    app = App()
    publish(app)
    client = connect()
    ask(client, "/one")
    server = app.accept()
    assert read_request(server) == "GET /one HTTP/1.1"
    server.sendall(TIMEOUT)
    assert receive(client)[::2] == (408, b"slow")
    assert app.is_left_alone()


def a_408_to_a_body_that_does_not_come_is_an_answer():
    app, client, server = begin()
    client.sendall(b"POST /two HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 10\r\n\r\nhalf ")
    assert read_request(server, b"half ") == "POST /two HTTP/1.1"
    server.sendall(TIMEOUT)
    assert receive(client)[::2] == (408, b"slow")


sys.exit(tap.run([
    what_comes_on_an_idle_connection_closes_it,
    what_comes_with_an_answer_is_nobodys,
    what_comes_before_a_request_is_not_its_answer_though_the_request_was_seen_first,
    the_same_holds_for_what_cannot_be_repeated,
    an_end_before_a_request_costs_it_nothing,
    a_408_that_crosses_the_next_request_is_not_its_answer,
    a_408_in_two_pieces_is_no_answer_either,
    of_what_must_not_be_repeated_the_client_is_told,
    what_must_not_be_repeated_is_not_sent_where_the_end_may_be_near,
    what_may_be_repeated_is_sent_there,
    an_application_may_say_408_itself,
    a_408_on_a_new_connection_is_an_answer,
    a_408_to_a_body_that_does_not_come_is_an_answer,
]))
