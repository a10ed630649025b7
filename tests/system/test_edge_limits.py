# SPDX-License-Identifier: Apache-2.0
"""What clients may not do, as a compose file says it: rates, addresses, sizes, proxies in front and
certificates of clients."""
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import time

import pytest

from rig.client import Client
from rig.system import APPS, routed, service, web


def start(system, routes=None, services=None, **x):
    system.file(routed({"web": web(), **(services or {})}, routes=routes, **x))
    system.up()


def route(path="/", **more):
    return {"path": path, "to": "web:8000", **more}


def statuses(client, count, path="/health", **options):
    return [client.get(path, **options).status for _ in range(count)]


def refused(system, message, routes=None, **x):
    system.file(routed({"web": web()}, routes=routes, **x))
    done = system.up_fails(status=2)
    assert message in done.err, done
    assert "docker-compose.yml:" in done.err


def test_a_rate_holds_for_each_client_and_a_dry_run_only_counts(system, authority):
    start(system, [route("/", rate_limit="1/h:3 per ip"),
                   route("/dry", rate_limit="1/h:1", rate_limit_dry_run=True),
                   route("/key", rate_limit=["1000/s per route", "1/h:1 per header:X-Key"])])
    client = Client(8443, trust=authority)
    assert statuses(client, 4) == [200, 200, 200, 429]
    answer = client.get("/health")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert answer.headers["RateLimit-Policy"] == '"1/h:3 per ip";q=3;w=10800'
    assert 429 not in statuses(client, 3, "/dry")
    assert [client.get("/key", headers={"X-Key": key}).status == 429 for key in "aab"] == [
        False, True, False]
    for text in ("20", "20/d", "0/s", "20/s:0", "20/s per moon", "20/s per header", "20/s  per ip"):
        refused(system, "write RATE/s", [route("/", rate_limit=text)])


def test_addresses_are_allowed_and_denied(system, authority):
    start(system, [route("/"), route("/in", allow=["127.0.0.0/8", "::1"]),
                   route("/out", deny="127.0.0.1"), route("/some", allow="10.0.0.0/8")])
    client = Client(8443, trust=authority)
    assert [client.get(path).status for path in ("/in", "/out", "/some", "/")] == [404, 403, 403, 404]
    refused(system, "has bits behind its prefix", [route("/", deny=["10.0.0.1/8"])])
    refused(system, "is no range of addresses", [route("/", allow=["moon"])])


def test_connections_have_an_end_and_long_requests_are_refused(system):
    start(system, [route("/"), route("/short", url_limit=20, header_limit="300b")], tls="off",
          edge={"connections_per_ip": 20, "connections": 30, "url_limit": "1k", "header_limit": "2k"})
    client = Client(8080)
    assert client.get("/" + "x" * 1100).status == 414
    assert client.get("/", headers={"X": "y" * 2100}).status == 431
    assert client.get("/short/" + "x" * 20).status == 414
    assert client.get("/short", headers={"X": "y" * 300}).status == 431
    held = [client.connect() for _ in range(20)]
    assert all(client.get("/health", sock=sock).status == 200 for sock in held)
    with pytest.raises((OSError, http.client.HTTPException)):
        client.get("/health")
    for sock in held:
        sock.close()
    refused(system, "must be 1 to 16384 bytes", tls="off", edge={"url_limit": "17k"})
    refused(system, "must be 0 to 10000000", tls="off", edge={"connections": 10000001})


def test_a_body_that_drips_is_cut_off_unless_the_route_allows_it(system):
    start(system, [route("/"), route("/stream", body_rate=0)], tls="off")
    lines = {}
    socks = {path: Client(8080).connect() for path in ("/", "/stream")}
    for path, sock in socks.items():
        sock.sendall(f"POST {path} HTTP/1.1\r\nHost: st.localhost\r\nContent-Length: 9000\r\n\r\n".encode())
        sock.settimeout(0.01)
    end = time.monotonic() + 9
    while len(lines) < 1 and time.monotonic() < end:
        time.sleep(0.25)
        for path, sock in socks.items():
            sock.sendall(b"x" * 10)
            try:
                lines[path] = sock.recv(100).split(b"\r\n")[0]
            except TimeoutError:
                pass
    assert lines == {"/": b"HTTP/1.1 408 Request Timeout"}
    for sock in socks.values():
        sock.close()


