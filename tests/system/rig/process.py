# SPDX-License-Identifier: Apache-2.0
"""Processes of the machine, from /proc."""
import os
import signal
import time


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def command_line(pid):
    return _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace").strip()


def is_alive(pid):
    """A zombie is not."""
    stat = _read(f"/proc/{pid}/stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] not in (b"Z", b"X")


def parent(pid):
    stat = _read(f"/proc/{pid}/stat")
    return int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def matching(needle):
    """Those whose command line contains <needle>."""
    return [pid for pid in pids() if needle in command_line(pid) and is_alive(pid)]


def with_environment(entry):
    return [pid for pid in pids()
            if entry.encode() in _read(f"/proc/{pid}/environ").split(b"\0") and is_alive(pid)]


def in_control_groups(prefix):
    """Those of instances whose id starts with <prefix>."""
    needle = f"/ishizue/{prefix}".encode()
    return [pid for pid in pids() if needle in _read(f"/proc/{pid}/cgroup") and is_alive(pid)]


def open_files(pid):
    """What its descriptors are, by kind; sockets and pipes count, their numbers do not."""
    kinds = []
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return kinds
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        kinds.append(target.split(":")[0] if target.startswith(("socket:", "pipe:")) else target)
    return sorted(kinds)


def proportional_kib(pid):
    """Its share of memory (PSS)."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0


def end(pid, signo=signal.SIGKILL, timeout=10):
    """Sends a signal and waits until the process is gone."""
    try:
        os.kill(pid, signo)
    except ProcessLookupError:
        return True
    return wait(lambda: not is_alive(pid), timeout)


def wait(condition, timeout, pause=0.02):
    """Polls; returns what the condition returned last."""
    deadline = time.monotonic() + timeout
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(pause)
    return found
