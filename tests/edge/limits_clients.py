"""Connections: how many there may be, whose they are by a proxy's word, and how slow."""
import os
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from h2_frames import Connection, DATA, END_HEADERS, frame, get as h2_get  # noqa: E402
from tables import Recorder, connect, expect_counter, get, publish, receive  # noqa: E402

app = Recorder()
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n"


def is_refused(sock=None):
    """By an end or a reset, which may come before connect() returns."""
    try:
        return (sock or connect()).recv(1) == b""
    except ConnectionResetError:
        return True


def last_header(name):
    lines = app.heads[-1].lower().split("\r\n")
    return [line.split(": ", 1)[1] for line in lines if line.startswith(name.lower() + ": ")]


def connections_of_an_address_have_an_end():
    publish(app, listener={"connections_per_ip": 5})
    held = [connect() for _ in range(5)]
    for sock in held:
        assert get(sock=sock)[0] == 200
    for _ in range(3):
        assert is_refused()
    expect_counter("connections_per_ip_exceeded", 3)
    held.pop().close()
    end = time.monotonic() + 5
    while time.monotonic() < end:  # until the edge has seen the end of that one
        try:
            assert get()[0] == 200
            break
        except ConnectionError:
            time.sleep(0.01)
    for sock in held:
        sock.close()


def the_machine_itself_is_spared_where_the_limit_is_the_default():
    publish(app, listener={"connections_per_ip": 1, "spare_loopback": True})
    held = [connect() for _ in range(5)]
    for sock in held:
        assert get(sock=sock)[0] == 200
        sock.close()


def connections_of_a_listener_have_an_end():
    publish(app, listener={"connections": 4})
    held = [connect() for _ in range(4)]
    for sock in held:
        assert get(sock=sock)[0] == 200
    assert is_refused()
    expect_counter("listener_connections_exceeded", 1)
    for sock in held:
        sock.close()


def only_a_trusted_proxy_says_for_whom_it_asks():
    publish(app)
    get(headers=[("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https")])
    assert last_header("X-Real-IP") == ["127.0.0.1"] and last_header("X-Forwarded-Proto") == ["http"]
    publish(app, listener={"trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"]})
    for given, real in (("192.0.2.1", "192.0.2.1"), ("192.0.2.1, 10.1.1.1", "192.0.2.1"),
                        ("6.6.6.6, 192.0.2.1, 10.1.1.1", "192.0.2.1"), ("[2001:db8::1]:80", "2001:db8::1"),
                        ("192.0.2.1:8080", "192.0.2.1"), ("10.1.1.1", "10.1.1.1"),
                        ("6.6.6.6, nonsense, 10.1.1.1", "10.1.1.1"), ("nonsense", "127.0.0.1"),
                        ("6.6.6.6, 192.0.2.1" + ", 10.1.1.1" * 99, "192.0.2.1"),
                        ("192.0.2.1" + ", 10.1.1.1" * 100, "10.1.1.1"),  # more than are read
                        ("", "127.0.0.1"), (", ,", "127.0.0.1")):
        get(headers=[("X-Forwarded-For", given)])
        assert last_header("X-Real-IP") == [real], (given, last_header("X-Real-IP"))
    get(headers=[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "192.0.2.1"),
                 ("X-Forwarded-Proto", "https")])
    assert last_header("X-Real-IP") == ["192.0.2.1"]
    assert last_header("X-Forwarded-Proto") == ["https"]


def limits_count_the_client_behind_a_trusted_proxy():
    limits = {"limits": {"deny": ["192.0.2.0/24"], "rates": [
        {"text": "1/h:1", "requests": 1, "seconds": 3600, "burst": 1}]}}
    publish(app, [limits], listener={"trusted_proxies": ["127.0.0.1"], "connections_per_ip": 1})
    asks = [get(headers=[("X-Forwarded-For", ip)])[0] for ip in (
        "192.0.2.9", "198.51.100.1", "198.51.100.1", "198.51.100.2",
        "2001:db8:0:1::1", "2001:db8:0:1:ffff::2", "2001:db8:0:2::1")]
    assert asks == [403, 200, 429, 200, 200, 429, 200], asks
    held = [connect() for _ in range(3)]  # the proxy's connections are not counted
    assert [get(sock=sock, headers=[("X-Forwarded-For", f"198.51.100.{n}")])[0]
            for n, sock in enumerate(held, 10)] == [200] * 3


