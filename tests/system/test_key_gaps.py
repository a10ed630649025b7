# SPDX-License-Identifier: Apache-2.0
"""Keys of the compose file that no other test shows at work; many of them in one system."""
import json
import pathlib
import platform

from rig import process
from rig.client import Client
from rig.system import routed, service, sleeper, web

SLEEP = "trap 'exit 0' TERM; sleep 1000000 & wait"
RUNS = "true"  # there is nothing to see inside: the service runs as it would without the key

# key of the file: what it says, and a command that succeeds inside when it is so
KEYS = {
    "umask": ("027", "grep -q '^Umask:.0027$' /proc/1/status; "
                     "test $(stat -c %a /tmp/new) = 640; test $(umask) = 0027"),
    "working_dir": ("/usr/share", "test $(readlink /proc/1/cwd) = /usr/share; "
                                  "test $(pwd) = /usr/share"),
    "entrypoint": (["/usr/bin/env", "-u", "HOME", "SAID=entry"],
                   "tr '\\0' '\\n' </proc/1/environ | grep -qx SAID=entry"),
    "command": (["/bin/sh", "-c", f"touch /tmp/new; {SLEEP}", "called-so"],
                "tr '\\0' '\\n' </proc/1/cmdline | grep -qx called-so"),
    "env_file": ([{"path": "plain.env"}, {"path": "raw.env", "format": "raw"},
                  {"path": "no-such.env", "required": False}],
                 "test \"$PLAIN\" = 'a b'; test \"$RAW\" = '\"a $b\"'"),
    "environment": ({"OWN": "$$5", "PLAIN_TOO": "${UNSET_HERE:-x}"},
                    "test \"$OWN\" = '$5'; test $PLAIN_TOO = x"),
    "userns_mode": ("host", "test $(id -u) -ge 700000"),
    "runtime": ("other", RUNS),
    "platform": (f"linux/{platform.machine()}", RUNS),
    "pull_policy": ("always", RUNS),
    "pull_refresh_after": ("24h", RUNS),
    "storage_opt": ({"size": "1G"}, RUNS),
    "labels": ({"team": "a"}, "! env | grep -q team"),
    "attach": (False, RUNS),
    "secrets": ([{"source": "told", "target": "here", "mode": 0o400}], "grep -qx spoken /run/secrets/here"),
    "configs": (["told", {"source": "laid", "target": "/etc/laid.conf"}],
                "grep -qx spoken /told; grep -qx 'a = 1' /etc/laid.conf"),
    "volumes": ([
        {"type": "tmpfs", "target": "/small", "tmpfs": {"size": "1m", "mode": 0o750}},
        {"type": "bind", "source": "./given", "target": "/given", "read_only": True,
         "consistency": "cached", "bind": {"selinux": "z", "create_host_path": True}},
        {"type": "volume", "source": "named", "target": "/etc/ssl", "volume": {"nocopy": True}},
        {"type": "volume", "source": "named", "target": "/usr/share/man",
         "volume": {"labels": {"a": "b"}}}],
        "test $(df -k --output=size /small | tail -1) = 1024; test $(stat -c %a /small) = 750; "
        "test -z \"$(ls /given)\"; ! touch /given/x 2>/dev/null; test -z \"$(ls /usr/share/man)\"; "
        "touch /usr/share/man/x; test -e /etc/ssl/x"),
}
EXTRA = {
    "secrets": {"told": {"environment": "SPOKEN_HERE", "name": "other"}},
    "configs": {"told": {"environment": "SPOKEN_HERE"}, "laid": {"file": "./laid.conf"}},
}


def test_more_keys_of_the_file_reach_the_process(system):
    system.write("plain.env", "PLAIN='a b'\n")
    system.write("raw.env", "RAW=\"a $b\"\n")
    system.write("laid.conf", "a = 1\n")
    system.file({"services": {"it": {"image": "debian", "stop_grace_period": "3s",
                                     **{key: said for key, (said, _) in KEYS.items()}}},
                 "volumes": {"named": {"driver": "local"}}, **EXTRA})
    system.up(env={"SPOKEN_HERE": "spoken"})
    results = {key: system.execute("it", "sh", "-c", f"set -e; {command}")
               for key, (_, command) in KEYS.items()}
    assert {key: result for key, result in results.items() if result.status != 0} == {}
    assert (system.folder / "given").is_dir()


