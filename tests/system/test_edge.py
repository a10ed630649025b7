# SPDX-License-Identifier: Apache-2.0
"""The front of a system: TLS, redirects, headers, files, WebSockets, published ports."""
import errno
import hashlib
import http.client
import json
import socket
import ssl
import subprocess

import pytest

from rig.client import Client, WebSocket
from rig.system import routed, sleeper, web


@pytest.fixture
def shop(system, authority):
    """A system with one web service behind the edge, and a client that trusts it."""
    system.file(routed({"web": web()}))
    system.up()
    system.client = Client(8443, trust=authority)
    return system


def test_tls_verifies_with_the_printed_authority_and_not_without(shop):
    assert shop.client.get("/health").status == 200
    stranger = Client(8443)
    stranger.context = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.get("/health")
    sock = shop.client.connect()
    assert sock.version() in ("TLSv1.2", "TLSv1.3")
    names = [name for _, name in sock.getpeercert()["subjectAltName"]]
    assert "st.localhost" in names
    sock.close()


def test_curl_is_content_with_the_certificate(shop, tmp_path):
    ca = tmp_path / "ca.pem"
    ca.write_text(shop.machine.ok("ca").out)
    done = subprocess.run(["curl", "-sS", "--cacert", str(ca), "--resolve",
                           "st.localhost:8443:127.0.0.1", "https://st.localhost:8443/health"],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout == "fine\n", done.stderr


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_versions_are_refused(shop):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", 8443), 5) as sock, pytest.raises(OSError):
        context.wrap_socket(sock, server_hostname="st.localhost")


def test_plain_http_is_sent_to_https_with_path_and_query(shop):
    answer = Client(8080).get("/a/b?c=d%20e")
    assert answer.status == 308
    assert answer.headers["Location"] == "https://st.localhost:8443/a/b?c=d%20e"


def test_answers_carry_the_security_headers(shop):
    for path in ("/health", "/no-such-page"):
        headers = shop.client.get(path).headers
        assert "max-age=" in headers["Strict-Transport-Security"]
        assert headers["X-Frame-Options"] in ("DENY", "SAMEORIGIN")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-XSS-Protection"]


def test_each_request_has_an_id_that_the_backend_sees_too(shop):
    own = json.loads(shop.client.get("/echo").body)["headers"]["x-request-id"]
    assert len(own) >= 8
    other = json.loads(shop.client.get("/echo").body)["headers"]["x-request-id"]
    assert own != other


def test_hop_by_hop_headers_end_at_the_edge(shop):
    sent = {"Connection": "close, X-Private", "X-Private": "1", "X-Public": "2"}
    seen = json.loads(shop.client.get("/echo", headers=sent).body)["headers"]
    assert "x-private" not in seen and seen["x-public"] == "2"


def test_another_host_is_not_answered_by_this_system(shop, authority):
    answer = shop.client.get("/health", headers={"Host": "other.localhost"})
    assert answer.status in (404, 421)


def test_connections_are_kept_and_reused(shop):
    sock = shop.client.connect()
    for _ in range(5):
        assert shop.client.get("/health", sock=sock).status == 200
    sock.close()


def test_large_bodies_go_through_both_ways(shop):
    size = 20 << 20
    answer = shop.client.get(f"/bytes?n={size}")
    assert len(answer.body) == size
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(b"x" * size).digest()
    sent = shop.client.request("POST", "/echo", body=b"y" * size)
    assert json.loads(sent.body)["bytes"] == size


def test_a_chunked_body_arrives_whole(shop):
    sock = shop.client.connect()
    chunks = b"".join(b"%x\r\n%s\r\n" % (n, b"z" * n) for n in (1, 100, 70000))
    sock.sendall(b"POST /echo HTTP/1.1\r\nHost: st.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                 + chunks + b"0\r\n\r\n")
    answer = http.client.HTTPResponse(sock, method="POST")
    answer.begin()
    assert json.loads(answer.read())["bytes"] == 70101
    sock.close()


def test_a_websocket_goes_through_tls_and_the_edge(shop):
    socket_ = WebSocket(shop.client)
    assert socket_.echo(b"hello") == b"hello"
    assert socket_.echo(b"x" * 20000) == b"x" * 20000
    socket_.close()


def test_a_websocket_lives_on_while_another_service_is_replaced(system, authority):
    compose = routed({"web": web(), "idle": sleeper(environment={"N": "1"})})
    system.file(compose)
    system.up()
    open_one = WebSocket(Client(8443, trust=authority))
    assert open_one.echo(b"before") == b"before"
    compose["services"]["idle"]["environment"]["N"] = "2"
    system.file(compose)
    system.up()
    assert open_one.echo(b"after") == b"after"
    open_one.close()


def test_smuggled_requests_are_refused(shop):
    sock = shop.client.connect()
    sock.sendall(b"POST / HTTP/1.1\r\nHost: st.localhost\r\nContent-Length: 5\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n")
    received = b""
    while data := sock.recv(65536):
        received += data
    assert received.startswith(b"HTTP/1.1 400") and received.count(b"HTTP/1.1 ") == 1
    sock.close()


def test_a_head_that_is_too_large_is_refused(shop):
    assert shop.client.get("/health", headers={"X-Long": "x" * 40000}).status == 431


def test_files_are_served_from_a_folder_and_nothing_above_it(system, authority):
    system.write("static/style.css", "body { color: red }\n")
    system.write("static/.secret", "hidden")
    system.write("outside.txt", "not for the net")
    (system.folder / "static" / "link").symlink_to("../outside.txt")
    system.file(routed({"web": web()}, routes=[
        {"path": "/static/", "files": "./static", "cache_control": "public, max-age=60"},
        {"path": "/", "to": "web:8000"}]))
    system.up()
    client = Client(8443, trust=authority)
    answer = client.get("/static/style.css")
    assert answer.status == 200 and answer.body == b"body { color: red }\n"
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    again = client.get("/static/style.css", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and again.body == b""
    part = client.get("/static/style.css", headers={"Range": "bytes=0-3"})
    assert part.status == 206 and part.body == b"body"
    for path in ("/static/.secret", "/static/link", "/static/../outside.txt",
                 "/static/%2e%2e/outside.txt", "/static/missing"):
        answer = client.get(path)
        assert answer.status in (400, 404) and b"not for the net" not in answer.body, path


def test_the_longest_path_wins(system, authority):
    system.file(routed({"web": web(), "api": web(8001)}, routes=[
        {"path": "/", "to": "web:8000"}, {"path": "/echo/api/", "to": "api:8001"},
        {"path": "/old", "redirect": "https://example.com/new"}]))
    system.up()
    client = Client(8443, trust=authority)
    front = client.get("/echo").headers["X-Instance"]
    back = client.get("/echo/api/x").headers["X-Instance"]
    assert front != back and back is not None
    moved = client.get("/old")
    assert moved.status in (301, 302, 307, 308)
    assert moved.headers["Location"] == "https://example.com/new"


def test_a_published_port_passes_tcp_through_on_every_address(system, net):
    system.file({"services": {"web": web(ports=["8090:8000"])}})
    system.up()
    assert Client(8090).get("/health").status == 200
    assert Client(8090, address="::1").get("/health").status == 200
    with net.outside():
        assert Client(8090, address=net.address).get("/health").status == 200


def test_a_port_published_on_one_address_is_not_open_on_another(system, net):
    system.file({"services": {"web": web(ports=["127.0.0.1:8090:8000"])}})
    system.up()
    assert Client(8090).get("/health").status == 200
    with net.outside(), pytest.raises(ConnectionRefusedError):
        Client(8090, address=net.address).get("/health")


def test_a_port_that_says_http_is_answered_as_http(system):
    system.file({"services": {"web": web(ports=[
        {"published": "8090", "target": 8000, "app_protocol": "http"}])}})
    system.up()
    seen = json.loads(Client(8090).get("/echo").body)["headers"]
    assert seen["x-forwarded-for"] == "127.0.0.1" and seen["x-forwarded-proto"] == "http"


def test_a_port_is_closed_after_down(system, wait):
    system.file({"services": {"web": web(ports=["8090:8000"])}})
    system.up()
    system.down()

    def is_refused():
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", 8090)) == errno.ECONNREFUSED

    assert wait(is_refused, 2)


def test_the_edge_is_unprivileged_and_confined(machine):
    status = dict(line.split(":\t", 1) for line in
                  open(f"/proc/{machine.edge_pid()}/status", encoding="utf-8").read().splitlines()
                  if ":\t" in line)
    assert status["Uid"].split()[0] != "0" and status["Groups"].strip() == ""
    assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapAmb"))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
