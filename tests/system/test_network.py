# SPDX-License-Identifier: Apache-2.0
"""Networks, names and published ports as the Compose Specification has them."""
import http.client
import json
import socket
import subprocess
import threading
import time

import pytest

from rig import process
from rig.client import Client, Knocker
from rig.system import APPS, routed, service, sleeper, web

TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 1.5).close()
    print("connected")
except socket.gaierror:
    print("no name")
except OSError as error:
    print("refused" if isinstance(error, ConnectionRefusedError) else "no answer")
"""


def attempt(system, name, host, port=8000):
    """What a connection from inside comes to."""
    return system.execute(name, "python3", "-c", TRY, host, str(port)).out.strip()


def attempt_from_here(host, port):
    try:
        socket.create_connection((host, port), 1.5).close()
        return "connected"
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "no answer"


def resolve(system, name, host):
    """The addresses of a name inside, "" when there is none."""
    return system.python(name, "import socket\ntry:\n"
                         f"    print(*sorted({{i[4][0] for i in socket.getaddrinfo('{host}', 1)}}))\n"
                         "except OSError: print()").out.strip()


def hosts(system, name):
    return system.execute(name, "cat", "/etc/hosts").out


def udp(port=5353, **extra):
    """apps/udp.py."""
    return service(f"exec python3 /srv/udp.py {port}", volumes=[f"{APPS}:/srv:ro"], **extra)


def ask(host, port, data=b"hello", timeout=1.0, sock=None):
    """The answer to a datagram: a list of words, or what went wrong."""
    own = sock or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        own.settimeout(timeout)
        own.connect((host, port))
        own.send(data)
        return own.recv(2048).decode().split()
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "no answer"
    finally:
        if sock is None:
            own.close()


# ---- networks and names


def test_an_alias_is_visible_only_in_its_network(system):
    system.file({"services": {
        "front": sleeper(networks=["outer"]),
        "side": sleeper(networks=["inner"]),
        "web": web(networks={"outer": {"aliases": ["shop", "store"]}, "inner": {"aliases": ["deep"]}})},
        "networks": {"outer": {}, "inner": {}}})
    system.up()
    for name in ("web", "shop", "store"):
        assert attempt(system, "front", name) == "connected", name
    assert attempt(system, "front", "deep") == "no name"
    assert attempt(system, "side", "deep") == "connected"
    assert attempt(system, "side", "shop") == "no name"


def test_an_alias_of_two_services_has_the_addresses_of_both(system):
    both = {"default": {"aliases": ["any"]}}
    system.file({"services": {"a": web(networks=both), "b": web(networks=both), "c": sleeper()}})
    system.up()
    assert resolve(system, "c", "any").split() == sorted(
        resolve(system, "c", name) for name in ("a", "b"))
    assert attempt(system, "c", "any") == "connected"


def test_names_of_instances_and_containers_resolve(system):
    system.file({"services": {"web": web(deploy={"replicas": 2}), "one": web(),
                              "named": web(container_name=f"{system.name}-special"),
                              "a": sleeper()}})
    system.up()
    ask_name = ("import urllib.request as r\n"
                "print(r.urlopen('http://{}:8000/bytes?n=1').headers['X-Instance'].split()[2])")
    first = {system.python("a", ask_name.format(f"{system.name}-web-1")).out for _ in range(4)}
    second = {system.python("a", ask_name.format(f"{system.name}-web-2")).out for _ in range(4)}
    assert len(first) == len(second) == 1 and first != second
    assert attempt(system, "a", f"{system.name}-one-1") == "connected"
    assert attempt(system, "a", f"{system.name}-special") == "connected"


def test_instances_that_run_learn_the_names_that_come_and_go(system):
    compose = {"services": {"a": sleeper(), "b": web()}}
    system.file(compose)
    system.up()
    before = system.ids()
    compose["services"]["late"] = web()
    system.file(compose)
    system.up()
    assert attempt(system, "a", "late") == "connected"
    del compose["services"]["late"]
    system.file(compose)
    system.up("--remove-orphans")
    assert process.wait(lambda: attempt(system, "a", "late") == "no name", 5)
    assert system.ids()[f"{system.name}-a-1"] == before[f"{system.name}-a-1"]


def test_no_way_leads_out_of_internal_networks(system, net):
    with net.outside():
        listener = socket.create_server((net.outside_address, 0))
    port = listener.getsockname()[1]
    with listener:
        system.file({"services": {
            "open": sleeper(networks=["inner", "outer"]),
            "shut": sleeper(networks=["inner", "deep"])},
            "networks": {"inner": {"internal": True}, "deep": {"internal": True}, "outer": {}}})
        system.up()
        assert attempt(system, "open", net.outside_address, port) == "connected"
        assert attempt(system, "shut", net.outside_address, port) != "connected"


# ---- networks of several systems


def shared(name, external):
    return {"shared": {"name": name, **({"external": True} if external else {})}}


def test_systems_that_join_one_network_reach_each_other_by_service_name(make_system):
    one, two, three = make_system(), make_system(), make_system()
    name = f"{one.name}-common"
    one.file({"services": {"api": web(networks=["shared"]), "own": web()},
              "networks": shared(name, False)})
    two.file({"services": {"client": sleeper(networks=["shared", "default"]), "back": web()},
              "networks": shared(name, True)})
    three.file({"services": {"stranger": sleeper()}})
    one.up()
    two.up()
    three.up()
    assert attempt(two, "client", "api") == "connected"
    assert attempt(two, "client", f"{one.name}-api-1") == "connected"
    assert attempt(two, "client", "back") == "connected"
    assert attempt(two, "client", "own") == "no name"
    own, api = one.instance("own")["address"], one.instance("api")["address"]
    assert attempt(two, "client", own) != "connected"
    assert attempt(two, "client", api) == "connected"
    assert attempt(three, "stranger", api) != "connected"
    assert attempt(three, "stranger", "api") == "no name"
    one.down()
    assert process.wait(lambda: attempt(two, "client", "api") == "no name", 5)
    one.up()
    assert process.wait(lambda: attempt(two, "client", "api") == "connected", 5)


def test_ones_own_service_comes_before_that_of_another_system(make_system):
    one, two = make_system(), make_system()
    name = f"{one.name}-common"
    one.file({"services": {"db": web(networks=["shared"])}, "networks": shared(name, False)})
    two.file({"services": {"db": web(), "client": sleeper(networks=["shared", "default"])},
              "networks": shared(name, True)})
    one.up()
    two.up()
    own = two.python("client", "import urllib.request as r; print(r.urlopen("
                     "'http://db:8000/bytes?n=1').headers['X-Instance'].split()[0])").out.strip()
    assert own == two.instance("db")["id"]


def test_an_external_network_that_nobody_made_is_refused(system):
    system.file({"services": {"a": sleeper(networks=["shared"])},
                 "networks": shared("nobody-has-this", True)})
    failed = system.up_fails()
    assert "network 'nobody-has-this' is external" in failed.err
    assert system.name not in system.machine.system_names() or not system.instances()


def test_an_external_link_is_a_name_of_another_systems_container(make_system):
    one, two = make_system(), make_system()
    name = f"{one.name}-common"
    one.file({"services": {"db": web(networks=["shared"], container_name=f"{one.name}_db_1"),
                           "own": web()},
              "networks": shared(name, False)})
    linked = {"services": {"client": sleeper(networks=["shared"], external_links=[
        f"{one.name}_db_1:database", f"{one.name}-db-1:again", "db"])},
        "networks": shared(name, True)}
    two.file(linked)
    one.up()
    two.up()
    for host in ("database", "again", "db", f"{one.name}_db_1"):
        assert attempt(two, "client", host) == "connected", host
    one.down()
    assert process.wait(lambda: attempt(two, "client", "database") == "no name", 5)
    one.up()
    assert process.wait(lambda: attempt(two, "client", "database") == "connected", 5)
    for wrong in (f"{one.name}-own-1", f"{one.name}-db-2", "nobody"):
        linked["services"]["client"]["external_links"] = [f"{wrong}:database"]
        two.file(linked)
        failed = two.up_fails()
        assert f"has a container '{wrong}' in a network of this service" in failed.err, failed
    assert attempt(two, "client", "database") == "connected"


def test_a_network_with_ipv6_is_reached_by_ipv6_and_talks_ipv4(system):
    system.file({"services": {"web": web(networks=["six"], ports=["8126:8000"]),
                              "client": sleeper(networks=["six"])},
                 "networks": {"six": {"enable_ipv6": True,
                                      "ipam": {"config": [{"subnet": "fd00:1::/64"}]}}}})
    system.up()
    assert attempt_from_here("::1", 8126) == "connected"
    assert attempt(system, "client", "web") == "connected"
    told = system.ok("check").out
    assert "enable_ipv6" in told and "emulated" in told, told


def test_an_internal_network_of_another_system_stays_internal(make_system, net):
    one, two = make_system(), make_system()
    name = f"{one.name}-common"
    networks = shared(name, False)
    networks["shared"]["internal"] = True
    one.file({"services": {"a": web(networks=["shared"])}, "networks": networks})
    two.file({"services": {"b": sleeper(networks=["shared"])}, "networks": shared(name, True)})
    with net.outside():
        listener = socket.create_server((net.outside_address, 0))
    with listener:
        one.up()
        two.up()
        assert attempt(two, "b", "a") == "connected"
        assert attempt(two, "b", net.outside_address, listener.getsockname()[1]) != "connected"


# ---- network_mode


def test_network_mode_none_leaves_nothing_but_the_loopback(system):
    system.file({"services": {"alone": sleeper(network_mode="none"), "web": web()}})
    system.up()
    shown = system.execute("alone", "sh", "-c", "ls /sys/class/net; cat /proc/net/route").out
    assert shown.split("\n")[0] == "lo" and shown.count("\n") == 2
    assert attempt(system, "alone", system.instance("web")["address"]) != "connected"
    assert attempt(system, "alone", "web") == "no name"


def test_network_mode_host_is_the_network_of_the_machine(system, net):
    system.file({"services": {"wide": web(port=8123, network_mode="host", ports=["8123:8123"])}})
    system.up()
    assert attempt_from_here("127.0.0.1", 8123) == "connected"
    with net.outside():
        assert attempt_from_here(net.address, 8123) == "connected"
    assert "house" not in system.execute("wide", "ls", "/sys/class/net").out
    assert "cable" in system.execute("wide", "cat", "/proc/net/dev").out


def test_network_mode_bridge_has_the_world_and_no_names(system, net):
    with net.outside():
        listener = socket.create_server((net.outside_address, 0))
    with listener:
        system.file({"services": {"a": sleeper(network_mode="bridge"), "web": web()}})
        system.up()
        assert attempt(system, "a", net.outside_address, listener.getsockname()[1]) == "connected"
        assert attempt(system, "a", "web") == "no name"
        assert attempt(system, "a", system.instance("web")["address"]) != "connected"


def test_a_service_shares_the_network_of_another(system):
    system.file({"services": {
        "app": web(ports=["8124:9000"]),
        "side": web(port=9000, network_mode="service:app"),
        "other": sleeper()}})
    system.up()
    assert attempt(system, "side", "127.0.0.1", 8000) == "connected"
    assert attempt(system, "app", "127.0.0.1", 9000) == "connected"
    assert attempt(system, "other", "app", 9000) == "connected"
    assert attempt(system, "side", "app", 8000) == "connected"
    assert attempt(system, "other", "side", 9000) == "no name"
    answer = Client(8124, trust=None, host="x").connect()
    answer.close()


def test_a_container_of_the_same_file_is_its_service(system):
    system.file({"services": {
        "side": web(port=9000, network_mode="container:the_app"),
        "late": sleeper(network_mode=f"container:{system.name}-plain-1"),
        "plain": web(port=8001),
        "app": web(container_name="the_app"),
        "other": sleeper()}})
    system.up()
    assert attempt(system, "side", "127.0.0.1", 8000) == "connected"
    assert attempt(system, "late", "127.0.0.1", 8001) == "connected"
    assert attempt(system, "other", "app", 9000) == "connected"
    assert "service:app" in system.ok("config").out


def test_who_shares_a_network_is_replaced_with_it_and_started_again_with_it(system):
    compose = {"services": {"app": web(), "side": web(port=9000, network_mode="service:app"),
                            "other": sleeper()}}
    system.file(compose)
    system.up()
    before = system.ids()
    compose["services"]["app"]["environment"] = {"NEW": "1"}
    system.file(compose)
    system.up()
    after = system.ids()
    assert after[f"{system.name}-app-1"] != before[f"{system.name}-app-1"]
    assert after[f"{system.name}-side-1"] != before[f"{system.name}-side-1"]
    assert after[f"{system.name}-other-1"] == before[f"{system.name}-other-1"]
    assert attempt(system, "other", "app", 9000) == "connected"


def test_who_shares_a_network_starts_again_when_the_other_one_crashes(system):
    system.file({"services": {"app": web(restart="always"),
                              "side": web(port=9000, network_mode="service:app"),
                              "other": sleeper()}})
    system.up()
    before = system.instance("side")["pid"]
    process.end(system.instance("app")["pid"])
    assert process.wait(lambda: attempt(system, "other", "app", 9000) == "connected" and
                        system.instance("side").get("pid") not in (None, before), 20, 0.2)
    assert system.instance("app")["state"] == "ready"


@pytest.mark.parametrize("mode,text", [("container:abc", "service:NAME"),
                                       ("service:nobody", "nobody"),
                                       ("mynet", "service:NAME")])
def test_an_impossible_network_mode_is_refused(system, mode, text):
    system.file({"services": {"a": sleeper(network_mode=mode)}})
    failed = system.run("up", "-d")
    assert failed.status in (1, 2) and text in failed.err, failed
    assert system.name not in system.machine.system_names()


# ---- what is written into the instance


def test_extra_hosts_and_links_resolve(system):
    system.file({"services": {
        "a": sleeper(extra_hosts=["far.test:192.0.2.7", "six.test:[2001:db8::7]",
                                  "me:host-gateway"], links=["web:shop"]),
        "b": sleeper(), "web": web()}})
    system.up()
    assert resolve(system, "a", "far.test") == "192.0.2.7"
    assert "2001:db8::7\tsix.test" in hosts(system, "a")
    assert resolve(system, "a", "me") == "169.254.1.1"
    assert attempt(system, "a", "shop") == "connected"
    assert attempt(system, "b", "shop") == "no name"
    assert resolve(system, "b", "far.test") == ""


def test_host_gateway_reaches_the_machine_and_nobody_else_does(system):
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        system.file({"services": {"a": sleeper(extra_hosts=["me:host-gateway"]), "b": sleeper()}})
        system.up()
        assert attempt(system, "a", "me", port) == "connected"
        assert attempt(system, "b", "169.254.1.1", port) != "connected"
        with socket.create_server(("127.0.0.1", 0)) as own:
            assert attempt(system, "a", "me", own.getsockname()[1]) != "connected"


def test_the_resolver_is_what_the_file_says(system):
    system.file({"services": {
        "a": sleeper(dns=["192.0.2.53", "192.0.2.54"], dns_search=["shop.test", "test"],
                     dns_opt=["ndots:3", "timeout:1"]),
        "b": sleeper(dns="192.0.2.55", dns_search=".")}})
    system.up()
    text = system.execute("a", "cat", "/etc/resolv.conf").out
    assert [line.split()[1] for line in text.splitlines() if line.startswith("nameserver")] == [
        "192.0.2.53", "192.0.2.54"]
    assert "search shop.test test\n" in text and "options ndots:3 timeout:1\n" in text
    text = system.execute("b", "cat", "/etc/resolv.conf").out
    assert "nameserver 192.0.2.55\n" in text and "search" not in text


def test_hostname_and_domainname_are_in_hosts(system):
    system.file({"services": {"a": sleeper(hostname="front", domainname="shop.test")}})
    system.up()
    address = system.instance("a")["address"]
    assert f"{address}\tfront.shop.test front\n" in hosts(system, "a")
    assert system.execute("a", "hostname").out == "front\n"
    assert system.python("a", "import socket; print(socket.getfqdn('front'))").out == \
        "front.shop.test\n"


def test_the_interface_has_the_name_and_address_of_the_file(system):
    system.file({"services": {
        "a": sleeper(networks={"default": {"interface_name": "front0",
                                           "mac_address": "02:42:ac:11:65:43"},
                               "second": {"interface_name": "back0"}}),
        "b": sleeper(mac_address="02:42:ac:11:65:44"), "web": web()},
        "networks": {"second": {}}})
    system.up()
    assert sorted(system.execute("a", "ls", "/sys/class/net").out.split()) == ["front0", "lo"]
    read = "cat /sys/class/net/{}/address"
    assert system.execute("a", "sh", "-c", read.format("front0")).out == "02:42:ac:11:65:43\n"
    assert system.execute("b", "sh", "-c", read.format("eth0")).out == "02:42:ac:11:65:44\n"
    index = "import socket; print(socket.if_nametoindex('{}'))"
    assert system.python("a", index.format("back0")).out == system.python(
        "a", index.format("front0")).out
    assert attempt(system, "a", "web") == "connected"


@pytest.mark.parametrize("extra,text", [
    ({"mac_address": "01:42:ac:11:65:43"}, "01:42:ac:11:65:43"),
    ({"networks": {"default": {"interface_name": "a/b"}}}, "a/b"),
    ({"extra_hosts": ["x:not-an-address"]}, "not-an-address"),
    ({"dns": "not-an-address"}, "not-an-address")])
def test_what_cannot_be_is_refused_before_anything_starts(system, extra, text):
    system.file({"services": {"a": sleeper(**extra)}})
    failed = system.run("up", "-d")
    assert failed.status in (1, 2) and text in failed.err, failed
    assert system.name not in system.machine.system_names() or not system.instances()


# ---- published ports


def test_a_published_udp_port_is_answered_from_outside_and_from_here(system, net):
    system.file({"services": {"udp": udp(ports=["5300:5353/udp"]), "a": sleeper()}})
    system.up()
    with net.outside():
        answer = ask(net.address, 5300)
    assert answer[1:] == [net.outside_address, "hello"]
    for host in ("127.0.0.1", net.address):
        assert ask(host, 5300)[2] == "hello", host
    talk = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(1)\n"
            "try:\n    s.sendto(b'in', ('{}', {}))\n    print(s.recv(99))\n"
            "except OSError: print('nothing')")
    assert system.python("a", talk.format(net.address, 5300)).out == "nothing\n"
    inside = system.python("a", talk.format("udp", 5353))
    assert inside.out.endswith(" in'\n"), inside
    system.down()
    assert process.wait(lambda: ask("127.0.0.1", 5300) == "refused", 5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("0.0.0.0", 5300))


def test_udp_is_balanced_and_refused_while_nobody_serves(system):
    system.file({"services": {"udp": udp(ports=["127.0.0.1:5301:5353/udp"],
                                         deploy={"replicas": 2}),
                              "none": udp(ports=["5302:5353/udp"], deploy={"replicas": 0})}})
    system.up()
    assert len({ask("127.0.0.1", 5301)[0] for _ in range(6)}) == 2
    assert ask("127.0.0.1", 5302) == "refused"


def test_a_udp_port_of_one_address_is_not_open_on_another(system, net):
    system.file({"services": {"udp": udp(ports=["127.0.0.1:5303:5353/udp"])}})
    system.up()
    assert ask("127.0.0.1", 5303)[2] == "hello"
    assert ask(net.address, 5303) == "refused"
    with net.outside():
        assert ask(net.address, 5303) in ("refused", "no answer")


def test_a_udp_client_that_goes_on_talking_follows_a_deploy(system, net):
    compose = {"services": {"udp": udp(ports=["5304:5353/udp"])}}
    system.file(compose)
    system.up()
    with net.outside():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        first = ask(net.address, 5304, sock=sock)
        compose["services"]["udp"]["environment"] = {"NEW": "1"}
        system.file(compose)
        system.up()
        after = process.wait(
            lambda: [word for word in [ask(net.address, 5304, sock=sock, timeout=0.5)]
                     if isinstance(word, list) and word[0] != first[0]], 5)
        assert after, "the client is still sent to the instance that is gone"


def test_a_udp_port_in_use_says_by_whom(system):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("0.0.0.0", 0))
        port = taken.getsockname()[1]
        system.file({"services": {"udp": udp(ports=[f"{port}:5353/udp"])}})
        failed = system.up_fails()
    assert f"UDP port {port} is in use by" in failed.err and "pid" in failed.err


def published(system, name):
    """The published numbers of a service, as `ps` has them."""
    return [one["published"] for each in system.state()["services"] if each["name"] == name
            for one in each["ports"]]


def table_ports(machine):
    """TCP ports that are listened on."""
    found = set()
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(file, encoding="ascii").read().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found.add(int(words[1].split(":")[1], 16))
    return found


def end_both(machine):
    """The daemon first: it would start another edge."""
    edge = machine.edge_pid()
    process.end(machine.daemon_pid())
    process.end(edge)


def test_a_port_without_a_number_gets_one_and_keeps_it(system):
    before = table_ports(system.machine)
    compose = {"services": {"web": web(ports=["8000", "127.0.0.1::8000"])}}
    system.file(compose)
    system.up()
    opened = table_ports(system.machine) - before
    assert len(opened) == 2 and opened == set(published(system, "web"))
    for port in opened:
        assert attempt_from_here("127.0.0.1", port) == "connected"
    compose["services"]["web"]["environment"] = {"NEW": "1"}
    system.file(compose)
    system.up()
    assert table_ports(system.machine) - before == opened
    pid = system.machine.daemon_pid()
    process.end(pid)
    system.machine.ensure()
    system.up()
    assert table_ports(system.machine) - before == opened
    end_both(system.machine)
    system.machine.ensure()
    assert process.wait(lambda: table_ports(system.machine) - before == opened, 10)


def test_a_range_of_ports_gives_one_that_is_free(system):
    with socket.create_server(("0.0.0.0", 8140)):
        system.file({"services": {"a": web(ports=["8140-8142:8000"]),
                                  "b": web(ports=["8140-8142:8000"])}})
        system.up()
        for port in (8141, 8142):
            assert Client(port, host="x").get("/health").status == 200
        compose = {"services": {"c": web(ports=["8141-8142:8000"])}}
        system.machine.expect_log("ports 8141 to 8142")
        system.file({"services": {**json.loads(
            (system.folder / "docker-compose.yml").read_text())["services"], **compose["services"]}})
        failed = system.up_fails()
        assert "none of the ports 8141 to 8142 is free" in failed.err


def test_two_services_cannot_publish_one_port(system):
    system.file({"services": {"a": web(ports=["8145:8000"]), "b": web(ports=["8145:8000"])}})
    failed = system.up_fails(status=2)
    assert "port 8145 is published by service 'a' already" in failed.err


def test_a_range_for_a_range_is_many_ports(system):
    system.file({"services": {"a": web(ports=["8150-8151:8000-8001"])}})
    system.up()
    assert Client(8150, host="x").get("/health").status == 200
    assert attempt_from_here("127.0.0.1", 8151) == "connected"


@pytest.mark.parametrize("ports,text", [("20000-20200:8000-8200", "more than 256 ports"),
                                        ("20000-20600:8000-8600/udp", "more than 500 UDP ports")])
def test_more_ports_than_there_is_room_for_are_refused(system, ports, text):
    before = table_ports(system.machine)
    system.file({"services": {"a": web(ports=[ports])}})
    failed = system.up_fails()
    assert text in failed.err
    assert table_ports(system.machine) == before


def test_mode_host_is_published_like_the_others(system):
    system.file({"services": {"a": web(ports=[{"target": 8000, "published": "8152", "mode": "host",
                                               "protocol": "tcp"}])}})
    system.up()
    assert Client(8152, host="x").get("/health").status == 200


def test_an_ipv6_address_is_published(system):
    system.file({"services": {"a": web(ports=["[::1]:8154:8000"]),
                              "u": udp(ports=["5305:5353/udp"])}})
    system.up()
    assert Client(8154, host="x", address="::1").get("/health").status == 200
    assert attempt_from_here("127.0.0.1", 8154) == "refused"
    system.file({"services": {"u": udp(ports=["[::1]:5305:5353/udp"])}})
    assert "UDP is published on IPv4 addresses only" in system.up_fails(status=2).err


def test_a_route_that_moves_to_another_service_drops_nothing(system, authority):
    compose = routed({"a": web()}, http=8156, https=8157, routes=[{"path": "/", "to": "a:8000"}])
    system.file(compose)
    system.up()
    with Knocker(Client(8157, trust=authority, timeout=3)) as knocker:
        compose["services"]["b"] = web(port=9000)
        compose["x-ishizue"]["routes"] = [{"path": "/", "to": "b:9000"}]
        system.file(compose)
        system.up()
    assert knocker.failures() == [], knocker.failures()[:3]


def test_two_systems_may_publish_one_port_on_two_addresses(make_system):
    one = make_system({"services": {"a": web(ports=["127.0.0.1:8153:8000"])}})
    two = make_system({"services": {"a": web(ports=["127.0.0.2:8153:8000"])}})
    three = make_system({"services": {"a": web(ports=["8153:8000"])}})
    one.up()
    two.up()
    seen = [json.loads(Client(8153, host="x", address=address).get("/echo").body)["instance"]
            for address in ("127.0.0.1", "127.0.0.2")]
    assert seen[0] != seen[1]
    failed = three.up_fails()
    assert "port 8153 is published by system" in failed.err


# ---- deploys


def test_a_release_with_another_port_keeps_the_old_one_until_it_is_reached(system):
    compose = {"services": {"web": web(ports=["8160:8000"])}}
    system.file(compose)
    system.up()
    with Knocker(Client(8160, host="x", timeout=3)) as knocker:
        compose["services"]["web"] = web(
            port=9000, ports=["8160:9000", "8161:9000"],
            volumes=["./slow:/slow"],
            x={"host": {"command": "sleep 2; exec python3 /srv/web.py 9000", "workdir": "/srv"}})
        system.file(compose)
        system.up()
        time.sleep(0.5)
    assert knocker.failures() == [], knocker.failures()[:3]
    assert Client(8161, host="x").get("/health").status == 200
    compose["services"]["web"]["ports"] = ["8161:9000"]
    stop = threading.Event()
    seen = []

    def watch():
        while not stop.is_set():
            seen.append((attempt_from_here("127.0.0.1", 8160), [one["state"] for one in
                                                                 system.instances("web")]))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    system.file(compose)
    system.up()
    stop.set()
    watcher.join()
    assert attempt_from_here("127.0.0.1", 8160) == "refused"
    working = [one for one, states in seen if "warming" in states or "starting" in states]
    assert working and set(working) == {"connected"}


def test_a_release_that_fails_leaves_the_ports_of_the_one_before(system):
    compose = {"services": {"web": web(ports=["8162:8000"])}}
    system.file(compose)
    system.up()
    compose["services"]["web"] = service("exit 3", ports=["8163:8000"], x={
        "health": {"port": 8000, "start_period": "2s"}})
    system.file(compose)
    with Knocker(Client(8162, host="x", timeout=3)) as knocker:
        system.up_fails()
    assert knocker.failures() == [], knocker.failures()[:3]
    assert process.wait(lambda: attempt_from_here("127.0.0.1", 8163) == "refused", 5)


def make_certificate(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem", "-days", "9", "-subj", f"/CN={name}", "-addext",
                    f"subjectAltName=DNS:{name}"], check=True, capture_output=True, timeout=20)
    return (folder / "cert.pem").read_text()


def given_tls(name, http, https):
    compose = routed({"web": web()}, http=http, https=https, domain=name)
    compose["x-ishizue"]["tls"] = {"certificate": "./cert.pem", "key": "./key.pem"}
    return compose


def answers(port, name, trust):
    try:
        return Client(port, host=name, trust=trust, timeout=3).get("/health").status
    except (OSError, http.client.HTTPException):
        return None


def test_certificate_files_that_go_bad_hurt_nobody_else(make_system):
    one, two = make_system(), make_system()
    trust_one = make_certificate(one.folder, "one.test")
    trust_two = make_certificate(two.folder, "two.test")
    one.file(given_tls("one.test", 8170, 8171))
    two.file(given_tls("two.test", 8172, 8173))
    one.up()
    two.up()
    assert answers(8171, "one.test", trust_one) == 200
    good = (one.folder / "key.pem").read_text()
    one.write("key.pem", "this is no key\n")
    changed = given_tls("two.test", 8172, 8173)
    changed["services"]["web"]["environment"] = {"NEW": "1"}
    two.file(changed)
    two.up()
    assert answers(8173, "two.test", trust_two) == 200
    assert answers(8171, "one.test", trust_one) == 200, "the pair that was good goes on being used"
    assert "x-ishizue.tls" in one.machine.log_since_mark()
    # A daemon that never saw the good pair leaves out the one route that needs it.
    end_both(one.machine)
    one.machine.ensure()
    assert process.wait(lambda: answers(8173, "two.test", trust_two) == 200, 10)
    assert process.wait(lambda: answers(8171, "one.test", trust_one) is None, 10)
    assert "there is no https until they are good" in one.machine.log_since_mark()
    one.write("key.pem", good)
    two.file(given_tls("two.test", 8172, 8173))
    two.up()
    assert process.wait(lambda: answers(8171, "one.test", trust_one) == 200, 5)
