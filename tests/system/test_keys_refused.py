# SPDX-License-Identifier: Apache-2.0
"""Keys that the host runtime refuses: `up` names the key, its place and what to do instead."""
import json
import pathlib
import re

import pytest

from rig.system import sleeper

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
DISK = [{"path": "/dev/sda", "rate": "1mb"}]


def of_service(**keys):
    return {"services": {"it": sleeper(**keys)}}


def of_secret(**keys):
    return {**of_service(secrets=["s"]), "secrets": {"s": keys}}


def of_config(**keys):
    return {**of_service(configs=["c"]), "configs": {"c": keys}}


def of_network(**keys):
    return {**of_service(networks={"n": keys}), "networks": {"n": {}}}


def of_mount(**keys):
    return of_service(volumes=[{"type": "bind", "source": ".", "target": "/v", **keys}])


# key, as the reference writes it: a file that has it
REFUSED = {
    "services.NAME.deploy.resources.reservations.devices": of_service(deploy={
        "resources": {"reservations": {"devices": [{"capabilities": ["gpu"]}]}}}),
    "services.NAME.post_start[].privileged": of_service(
        post_start=[{"command": ["true"], "privileged": True}]),
    "services.NAME.pre_stop[].privileged": of_service(
        pre_stop=[{"command": ["true"], "privileged": True}]),
    "services.NAME.provider": {"services": {"it": {"provider": {"type": "model"}}}},
    "services.NAME.blkio_config.weight_device": of_service(
        blkio_config={"weight_device": [{"path": "/dev/sda", "weight": 400}]}),
    "services.NAME.blkio_config.device_read_bps": of_service(
        blkio_config={"device_read_bps": DISK}),
    "services.NAME.blkio_config.device_read_iops": of_service(
        blkio_config={"device_read_iops": [{"path": "/dev/sda", "rate": 100}]}),
    "services.NAME.blkio_config.device_write_bps": of_service(
        blkio_config={"device_write_bps": DISK}),
    "services.NAME.blkio_config.device_write_iops": of_service(
        blkio_config={"device_write_iops": [{"path": "/dev/sda", "rate": 100}]}),
    "services.NAME.cpu_count": of_service(cpu_count=2),
    "services.NAME.cpu_percent": of_service(cpu_percent=50),
    "services.NAME.cpu_rt_period": of_service(cpu_rt_period=11000),
    "services.NAME.cpu_rt_runtime": of_service(cpu_rt_runtime=1000),
    "services.NAME.credential_spec": of_service(credential_spec={"file": "spec.json"}),
    "services.NAME.device_cgroup_rules": of_service(device_cgroup_rules=["c 1:3 mr"]),
    "services.NAME.gpus": of_service(gpus="all"),
    "services.NAME.isolation": of_service(isolation="hyperv"),
    "services.NAME.models": {**of_service(models=["llm"]), "models": {"llm": {"model": "ai/x"}}},
    "services.NAME.networks.NAME.ipv6_address": of_network(ipv6_address="fd00::5"),
    "services.NAME.networks.NAME.link_local_ips": of_network(link_local_ips=["169.254.1.1"]),
    "services.NAME.privileged": of_service(privileged=True),
    "services.NAME.use_api_socket": of_service(use_api_socket=True),
    "services.NAME.volumes[].bind.recursive": of_mount(bind={"recursive": "disabled"}),
    "services.NAME.volumes[].image": of_service(volumes=[
        {"type": "image", "source": "debian", "target": "/v", "image": {"subpath": "etc"}}]),
    "jobs": {**of_service(), "jobs": {"nightly": {"image": "debian", "triggers": {"manual": True}}}},
    "models": {**of_service(models=["llm"]), "models": {"llm": {"model": "ai/x"}}},
    "secrets.NAME.driver": of_secret(file="./s", driver="vault"),
    "secrets.NAME.driver_opts": of_secret(file="./s", driver_opts={"a": "b"}),
    "secrets.NAME.template_driver": of_secret(file="./s", template_driver="golang"),
    "configs.NAME.template_driver": of_config(file="./s", template_driver="golang"),
}

