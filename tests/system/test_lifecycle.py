# SPDX-License-Identifier: Apache-2.0
"""What a person does all day: up, ps, logs, exec, restart, down."""
import json
import signal
import subprocess

from rig.client import Client
from rig.system import routed, service, sleeper, web


def test_up_then_ps_logs_exec_and_down_show_and_end_a_system(system, authority):
    system.file(routed({"web": web(), "idle": sleeper(depends_on=["web"])}))
    up = system.up()
    assert "https://st.localhost:8443/" in up.out
    ps = system.ok("ps").out
    assert ps.splitlines()[0].split()[:2] == ["NAME", "SERVICE"]
    assert f"{system.name}-web-1" in ps and "ready" in ps and "healthy" in ps
    assert max(len(line) for line in ps.splitlines()) <= 160
    assert "web is listening" in system.log("web")
    assert system.execute("web", "echo", "hello inside").out == "hello inside\n"
    assert Client(8443, trust=authority).get("/health").body == b"fine\n"
    down = system.down()
    assert "is down" in down.out
    assert system.is_gone()
    assert system.run("ps").status != 0


def test_up_with_json_prints_one_object_a_line_and_ends_with_the_result(system):
    system.file(routed({"web": web()}))
    lines = system.up("--json").json_lines()
    assert lines[-1]["event"] == "result" and lines[-1]["ok"] is True
    assert lines[-1]["changed"] is True
    assert lines[-1]["addresses"] == ["https://st.localhost:8443/"]
    steps = [line["state"] for line in lines if line["event"] == "step"]
    assert steps.index("starting") < steps.index("warming") < steps.index("ready")
    assert all(line["elapsed_ms"] >= 0 for line in lines)


def test_ps_tells_programs_the_same_as_people(system):
    system.file({"services": {"web": web(ports=["8090:8000"]), "once": service("exit 0")}})
    system.up()
    state = system.state()
    assert state["name"] == system.name and state["operation"] is None
    one = system.instance("web")
    assert one["state"] == "ready" and one["health"] == "healthy" and one["pid"] > 1
    assert one["memory_bytes"] > 1 << 20 and one["restarts"] == 0
    lines = system.ok("ps", "--format", "json").json_lines()
    assert [line["Service"] for line in lines] == ["web"]
    assert lines[0]["State"] == "running" and lines[0]["Health"] == "healthy"
    assert system.ok("ps", "-q").out.split() == [one["id"]]
    assert system.ok("ps", "-a", "--services").out.split() == ["once", "web"]
    assert "8090->8000/tcp" in system.ok("ps").out


def test_a_second_up_changes_nothing_and_says_so(system, figure):
    system.file(routed({"web": web(), "idle": sleeper()}))
    system.up()
    before = system.pids()
    again = system.up()
    assert "was up already" in again.out
    assert system.pids() == before
    figure("second_up_of_two_services", again.seconds, "s")
    assert again.seconds < 2
    assert system.up("--json").json_lines()[-1]["changed"] is False


def test_only_the_service_that_changed_is_recreated(system):
    compose = routed({"web": web(environment={"COLOUR": "blue"}), "idle": sleeper()})
    system.file(compose)
    system.up()
    before = system.ids()
    compose["services"]["web"]["environment"]["COLOUR"] = "green"
    system.file(compose)
    system.up()
    after = system.ids()
    assert after[f"{system.name}-idle-1"] == before[f"{system.name}-idle-1"]
    assert after[f"{system.name}-web-1"] != before[f"{system.name}-web-1"]
    assert system.execute("web", "printenv", "COLOUR").out == "green\n"


def test_a_service_that_left_the_file_goes_and_a_new_one_comes(system):
    system.file({"services": {"a": sleeper(), "b": sleeper()}})
    system.up()
    kept = system.ids()[f"{system.name}-a-1"]
    system.file({"services": {"a": sleeper(), "c": sleeper()}})
    system.up()
    assert {one["service"] for one in system.instances()} == {"a", "c"}
    assert system.ids()[f"{system.name}-a-1"] == kept


def test_force_recreate_replaces_what_is_named_and_nothing_else(system):
    system.file({"services": {"a": sleeper(), "b": sleeper()}})
    system.up()
    before = system.ids()
    system.up("--force-recreate", "a")
    after = system.ids()
    assert after[f"{system.name}-a-1"] != before[f"{system.name}-a-1"]
    assert after[f"{system.name}-b-1"] == before[f"{system.name}-b-1"]


def test_restart_ends_the_processes_and_starts_them_again(system):
    system.file({"services": {"a": sleeper(), "b": sleeper()}})
    system.up()
    before = {one["service"]: one["pid"] for one in system.instances()}
    system.ok("restart", "a")
    after = {one["service"]: one["pid"] for one in system.instances()}
    assert after["a"] != before["a"] and after["b"] == before["b"]
    assert system.instance("a")["state"] == "ready"


