# SPDX-License-Identifier: Apache-2.0
"""What the routes of a file say about heads, paths, bodies, other sites and passwords."""
import base64
import gzip
import json
import time

from rig.client import Client
from rig.system import routed, web

HASH = "$5$rounds=1000$salt$rloU6KpfKKm9G.NUT4Kh3.lZ3eQ67D/GrlYTTZlly7."  # of "sesame"


def serve(system, routes, **extra):
    """A client of a system with one web service and these routes."""
    system.file(routed({"web": web()}, https=0, routes=routes, tls="off", **extra))
    system.up()
    return Client(8080)


def echo(answer):
    return json.loads(answer.body)


def test_header_rules_of_the_file_change_requests_and_answers(system):
    client = serve(system, [
        {"path": "/", "to": "web:8000", "headers": {
            "request": {"set": {"X-Set": "{host} {client_ip}"}, "default": {"X-Default": "given"},
                        "add": {"X-Id": "{request_id}"}, "remove": ["X-Gone"]},
            "response": {"set": {"Server": "shop"}, "remove": "X-Instance"}}}])
    answer = client.get("/echo", headers={"X-Set": "forged", "X-Gone": "1", "X-Request-Id": "id-7"})
    seen = echo(answer)["headers"]
    assert seen["x-set"] == "st.localhost:8080 127.0.0.1" and "x-gone" not in seen
    assert seen["x-default"] == "given" and seen["x-id"] == "id-7"
    assert answer.headers["Server"] == "shop" and "X-Instance" not in answer.headers


def test_security_headers_can_be_changed_and_left_out(system):
    client = serve(system, [
        {"path": "/", "to": "web:8000", "security_headers": False},
        {"path": "/framed/", "to": "web:8000", "security_headers": {
            "frame_options": "SAMEORIGIN", "xss_protection": False,
            "referrer_policy": "same-origin"}}])
    headers = client.get("/health").headers
    assert "X-Frame-Options" not in headers and "X-Content-Type-Options" not in headers
    headers = client.get("/framed/").headers
    assert headers["X-Frame-Options"] == "SAMEORIGIN" and "X-XSS-Protection" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_paths_are_rewritten_and_redirects_keep_them(system):
    client = serve(system, [
        {"path": "/api/", "to": "web:8000", "strip_prefix": True},
        {"path": "/old/", "to": "web:8000", "rewrite": {"from": "/old/deep/", "to": "/"}},
        {"path": "/", "redirect": {"to": "https://shop.test", "status": 301, "keep_path": True}}])
    seen = echo(client.get("/api/echo?a=1"))
    assert seen["target"] == "/echo?a=1" and seen["headers"]["x-forwarded-prefix"] == "/api"
    assert echo(client.get("/old/deep/echo"))["target"] == "/echo"
    answer = client.get("/a/b?c=d")
    assert answer.status == 301 and answer.headers["Location"] == "https://shop.test/a/b?c=d"


def test_other_sites_may_do_what_cors_says(system):
    client = serve(system, [{"path": "/", "to": "web:8000", "cors": ["https://*.shop.test"]}])
    asked = {"Origin": "https://www.shop.test", "Access-Control-Request-Method": "PUT",
             "Access-Control-Request-Headers": "x-token"}
    answer = client.request("OPTIONS", "/echo", headers=asked)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == "https://www.shop.test"
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "x-token"
    answer = client.get("/echo", headers={"Origin": "https://evil.test"})
    assert answer.status == 200 and "Access-Control-Allow-Origin" not in answer.headers


def test_a_password_protects_a_route(system):
    system.write("people", f"# who may come in\nann:{HASH}\n")
    client = serve(system, [
        {"path": "/", "to": "web:8000", "auth": {"realm": "office", "users_file": "./people"}},
        {"path": "/free/", "to": "web:8000"},
        {"path": "/own/", "to": "web:8000", "strip_prefix": True,
         "auth": {"users": {"bob": HASH.replace("$", "$$")}}}])
    answer = client.get("/echo")
    assert answer.status == 401 and 'realm="office"' in answer.headers["WWW-Authenticate"]
    ann = {"Authorization": "Basic " + base64.b64encode(b"ann:sesame").decode()}
    bob = {"Authorization": "Basic " + base64.b64encode(b"bob:sesame").decode()}
    assert "authorization" not in echo(client.get("/echo", headers=ann))["headers"]
    assert client.get("/echo", headers=bob).status == 401
    assert client.get("/own/echo", headers=bob).status == 200
    assert client.get("/free/").status == 404
    log = (system.machine.state / "access.log").read_text() + system.machine.log_text()
    assert "sesame" not in log and HASH not in log


