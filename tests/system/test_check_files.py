# SPDX-License-Identifier: Apache-2.0
"""`check` says in the evening what would stop `up` at night, and starts nothing."""
from rig.system import sleeper


def test_a_file_that_a_service_needs_and_is_not_there_is_an_error(system):
    system.file({
        "services": {
            "it": sleeper(secrets=["key"], configs=["page"], volumes=[
                {"type": "bind", "source": "./gone", "target": "/gone",
                 "bind": {"create_host_path": False}}]),
        },
        "secrets": {"key": {"file": "./key.txt"}, "unused": {"file": "./never.txt"}},
        "configs": {"page": {"file": "./page.html"}},
    })
    told = system.run("check")
    assert told.status == 1, told
    for name in ("secrets.key.file", "configs.page.file", "services.it.volumes"):
        assert f"{name}: " in told.err, told
    assert told.err.count("is not there; make it first") == 3 and "never.txt" not in told.err, told
    assert "cannot run on this machine as it is" in told.out
    found = system.run("check", "--json").json()["diagnostics"]
    assert [one["severity"] for one in found] == ["error"] * 3, found

    (system.folder / "gone").mkdir()
    system.write("key.txt", "k")
    system.write("page.html", "p")
    told = system.run("check")
    assert told.status == 0 and told.err == "", told


def test_a_folder_that_will_be_made_where_a_file_is_meant_is_a_warning(system):
    system.file({"services": {"it": sleeper(volumes=[
        "./nginx.conf:/etc/it/nginx.conf:ro", "./data:/data", "./conf.d:/etc/conf.d"])}})
    told = system.run("check")
    assert told.status == 0, told
    assert told.err.count("warning:") == 1 and "'" in told.err, told
    assert "'./nginx.conf' is not there; an empty folder will be made in its place" in told.err, told


def test_one_port_of_the_machine_for_two_services_is_an_error(system):
    system.file({"services": {"a": sleeper(ports=["18080:80"]), "b": sleeper(ports=["18080:81"])}})
    told = system.run("check")
    assert told.status == 2, told
    assert "services.b.ports[0]: port 18080 is published by service 'a' already" in told.err, told
