"""A script of this folder once more, under a rig whose edge has a library in front of libc."""
import os
import subprocess
import sys
import tempfile


def run_again(rig, library, plan_bytes):
    """Does not return. FAULTS names the file that script and library share; FAULTS_BEGUN is set."""
    with tempfile.NamedTemporaryFile() as plan, tempfile.TemporaryDirectory() as folder:
        plan.truncate(plan_bytes)
        os.chmod(plan.name, 0o666)
        environment = {**os.environ, "LD_PRELOAD": str(rig.parent / library), "FAULTS": plan.name,
                       "FAULTS_IN": rig.name, "FAULTS_BEGUN": "1"}
        done = subprocess.run([rig, "run", "-w", "1", "-f", os.environ["EDGE_FILES"], "-l",
                               f"{folder}/access.log", "--", "python3", sys.argv[0], rig],
                              env=environment)
        sys.exit(done.returncode)