def group_value(instance, controller, one, two):
    """What a control group holds: <one> is the file of version 1, <two> that of version 2."""
    base = pathlib.Path("/sys/fs/cgroup")
    path = base / controller / "ishizue" / instance["id"] / one
    if (base / "cgroup.controllers").exists():
        path = base / "ishizue" / instance["id"] / two
    return path.read_text().strip()


def test_limits_of_the_file_are_in_the_control_group_of_the_instance(system):
    system.file({"services": {
        "short": sleeper(cpus=0.5, mem_limit="64m", mem_reservation="32m", pids_limit=50,
                         cgroup_parent="elsewhere"),
        "long": sleeper(deploy={"resources": {"limits": {"cpus": "0.25", "memory": "48M",
                                                         "pids": 40},
                                              "reservations": {"cpus": "0.1", "memory": "24M"}}})}})
    system.up()
    for name, cpu, memory, pids in (("short", 50000, 64 << 20, 50), ("long", 25000, 48 << 20, 40)):
        one = system.instance(name)
        assert group_value(one, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == str(cpu)
        assert group_value(one, "memory", "memory.limit_in_bytes", "memory.max") == str(memory)
        assert group_value(one, "pids", "pids.max", "pids.max") == str(pids)
        assert group_value(one, "memory", "memory.soft_limit_in_bytes", "memory.low") == \
            str(memory // 2)


def test_jobs_scale_and_dependencies_are_as_the_file_says(system):
    system.file({"services": {
        "job": service("echo done; exit 0", restart="always", deploy={"mode": "replicated-job"}),
        "everywhere": sleeper(deploy={"mode": "global", "replicas": 3}),
        "three": sleeper(scale=3, depends_on={
            "off": {"condition": "service_started", "required": False}}),
        "off": sleeper(profiles=["other"])}})
    system.up()
    assert system.instance("job")["state"] == "exited" and "done" in system.log("job")
    assert len(system.instances("three")) == 3
    assert len(system.instances("everywhere")) == 1 and system.instances("off") == []


def test_the_stop_signal_is_the_one_of_the_file(system):
    said = {"volumes": ["data:/data"]}
    system.file({"volumes": {"data": {}}, "services": {
        "a": service("trap 'echo usr1 >/data/by; exit 0' USR1; trap 'echo term >/data/by; exit 0' "
                     "TERM; sleep 1000000 & wait", stop_signal="SIGUSR1", **said),
        "reader": sleeper(**said)}})
    system.up()
    system.ok("stop", "a")
    assert system.execute("reader", "cat", "/data/by").out == "usr1\n"


def checked(test, **figures):
    """Each check leaves a line in /tmp/checks."""
    return service(f"touch /tmp/well; {SLEEP}", healthcheck={
        "test": ["CMD-SHELL", f"date +%s.%N >>/tmp/checks; {test}"], **figures})


def times(system, name):
    return [float(word) for word in system.execute(name, "cat", "/tmp/checks").out.split()]


def test_the_figures_of_a_health_check_are_kept(system):
    system.file({"services": {
        "regular": checked("test -e /tmp/well", interval="500ms", retries=3, timeout="2s"),
        "off": service(SLEEP, healthcheck={"test": ["CMD", "false"], "disable": True}),
        "late": checked("test $(wc -l </tmp/checks) -ge 5", interval="200ms", retries=1,
                        start_period="30s")}})
    system.up()
    assert system.instance("off")["state"] == "ready"
    assert len(times(system, "late")) >= 5, "failures in the start period do not count"
    assert process.wait(lambda: len(times(system, "regular")) >= 6, 10, 0.2)
    seen = times(system, "regular")[1:]
    gaps = [later - before for before, later in zip(seen, seen[1:])]
    assert all(0.4 <= gap <= 4 for gap in gaps), gaps
    system.execute("regular", "rm", "/tmp/well")
    system.wait_instance("regular", lambda one: one["health"] == "unhealthy" or one["restarts"], 10)


def test_a_health_check_that_takes_too_long_has_failed(system):
    system.file({"services": {"slow": checked("sleep 5", interval="200ms", timeout="300ms",
                                              retries=2, start_period="0s")}})
    failed = system.up_fails()
    assert "did not become healthy" in failed.err and failed.seconds < 5, failed


def test_the_edge_asks_the_exposed_port_and_waits_no_longer_than_its_timeout(system):
    asked = {"path": "/health", "interval": "200ms", "retries": 2, "start_period": "1s"}
    system.file({"services": {"web": web(8005, health=False, expose=["8005"],
                                         x={"health": asked})}})
    system.up()
    assert system.instance("web")["health"] == "healthy"
    slow = {**asked, "path": "/slow?ms=3000", "timeout": "300ms"}
    system.file({"services": {"web": web(8005, health=False, expose=["8005"],
                                         x={"health": slow})}})
    failed = system.up_fails()
    assert "did not become healthy" in failed.err, failed


def test_what_a_network_says_about_addresses_and_drivers_leaves_names_as_they_are(system):
    fixed = {"ipv4_address": "10.99.0.7", "priority": 5, "gw_priority": 3,
             "use_service_name_alias": True, "driver_opts": {"a": "b"}}
    system.file({"services": {"web": web(networks={"net": fixed}), "a": sleeper(networks=["net"])},
                 "networks": {"net": {
                     "name": f"{system.name}-own", "driver": "bridge", "attachable": True,
                     "enable_ipv4": True, "labels": {"a": "b"}, "driver_opts": {"x": "y"},
                     "ipam": {"driver": "default", "options": {"o": "p"}, "config": [
                         {"subnet": "10.99.0.0/16", "ip_range": "10.99.1.0/24",
                          "gateway": "10.99.0.1", "aux_addresses": {"h": "10.99.0.5"}}]}}}})
    system.up()
    ask = "import urllib.request as r; print(r.urlopen('http://web:8000/health').status)"
    assert system.python("a", ask).out == "200\n"
    assert system.instance("web")["address"].startswith("10.213.")


def test_a_named_volume_is_found_by_its_name_from_another_system(make_system):
    one, two = make_system(), make_system()
    name = f"{one.name}-shared"
    mounted = sleeper(volumes=["data:/data"])
    one.file({"services": {"a": mounted}, "volumes": {"data": {"name": name, "labels": {"a": "b"}}}})
    two.file({"services": {"b": mounted}, "volumes": {"data": {"name": name, "external": True}}})
    refused = two.up_fails()
    assert f"the external volume '{name}' is not there" in refused.err
    one.up()
    assert one.execute("a", "sh", "-c", "echo mine >/data/x; chmod 644 /data/x; chmod 755 /data"
                       ).status == 0
    two.up()
    assert two.execute("b", "cat", "/data/x").out == "mine\n"
    two.down("-v")
    assert one.execute("a", "cat", "/data/x").out == "mine\n", "it is not the one's to remove"


def test_routes_of_several_hosts_and_the_folder_of_a_tree(system, authority):
    (system.folder / "app").mkdir()
    system.write("app/page", "made\n")
    tree = {"build": {"context": "./app", "args": {"MARK": "given"}}, "x-ishizue": {"host": {
        "workdir": "/opt/site", "build": ["echo $$MARK >mark"],
        "command": f"readlink /proc/self/cwd; cat mark; {SLEEP}"}}}
    system.file(routed({"a": web(), "b": web(8001), "tree": tree}, routes=[
        {"host": "two.localhost", "path": "/", "to": "b:8001"}, {"path": "/", "to": "a:8000"}]))
    system.up()
    assert system.log("tree").split() == ["/opt/site", "given"]
    seen = [json.loads(Client(8443, host=host, trust=authority).get("/echo").body)["instance"]
            for host in ("st.localhost", "two.localhost")]
    assert seen[0].split()[0] != seen[1].split()[0]
