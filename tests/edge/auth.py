#!/usr/bin/env python3
"""Basic authentication: who comes in, what the application sees, and what a flood costs."""
import base64
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import tap
from own_rig import wait_for
from tables import Recorder, connect, counter, expect_counter, get, publish

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

HASHES = {
    "apr1": "$apr1$lZL6V/ci$sQw6g73nRuoOIj/gnD18Z.",  # of "myPassword", by openssl
    "sha512": crypt.crypt("sesame", "$6$rounds=5000$salt"),
    "yescrypt": crypt.crypt("sesame", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1"),
}
HASHES["bcrypt"] = crypt.crypt("sesame", "$2y$05$" + "0" * 22)
LOG = Path(os.environ["EDGE_FILES"]).parent / "access.log"
SLOW = crypt.crypt("sesame", "$2y$08$" + "0" * 22)


def rules(**users):
    return {"rules": {"auth": {"realm": "the back room", "users": [
        {"name": name, "hash": value} for name, value in users.items()]}}}


def login(user, password):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return [("Authorization", f"Basic {token}")]


def each_kind_of_hash_lets_in_and_keeps_out():
    app = Recorder()
    publish(app, [rules(**HASHES)])
    for user in HASHES:
        right = "myPassword" if user == "apr1" else "sesame"
        for _ in range(2):  # the second time from memory
            assert get("/", login(user, right))[0] == 200, user
            assert get("/", login(user, right + "x"))[0] == 401, user
    assert get("/", login("nobody", "sesame"))[0] == 401
    assert "authorization" not in "".join(app.heads).lower()
    status, headers, _ = get("/")
    assert status == 401
    assert headers["www-authenticate"] == 'Basic realm="the back room", charset="UTF-8"'
    assert len(app.heads) == 2 * len(HASHES)
    expect_counter("auth_failures", 2 * len(HASHES) + 1)


def what_is_no_basic_authorization_is_refused():
    publish(Recorder(), [rules(**HASHES)])
    for value in ("Bearer abc", "Basic", "Basic !!!", "Basic YQ==", "Basic " + "A" * 4000,
                  "Basic " + base64.b64encode(b"a:b\0c").decode()):
        assert get("/", [("Authorization", value)])[0] == 401, value


def a_name_or_a_password_above_its_limit_is_refused():
    name, password = "n" * 128, "p" * 511  # one less than libcrypt takes
    publish(Recorder(), [rules(**{name: crypt.crypt(password, "$6$rounds=5000$salt")})])
    assert get("/", login(name, password))[0] == 200
    failures = counter("auth_failures")
    for who, what in ((name + "n", password), (name, password + "pp"), (name, "p" * 4000)):
        assert get("/", login(who, what))[0] == 401, (len(who), len(what))
    expect_counter("auth_failures", failures + 3)


def what_is_remembered_of_one_route_opens_no_other():
    publish(Recorder(), [rules(ann=HASHES["bcrypt"]),
                         {"path": "/bob/", **rules(bob=HASHES["bcrypt"])}])
    for _ in range(4):  # both workers
        assert get("/", login("ann", "sesame"))[0] == 200
        assert get("/bob/", login("ann", "sesame"))[0] == 401
        assert get("/", login("bob", "sesame"))[0] == 401
        assert get("/bob/", login("bob", "sesame"))[0] == 200


def a_body_goes_on_after_the_check():
    app = Recorder()
    publish(app, [rules(bcrypt=SLOW)])
    sock = connect()
    body = b"x" * 200000
    name, value = login("bcrypt", "sesame")[0]
    sock.sendall(f"PUT /a HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\nContent-Length: {len(body)}"
                 "\r\n\r\n".encode() + body + b"GET /b HTTP/1.1\r\nHost: a\r\n"
                 + f"{name}: {value}\r\n\r\n".encode())
    data = b""
    while data.count(b"\r\n\r\nok") < 2:
        data += sock.recv(65536)
    assert data.count(b"HTTP/1.1 200 OK") == 2
    assert [head.split(" ")[1] for head in app.heads] == ["/a", "/b"]


def streams_of_one_connection_wait_for_themselves_only():
    publish(Recorder(), [rules(bcrypt=SLOW), {"path": "/free"}])
    port = os.environ["EDGE_HTTPS"]
    base = ["-u", "bcrypt:sesame", f"https://a.localhost:{port}/[1-4]"]
    done = subprocess.run(["curl", "-sSkZ", "--http2", "--resolve", f"a.localhost:{port}:127.0.0.1",
                           "-w", "%{http_version} %{http_code}\n", "-o", "/dev/null", *base,
                           "--next", "-w", "%{http_version} %{http_code}\n", "-o", "/dev/null",
                           "-skZ", f"https://a.localhost:{port}/free", "-u", "x:y"],
                          capture_output=True, text=True, timeout=20)
    assert done.stdout.split("\n").count("2 200") == 5, done


def the_name_goes_where_a_rule_says():
    app = Recorder()
    members = rules(bcrypt=HASHES["bcrypt"])
    members["rules"]["request_headers"] = [{"op": "set", "name": "X-User", "value": "{user}"}]
    publish(app, [members])
    assert get("/", login("bcrypt", "sesame") + [("X-User", "root")])[0] == 200
    assert "X-User: bcrypt" in app.heads[-1] and "root" not in app.heads[-1]


def who_leaves_while_a_password_is_checked_harms_nobody():
    publish(Recorder(), [rules(bcrypt=SLOW)])
    name, value = login("bcrypt", "wrong")[0]
    for _ in range(20):
        sock = connect()
        sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n".encode())
        sock.close()
    assert get("/", login("bcrypt", "sesame"))[0] == 200


def lines_of(path):
    lines = [json.loads(line) for line in LOG.read_text().rpartition("\n")[0].splitlines()]
    return [line for line in lines if line["path"] == path]


def a_name_without_its_password_is_nobodys_in_the_log():
    """Nor where the client did not wait for the answer."""
    publish(Recorder(), [rules(bcrypt=SLOW)])
    for number in range(20):
        sock = connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        name, value = login("bcrypt", f"guess {number}")[0]
        sock.sendall(f"GET /left HTTP/1.1\r\nHost: a\r\n{name}: {value}\r\n\r\n".encode())
        time.sleep(0.002)  # it is being checked
        sock.close()
    assert get("/wrong", login("bcrypt", "no"))[0] == 401 and get("/right", login("bcrypt", "sesame"))[0] == 200
    wait_for(lambda: lines_of("/wrong") and lines_of("/right"), "the lines")
    wait_for(lambda: 499 in [line["status"] for line in lines_of("/left")], "of those who left")
    assert not [line for line in lines_of("/left") + lines_of("/wrong") if "user" in line]
    assert lines_of("/right")[0]["user"] == "bcrypt"


def a_flood_of_wrong_passwords_stalls_nobody_who_is_in():
    app = Recorder()
    publish(app, [rules(bcrypt=SLOW), {"path": "/free"}])
    for _ in range(8):  # both workers know
        get("/", login("bcrypt", "sesame"))
    answers, slowest = [], 0.0

    def attack(number):
        answers.append(get("/", login("bcrypt", f"wrong {number}"))[0])

    threads = [threading.Thread(target=attack, args=(i,)) for i in range(200)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        begun = time.monotonic()
        assert get("/free")[0] == 200
        slowest = max(slowest, time.monotonic() - begun)
    for thread in threads:
        thread.join()
    assert set(answers) == {401, 503}, set(answers)
    expect_counter("auth_queue_full", answers.count(503))
    assert slowest < 2, slowest


sys.exit(tap.run([
    each_kind_of_hash_lets_in_and_keeps_out,
    what_is_no_basic_authorization_is_refused,
    a_name_or_a_password_above_its_limit_is_refused,
    what_is_remembered_of_one_route_opens_no_other,
    a_body_goes_on_after_the_check,
    streams_of_one_connection_wait_for_themselves_only,
    the_name_goes_where_a_rule_says,
    who_leaves_while_a_password_is_checked_harms_nobody,
    a_name_without_its_password_is_nobodys_in_the_log,
    a_flood_of_wrong_passwords_stalls_nobody_who_is_in,
]))
