# SPDX-License-Identifier: Apache-2.0
"""What upgrades leave behind: nothing that grows with their number."""
import os
import time
from pathlib import Path

import pytest

from rig import process
from rig.client import Client, WebSocket
from rig.system import routed, web
from test_upgrade import former_edges, rebuilt

ROUNDS = 8


@pytest.fixture
def loaded(machine, system, tmp_path):
    with machine.copied_program(tmp_path / "bin"):
        system.file(routed({"web": web(deploy={"replicas": 2}, restart="always")}, https=0, tls="off"))
        system.up()
        system.client = Client(8080)
        yield system


def what_is_open(pid):
    """Descriptors by what they are, without the numbers of sockets and the like."""
    counts = {}
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            kind = os.readlink(entry).split("[")[0].split(":")[0]
        except OSError:
            continue
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def mapped(pid):
    """Memory files, which are shared by processes."""
    text = Path(f"/proc/{pid}/maps").read_text()
    return sorted(line.split(maxsplit=5)[5] for line in text.splitlines() if "/memfd:" in line)


def settle(machine):
    assert process.wait(lambda: former_edges(machine) == [], 20)
    time.sleep(0.5)
    daemon, edge = machine.daemon_pid(), machine.edge_pid()
    children = Path(f"/proc/{daemon}/task/{daemon}/children").read_text().split()
    return {"daemon": what_is_open(daemon), "edge": what_is_open(edge),
            "daemon's memory files": mapped(daemon), "edge's memory files": mapped(edge),
            "children": len(children), "run": sorted(p.name for p in machine.run_dir.iterdir()),
            "shared": sorted(p.name for p in Path("/dev/shm").iterdir() if "ishizue" in p.name)}


@pytest.mark.slow
def test_upgrades_leave_nothing_that_grows(loaded, machine, figure):
    states = []
    for n in range(ROUNDS):
        tunnel = WebSocket(loaded.client)
        newer = rebuilt(machine.program, machine.program.with_name("next"), f"9.8.{n}")
        machine.ok("upgrade", "-y", newer)
        assert tunnel.echo(b"after") == b"after" and len(former_edges(machine)) == 1
        assert loaded.client.get("/health").status == 200
        tunnel.close()
        states.append(settle(machine))
    figure("open in the daemon after upgrades", sum(states[-1]["daemon"].values()), "descriptors")
    assert states[-1] == states[0], (states[0], states[-1])
