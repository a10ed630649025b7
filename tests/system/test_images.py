# SPDX-License-Identifier: Apache-2.0
"""What stands in for well-known images."""
import socket
import urllib.request

from rig.system import service


def get(port, path="/"):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return answer.headers, answer.read()


def test_nginx_without_any_file_serves_its_default_page(system):
    system.file({"services": {"web": {"image": "nginx:1.25-alpine", "ports": ["8090:80"]}}})
    system.up()
    headers, body = get(8090)
    assert headers["Server"].startswith("nginx/") and b"nginx" in body
    assert "GET / HTTP/1.1" in system.log("web")


def test_nginx_takes_mounted_files_and_fills_in_templates(system):
    (system.folder / "site").mkdir()
    (system.folder / "site" / "page.css").write_text("p {}\n")
    (system.folder / "templates").mkdir()
    (system.folder / "templates" / "site.conf.template").write_text(
        "server { listen 8000; root /site; add_header X-Site ${SITE}; "
        "location /host { return 200 $host; } }\n")
    system.file({"services": {"web": {
        "image": "nginx", "ports": ["8090:8000"], "environment": {"SITE": "north"},
        "volumes": ["./site:/site:ro", "./templates:/etc/nginx/templates:ro"]}}})
    system.up()
    headers, body = get(8090, "/page.css")
    assert body == b"p {}\n" and headers["Content-Type"] == "text/css"
    assert headers["X-Site"] == "north"
    assert get(8090, "/host")[1] == b"127.0.0.1"


def test_a_bare_system_runs_what_the_file_says(system):
    for image in ("alpine:3.20", "busybox", "debian:bookworm-slim", "ubuntu:24.04"):
        system.file({"services": {"one": dict(service("echo from $$0 here; sleep 100"),
                                              image=image)}})
        system.up()
        assert "here" in system.log("one"), image


def test_memcached_answers(system):
    system.file({"services": {"cache": {"image": "memcached:1.6", "command": ["-m", "16"],
                                        "ports": ["127.0.0.1:8091:11211"]}}})
    system.up()
    with socket.create_connection(("127.0.0.1", 8091), timeout=10) as sock:
        sock.sendall(b"set a 0 0 1\r\nx\r\nget a\r\n")
        file = sock.makefile("rb")
        assert [file.readline() for _ in range(4)] == [b"STORED\r\n", b"VALUE a 0 1\r\n",
                                                       b"x\r\n", b"END\r\n"]