def test_dependencies_start_first_and_end_last(system):
    shared = {"volumes": ["order:/data"]}

    def noting(name, **extra):
        return service(f"echo {name} starts >> /data/order; "
                       f"trap 'echo {name} ends >> /data/order; exit 0' TERM; "
                       "sleep 1000000 & wait", **shared, **extra)

    reader = {"reader": sleeper(**shared)}
    system.file({"volumes": {"order": {}}, "services": {
        "last": noting("last", depends_on=["middle"]),
        "middle": noting("middle", depends_on={"first": {"condition": "service_started"}}),
        "first": noting("first"), **reader}})
    system.up()
    system.down()
    system.file({"volumes": {"order": {}}, "services": reader})
    system.up()
    assert system.execute("reader", "cat", "/data/order").out.splitlines() == [
        "first starts", "middle starts", "last starts", "last ends", "middle ends", "first ends"]


def test_a_job_that_others_wait_for_runs_before_them_and_again_on_up(system):
    job = service("sleep 0.5; date +%s.%N > /data/done", volumes=["data:/data"])
    user = service("cat /data/done && echo found it; trap 'exit 0' TERM; sleep 1000000 & wait",
                   volumes=["data:/data"],
                   depends_on={"job": {"condition": "service_completed_successfully"}})
    system.file({"services": {"job": job, "user": user}, "volumes": {"data": {}}})
    system.up()
    assert "found it" in system.log("user")
    assert system.instance("job")["state"] == "exited"
    first = system.execute("user", "cat", "/data/done").out
    system.up()
    assert system.execute("user", "cat", "/data/done").out != first


def test_a_healthy_dependency_is_waited_for(system):
    slow = service("sleep 1; touch /tmp/well; trap 'exit 0' TERM; sleep 1000000 & wait",
                   healthcheck={"test": ["CMD", "test", "-e", "/tmp/well"], "interval": "1s",
                                "timeout": "2s", "retries": 20, "start_period": "10s"})
    system.file({"services": {
        "slow": slow, "user": sleeper(depends_on={"slow": {"condition": "service_healthy"}})}})
    system.up()
    slow_started, user_started = (system.instance(name)["started_ms"] for name in ("slow", "user"))
    assert user_started - slow_started >= 1000


def test_replicas_run_side_by_side_and_share_the_traffic(system, authority):
    system.file(routed({"web": web(deploy={"replicas": 3})}))
    system.up()
    assert sorted(one["number"] for one in system.instances("web")) == [1, 2, 3]
    client = Client(8443, trust=authority)
    seen = {client.get("/echo").headers["X-Instance"] for _ in range(30)}
    assert len(seen) == 3
    system.file(routed({"web": web(deploy={"replicas": 1})}))
    system.up()
    assert [one["number"] for one in system.instances("web")] == [1]


def test_profiles_take_services_in_only_when_asked_for(system):
    system.file({"services": {"always": sleeper(), "tools": sleeper(profiles=["debug"])}})
    system.up()
    assert {one["service"] for one in system.instances()} == {"always"}
    system.run("--profile", "debug", "up", "-d")
    assert {one["service"] for one in system.instances()} == {"always", "tools"}


def test_variables_come_from_where_compose_takes_them(system):
    system.write(".env", "FROM_DOTENV=dotenv\nBOTH=dotenv\n")
    system.write("app.env", "FROM_FILE=file\nOVER=file\n")
    system.file({"services": {"a": sleeper(env_file=["app.env"], environment={
        "OVER": "environment", "A": "${FROM_DOTENV}", "B": "${BOTH}", "C": "${MISSING:-default}",
        "D": "$${kept}", "E": "${FROM_DOTENV:+replaced}"})}})
    system.up(env={"BOTH": "shell"})
    shown = dict(line.split("=", 1) for line in system.execute("a", "env").out.splitlines())
    wanted = {"FROM_FILE": "file", "OVER": "environment", "A": "dotenv", "B": "shell",
              "C": "default", "D": "${kept}", "E": "replaced"}
    assert {name: shown.get(name) for name in wanted} == wanted
    assert "FROM_DOTENV" not in shown and "BOTH" not in shown


def test_a_required_variable_that_is_missing_is_named_and_nothing_starts(system):
    system.file({"services": {"a": sleeper(environment={"X": "${NEEDED:?set it in .env}"})}})
    failed = system.up_fails(status=2)
    assert "NEEDED" in failed.err and "set it in .env" in failed.err
    assert system.is_gone()


