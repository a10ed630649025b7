"""A part of a script under a rig of its own, for what ends the edge or needs one worker."""
import os
import subprocess
import sys
import time


def run_part(name, *options, **environment):
    """Runs this script again, with the part's name behind the rig. Returns what the edge logged."""
    rig = sys.argv[1]
    done = subprocess.run([rig, "run", "-w", "1", *options, "--", "python3", sys.argv[0], rig, name],
                          env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stderr


def wait_for(condition, what, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)
