# SPDX-License-Identifier: Apache-2.0
"""The system tests: the real program with real processes, networks, databases and browsers.

They need root and a built program (build/ishizue, or the one that ISHIZUE names), and are run by
`make test` or `pytest tests/system`. Everything happens in a network and under folders of their
own, so a shop that runs on the same machine is not touched. What the shop of test_eshop.py was
built to stays in /var/lib/ishizue-tests/eshop for the next run; it may be removed at any time.
Two runs at once need different names in ISHIZUE_TESTS_SESSION.
"""
import fcntl
import os
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from rig import leaks, machine as machines, network, process, system as systems  # noqa: E402

LOG_LINES = 40
figures = []


def why_not():
    if os.geteuid() != 0:
        return "the system tests need root"
    if machines.find_program() is None:
        return "there is no build/ishizue; run make, or name the program in ISHIZUE"
    missing = [name for name in ("conmon", "runc", "nft", "ip", "nsenter")
               if not any(os.access(f"{folder}/{name}", os.X_OK)
                          for folder in ("/usr/sbin", "/usr/bin", "/sbin", "/bin"))]
    return f"programs are missing: {', '.join(missing)}; run scripts/setup" if missing else None


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than five seconds")
    config.why_not = why_not()
    if config.why_not is None and not config.option.collectonly:
        config.lock = open(f"{machines.RUN_ROOT}.lock", "w", encoding="utf-8")
        try:
            fcntl.flock(config.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pytest.exit("other system tests are running on this machine", 2)
        try:
            config.net = network.Network()
        except (OSError, RuntimeError) as error:
            pytest.exit(f"cannot make a network for the tests: {error}", 2)
        machines.OUTPUT.mkdir(parents=True, exist_ok=True)


def pytest_collection_modifyitems(config, items):
    if config.why_not is not None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason=config.why_not))


def pytest_terminal_summary(terminalreporter):
    for line in figures:
        terminalreporter.write_line(line)
    if figures:
        path = machines.OUTPUT / "figures.txt"
        with open(machines.OUTPUT / "figures.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another lane writes its own
            kept = path.read_text().splitlines() if path.exists() else []
            names = {line.split()[1] for line in figures}
            kept = [line for line in kept if line.split()[1:2] and line.split()[1] not in names]
            path.write_text("\n".join(kept + figures) + "\n")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of the daemon's log, where the reason often is."""
    report = (yield).get_result()
    machine = item.funcargs.get("machine") if hasattr(item, "funcargs") else None
    if report.failed and machine is not None:
        lines = machine.log_since_mark().splitlines()[-LOG_LINES:]
        report.sections.append((f"end of the daemon's log ({call.when})", "\n".join(lines)))


@pytest.fixture(scope="session")
def figure():
    """figure("name", value, "unit"): a number that is kept with the results."""
    def keep(name, value, unit):
        text = f"{value:.2f}" if isinstance(value, float) else str(value)
        figures.append(f"figure: {name} {text} {unit}")
    return keep


@pytest.fixture(scope="session")
def net(pytestconfig):
    return pytestconfig.net


class Park:
    """One machine at a time: daemons of one network would overwrite each other's firewall."""

    def __init__(self):
        self.current = None

    def get(self, name, keep=False):
        if self.current is not None and self.current.name != name:
            self.close()
        if self.current is None:
            self.current = machines.Machine(machines.find_program(), name, keep)
            self.current.clear()
            self.current.state.mkdir(parents=True, exist_ok=True)
            self.current.state.parent.chmod(0o711)
            self.current.log.write_text("")
        return self.current

    def close(self):
        if self.current is not None:
            self.current.stop()
            self.current = None


@pytest.fixture(scope="session")
def park(pytestconfig):
    if pytestconfig.why_not is not None:
        pytest.skip(pytestconfig.why_not)
    park = Park()
    yield park
    park.close()


class Guard:
    """Holds a machine against what a test left behind."""

    def __init__(self, machine):
        self.machine, self.expected = machine, []
        machine.ensure()
        self.before = leaks.Snapshot(machine)
        machine.log_mark()

    def expect_log(self, pattern):
        self.expected.append(re.compile(pattern))

    def complaints(self):
        bad = re.compile(r" error |assert|Sanitizer|runtime error:")
        return [line for line in self.machine.log_since_mark().splitlines()
                if bad.search(line) and not any(one.search(line) for one in self.expected)]

    def finish(self):
        self.machine.ensure()
        stuck = self.machine.down_all()
        texts = [str(one) for one in stuck] + leaks.wait_clean(self.machine, self.before)
        texts += [f"the daemon's log: {line}" for line in self.complaints()]
        if any("log:" not in text for text in texts):
            self.machine.stop()  # the next test begins with a clean one
        return texts


@pytest.fixture
def machine(park):
    """The machine most tests share, with a daemon that runs; checked for leaks afterwards."""
    guarded = Guard(park.get("shared"))
    guarded.machine.expect_log = guarded.expect_log
    yield guarded.machine
    texts = guarded.finish()
    assert not texts, "left behind:\n" + "\n".join(texts)


@pytest.fixture
def make_system(machine):
    """make_system(compose) writes a compose file into a folder of its own."""
    made = []

    def make(compose=None, name=None):
        folder = machines.STATE_ROOT / "work" / (name or f"{machines.PREFIX}{os.urandom(3).hex()}")
        subprocess.run(["rm", "-rf", str(folder)], check=True, timeout=20)
        folder.mkdir(parents=True)
        one = systems.System(machine, folder, folder.name)
        made.append(one)
        if compose is not None:
            one.file(compose)
        return one

    yield make
    for one in made:
        if machine.is_up() and one.name in machine.system_names():
            one.run("down", "-v", "-t", "2", timeout=40)
        subprocess.run(["rm", "-rf", str(one.folder)], check=True, timeout=20)


@pytest.fixture
def system(make_system):
    return make_system()


@pytest.fixture
def authority(machine):
    """The certificate that clients have to trust."""
    return machine.ok("ca").out


@pytest.fixture
def wait():
    return process.wait
