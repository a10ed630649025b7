# SPDX-License-Identifier: Apache-2.0
"""Keys of the compose file that describe a process, from the file to what the process sees."""
import pytest

from rig.system import sleeper

# key of the file: what it says, and a command that succeeds inside when it is so
KEYS = {
    "ulimits": ({"nofile": {"soft": 512, "hard": 1024}, "core": 0},
                "grep -q '^Max open files *512 *1024 ' /proc/1/limits"),
    "cap_add": (["NET_RAW"], "grep -q '^CapEff:.0000000000002000$' /proc/self/status"),
    "cap_drop": (["ALL"], "grep -q '^CapBnd:.0000000000002000$' /proc/self/status"),
    "read_only": (True, "! touch /usr/x 2>/dev/null; touch /tmp/x"),
    "init": (True, "test $(cat /proc/1/comm) = tini"),
    "sysctls": ({"net.core.somaxconn": 321}, "test $(cat /proc/sys/net/core/somaxconn) = 321"),
    "shm_size": ("8m", "test $(df -k --output=size /dev/shm | tail -1) = 8192"),
    "tmpfs": (["/scratch:size=1m,mode=700"],
              "test $(df -k --output=size /scratch | tail -1) = 1024; "
              "test $(stat -c %a /scratch) = 700"),
    "group_add": (["video", 4321], "id -G | grep -q ' 44 4321$'"),
    "oom_score_adj": (123, "test $(cat /proc/1/oom_score_adj) = 123"),
    "cpuset": ("0", "test $(nproc) = 1"),
    "security_opt": (["seccomp=unconfined", "no-new-privileges:true"],
                     "grep -q '^Seccomp:.0$' /proc/self/status"),
    "devices": (["/dev/zero:/dev/nought:rw"], "test $(head -c 3 /dev/nought | wc -c) = 3"),
    "cgroup": ("private", "! grep -q ishizue /proc/self/cgroup"),
    "hostname": ("box", "test $(hostname) = box"),
    "domainname": ("shop.test", "test $(hostname -d) = shop.test"),
    "user": ("node:node", "test $(id -un) = node; test $(id -u) -ge 700000"),
}
REFUSED = {
    "privileged": (True, "privileged"),
    "cap_add": (["SYS_ADMIN"], "'SYS_ADMIN' would reach beyond the instance"),
    "sysctls": ({"kernel.core_pattern": "x"}, "kernel.core_pattern"),
    "ulimits": ({"nofile": 900000000}, "ulimits.nofile: 900000000 is above the daemon's own limit"),
    "group_add": (["shadow"], "'shadow' opens the secrets"),
    "devices": (["/dev/no-such-device"], "/dev/no-such-device"),
    "cpuset": ("0-9999", "0-9999"),
}


def test_keys_of_the_file_reach_the_process(system):
    system.file({"services": {"it": sleeper(**{key: said for key, (said, _) in KEYS.items()})}})
    system.up()
    results = {key: system.execute("it", "sh", "-c", f"set -e; {command}")
               for key, (_, command) in KEYS.items()}
    assert {key: result for key, result in results.items() if result.status != 0} == {}


def test_secrets_and_configs_are_files_with_owner_and_mode(system):
    system.write("password.txt", "open sesame")
    system.file({"services": {"it": sleeper(
        user="1234", secrets=["password", {"source": "password", "target": "mine", "uid": "1234",
                                           "gid": "7", "mode": 0o440}],
        configs=[{"source": "inline", "target": "/etc/it.conf", "mode": 0o555}])},
        "secrets": {"password": {"file": "./password.txt"}},
        "configs": {"inline": {"content": "key=value"}}})
    system.up()
    seen = system.execute("it", "sh", "-c", "cat /run/secrets/password /run/secrets/mine "
                          "/etc/it.conf; stat -c ' %a' /run/secrets/mine /etc/it.conf; "
                          "test $(stat -c %u /run/secrets/mine) = $(id -u) && stat -c %g "
                          "/run/secrets/mine")
    assert seen.out == "open sesameopen sesamekey=value 440\n 555\n7\n", seen


@pytest.mark.parametrize("key", REFUSED)
def test_what_an_instance_cannot_have_stops_up_and_names_the_key(system, key):
    said, text = REFUSED[key]
    system.file({"services": {"it": sleeper(**{key: said})}})
    result = system.run("up", "-d")
    assert result.status != 0, result
    assert text in result.err + result.out, result


def test_a_service_shares_the_namespaces_of_another(system):
    shares = "service:donor"
    system.file({"services": {
        "donor": sleeper(ipc="shareable"),
        "guest": sleeper(network_mode=shares, pid=shares, ipc=shares)}})
    system.up()
    for name in ("net", "pid", "ipc"):
        command = ("readlink", f"/proc/self/ns/{name}")
        assert system.execute("donor", *command).out == system.execute("guest", *command).out, name


def test_a_folder_of_a_volume_is_mounted_and_the_volume_stays(system):
    volume = {"type": "volume", "source": "data", "target": "/data"}
    system.file({"services": {"it": sleeper(volumes=[volume])}, "volumes": {"data": {}}})
    system.up()
    assert system.execute("it", "sh", "-c", "mkdir /data/inner && echo kept >/data/inner/x").status == 0
    inner = {**volume, "volume": {"subpath": "inner"}}
    system.file({"services": {"it": sleeper(volumes=[inner])}, "volumes": {"data": {}}})
    system.up()
    assert system.execute("it", "cat", "/data/x").out == "kept\n"
    system.file({"services": {"it": sleeper(volumes=[volume])}, "volumes": {"data": {}}})
    system.up()
    assert system.execute("it", "cat", "/data/inner/x").out == "kept\n"