def echoed(client, **options):
    return json.loads(client.get("/echo", **options).body)["headers"]


def test_a_proxy_in_front_says_for_whom_it_asks(system):
    start(system, [route("/", deny="192.0.2.66")], tls="off", edge={"trusted_proxies": ["127.0.0.0/8"]})
    client = Client(8080)
    seen = echoed(client, headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7", "X-Forwarded-Proto": "https"})
    assert seen["x-real-ip"] == "192.0.2.7" and seen["x-forwarded-proto"] == "https"
    assert client.get("/", headers={"X-Forwarded-For": "192.0.2.66"}).status == 403
    start(system, tls="off")
    assert echoed(client, headers={"X-Forwarded-For": "192.0.2.7"})["x-real-ip"] == "127.0.0.1"


def proxied(version):
    return service("exec python3 /srv/proxied.py 7000", volumes=[f"{APPS}:/srv:ro"], expose=[7000],
                   ports=["8090:7000"], x={"send_proxy": version,
                                             "health": {"path": "/", "port": 7000, "interval": "1s"}})


def test_the_proxy_protocol_goes_in_and_out(system):
    start(system, [route("/"), {"path": "/proxied", "to": "proxied:7000"}], {"proxied": proxied("v1")},
          tls="off", edge={"proxy_protocol": ["127.0.0.1"]})
    client = Client(8080)
    sock = client.connect()
    sock.sendall(b"PROXY TCP4 192.0.2.5 192.0.2.6 4444 80\r\n")
    assert json.loads(client.get("/echo", sock=sock).body)["headers"]["x-real-ip"] == "192.0.2.5"
    assert client.get("/proxied", sock=sock).body.startswith(b"PROXY TCP4 192.0.2.5 127.0.0.1 0 8080")
    with pytest.raises((OSError, http.client.HTTPException)):
        client.get("/echo")  # from there only with the header
    start(system, [route("/"), {"path": "/proxied", "to": "proxied:7000"}], {"proxied": proxied("v2")},
          tls="off")
    assert client.get("/proxied").body == b""  # version 2 begins with an empty line
    with socket.create_connection(("127.0.0.1", 8090), 5) as sock:
        sock.sendall(b"hello\r\n")
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK")


def openssl(folder, *args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=folder)


def make_client(folder, authority, name):
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    if not (folder / f"{authority}.pem").exists():
        openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", f"/CN={authority}",
                "-keyout", f"{authority}.key", "-out", f"{authority}.pem")
    openssl(folder, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey",
            f"{authority}.key", "-set_serial", "7", "-days", "2", "-out", f"{name}.pem")


def test_client_certificates_are_asked_for_where_the_route_says(system, authority):
    folder = pathlib.Path(system.folder)
    make_client(folder, "staff", "ann")
    make_client(folder, "strangers", "eve")
    routes = [{"host": "admin.localhost", "client_certificate": "required", **route("/")},
              {"host": "st.localhost", **route("/")}]
    start(system, routes, tls={"client_ca": "./staff.pem"})
    for name, status in (("ann", 200), ("eve", 403), (None, 403)):
        client = Client(8443, host="admin.localhost", trust=authority)
        if name:
            client.context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        assert client.get("/health").status == status, name
        if name == "ann":
            seen = echoed(client, headers={"X-Client-Cert-Subject": "CN=root"})
            assert seen["x-client-cert-subject"] == "CN=ann"
            assert seen["x-client-cert-verify"] == "SUCCESS"
    other = Client(8443, trust=authority)
    assert other.get("/health").status == 200
    assert other.get("/health", headers={"Host": "admin.localhost"}).status == 421
    refused(system, "write x-ishizue.tls: {client_ca: FILE}", routes)
    refused(system, "must be auto, off or", routes, tls={"certificate": "a.pem", "client_ca": "staff.pem"})


