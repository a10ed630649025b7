#!/usr/bin/env python3
"""Somebody has taken over a worker of the edge: everything they try is refused, and nobody notices.

attacks.c is loaded before the C library and tries it all from within a worker's thread.
"""
import errno
import mmap
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from tables import Recorder, get, publish  # noqa: E402
from tap import run  # noqa: E402

RIG = Path(sys.argv[1])
NAME_BYTES, ENTRY_BYTES, REPORT_BYTES = 48, 56, 16384
REFUSALS = {errno.EPERM, errno.EACCES, errno.ENOSYS}
# What a folder says to which there is nothing above it, and in which nothing can be written.
NOWHERE = {"up out of a folder": {errno.ENOENT}, "up and into proc": {errno.ENOENT, errno.EROFS}}
READ_ONLY = {errno.EROFS, errno.EACCES}


def start_again():
    """This program under a rig of its own."""
    with tempfile.NamedTemporaryFile() as report, tempfile.TemporaryDirectory() as folder:
        report.truncate(REPORT_BYTES)
        os.chmod(report.name, 0o666)
        done = subprocess.run(
            [RIG, "run", "-w", "1", "-f", os.environ["EDGE_FILES"], "-l", f"{folder}/access.log",
             "--", "python3", __file__, RIG],
            env={**os.environ, "LD_PRELOAD": str(RIG.parent / "libattacks.so"),
                 "ATTACKS": report.name, "ATTACKS_IN": RIG.name, "ATTACKS_BEGUN": "1"})
        sys.exit(done.returncode)


def results():
    with open(os.environ["ATTACKS"], "r+b") as file:
        memory = mmap.mmap(file.fileno(), REPORT_BYTES)
    memory[:8] = (1).to_bytes(8, "little")
    assert get()[0] == 200
    count = int.from_bytes(memory[8:16], "little")
    found = []
    for i in range(count):
        at = 16 + ENTRY_BYTES * i
        name = memory[at:at + NAME_BYTES].rstrip(b"\0").decode()
        found.append((name, int.from_bytes(memory[at + NAME_BYTES:at + ENTRY_BYTES], "little")))
    return found


def one(name, error):
    def test():
        assert error in NOWHERE.get(name, REFUSALS | READ_ONLY), f"errno {error} ({errno.errorcode.get(error, 'it worked')})"
    test.__name__ = f"{name} is refused"
    return test


def main():
    if "ATTACKS_BEGUN" not in os.environ:
        start_again()
    publish(Recorder())
    assert get()[0] == 200
    found = results()

    def at_least_40_were_tried():
        assert len(found) >= 40, found

    def requests_are_served_as_before():
        assert get()[0] == 200

    sys.exit(run([at_least_40_were_tried] + [one(*each) for each in found]
                 + [requests_are_served_as_before]))


main()
