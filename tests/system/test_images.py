# SPDX-License-Identifier: Apache-2.0
"""What stands in for well-known images."""
import pathlib
import socket
import urllib.request

import pytest

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


def test_a_secret_of_the_images_user_is_readable_to_it_alone(system):
    system.write("key.pem", "opened\n")
    files = [{"source": "key", "target": f"/run/{number}", "uid": str(number), "gid": str(number),
              "mode": 0o400} for number in (101, 102)]
    system.file({"services": {"web": {"image": "nginx", "secrets": files}},
                 "secrets": {"key": {"file": "./key.pem"}}})
    system.up()
    assert system.execute("web", "cat", "/run/101").out == "opened\n"
    assert system.execute("web", "cat", "/run/102").status != 0
    assert system.execute("web", "stat", "-c", "%U %a", "/run/101").out == "nginx 400\n"


def test_a_bare_system_runs_what_the_file_says(system):
    for image in ("alpine:3.20", "busybox", "debian:bookworm-slim", "ubuntu:24.04"):
        system.file({"services": {"one": dict(service("echo from $$0 here; sleep 100"),
                                              image=image)}})
        system.up()
        assert "here" in system.log("one"), image


def test_python_has_the_name_it_has_in_the_image(system):
    system.file({"services": {"one": {"image": "python:3.12-slim",
                                      "command": "python -c 'import sys; print(sys.argv)'"}}})
    system.run("up", "-d")
    system.wait_instance("one", lambda one: one["state"] == "exited")
    assert "['-c']" in system.log("one")


def test_programs_of_a_build_are_found_by_their_name(system):
    system.write("app/.dockerignore", ".git\n")
    system.file({"services": {"one": {
        "build": "./app", "command": "tool one",
        "x-ishizue": {"host": {"build": [
            "mkdir -p .venv/bin node_modules/.bin",
            "printf '#!/bin/sh\\necho \"tool $1\"\\nexec helper\\n' >.venv/bin/tool",
            "printf '#!/bin/sh\\necho helper; exec sleep 100\\n' >node_modules/.bin/helper",
            "chmod +x .venv/bin/tool node_modules/.bin/helper"]}}}}})
    system.up()
    log = system.log("one")
    assert "tool one" in log and "helper" in log, log
    assert system.execute("one", "sh", "-c", "command -v tool").out == "/app/.venv/bin/tool\n"


def psql(system, name, text):
    done = system.execute(name, "env", "PGPASSWORD=secret", "PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
                          "psql", "-h", "127.0.0.1", "-U", "postgres", "-tAc", text)
    assert done.status == 0, done
    return done.out.strip()


@pytest.mark.slow
def test_a_database_whose_set_up_was_interrupted_is_set_up_again(system):
    data = system.machine.state / "volumes" / f"{system.name}_data"
    (data / "setting-up").mkdir(parents=True)
    (data / "PG_VERSION").write_text("15\n")  # and nothing more: half a database
    system.write("init/1.sql", "create table once as select 7 as n;")
    system.file({"services": {"db": {
        "image": "postgres:15", "environment": {"POSTGRES_PASSWORD": "secret"},
        "volumes": ["data:/var/lib/postgresql/data", "./init:/docker-entrypoint-initdb.d:ro"]}},
        "volumes": {"data": {}}})
    system.up()
    assert "was interrupted; it begins again" in system.log("db")
    assert psql(system, "db", "select n from once") == "7"
    assert not (data / "setting-up").exists()
    psql(system, "db", "update once set n = 8")
    system.down()
    system.up()
    assert psql(system, "db", "select n from once") == "8"


@pytest.mark.slow
def test_a_folder_for_the_write_ahead_log_that_holds_something_is_left_alone(system):
    other = system.machine.state / "volumes" / f"{system.name}_wal" / "somebody-elses"
    other.parent.mkdir(parents=True)
    other.write_text("kept")
    system.file({"services": {"db": {
        "image": "postgres:15", "restart": "on-failure:3",  # each start comes upon what the last left
        "environment": {"POSTGRES_PASSWORD": "secret", "POSTGRES_INITDB_WALDIR": "/wal"},
        "volumes": ["data:/var/lib/postgresql/data", "wal:/wal"]}},
        "volumes": {"data": {}, "wal": {}}})
    result = system.run("up")
    assert result.status != 0
    assert "'/wal' is not empty; empty it or set POSTGRES_INITDB_WALDIR" in result.out + result.err
    assert other.read_text() == "kept"


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/usr/sbin/mariadbd").exists(),
                    reason="the package mariadb-server is not installed")