# what a key that is honoured says when its value cannot be
VALUES = {
    "cgroup": (of_service(cgroup="host"), "an instance sees only its own control group; use private"),
    "platform": (of_service(platform="windows/amd64"),
                 "programs of another platform do not run on this machine"),
    "security_opt": (of_service(security_opt=["systempaths=unconfined"]), "use no-new-privileges"),
    "network_mode": (of_service(network_mode="container:other"), "write the two into one file"),
    "volumes_from": (of_service(volumes_from=["container:other"]), "name a service of this project"),
    "driver": ({**of_service(networks=["n"]), "networks": {"n": {"driver": "macvlan"}}},
               "has no such driver; use bridge"),
    "driver_opts": ({**of_service(networks=["n"]), "networks": {"n": {"driver_opts": {
        "com.docker.network.bridge.enable_icc": "false"}}}}, "use several networks"),
    "enable_ipv4": ({**of_service(networks=["n"]), "networks": {"n": {"enable_ipv4": False}}},
                    "instances have IPv4 only"),
    "use_service_name_alias": (of_network(use_service_name_alias=False),
                               "a service is always reachable by its name"),
    "volume driver": ({**of_service(volumes=["v:/v"]), "volumes": {"v": {"driver": "nfs-plugin"}}},
                      "has no such driver; use local with driver_opts"),
}


def rows(support):
    """Keys of the reference's table: what it says of each."""
    cells = [[cell.strip() for cell in line.split(" | ")] for line in
             DOCS.joinpath("compose.md").read_text().splitlines() if line.startswith("| `")]
    return {row[0].strip("|` "): row[2].partition(": ")[2] for row in cells
            if row[2].split(":")[0] == support}


def test_every_refused_key_is_refused_in_a_test():
    assert set(REFUSED) == set(rows("refused"))


def refused_place(system, path, file, says):
    """What stands in the file where `up` refuses <path>."""
    text = system.file(file).read_text()
    done = system.run("up", "-d")
    assert done.status == 2, done
    written = re.escape(path).replace("NAME", r"\w+").replace(r"\[\]", r"\[0\]")
    found = re.search(rf"^error: docker-compose.yml:(\d+):(\d+): {written}: the host runtime "
                      rf"refuses '\w+'; (.*)$", done.err, re.M)
    assert found and found[3] == says and says, (path, done)
    return text.splitlines()[int(found[1]) - 1][int(found[2]) - 1:]


def test_a_refused_key_stops_up_and_says_what_to_do(system):
    system.write("s", "secret")
    says = rows("refused")
    for path, file in REFUSED.items():
        name = path.rpartition(".")[2]
        assert refused_place(system, path, file, says[path]).startswith(f'"{name}"'), path
        shown = system.ok("config", "--format", "json")
        assert f'"{name}"' in json.dumps(shown.json()), (path, shown)
    assert system.is_gone()


def test_a_refused_value_of_an_honoured_key_stops_up_and_says_what_to_do(system):
    for name, (file, says) in VALUES.items():
        text = system.file(file).read_text()
        done = system.run("up", "-d")
        assert done.status == 2 and says in done.err, (name, done)
        found = re.search(r"docker-compose.yml:(\d+):", done.err)
        assert name.split()[-1] in text.splitlines()[int(found[1]) - 1], (name, done)
    assert system.is_gone()


def later():
    """Keys of x-ishizue that this version refuses, from their page."""
    page = DOCS.joinpath("x-ishizue.md").read_text()
    for part in ("top", "service"):
        body = page.split(f"<!-- made: later-{part} -->")[1].split("<!-- end:")[0]
        for name in re.findall(r"`([^`]+)`", body):
            yield part, name


def with_x(part, name, value):
    inner = {"routes": [{"path": "/", "to": "it:8000", name.split("[].")[-1]: value}]} \
        if name.startswith("routes[].") else {name: value}
    return {"services": {"it": sleeper(**({} if part == "top" else {"x": inner}))},
            **({"x-ishizue": inner} if part == "top" else {})}


@pytest.mark.parametrize("part, name", later())
def test_a_key_of_x_ishizue_that_is_for_later_stops_up(system, part, name):
    said = f"refuses '{name.split('[].')[-1]}'; this version does not act on it"
    for value in ("x", {"a": "b"}, ["x"], "10s", 5):
        system.file(with_x(part, name, value))
        done = system.run("up", "-d")
        assert done.status == 2 and system.is_gone(), done
        if said in done.err:
            return
        assert f".{name.split('[].')[-1]}" in done.err, done  # it wants another shape
