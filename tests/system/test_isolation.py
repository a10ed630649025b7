# SPDX-License-Identifier: Apache-2.0
"""What an instance can see and reach, and who can reach it."""
import json
import socket

import pytest

from rig.client import Client
from rig.system import routed, sleeper, web

TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5).close()
    print("connected")
except OSError as error:
    print("refused" if isinstance(error, ConnectionRefusedError) else "no answer")
"""


def attempt(system, service, host, port):
    """What a connection from inside comes to."""
    return system.execute(service, "python3", "-c", TRY, host, str(port)).out.strip()


def attempt_from_here(host, port):
    try:
        socket.create_connection((host, port), 1.5).close()
        return "connected"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "no answer"


def databases(name="a"):
    return {"services": {
        "db": {"image": "postgres:15", "environment": {
            "POSTGRES_PASSWORD": "secret-1", "POSTGRES_USER": "shop", "POSTGRES_DB": "shop"},
            "volumes": ["db:/var/lib/postgresql/data"],
            "healthcheck": {"test": ["CMD", "pg_isready", "-h", "127.0.0.1", "-U", "shop"],
                            "interval": "1s", "timeout": "3s", "retries": 30}},
        "cache": {"image": "redis:7"},
        "app": sleeper(environment={"PGPASSWORD": "secret-1", "NAME": name}, depends_on={
            "db": {"condition": "service_healthy"}, "cache": {"condition": "service_healthy"}}),
    }, "volumes": {"db": {}}}


@pytest.mark.slow
def test_postgresql_and_redis_answer_inside_and_are_unreachable_from_outside(
        make_system, net, figure):
    one, two = make_system(databases()), make_system({"services": {"stranger": sleeper()}})
    up = one.up()
    figure("first_up_of_postgresql_and_redis", up.seconds, "s")
    two.up()
    query = ["psql", "-h", "db", "-U", "shop", "-tAc", "select 6 * 7"]
    assert one.execute("app", "env", "PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin",
                       *query).out.strip() == "42"
    assert one.execute("app", "redis-cli", "-h", "cache", "ping").out == "PONG\n"
    addresses = {each["service"]: each["address"] for each in one.instances()}
    for service, port in (("db", 5432), ("cache", 6379)):
        own, service_address = addresses[service], service_address_of(one, service)
        assert attempt(one, "app", service, port) == "connected"
        assert attempt(one, "app", own, port) == "connected"
        for host in (own, service_address):
            assert attempt(two, "stranger", host, port) != "connected"
            with net.outside():
                assert attempt_from_here(host, port) != "connected"
        for host in ("127.0.0.1", net.address):
            assert attempt_from_here(host, port) == "refused"
            with net.outside():
                assert attempt_from_here(net.address, port) == "refused"
        assert attempt(two, "stranger", net.address, port) != "connected"


def service_address_of(system, name):
    """What the name resolves to inside."""
    return system.python("app", f"import socket; print(socket.gethostbyname('{name}'))").out.strip()


@pytest.mark.slow
def test_a_database_keeps_its_data_over_down_and_up(system):
    system.file(databases())
    system.up()
    psql = ["env", "PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin", "psql", "-h", "db", "-U",
            "shop", "-tAc"]
    made = system.execute("app", *psql, "create table t as select 'kept' as word")
    assert made.status == 0, made
    system.down()
    system.up()
    assert system.execute("app", *psql, "select word from t").out.strip() == "kept"
    assert "database system was not properly shut down" not in system.log("db")


@pytest.mark.slow
def test_postgresql_runs_the_scripts_of_a_new_data_folder_once(system):
    compose = databases()
    system.write("init/1.sql", "create table made_by_sql (n int); insert into made_by_sql values (1);")
    system.write("init/2.sh", "psql -v ON_ERROR_STOP=1 --username \"$POSTGRES_USER\" --dbname "
                 "\"$POSTGRES_DB\" -c 'insert into made_by_sql values (2)'\n", 0o755)
    compose["services"]["db"]["volumes"].append("./init:/docker-entrypoint-initdb.d:ro")
    system.file(compose)
    system.up()
    psql = ["env", "PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin", "psql", "-h", "db", "-U",
            "shop", "-tAc", "select sum(n) from made_by_sql"]
    assert system.execute("app", *psql).out.strip() == "3"
    system.down()
    system.up()
    assert system.execute("app", *psql).out.strip() == "3"


def test_postgresql_without_a_password_says_what_to_set(system):
    system.file({"services": {"db": {"image": "postgres:15"}}})
    failed = system.up_fails()
    assert "POSTGRES_PASSWORD" in failed.err + failed.out


def test_an_instance_is_unprivileged_and_cannot_become_root(system):
    system.file({"services": {"a": sleeper()}})
    system.up()
    uid = int(system.execute("a", "id", "-u").out)
    assert uid >= 1000
    status = dict(line.split(":\t", 1) for line in
                  system.execute("a", "cat", "/proc/1/status").out.splitlines())
    assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb"))
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert system.execute("a", "su", "-c", "true").status != 0
    assert system.execute("a", "mount", "-t", "tmpfs", "x", "/tmp").status != 0
    assert system.execute("a", "unshare", "-Ur", "true").status != 0


def test_root_is_read_only_outside_what_belongs_to_the_instance(system):
    system.file({"services": {"a": sleeper()}})
    system.up()
    for path in ("/usr/bin/x", "/etc/x", "/x", "/usr/local/x", "/proc/sys/kernel/hostname"):
        written = system.execute("a", "sh", "-c", f"echo x > {path}")
        assert written.status != 0, path
    for path in ("/tmp/x", "/run/x", "/dev/shm/x"):
        assert system.execute("a", "sh", "-c", f"echo x > {path}").status == 0, path


def test_read_only_means_that_nothing_but_volumes_can_be_written(system):
    system.file({"services": {"a": sleeper(read_only=True, volumes=["data:/data"])},
                 "volumes": {"data": {}}})
    system.up()
    assert system.execute("a", "sh", "-c", "echo x > /srv/x").status != 0
    assert system.execute("a", "sh", "-c", "echo x > /data/x").status == 0


def test_an_instance_sees_neither_the_machine_nor_another_system(make_system):
    one, two = (make_system({"services": {"a": sleeper(volumes=["data:/data"])},
                             "volumes": {"data": {}}}) for _ in range(2))
    one.up()
    two.up()
    machine = one.machine
    one.execute("a", "sh", "-c", "echo secret > /data/file; chmod 644 /data/file")
    paths = ["/root", str(machine.state), str(machine.state / "state.db"), str(machine.run_dir),
             str(machine.run_dir / "api.sock"), str(one.folder), str(machine.state / "volumes"),
             "/etc/shadow", "/home", "/var/lib/ishizue"]
    for path in paths:
        shown = two.execute("a", "sh", "-c", f"[ ! -d {path} ] || ls -A {path}; head -c9 {path}")
        assert shown.out.strip() == "", f"{path}: {shown}"
    processes = two.execute("a", "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").out
    assert "conmon" not in processes and "ishizue" not in processes
    assert len(two.execute("a", "sh", "-c", "ls -d /proc/[0-9]*").out.split()) < 10
    assert two.execute("a", "sh", "-c", "kill -0 -1; hostname").out.strip() != ""
    assert one.execute("a", "id", "-u").out != two.execute("a", "id", "-u").out


def test_volumes_are_what_the_file_says(system):
    system.write("shared/given", "from the folder\n")
    system.file({"services": {
        "a": sleeper(volumes=["data:/data", "./shared:/shared:ro", "./made:/made", "/anonymous"],
                     tmpfs=["/scratch:size=1m"]),
        "b": sleeper(volumes=["data:/elsewhere"])}, "volumes": {"data": {}}})
    system.up()
    shell = ["sh", "-c"]
    assert system.execute("a", "cat", "/shared/given").out == "from the folder\n"
    assert system.execute("a", *shell, "echo x > /shared/x").status != 0
    assert system.execute("a", *shell, "echo 1 > /data/x && echo 2 > /made/x && "
                          "echo 3 > /anonymous/x && echo 4 > /scratch/x").status == 0
    assert system.execute("b", "cat", "/elsewhere/x").out == "1\n"
    assert (system.folder / "made" / "x").read_text() == "2\n"
    full = system.execute("a", *shell, "head -c 3000000 /dev/zero > /scratch/big")
    assert full.status != 0 and "space" in full.err


def test_a_long_form_bind_of_a_missing_folder_is_refused(system):
    system.file({"services": {"a": sleeper(volumes=[
        {"type": "bind", "source": "./not-there", "target": "/x",
         "bind": {"create_host_path": False}}])}})
    failed = system.up_fails()
    assert "not-there" in failed.err
    assert not (system.folder / "not-there").exists()


def test_services_of_different_networks_do_not_reach_each_other(system):
    system.file({"services": {
        "front": sleeper(networks=["outer"]),
        "middle": web(networks=["outer", "inner"]),
        "back": web(networks=["inner"])}, "networks": {"outer": {}, "inner": {"internal": True}}})
    system.up()
    back = system.instance("back")["address"]
    assert attempt(system, "front", "middle", 8000) == "connected"
    assert attempt(system, "middle", "back", 8000) == "connected"
    assert attempt(system, "front", back, 8000) != "connected"
    names = system.execute("front", "cat", "/etc/hosts").out.split()
    assert "middle" in names and "back" not in names


def test_an_instance_reaches_the_world_unless_its_network_is_internal(system, net):
    with net.outside():
        listener = socket.create_server((net.outside_address, 0))
    port = listener.getsockname()[1]
    with listener:
        system.file({"services": {"open": sleeper(), "shut": sleeper(networks=["inner"])},
                     "networks": {"inner": {"internal": True}}})
        system.up()
        assert attempt(system, "open", net.outside_address, port) == "connected"
        assert attempt(system, "shut", net.outside_address, port) != "connected"


def test_an_instance_reaches_no_socket_of_the_machine(system, net):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        system.file({"services": {"a": sleeper()}})
        system.up()
        for host in (net.address, "169.254.1.1", "127.0.0.1"):
            assert attempt(system, "a", host, port) != "connected"


def test_an_instance_reaches_itself_by_its_service_name(system):
    system.file({"services": {"web": web()}})
    system.up()
    assert attempt(system, "web", "web", 8000) == "connected"


def test_a_service_that_nobody_serves_is_refused_at_once(system):
    system.file({"services": {"gone": web(deploy={"replicas": 0}), "a": sleeper()}})
    system.up()
    assert attempt(system, "a", "gone", 8000) == "refused"


def test_inside_calls_are_balanced_over_the_instances(system):
    system.file({"services": {"web": web(deploy={"replicas": 2}), "a": sleeper()}})
    system.up()
    seen = system.python("a", "import urllib.request as r\n"
                         "for _ in range(10):\n"
                         "    print(r.urlopen('http://web:8000/bytes?n=1').headers['X-Instance'])")
    assert len(set(seen.out.splitlines())) == 2


def test_the_backend_sees_the_address_of_the_client(system, authority, net):
    system.file(routed({"web": web()}))
    system.up()
    client = Client(8443, trust=authority, address=net.address)
    forged = {"X-Forwarded-For": "203.0.113.9"}
    with net.outside():
        seen = json.loads(client.get("/echo").body)["headers"]
        forged_seen = json.loads(client.get("/echo", headers=forged).body)["headers"]
    assert seen["x-forwarded-for"] == net.outside_address
    assert seen["x-forwarded-proto"] == "https" and seen["x-forwarded-host"] == "st.localhost:8443"
    assert forged_seen["x-forwarded-for"].split(", ")[-1] == net.outside_address
