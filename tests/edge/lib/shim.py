"""A script of this folder once more, under a rig whose edge has libraries in front of libc."""
import os
import subprocess
import sys
import tempfile


def run_again(rig, plan_bytes, *libraries):
    """Does not return. FAULTS names the file that script and libraries share; FAULTS_BEGUN is set."""
    with tempfile.NamedTemporaryFile() as plan, tempfile.TemporaryDirectory() as folder:
        plan.truncate(plan_bytes)
        os.chmod(plan.name, 0o666)
        preload = " ".join(str(rig.parent / library) for library in libraries)
        environment = {**os.environ, "LD_PRELOAD": preload, "FAULTS": plan.name,
                       "FAULTS_IN": rig.name, "FAULTS_BEGUN": "1"}
        done = subprocess.run([rig, "run", "-w", "1", "-f", os.environ["EDGE_FILES"], "-l",
                               f"{folder}/access.log", "--", "python3", sys.argv[0], rig],
                              env=environment)
        sys.exit(done.returncode)
