# SPDX-License-Identifier: Apache-2.0
"""Services that are asked by HTTP/2: the keys of a route, and what gRPC needs of them."""
import pathlib
import sys

from rig.system import APPS, routed, service, web

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "edge" / "lib"))
from h2_app import Client  # noqa: E402
from h2_frames import DATA, END_HEADERS, END_STREAM, frame, get  # noqa: E402

ROUTES = [{"path": "/a.Echo/", "to": "h2c://echo:50051"},
          {"path": "/b.Echo/", "to": "echo:50051", "protocol": "h2c", "max_connections": 50},
          {"path": "/", "to": "web:8000"}]


def echo(**x):
    return service("exec python3 /srv/h2_echo.py 50051", volumes=[f"{APPS}:/srv:ro"],
                   expose=["50051"], x=x)


def start(client, stream, path):
    client.send(get(stream, path, method="POST", flags=END_HEADERS, authority="st.localhost:8080",
                    extra=[("content-type", "application/grpc"), ("te", "trailers")]))


def test_grpc_passes_to_a_service_that_speaks_http2(system):
    system.file(routed({"echo": echo(), "web": web()}, https=0, tls="off", routes=ROUTES))
    system.up()
    with Client(port=8080) as client:
        for stream, path in ((1, "/a.Echo/Say"), (3, "/b.Echo/Say")):
            start(client, stream, path)
            assert client.read(lambda: stream in client.statuses), (path, client.resets)
            for i in range(1000):
                client.send(frame(DATA, 0, stream, b"%05d" % i))
                assert client.read(lambda: len(client.bodies.get(stream, b"")) == 5 * (i + 1)), i
            client.send(frame(DATA, END_STREAM, stream))
            assert client.read(lambda: stream in client.ended), client.resets
            fields, flags = client.blocks[stream][1]
            assert fields["grpc-status"] == "0" and flags & END_STREAM, client.blocks
        client.send(get(5, "/health", authority="st.localhost:8080"))
        assert client.read(lambda: 5 in client.ended) and client.statuses[5] == 200
    status, answer = system.machine.call("GET", "/v1/edge")
    named = [meter for meter in answer["meters"] if "echo" in str(meter)]
    assert status == 200 and named, answer


def test_a_call_that_runs_ends_at_the_instance_where_it_began(system):
    system.file(routed({"echo": echo(), "web": web()}, https=0, tls="off", routes=ROUTES))
    system.up()
    with Client(port=8080) as client:
        start(client, 1, "/a.Echo/Say")
        client.send(frame(DATA, 0, 1, b"before"))
        assert client.read(lambda: client.bodies.get(1) == b"before"), client.resets
        first = client.blocks[1][0][0]["x-name"]
        system.file(routed({"echo": {**echo(), "environment": {"NEW": "1"}}, "web": web()}, https=0,
                           tls="off", routes=ROUTES))
        up = system.start("up", "-d")
        start(client, 3, "/a.Echo/Say")
        assert client.read(lambda: 3 in client.statuses, 10), client.resets
        client.send(frame(DATA, END_STREAM, 3, b"x") + frame(DATA, END_STREAM, 1, b" after"))
        assert client.read(lambda: {1, 3} <= client.ended, 10), (client.ended, client.resets)
        assert client.bodies[1] == b"before after", (first, client.bodies)
        assert up.wait() == 0


def test_what_a_route_says_about_its_protocol_is_checked(system):
    for route, extra, expected in (
            ({"to": "h2c://echo:50051", "protocol": "http"}, {}, "'to' says h2c"),
            ({"to": "echo:50051", "protocol": "h2"}, {}, "h2"),
            ({"to": "h2c://echo:50051"}, {"send_proxy": "v2"}, "send_proxy")):
        system.file(routed({"echo": echo(**extra)}, https=0, tls="off",
                           routes=[{"path": "/", **route}]))
        result = system.run("config")
        assert result.status != 0 and expected in result.err, (route, result)
        assert "docker-compose.yml:" in result.err, result
