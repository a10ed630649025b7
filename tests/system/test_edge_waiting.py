# SPDX-License-Identifier: Apache-2.0
"""How much a request may send and how long a service may be silent, as the routes of a file say."""
import contextlib
import http.client
import time

import pytest

from rig.client import Client, WebSocket
from rig.system import routed, web


def start(system, routes, **x):
    system.file(routed({"web": web()}, https=0, tls="off", routes=routes, **x))
    system.up()
    return Client(8080)


def route(path, **more):
    return {"path": path, "to": "web:8000", "strip_prefix": path != "/", **more}


def refused(system, message, **keys):
    system.file(routed({"web": web()}, https=0, tls="off", routes=[{"path": "/", **keys}]))
    done = system.up_fails(status=2)
    assert message in done.err and "docker-compose.yml:" in done.err, done


def announce(client, path, size):
    """The status of a request whose body is announced and does not come; None: it is awaited."""
    with client.connect() as sock:
        sock.settimeout(1)
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: {client.host}\r\n"
                     f"Content-Length: {size}\r\n\r\n".encode())
        try:
            return int(sock.recv(100).split()[1])
        except TimeoutError:
            return None


def chunked(client, path, size):
    """The status of a body whose length is not announced."""
    with client.connect() as sock:
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: {client.host}\r\nTransfer-Encoding: chunked\r\n"
                     f"\r\n{size:x}\r\n{'x' * size}\r\n0\r\n\r\n".encode())
        return int(sock.recv(100).split()[1])


def test_a_body_may_be_as_large_as_the_route_says(system):
    client = start(system, [route("/"), route("/small", body_limit="1k"),
                            route("/large", body_limit="200m"), route("/any", body_limit=0)])
    mib = 1 << 20
    assert announce(client, "/echo", 100 * mib) is None
    assert announce(client, "/echo", 100 * mib + 1) == 413
    assert announce(client, "/large/echo", 200 * mib) is None
    assert announce(client, "/large/echo", 200 * mib + 1) == 413
    assert announce(client, "/any/echo", 10 ** 15) is None
    assert client.request("POST", "/small/echo", body=b"x" * 1024).status == 200
    assert client.request("POST", "/small/echo", body=b"x" * 1025).status == 413
    assert chunked(client, "/small/echo", 1024) == 200
    assert chunked(client, "/small/echo", 1025) == 413
    refused(system, "body_limit: is only for routes with 'to'", files=".", body_limit="1m")
    refused(system, "body_limit", to="web:8000", body_limit="much")


def test_a_service_may_take_as_long_as_the_route_says(system):
    client = start(system, [route("/"), route("/short", response_timeout="500ms"),
                            route("/shut", connect_timeout="300ms", queue={"limit": 0})])
    assert client.get("/slow?ms=1500").status == 200
    began = time.monotonic()
    assert client.get("/short/slow?ms=1500").status == 504
    assert 0.4 < time.monotonic() - began < 1.4
    assert client.get("/short/slow?ms=100").status == 200
    # the pause of a client's own body is not the service's
    with client.connect() as sock:
        sock.sendall(b"POST /short/echo HTTP/1.1\r\nHost: st.localhost\r\nContent-Length: 8\r\n\r\nhalf")
        time.sleep(1)
        sock.sendall(b"half")
        assert b" 200 " in sock.recv(100)
    for key in ("response_timeout", "connect_timeout", "idle_timeout"):
        refused(system, "must be 1ms to 24h", to="web:8000", **{key: "25h"})
        refused(system, f"{key}: is only for routes with 'to'", redirect="/a", **{key: "1s"})


def test_quiet_streams_last_as_long_as_the_route_says(system):
    """A stream of events is one of those: its pauses are not those of other answers."""
    client = start(system, [route("/", response_timeout="300ms", idle_timeout="4s"),
                            route("/brief", idle_timeout="500ms")])
    assert client.get("/events?ms=1500").body == b"data: 1\n\ndata: 2\n\n"
    with pytest.raises((OSError, http.client.HTTPException)):  # half of an answer
        client.get("/brief/events?ms=1500")
    sockets = [WebSocket(client, "/ws"), WebSocket(client, "/brief/ws")]
    assert all(sock.echo(b"hello") == b"hello" for sock in sockets)
    time.sleep(1.2)
    assert sockets[0].echo(b"there") == b"there"
    with contextlib.suppress(ConnectionResetError):
        assert sockets[1].receive() is None
    for sock in sockets:
        sock.close()
