# SPDX-License-Identifier: Apache-2.0
"""Large transfers through a TCP listener and large answers: every byte arrives, in both directions
at once, with slow readers, half-closed connections, ones that are cut, and targets that lie."""
import hashlib
import os
import socket
import sys
import threading
import time

from lib import apps, tap

PORT = int(os.environ["EDGE_TCP"])
PID = int(os.environ["EDGE_PID"])
BLOCK = os.urandom(1 << 20)
MIB = 48


def send_all(sock, count, pause=0.0):
    for _ in range(count):
        sock.sendall(BLOCK)
        time.sleep(pause)
    sock.shutdown(socket.SHUT_WR)


def receive_all(sock, pause=0.0, size=1 << 18):
    digest, total = hashlib.sha256(), 0
    while data := sock.recv(size):
        digest.update(data)
        total += len(data)
        time.sleep(pause)
    return total, digest.hexdigest()


EXPECTED = (MIB << 20, hashlib.sha256(BLOCK * MIB).hexdigest())


def connect():
    sock = socket.create_connection(("127.0.0.1", PORT))
    sock.settimeout(30)
    return sock


def pipes():
    folder = f"/proc/{PID}/fd"
    return sum(os.readlink(f"{folder}/{fd}").startswith("pipe:") for fd in os.listdir(folder))


def both_ways_at_once():
    got = []

    def application(sock):
        sender = threading.Thread(target=send_all, args=(sock, MIB))
        sender.start()
        got.append(receive_all(sock))
        sender.join()

    apps.serve(application)
    sock = connect()
    sender = threading.Thread(target=send_all, args=(sock, MIB))
    sender.start()
    assert receive_all(sock) == EXPECTED
    sender.join()
    end = time.monotonic() + 5
    while not got and time.monotonic() < end:
        time.sleep(0.01)
    assert got == [EXPECTED]


def a_slow_reader_gets_every_byte():
    apps.serve(lambda sock: send_all(sock, MIB))
    sock = connect()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    assert receive_all(sock, 0.0005, 1 << 17) == EXPECTED


def an_answer_comes_after_the_half_close():
    def application(sock):
        sock.sendall(receive_all(sock)[1].encode())

    apps.serve(application)
    sock = connect()
    send_all(sock, MIB)
    assert sock.recv(100).decode() == EXPECTED[1]


def a_cut_in_the_middle_leaves_nothing_behind():
    def application(sock):
        time.sleep(0.2)
        sock.recv(1)

    apps.serve(application)
    for _ in range(40):
        sock = connect()
        sock.settimeout(0.05)
        try:
            sock.sendall(BLOCK * 12)
        except OSError:
            pass
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    end = time.monotonic() + 5
    while pipes() > 2 * 2 * 16:  # what two workers may keep
        assert time.monotonic() < end, pipes()
        time.sleep(0.05)
    both_ways_at_once()


def get(sock, length):
    sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head, body = apps.receive_head(sock)
    while len(body) < length and (data := sock.recv(1 << 18)):
        body += data
    return head, body


def http():
    sock = socket.create_connection(("127.0.0.1", int(os.environ["EDGE_HTTP"])))
    sock.settimeout(20)
    return sock


def bytes_behind_a_large_answer_are_nobodys_answer():
    def application(sock):
        while True:
            apps.receive_head(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n" + BLOCK
                         + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    apps.serve(application)
    sock = http()
    for _ in range(6):
        _, body = get(sock, 1 << 20)
        assert body == BLOCK, (len(body), body[:20])


def a_large_answer_that_breaks_off_is_cut_off():
    def application(sock):
        apps.receive_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + BLOCK * 2)

    apps.serve(application)
    sock = http()
    try:
        _, body = get(sock, 3000000)
    except ConnectionResetError:
        return
    assert len(body) < 3000000


def many_large_answers_come_on_one_connection():
    def application(sock):
        while True:
            apps.receive_head(sock)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 20) + BLOCK)

    apps.serve(application)
    sock = http()
    for _ in range(50):
        assert get(sock, 1 << 20)[1] == BLOCK


if __name__ == "__main__":
    sys.exit(tap.run([both_ways_at_once, a_slow_reader_gets_every_byte,
                      an_answer_comes_after_the_half_close,
                      a_cut_in_the_middle_leaves_nothing_behind,
                      bytes_behind_a_large_answer_are_nobodys_answer,
                      a_large_answer_that_breaks_off_is_cut_off,
                      many_large_answers_come_on_one_connection]))