def test_a_single_page_application_is_served_from_files(system):
    system.write("dist/index.html", "<p>the app")
    system.write("dist/a.js", "code")
    system.write("docs/start.htm", "<p>docs")
    system.write("404.html", "<p>our own page")
    client = serve(system, [
        {"path": "/", "files": "./dist", "spa": True},
        {"path": "/docs/", "files": "./docs", "index": ["start.htm"],
         "try_files": ["{path}", "{path}.htm"], "error_pages": {"404": "./404.html"}}])
    html = {"Accept": "text/html"}
    assert client.get("/a.js").body == b"code"
    assert client.get("/orders/7", headers=html).body == b"<p>the app"
    assert client.get("/b.js").status == 404
    assert client.get("/docs/").body == b"<p>docs"
    assert client.get("/docs/start").body == b"<p>docs"
    answer = client.get("/docs/none", headers=html)
    assert answer.status == 404 and answer.body == b"<p>our own page"


def test_answers_are_compressed_where_the_file_says_so(system):
    client = serve(system, [{"path": "/", "to": "web:8000", "compress": ["gzip"]},
                            {"path": "/plain/", "to": "web:8000", "strip_prefix": True}])
    asked = {"Accept-Encoding": "br, gzip"}
    answer = client.get("/bytes?n=100000", headers=asked)
    assert answer.headers["Content-Encoding"] == "gzip" and len(answer.body) < 10000
    assert gzip.decompress(answer.body) == b"x" * 100000
    assert "Content-Encoding" not in client.get("/plain/bytes?n=100000", headers=asked).headers


def test_the_access_log_is_sampled(system):
    client = serve(system, [{"path": "/", "to": "web:8000", "trace": "on"}],
                   edge={"access_log": {"sample": "0%", "errors": "always"}})
    made = echo(client.get("/echo?unlogged"))["headers"]["traceparent"]
    assert made.startswith("00-") and made.endswith("-01")
    for _ in range(3):
        client.get("/health")
    assert client.get("/crash").status >= 500
    path, until = system.machine.state / "access.log", time.monotonic() + 10
    while "/crash" not in path.read_text() and time.monotonic() < until:
        time.sleep(0.1)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [line for line in lines if line["system"] == system.name]
    assert [line["path"] for line in lines] == ["/crash"]
    assert len(lines[-1]["trace_id"]) == 32


def test_mistakes_in_rules_are_refused_with_their_place(system):
    def refused(route, message):
        system.file(routed({"web": web()}, routes=[{"path": "/", "to": "web:8000", **route}]))
        answer = system.up_fails(status=2)
        assert message in answer.err, answer
        assert "docker-compose.yml:" in answer.err

    refused({"headers": {"request": {"set": {"Host": "x"}}}}, "'Host' is written by the edge")
    refused({"cors": {"origins": ["*"], "credentials": True}}, "may not come with credentials")
    refused({"auth": {"users": {"ann": "sesame"}}}, "is not a hash of a known kind")
    refused({"auth": {"users_file": "./none"}}, "users_file")
    refused({"error_pages": {"404": "./none.html"}}, "none.html")
    refused({"spa": True}, "is only for routes with 'files'")
    refused({"trace": "some"}, "'some' is not a share")


def test_files_that_change_are_taken_over_without_a_command(system, wait):
    """Passwords, pages and a folder that another one took the place of; while it is missing nothing
    is taken over."""
    system.write("people", f"ann:{HASH}\n")
    system.write("404.html", "<p>old page")
    system.write("dist/index.html", "<p>old")
    client = serve(system, [
        {"path": "/", "files": "./dist", "error_pages": {"404": "./404.html"}},
        {"path": "/own/", "to": "web:8000", "strip_prefix": True, "auth": {"users_file": "./people"}}])
    html = {"Accept": "text/html"}

    def status(name):
        word = base64.b64encode(f"{name}:sesame".encode()).decode()
        return client.get("/own/health", headers={"Authorization": f"Basic {word}"}).status

    assert client.get("/").body == b"<p>old" and status("ann") == 200 and status("bob") == 401
    time.sleep(2)  # what `up` began is over: nothing else has the daemon look
    system.write("people", f"bob:{HASH}\n")
    system.write("404.html", "<p>new page, longer")
    (system.folder / "dist").rename(system.folder / "gone")
    time.sleep(6)  # more than the time between two looks
    assert client.get("/").body == b"<p>old"
    system.write("dist/index.html", "<p>new")
    assert wait(lambda: client.get("/").body == b"<p>new", 12)
    assert client.get("/none", headers=html).body == b"<p>new page, longer"
    assert status("ann") == 401 and status("bob") == 200


def test_a_route_for_every_host_answers_where_no_other_host_does(system):
    client = serve(system, [
        {"path": "/", "to": "web:8000"}, {"path": "/echo", "redirect": "/health"},
        {"host": "*", "path": "/", "to": "web:8000"}])
    assert client.get("/echo").status == 308
    for host in ("192.0.2.1", "other.test", "[::1]"):
        answer = Client(8080, host=host).get("/echo")
        assert answer.status == 200 and echo(answer)["headers"]["host"] == f"{host}:8080"
