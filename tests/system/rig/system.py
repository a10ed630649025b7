# SPDX-License-Identifier: Apache-2.0
"""A system: a folder with a compose file, and the commands that are run in it."""
import json
import pathlib

from rig import process

APPS = pathlib.Path(__file__).resolve().parents[1] / "apps"


def service(command, **extra):
    """Runs <command> over the machine's root; what it needs is mounted, nothing is built."""
    x = {"host": {"command": command, "workdir": "/srv"}, **extra.pop("x", {})}
    return {"image": "tests/any", "stop_grace_period": "3s", "x-ishizue": x, **extra}


def web(port=8000, health=True, **extra):
    """apps/web.py."""
    x = {"health": {"path": "/health", "port": port, "interval": "1s", "start_period": "10s",
                    **(health if isinstance(health, dict) else {})}} if health else {}
    x.update(extra.pop("x", {}))
    volumes = [f"{APPS}:/srv:ro", *extra.pop("volumes", [])]
    return service(f"exec python3 /srv/web.py {port}", x=x, volumes=volumes, **extra)


def sleeper(**extra):
    """A service that does nothing and ends at once when told to."""
    return service("trap 'exit 0' TERM; sleep 1000000 & wait", **extra)


def routed(services, http=8080, https=8443, routes=None, domain="st.localhost", **extra):
    """A file whose edge answers at <domain>."""
    routes = routes or [{"path": "/", "to": "web:8000"}]
    return {"services": services,
            "x-ishizue": {"domain": domain, "listen": {"http": http, "https": https},
                          "routes": routes, **extra}}


class System:
    def __init__(self, machine, folder, name):
        self.machine, self.folder, self.name = machine, folder, name

    def write(self, file, text, mode=None):
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if mode is not None:
            path.chmod(mode)
        return path

    def file(self, compose):
        """Writes the compose file; a dict becomes JSON, which is YAML."""
        text = compose if isinstance(compose, str) else json.dumps(compose, indent=1)
        return self.write("docker-compose.yml", text)

    def run(self, *argv, **options):
        return self.machine.run("-p", self.name, *argv, cwd=self.folder, **options)

    def ok(self, *argv, **options):
        result = self.run(*argv, **options)
        assert result.status == 0, result
        return result

    def start(self, *argv, **options):
        return self.machine.start("-p", self.name, *argv, cwd=self.folder, **options)

    def up(self, *argv, **options):
        return self.ok("up", "-d", *argv, **options)

    def up_fails(self, *argv, status=1, **options):
        result = self.run("up", "-d", *argv, **options)
        assert result.status == status, result
        return result

    def down(self, *argv):
        return self.ok("down", *argv)

    def execute(self, name, *argv, **options):
        """Result of a command inside."""
        return self.run("exec", "-T", name, *argv, **options)

    def python(self, name, text, **options):
        return self.execute(name, "python3", "-c", text, **options)

    def is_gone(self, timeout=2):
        """The daemon forgets a system a moment after its last instance."""
        return process.wait(lambda: self.name not in self.machine.system_names(), timeout)

    def state(self):
        return self.ok("ps", "-a", "--json").json()

    def instances(self, name=None):
        return [one for one in self.state()["instances"] if name in (None, one["service"])]

    def instance(self, name):
        found = self.instances(name)
        assert len(found) == 1, found
        return found[0]

    def ids(self):
        return {one["name"]: one["id"] for one in self.instances()}

    def pids(self):
        """By id, so that a restart shows."""
        return {one["id"]: one.get("pid") for one in self.instances()}

    def wait_instance(self, name, condition, timeout=15):
        found = process.wait(lambda: [one for one in self.instances(name) if condition(one)],
                             timeout, 0.05)
        assert found, f"{name} did not get there: {self.instances(name)}"
        return found[0]

    def log(self, name, *argv):
        return self.ok("logs", "--no-log-prefix", *argv, name).out