def a_proxy_says_by_its_protocol_whose_connection_it_is():
    publish(app, listener={"proxy_protocol": ["127.0.0.1"]})
    v2 = SIGNATURE + b"\x21\x11\0\x0f" + socket.inet_aton("192.0.2.7") + socket.inet_aton(
        "192.0.2.8") + struct.pack(">HH", 4444, 80) + b"\x04\0\0"
    v6 = SIGNATURE + b"\x21\x21\0\x24" + socket.inet_pton(socket.AF_INET6, "2001:db8::7") * 2 + \
        struct.pack(">HH", 4444, 80)
    for header, ip in ((b"PROXY TCP4 192.0.2.5 192.0.2.6 4444 80\r\n", "192.0.2.5"), (v2, "192.0.2.7"),
                       (b"PROXY TCP6 2001:db8::5 2001:db8::6 4444 80\r\n", "2001:db8::5"),
                       (v6, "2001:db8::7"), (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
                       (SIGNATURE + b"\x20\0\0\0", "127.0.0.1")):
        for cut in (0, 1, 13, len(header)):  # in two pieces too
            with connect() as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(header[:cut])
                time.sleep(0.01 if cut else 0)
                sock.sendall(header[cut:] + REQUEST)
                assert receive(sock)[0] == 200
                assert last_header("X-Real-IP") == [ip], (header, last_header("X-Real-IP"))


def tls_comes_behind_the_header():
    publish(app, listener={"proxy_protocol": ["127.0.0.1"]})
    context = ssl.create_default_context(cafile=os.environ["EDGE_CERTIFICATE"])
    with connect("EDGE_HTTPS") as plain:
        plain.sendall(b"PROXY TCP4 192.0.2.55 192.0.2.6 4444 443\r\n")
        with context.wrap_socket(plain, server_hostname="a.localhost") as sock:
            sock.sendall(REQUEST)
            assert receive(sock)[0] == 200 and last_header("X-Real-IP") == ["192.0.2.55"]


def a_wrong_header_of_the_protocol_ends_the_connection():
    publish(app, listener={"proxy_protocol": ["127.0.0.1"]})
    bad = [REQUEST, b"PROXY TCP4 192.0.2.5 192.0.2.6 4444\r\n", b"PROXY TCP4 ::1 ::1 1 1\r\n",
           b"PROXY TCP4 192.0.2.5 192.0.2.6 04444 80\r\n", b"PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n",
           b"PROXY TCP4 192.0.2.5 192.0.2.6 4444 65536\r\n", b"PROXY UNKNOWN\n", b"PROXY " + b"x" * 107,
           SIGNATURE + b"\x11\x11\0\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\0\x0b" + b"\0" * 11,
           SIGNATURE + b"\x21\x12\0\x0c" + b"\0" * 12, SIGNATURE + b"\x21\x11\0\x0e" + b"\0" * 14,
           SIGNATURE + b"\x21\x11\xff\xff"]
    for data in bad:
        with connect() as sock:
            sock.sendall(data)
            assert is_refused(sock), data
    with connect() as sock:
        sock.sendall(b"PROXY TCP4 192")
        sock.shutdown(socket.SHUT_WR)
        assert is_refused(sock)
    expect_counter("proxy_protocol_errors", len(bad) + 1)


def others_need_no_header_and_may_not_send_one():
    publish(app, listener={"proxy_protocol": ["192.0.2.0/24"]})
    assert get()[0] == 200
    with connect() as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.5 192.0.2.6 4444 80\r\n" + REQUEST)
        assert receive(sock)[0] == 400


def a_target_is_told_by_the_protocol_too():
    publish(app, upstream={"send_proxy": 1})
    before = app.connections
    with connect() as sock:
        me = sock.getsockname()
        assert get(sock=sock)[0] == 200 and get(sock=sock)[0] == 200
        line = app.first[-1].split(b"\r\n")[0].decode()
        assert line == f"PROXY TCP4 127.0.0.1 127.0.0.1 {me[1]} {os.environ['EDGE_HTTP']}", line
    assert app.connections == before + 2  # a connection has one client, so it is not kept
    publish(app, upstream={"send_proxy": 2})
    with connect("EDGE_TCP") as sock:
        port = sock.getsockname()[1]
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
        assert app.first[-1][:28] == SIGNATURE + b"\x21\x11\0\x0c" + socket.inet_aton(
            "127.0.0.1") * 2 + struct.pack(">HH", port, int(os.environ["EDGE_TCP"]))


def a_body_that_drips_is_cut_off():
    publish(app)
    start = time.monotonic()
    with connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 100000\r\n\r\n")
        sock.settimeout(0.5)
        answer = b""
        while not answer and time.monotonic() < start + 12:
            sock.sendall(b"x" * 50)  # 100 bytes a second
            try:
                answer = sock.recv(4096)
            except TimeoutError:
                pass
        assert b" 408 " in answer.split(b"\r\n")[0], answer
    assert 4.5 < time.monotonic() - start < 9
    expect_counter("slow_bodies", 1)


def a_body_may_be_slow_where_the_route_allows_it_and_when_it_is_fast_enough():
    publish(app, [{"path": "/slow", "limits": {"body_rate": 0}}, {}])
    for path, piece in (("/slow", 10), ("/", 400)):
        with connect() as sock:
            sock.sendall(f"POST {path} HTTP/1.1\r\nHost: a.localhost\r\n"
                         f"Content-Length: {13 * piece}\r\n\r\n".encode())
            for _ in range(13):
                time.sleep(0.5)
                sock.sendall(b"x" * piece)
            assert receive(sock)[0] == 200
    expect_counter("slow_bodies", 1)


class Pausing:
    """An application that takes a request's head, and of the body nothing for <seconds>."""

    def __init__(self, seconds):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, args=(seconds,), daemon=True).start()

    def serve(self, seconds):
        sock, _ = self.listener.accept()
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(100)
        time.sleep(seconds)
        left = int(data.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) - len(data.split(b"\r\n\r\n", 1)[1])
        while left > 0 and (piece := sock.recv(1 << 20)):
            left -= len(piece)
        if left == 0:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        sock.close()


