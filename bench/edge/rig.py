# SPDX-License-Identifier: Apache-2.0
"""What the benches of this folder share: processes on a core, their CPU time and memory, a network
namespace of one's own, and what the machine is."""
import ctypes
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROXY_CORE, LOAD_CORE = "0", "1"
BACKEND_PORT = 9000
HOST = "bench.localhost"
HZ = os.sysconf("SC_CLK_TCK")


def fail(text):
    sys.exit(f"bench/edge/run: {text}")


def tree(pid):
    """A process and all below it."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                found += tree(int(child))
    except OSError:
        pass
    return found


def cpu_seconds(pid):
    total = 0
    for each in tree(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / HZ


def core_seconds(core):
    """Busy, and stolen by the machine's host."""
    with open("/proc/stat") as lines:
        fields = next(line for line in lines if line.startswith(f"cpu{core} ")).split()[1:]
    return sum(int(fields[i]) for i in (0, 1, 2, 5, 6)) / HZ, int(fields[7]) / HZ


def memory_kib(pid, what="Pss"):
    """Proportional ("Pss") or resident ("Rss") set size of a process and all below it."""
    total = 0
    for each in tree(pid):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(rf"^{what}:\s+(\d+)", text, re.M).group(1))
    return total


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def start(core, command, log, **more):
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], stdin=subprocess.DEVNULL,
                            stdout=log, stderr=log, preexec_fn=die_with_parent, **more)


def stop(process):
    processes = tree(process.pid)
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in processes[1:]:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def await_port(port, process, name):
    for _ in range(400):
        if process.poll() is not None:
            fail(f"{name} ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.025)
    fail(f"{name} does not answer on port {port}")


def version(command, pattern):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError:
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "?"


def machine(program):
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "wrk": version(["wrk", "-v"], r"wrk (\S+)").removeprefix("debian/"),
        "h2load": version(["h2load", "--version"], r"nghttp2/(\S+)"),
        "ishizue": version([program, "version", "--short"], r"(\S+)"),
    }


def in_own_network():
    """Starts this program again in a network namespace of its own."""
    if os.environ.get("BENCH_NETWORK") == "own":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        os.nice(-10)  # all of the bench before whatever else the machine does
        for name, value in (("core/somaxconn", "65535"), ("ipv4/tcp_max_syn_backlog", "65535"),
                            ("ipv4/ip_local_port_range", "10000 65000"), ("ipv4/tcp_tw_reuse", "1")):
            try:
                Path("/proc/sys/net", name).write_text(value)
            except OSError:
                pass  # older kernels show it only to the machine's own namespace
        return
    os.environ["BENCH_NETWORK"] = "own"
    os.execvp("unshare", ["unshare", "--net", "--", sys.executable, *sys.argv])