def test_exec_passes_status_input_environment_and_folder_through(system):
    system.file({"services": {"a": sleeper(environment={"KEPT": "yes"})}})
    system.up()
    assert system.execute("a", "sh", "-c", "exit 42").status == 42
    assert system.execute("a", "sh", "-c", "kill -9 $$").status == 137
    missing = system.execute("a", "no-such-program-here")
    assert missing.status == 127 and "no-such-program-here" in missing.err
    assert system.execute("a", "/etc/passwd").status == 126
    assert system.execute("a", "tr", "a-z", "A-Z", stdin="piped\n").out == "PIPED\n"
    assert system.run("exec", "-T", "-e", "MORE=x y", "a", "printenv", "MORE").out == "x y\n"
    assert system.execute("a", "printenv", "KEPT").out == "yes\n"
    assert system.run("exec", "-T", "-w", "/usr", "a", "pwd").out == "/usr\n"
    stranger = system.execute("b", "true")
    assert stranger.status == 2 and "'b'" in stranger.err


def test_logs_can_be_cut_and_prefixed_and_followed(system):
    text = "for i in 1 2 3 4 5; do echo line $$i; done; echo oops >&2; " \
           "trap 'exit 0' TERM; sleep 1000000 & wait"
    system.file({"services": {"a": service(text), "b": service("echo from b; sleep 1000000")}})
    system.up()
    assert system.log("a").splitlines()[:5] == [f"line {i}" for i in range(1, 6)]
    assert "oops" in system.log("a")
    assert len(system.log("a", "--tail", "2").splitlines()) == 2
    everything = system.ok("logs").out
    assert any("b-1" in line and "from b" in line for line in everything.splitlines())
    assert system.log("a", "--since", "1h").splitlines()[0] == "line 1"
    assert system.log("a", "-t").splitlines()[0].split(" ")[0].endswith("Z")
    follower = system.start("logs", "-f", "--no-log-prefix", "a", stdout=subprocess.PIPE)
    try:
        assert [follower.stdout.readline() for _ in range(6)][-1] in ("line 5\n", "oops\n")
        system.execute("a", "sh", "-c", "echo later > /proc/1/fd/1")
        assert follower.stdout.readline() == "later\n"
        assert follower.poll() is None
    finally:
        follower.terminate()
        follower.wait(10)


def test_down_keeps_named_volumes_and_down_v_removes_them(system):
    system.file({"services": {"a": sleeper(volumes=["kept:/data"])}, "volumes": {"kept": {}}})
    system.up()
    system.execute("a", "sh", "-c", "echo precious > /data/file")
    system.down()
    system.up()
    assert system.execute("a", "cat", "/data/file").out == "precious\n"
    system.down("-v")
    system.up()
    assert system.execute("a", "cat", "/data/file").status != 0


def test_two_systems_run_side_by_side(make_system):
    one, two = make_system(), make_system()
    for each in (one, two):
        each.file({"services": {"a": sleeper(environment={"NAME": each.name})}})
        each.up()
    listed = one.machine.ok("ls", "--format", "json").json()
    assert {entry["Name"] for entry in listed} == {one.name, two.name}
    one.down()
    assert two.instance("a")["state"] == "ready"
    assert two.execute("a", "printenv", "NAME").out == f"{two.name}\n"


def test_one_name_from_two_folders_is_refused(make_system):
    one, two = make_system({"services": {"a": sleeper()}}), make_system({"services": {"a": sleeper()}})
    one.up()
    stolen = two.machine.run("-p", one.name, "up", "-d", cwd=two.folder)
    assert stolen.status == 1 and str(one.folder) in stolen.err
    assert one.instance("a")["state"] == "ready"


def test_dry_run_tells_and_changes_nothing(system):
    system.file({"services": {"a": sleeper(), "b": sleeper()}})
    told = system.up("--dry-run")
    assert "a" in told.out and "b" in told.out
    assert system.is_gone()


def test_config_and_check_need_no_daemon(system):
    system.file({"services": {"a": sleeper(ports=["8090:80"])}})
    config = json.loads(system.ok("config", "--format", "json").out)
    assert config["name"] == system.name
    assert config["services"]["a"]["ports"][0]["published"] == "8090"
    assert system.ok("config", "--services").out.split() == ["a"]
    system.ok("check")


def test_up_without_detach_follows_the_logs_and_ctrl_c_takes_it_down(system):
    system.file({"services": {"a": service(
        "echo here I am; trap 'exit 0' TERM; sleep 1000000 & wait")}})
    person = system.start("up", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in person.stdout:
            if "here I am" in line:
                break
        assert system.instance("a")["state"] == "ready"
        person.send_signal(signal.SIGINT)
        person.communicate(timeout=30)
    finally:
        person.kill()
    assert person.returncode == 130
    assert system.is_gone()


def test_version_names_the_program_and_the_daemon(machine):
    told = machine.ok("version", "--format", "json").json()
    assert told["version"] == machine.version()["version"]
    assert machine.ok("version", "--short").out.strip() == told["version"]