def time_in_which_the_application_does_not_read_does_not_count():
    piece, count = b"x" * 100000, 200  # more than all buffers on the way hold
    publish(Pausing(6), [{"limits": {"body_rate": 8000000}}])
    with connect() as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: %d\r\n\r\n" % (count * len(piece)))
        for _ in range(count):  # one at a time, so that the edge has read all there is when no more goes on
            sock.sendall(piece)
            time.sleep(0.002)
        assert receive(sock)[0] == 200
    expect_counter("slow_bodies", 1)


def a_stream_of_http2_that_drips_is_cut_off():
    publish(app)
    with Connection() as client:
        client.send(h2_get(1, flags=END_HEADERS, method="POST",
                           extra=[("content-length", "100000")]))
        end = time.monotonic() + 12
        while 1 not in client.statuses and time.monotonic() < end:
            client.send(frame(DATA, 0, 1, b"x" * 50))
            client.read(lambda: 1 in client.statuses, 0.5)
        assert client.statuses.get(1) == 408, client.statuses
    expect_counter("slow_bodies", 2)


if __name__ == "__main__":
    sys.exit(tap.run([
        connections_of_an_address_have_an_end,
        the_machine_itself_is_spared_where_the_limit_is_the_default,
        connections_of_a_listener_have_an_end,
        only_a_trusted_proxy_says_for_whom_it_asks,
        limits_count_the_client_behind_a_trusted_proxy,
        a_proxy_says_by_its_protocol_whose_connection_it_is,
        tls_comes_behind_the_header,
        a_wrong_header_of_the_protocol_ends_the_connection,
        others_need_no_header_and_may_not_send_one,
        a_target_is_told_by_the_protocol_too,
        a_body_that_drips_is_cut_off,
        a_body_may_be_slow_where_the_route_allows_it_and_when_it_is_fast_enough,
        time_in_which_the_application_does_not_read_does_not_count,
        a_stream_of_http2_that_drips_is_cut_off,
    ]))
