# SPDX-License-Identifier: Apache-2.0
"""The clients (load/) in the background, and what they saw."""
import json
import signal
import subprocess
import threading
import time

FAILURES = ("status", "refused", "closed", "timeout", "bad")
HTTP = ("keepalive", "fresh", "http2", "upload")


class Load:
    """Runs from now on; stop() returns the result. <rates>: {"keepalive": 100, ...}."""

    def __init__(self, program, port, rates, host="st.localhost", **options):
        words = [str(program), "--address", f"127.0.0.1:{port}", "--host", host]
        for name, value in {**rates, **options}.items():
            words += [f"--{name.replace('_', '-')}", str(value)]
        self.versions, self.failures, self.result = {}, [], None
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for text in self.child.stdout:
            line = json.loads(text)
            if line["event"] == "version":
                self.versions[line["version"]] = line["time_ms"]
            elif line["event"] == "failed":
                self.failures.append(line)
            else:
                self.result = line

    def wait_version(self, version, timeout):
        """Wall clock milliseconds of its first answer, or None."""
        deadline = time.monotonic() + timeout
        while version not in self.versions and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.versions.get(version)

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(60)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise
        self.reader.join(10)
        if self.result is None:
            raise RuntimeError(f"the clients ended with status {self.child.returncode}")
        return self.result


def add(summaries):
    """One summary of several that were taken at the same time."""
    worst = ("client_longest_stall_ms", "longest_ms", "p99_ms")
    return {key: (max if key in worst else sum)(one[key] for one in summaries)
            for key in summaries[0]}


def join(results):
    """One result of several, which had kinds of their own."""
    whole = {"kinds": {}, "versions": {}, "longest_stall_ms": 0}
    for one in results:
        whole["kinds"].update(one["kinds"])
        whole["longest_stall_ms"] = max(whole["longest_stall_ms"], one["longest_stall_ms"])
        for name, version in one["versions"].items():
            known = whole["versions"].setdefault(name, dict(version))
            if known is not version:
                known.update(answers=known["answers"] + version["answers"],
                             failed=known["failed"] + version["failed"],
                             first_ms=min(known["first_ms"], version["first_ms"]),
                             last_ms=max(known["last_ms"], version["last_ms"]))
    return whole


def summary(result):
    """What counts, over all kinds."""
    kinds = result["kinds"]

    def total(keys, names):
        return sum(kinds[name][key] for name in names if name in kinds for key in keys)

    return {"requests": total(("started",), HTTP), "failed": total(FAILURES, HTTP),
            "websockets": total(("started",), ("websocket",)),
            "websockets_cut": total(FAILURES, ("websocket",)),
            "messages": total(("messages",), ("websocket",)),
            "client_failures": total(("client",), kinds), "client_late": total(("late",), kinds),
            "client_longest_stall_ms": result["longest_stall_ms"],
            "longest_ms": max((kinds[name]["longest_ms"] for name in HTTP[:3] if name in kinds),
                              default=0),
            "p99_ms": max((kinds[name]["p99_ms"] for name in HTTP[:3] if name in kinds), default=0)}
