# SPDX-License-Identifier: Apache-2.0
"""A machine: one state folder, one run folder, one daemon, one edge."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from rig import process

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
OUTPUT = REPOSITORY / "build" / "test-output"
# Runs with different names go on side by side. Letters and digits.
SESSION = os.environ.get("ISHIZUE_TESTS_SESSION", "")
SUFFIX = f"-{SESSION}" if SESSION else ""
STATE_ROOT = pathlib.Path(f"/var/lib/ishizue-tests{SUFFIX}")  # overlayfs refuses tmpfs uppers
RUN_ROOT = pathlib.Path(f"/run/ishizue-tests{SUFFIX}")
PREFIX = f"st{SESSION}-"  # of the names of all systems of the tests
COMMAND_TIMEOUT = 60
# What build steps need to reach the package registries, and nothing else of the caller's.
PASSED_ON = re.compile(r"(?i)(HTTPS?|NO|ALL)_PROXY|PIP_.*|NPM_CONFIG_.*|NODE_EXTRA_CA_CERTS|SSL_CERT_.*")


def find_program():
    named = os.environ.get("ISHIZUE")
    path = pathlib.Path(named) if named else REPOSITORY / "build" / "ishizue"
    return path.resolve() if os.access(path, os.X_OK) else None


class Result:
    def __init__(self, argv, status, out, err, seconds):
        self.argv, self.status, self.out, self.err, self.seconds = argv, status, out, err, seconds

    def json(self):
        return json.loads(self.out)

    def json_lines(self):
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return (f"$ ishizue {' '.join(self.argv)}\nstatus {self.status} after {self.seconds:.2f} s"
                f"\n--- stdout\n{self.out}--- stderr\n{self.err}---")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("ishizue", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Machine:
    def __init__(self, program, name, keep=False):
        self.program, self.name, self.keep = program, name, keep
        self.state = STATE_ROOT / name
        self.run_dir = RUN_ROOT / name
        self.log = self.state / "daemon.log"
        self._log_from = 0

    # ---- commands

    def environment(self, extra=None):
        env = {key: value for key, value in os.environ.items() if PASSED_ON.fullmatch(key)}
        env.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                   HOME="/root", LANG="C.UTF-8", ISHIZUE_STATE_DIR=str(self.state),
                   ISHIZUE_RUN_DIR=str(self.run_dir),
                   ISHIZUE_IMAGES_DIR=str(REPOSITORY / "images"))
        env.update(extra or {})
        return env

    def start(self, *argv, cwd="/", env=None, prefix=(), **options):
        """A command that goes on; the caller ends it."""
        return subprocess.Popen([*prefix, str(self.program), *map(str, argv)], cwd=cwd,
                                env=self.environment(env), text=True, errors="replace", **options)

    def run(self, *argv, cwd="/", env=None, stdin=None, timeout=COMMAND_TIMEOUT, prefix=()):
        began = time.monotonic()
        child = self.start(*argv, cwd=cwd, env=env, prefix=prefix, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = child.communicate(stdin or "", timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            err += f"\nkilled by the test after {timeout} s"
        return Result(list(map(str, argv)), child.returncode, out, err, time.monotonic() - began)

    def ok(self, *argv, **options):
        result = self.run(*argv, **options)
        assert result.status == 0, result
        return result

    # ---- daemon

    def call(self, method, path, body=None, timeout=10):
        """The API: status and decoded answer."""
        connection = UnixConnection(self.run_dir / "api.sock", timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body),
                               {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def version(self):
        try:
            return self.call("GET", "/v1/version")[1]
        except (OSError, http.client.HTTPException):
            return None

    def is_up(self):
        return self.version() is not None

    def daemon_pid(self):
        return self.version()["pid"]

    def edge_pid(self):
        version = self.version()
        return version["edge"]["pid"] if version else 0

    def ensure(self):
        if not self.is_up():
            self.ok("daemon")
        assert process.wait(lambda: self.edge_pid() > 0, 10), "no edge runs"

    @contextlib.contextmanager
    def copied_program(self, folder):
        """What runs is a copy of the program in <folder>, which may be replaced."""
        former = self.program
        folder.mkdir(mode=0o755)
        self.ok("daemon", "stop")
        self.program = folder / "ishizue"
        shutil.copy(former, self.program)
        self.ensure()
        yield former
        self.ok("daemon", "stop")
        self.program = former
        self.ensure()

    def system_names(self):
        return [one["name"] for one in self.call("GET", "/v1/systems")[1]["systems"]]

    def conmon_pids(self):
        return [pid for pid in process.matching(str(self.run_dir))
                if "conmon" in process.command_line(pid).split(" ")[0]]

    def down_all(self):
        """Whatever a test left. Returns what could not be taken down."""
        stuck = []
        for name in self.system_names() if self.is_up() else []:
            done = self.run("-p", name, "down", "-v", "-t", "2", timeout=40)
            if done.status != 0 and name in self.system_names():
                stuck.append(done)
        return stuck

    def stop(self):
        """Ends the daemon and the edge; the machine is as before its first command."""
        edge = self.edge_pid()
        if self.is_up():
            self.down_all()
            self.run("daemon", "stop", timeout=40)
        if edge:
            process.end(edge, signal.SIGTERM, 3) or process.end(edge)
        self.clear()

    def clear(self):
        """By force, also after a run that was killed."""
        # The daemon first: it would start what it finds ended again.
        find = (lambda: process.with_environment(f"ISHIZUE_RUN_DIR={self.run_dir}"),
                lambda: process.matching(str(self.run_dir)),
                lambda: process.in_control_groups(PREFIX))
        for look in find:
            for pid in set(look()) - {os.getpid()}:
                process.end(pid)
        for folder in control_groups():
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        unmount_below(self.run_dir)
        unmount_below(self.state)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        if not self.keep:
            shutil.rmtree(self.state, ignore_errors=True)

    # ---- the log

    def log_text(self):
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")
        return ""

    def log_mark(self):
        self._log_from = len(self.log_text())

    def log_since_mark(self):
        return self.log_text()[self._log_from:]


def control_groups():
    """Folders of the groups of instances of the tests."""
    found = []
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        if os.path.basename(base) == "ishizue":
            found += [os.path.join(base, name) for name in folders if name.startswith(PREFIX)]
            folders.clear()
    return found


def mounts():
    """Where something is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        return [line.split()[4] for line in file]


def unmount_below(folder):
    for path in reversed(mounts()):
        if path == str(folder) or path.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", path], check=False, timeout=20)