def test_sessions_of_tls_outlive_the_edge(system, authority):
    start(system)
    client = Client(8443, trust=authority)
    sock = client.connect()
    assert client.get("/health", sock=sock).status == 200
    session = sock.session
    sock.close()
    system.machine.expect_log(r"edge: ended with status")
    subprocess.run(["kill", "-9", str(system.machine.edge_pid())], check=True)
    end = time.monotonic() + 20
    while True:
        try:
            plain = socket.create_connection(("127.0.0.1", 8443), 5)
            sock = client.context.wrap_socket(plain, server_hostname="st.localhost", session=session)
            break
        except (OSError, ssl.SSLError):
            assert time.monotonic() < end, "there is no edge again"
            time.sleep(0.1)
    assert sock.session_reused
    sock.close()


def make_stapled(folder):
    """A certificate for st.localhost, and a response of its authority that it is good."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *key, "-days", "2", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, "req", *key, "-subj", "/CN=st", "-addext", "subjectAltName=DNS:st.localhost",
            "-keyout", "st.key", "-out", "st.csr")
    openssl(folder, "x509", "-req", "-in", "st.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "100",
            "-days", "2", "-copy_extensions", "copy", "-out", "st.pem")
    (folder / "index.txt").write_text("V\t351231235959Z\t\t64\tunknown\t/CN=st\n")
    openssl(folder, "ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem",
            "-issuer", "ca.pem", "-cert", "st.pem", "-respout", "st.der", "-ndays", "1")


def stapled():
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:8443", "-servername", "st.localhost",
                           "-status"], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return b"Cert Status: good" in done.stdout


def test_the_response_of_the_authority_is_stapled(system):
    folder = pathlib.Path(system.folder)
    make_stapled(folder)
    files = {"certificate": "./st.pem", "key": "./st.key", "ocsp": "./st.der"}
    start(system, tls=files)
    assert stapled()
    (folder / "st.der").write_bytes(b"nonsense")
    refused_now = system.up_fails(status=2)
    assert "the OCSP response is not one" in refused_now.err
    # What runs goes on without it as soon as the table is made again.
    assert Client(8443, trust=(folder / "ca.pem").read_text()).get("/health").status == 200
    end = time.monotonic() + 10
    while stapled():
        assert time.monotonic() < end
        time.sleep(0.1)
    assert "the certificate is used without it" in system.machine.log_since_mark()


def make_pair(folder, name, *hosts):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-days", "2", "-subj", f"/CN={name}", "-addext",
            "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts),
            "-keyout", f"{name}.key", "-out", f"{name}.pem")
    return {"certificate": f"./{name}.pem", "key": f"./{name}.key"}


def test_hosts_of_one_file_have_certificates_of_their_own(system, authority):
    folder = pathlib.Path(system.folder)
    routes = [route("/"), {"host": "shop.example", **route("/")}, {"host": "www.shop.example", **route("/")},
              {"host": "other.example", **route("/")}]
    shop = {"hosts": ["shop.example", "www.shop.example"], **make_pair(folder, "shop", "shop.example",
                                                                       "www.shop.example")}
    other = {"hosts": "other.example", **make_pair(folder, "other", "other.example")}
    start(system, routes, certificates=[shop, other])
    for host, trust in (("st.localhost", authority), ("shop.example", "shop.pem"),
                        ("www.shop.example", "shop.pem"), ("other.example", "other.pem")):
        text = trust if trust == authority else (folder / trust).read_text()
        assert Client(8443, host=host, trust=text).get("/health").status == 200, host
    make_pair(folder, "other", "other.example")  # as if it was renewed
    end = time.monotonic() + 15
    while True:
        try:
            renewed = Client(8443, host="other.example", trust=(folder / "other.pem").read_text())
            assert renewed.get("/health").status == 200
            break
        except ssl.SSLError:
            assert time.monotonic() < end, "the one before is still there"
            time.sleep(0.2)
    refused(system, "no route has the host 'else.example'", routes,
            certificates=[{**shop, "hosts": ["else.example"]}])
    refused(system, "needs 'hosts', 'certificate' and 'key'", routes,
            certificates=[{"hosts": ["shop.example"], "key": "./shop.key"}])
