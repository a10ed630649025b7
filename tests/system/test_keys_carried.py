# SPDX-License-Identifier: Apache-2.0
"""Keys that the host runtime needs nothing for: services run as without them, `check` says why,
and `config` has them. Each test stands for the rows of the reference's table that name it."""
import pathlib
import re

from rig.system import sleeper

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
SLEEP = "trap 'exit 0' TERM; sleep 1000000 & wait"


def rows(test):
    """Keys of the reference's table that name <test>, and how they are emulated."""
    cells = [[cell.strip("| ") for cell in line.split(" | ")] for line in
             DOCS.joinpath("compose.md").read_text().splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): row[2].removeprefix("emulated: ") for row in cells
            if f"[{test}]" in row[3] and row[2].startswith("emulated")}


def checked(system, services, **options):
    """What `check` says of each key, the names in <services> and of volumes and so on left out."""
    found = {}
    for key in system.ok("check", "--json", **options).json()["keys"]:
        path = re.sub(r"\[\d+\]", "[]", key["path"])
        path = re.sub(rf"^services\.({'|'.join(services)})\b", "services.NAME", path)
        path = re.sub(r"^(secrets|configs)\.\w+", r"\1.NAME", path)
        path = re.sub(r"(ulimits)\.\w+", r"\1.NAME", path)
        found[path] = (key["support"], key["how"])
    return found


def assert_told(system, services, test, **options):
    told = checked(system, services, **options)
    wanted = rows(test)
    assert wanted, f"no key names {test}"
    for key, how in wanted.items():
        assert told.get(key) == ("emulated", how), (key, how, told.get(key))


def test_keys_about_other_machines_and_labels_change_nothing(system):
    system.write("labels.env", "from=file\n")
    system.write("key", "spoken")
    system.file({
        "services": {"it": sleeper(
            label_file=["./labels.env"],
            ports=[{"target": 8000, "published": "18093", "name": "front"}],
            secrets=["s"], configs=["c"],
            deploy={"replicas": 2, "labels": {"tier": "one"},
                    "placement": {"constraints": ["node.labels.disk==ssd"],
                                  "preferences": [{"spread": "node.labels.rack"}],
                                  "max_replicas_per_node": 1},
                    "resources": {"reservations": {
                        "cpus": "900", "generic_resources": [
                            {"discrete_resource_spec": {"kind": "gpu", "value": 2}}]}}})},
        "secrets": {"s": {"file": "./key", "labels": {"a": "b"}}},
        "configs": {"c": {"content": "text", "name": "other", "labels": {"a": "b"}}}})
    assert_told(system, ["it"], "test_keys_about_other_machines_and_labels_change_nothing")
    system.up()
    assert [one["state"] for one in system.instances("it")] == ["ready", "ready"]
    assert system.execute("it", "sh", "-c", "cat /run/secrets/s /c; env").out.startswith("spokentext")
    assert not system.execute("it", "grep", "-q", "from=file", "/proc/1/environ").status == 0
    shown = system.ok("config", "--format", "json").json()
    it = shown["services"]["it"]
    assert it["labels"] == {"from": "file"} and it["deploy"]["labels"] == {"tier": "one"}
    assert it["deploy"]["placement"]["max_replicas_per_node"] == 1
    assert it["ports"][0]["name"] == "front"
    assert shown["secrets"]["s"]["labels"] == shown["configs"]["c"]["labels"] == {"a": "b"}
    assert shown["configs"]["c"]["name"] == "other"
    line = system.ok("ps", "--format", "json").json_lines()[0]
    assert line["Labels"] == "from=file" and line["Ports"] == "0.0.0.0:18093->8000/tcp"
    assert line["Networks"] == f"{system.name}_default"


BUILD = {
    "context": "./app", "args": {"MARK": "given"},
    "dockerfile_inline": "FROM there-is-no-such-image\nRUN false\n",
    "entitlements": ["network.host"], "ssh": ["default"], "labels": {"a": "b"},
    "cache_from": ["other:1"], "cache_to": ["type=local,dest=/nowhere"],
    "no_cache": True, "no_cache_filter": ["base"],
    "additional_contexts": {"base": "docker-image://there-is-no-such-image"},
    "network": "none", "provenance": True, "sbom": True, "pull": True, "target": "none",
    "shm_size": "64m", "extra_hosts": ["other:10.0.0.1"], "isolation": "default",
    "privileged": True, "tags": ["a:1"], "platforms": ["linux/s390x"],
    "ulimits": {"nofile": {"soft": 17, "hard": 18}},
    "secrets": [{"source": "s", "target": "t", "uid": "103", "gid": "104", "mode": 0o440}],
}
WATCH = [{"path": "./app", "action": "sync+exec", "target": "/srv", "ignore": ["x/"],
          "include": ["*.txt"], "initial_sync": True,
          "exec": {"command": ["false"], "user": "root", "privileged": True, "working_dir": "/",
                   "environment": {"A": "b"}}}]


def test_keys_of_a_dockerfile_leave_the_build_to_its_steps(system):
    system.write("key", "spoken")
    system.write("app/page.txt", "first")
    steps = ["echo $$MARK $$(ulimit -n) $$(id -u) $$(ls /run/secrets 2>/dev/null | wc -l) >seen"]
    system.file({
        "services": {"tree": {
            "build": BUILD, "develop": {"watch": WATCH},
            "x-ishizue": {"host": {"build": steps, "command": f"cat seen page.txt; {SLEEP}"}}}},
        "secrets": {"s": {"file": "./key"}}})
    assert_told(system, ["tree"], "test_keys_of_a_dockerfile_leave_the_build_to_its_steps")
    system.up()
    mark, files, user, secrets, page = system.log("tree").split()
    assert (mark, secrets, page) == ("given", "0", "first")
    assert int(files) > 18 and int(user) != 0
    before = system.pids()
    again = system.up()
    assert system.pids() == before, again  # no_cache: what was built is taken all the same
    shown = system.ok("config", "--format", "json").json()["services"]["tree"]
    for key in BUILD:
        assert key in shown["build"], key
    assert shown["develop"]["watch"][0]["exec"]["command"] == ["false"]