def test_mariadb_is_what_its_image_is(system):
    data = system.machine.state / "volumes" / f"{system.name}_data"
    data.mkdir(parents=True)
    (data / ".setting-up").write_text("")  # an earlier attempt was interrupted
    (data / "mysql").mkdir()
    system.write("init/1.sql", "create table t (word text); insert into t values ('kept');")
    password = "it's \\ \"a\" password"
    system.file({"services": {"db": {
        "image": "mariadb:10.11", "command": "--max-connections=77",
        "healthcheck": {"test": ["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"],
                        "interval": "1s", "retries": 60},
        "environment": {"MYSQL_ROOT_PASSWORD": password.replace("$", "$$"), "MYSQL_DATABASE": "a_b",
                        "MARIADB_USER": "shop", "MARIADB_PASSWORD": "it's"},
        "volumes": ["data:/var/lib/mysql", "./init:/docker-entrypoint-initdb.d:ro"]}},
        "volumes": {"data": {}}})

    def ask(user, word, text):
        return system.execute("db", "env", f"MYSQL_PWD={word}", "mariadb", "--protocol=tcp", "-h",
                              "127.0.0.1", "-u", user, "-N", "a_b", "-e", text)

    system.up()
    assert "was interrupted; it begins again" in system.log("db")
    assert ask("shop", "it's", "select word, @@max_connections from t").out == "kept\t77\n"
    assert ask("root", password, "select current_user()").out == "root@%\n"
    assert ask("shop", "wrong", "select 1").status != 0
    unknown = system.execute("db", "healthcheck.sh", "--connect", "--galera_online")
    assert unknown.status == 1 and "'--galera_online' is not known here" in unknown.err
    assert ask("shop", "it's", "create database other").status != 0
    system.down()
    system.up()
    assert ask("shop", "it's", "select word from t").out == "kept\n"
    assert "Access denied for user 'mysql'" not in system.log("db")


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/usr/sbin/mariadbd").exists(),
                    reason="the package mariadb-server is not installed")
def test_mysql_is_stood_in_for_by_mariadb_and_told_so(system):
    data = system.machine.state / "volumes" / f"{system.name}_data"
    file = {"services": {"db": {
        "image": "mysql:8.0", "restart": "no",
        "command": ["--default-authentication-plugin=mysql_native_password",
                    "--max-connections=66", "--init-connect=set @a='it''s'"],
        "environment": {"MYSQL_ROOT_PASSWORD": "secret", "MYSQL_DATABASE": "shop",
                        "MYSQL_USER": "shop", "MYSQL_PASSWORD": "shop"},
        "healthcheck": {"test": "mysqladmin ping -h localhost -u root -p$$MYSQL_ROOT_PASSWORD",
                        "interval": "2s", "start_period": "30s"},
        "volumes": ["data:/var/lib/mysql"]}}, "volumes": {"data": {}}}
    system.file(file)
    up = system.up()
    assert "'db' is MariaDB, which speaks MySQL's protocol" in up.out + up.err
    asked = system.execute("db", "env", "MYSQL_PWD=shop", "mysql", "--protocol=tcp", "-h",
                           "127.0.0.1", "-u", "shop", "-N", "shop", "-e",
                           "select @@max_connections, @a")
    assert asked.out == "66\tit's\n", asked
    assert "leaving out --default-authentication-plugin" in system.log("db")
    system.down("-v")
    data.mkdir()
    (data / "mysql.ibd").write_text("")
    failed = system.up_fails()
    assert "belongs to MySQL, this is MariaDB" in failed.out + failed.err
    assert (data / "mysql.ibd").exists()


def test_memcached_answers(system):
    system.file({"services": {"cache": {"image": "memcached:1.6", "command": ["-m", "16"],
                                        "ports": ["127.0.0.1:8091:11211"]}}})
    system.up()
    with socket.create_connection(("127.0.0.1", 8091), timeout=10) as sock:
        sock.sendall(b"set a 0 0 1\r\nx\r\nget a\r\n")
        file = sock.makefile("rb")
        assert [file.readline() for _ in range(4)] == [b"STORED\r\n", b"VALUE a 0 1\r\n",
                                                       b"x\r\n", b"END\r\n"]
