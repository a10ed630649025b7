# SPDX-License-Identifier: Apache-2.0
"""What must not be left after a system went down."""
import os
import re
import subprocess
import time

from rig import process
from rig.machine import control_groups, mounts

SETTLE_SECONDS = 8
EDGE_PIPES = 2 * 2 * 16  # both ends of PIPE_MAX_IDLE that each of two workers keeps


def _network_names(machine):
    folder = machine.run_dir / "netns"
    return sorted(os.listdir(folder)) if folder.is_dir() else []


def _links():
    text = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, timeout=10).stdout
    return sorted(name for name in re.findall(r"^\d+: ([^:@]+)", text, re.M)
                  if name.startswith("iz"))


def _ruleset():
    done = subprocess.run(["nft", "list", "table", "inet", "ishizue"], capture_output=True,
                          text=True, timeout=10)
    return sorted(re.findall(r"\b10\.\d+\.\d+\.\d+\b", done.stdout))


def _steady_files(pid):
    """The fewest of some looks: a connection that was just closed is seen a moment longer."""
    looks = []
    for _ in range(5):
        looks.append(process.open_files(pid))
        time.sleep(0.01)
    return min(looks, key=len)


class Snapshot:
    """How the machine looks while no system is up."""

    def __init__(self, machine):
        self.facts = {
            "systems": machine.system_names(),
            "conmon processes": [process.command_line(pid) for pid in machine.conmon_pids()],
            "control groups": sorted({os.path.basename(path) for path in control_groups()}),
            "mounts": sorted(path for path in mounts()
                             if path.startswith((f"{machine.run_dir}/", f"{machine.state}/"))),
            "network namespaces": _network_names(machine),
            "links": _links(),
            "addresses in the firewall": _ruleset(),
            "instance folders": sorted(os.listdir(machine.state / "instances")),
        }
        daemon, edge = machine.daemon_pid(), machine.edge_pid()
        self.files = {"daemon": _steady_files(daemon), "edge": _steady_files(edge)}
        # The daemon watches the edge.
        if "anon_inode:[pidfd]" in self.files["daemon"]:
            self.files["daemon"].remove("anon_inode:[pidfd]")

    def left_over(self, before):
        """Texts, one for each fact that is not as it was."""
        texts = []
        for name, now in self.facts.items():
            more = [one for one in now if one not in before.facts[name]]
            if more:
                texts.append(f"{name}: {more}")
        for name, now in self.files.items():
            then = before.files[name]
            if name == "edge" and now.count("pipe") <= EDGE_PIPES:
                now, then = ([one for one in files if one != "pipe"] for files in (now, then))
            if len(now) > len(then):
                rest = list(now)
                for one in then:
                    if one in rest:
                        rest.remove(one)
                texts.append(f"descriptors of the {name}: {len(then)} before, "
                             f"{len(now)} now, more: {rest}")
        return texts


def wait_clean(machine, before):
    """The last of what is left over when it does not go away by itself."""
    texts = []

    def is_clean():
        texts[:] = Snapshot(machine).left_over(before)
        return not texts

    process.wait(is_clean, SETTLE_SECONDS, 0.2)
    return texts
