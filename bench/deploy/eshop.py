# SPDX-License-Identifier: Apache-2.0
"""systems/eshop under load while its front end and its back end are replaced."""
import json
import shutil
import statistics
import time

import clients
from rig import machine as machines, system as systems

PORT = 8280
SHOP = machines.REPOSITORY / "systems" / "eshop"
MADE = ("node_modules", ".next", ".venv", "data", ".env", "__pycache__", ".pytest_cache")
FIRST_TIMEOUT = 900  # with npm ci, next build and pip install
CALM_MS = 500  # p99 without a deploy; a shop that is slower is not kept from answering by deploys
SERVICES = ("frontend", "backend")
# Each a load of its own: rates, and what is asked. A shop has no WebSockets. An upload of zeros to
# the login is read to its end and answered with 422.
LOADS = (
    ({"keepalive": 20, "fresh": 8, "http2": 12, "upload": 2},
     {"path": "/api/v1/products", "upload_path": "/api/v1/auth/login", "upload_status": 422}),
    ({"keepalive": 8, "fresh": 4, "http2": 6}, {"path": "/"}),
)


class Shop(systems.System):
    """Without TLS, which is not what this bench is about."""

    def __init__(self, machine):
        folder = machines.STATE_ROOT / "work" / "eshop"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(*MADE))
        super().__init__(machine, folder, f"{machines.PREFIX}eshop")
        self.write(".env", f"SECRET_KEY={'5' * 64}\nPOSTGRES_PASSWORD={'a' * 32}\n", 0o600)
        self.number = 0

    def change(self, keys):
        """Another environment, so that both services are replaced."""
        self.number += 1
        service = {"environment": {"BENCH": str(self.number)}, "x-ishizue": {"deploy": keys}}
        self.write("bench.json", json.dumps({
            "services": {name: service for name in SERVICES},
            "x-ishizue": {"domain": "st.localhost", "tls": "off",
                          "listen": {"http": PORT, "https": 0}}}))

    def call(self, *words):
        return self.run("-f", "docker-compose.yml", "-f", "bench.json", *words,
                        timeout=FIRST_TIMEOUT)

    def deploy(self, keys):
        self.change(keys)
        result = self.call("deploy", "-y")
        if result.status == 0 and keys["strategy"] == "ab":
            time.sleep(2)  # both take their part
            result = self.call("promote")
        return result


class Load:
    """The clients of all LOADS at once."""

    def __init__(self, program):
        self.parts = [clients.Load(program, PORT, rates, **options) for rates, options in LOADS]

    def stop(self):
        return clients.add([clients.summary(part.stop()) for part in self.parts])

    def failures(self):
        return [failure for part in self.parts for failure in part.failures][:20]


def check_calm(program):
    """A shop that does not keep up with the load by itself shows nothing about deploys."""
    load = Load(program)
    time.sleep(8)
    seen = load.stop()
    if seen["failed"] or seen["p99_ms"] > CALM_MS:
        raise RuntimeError(f"the shop does not keep up with the load before any deploy, so nothing"
                           f" can be measured on this machine now: {seen} {load.failures()}")


def one_strategy(shop, program, keys, count):
    load = Load(program)
    time.sleep(2)
    times, problems = [], []
    for _ in range(count):
        began = time.monotonic()
        result = shop.deploy(keys)
        times.append(time.monotonic() - began)
        if result.status != 0:
            problems.append(f"status {result.status}: {result.err[-300:]}")
    time.sleep(5)
    seen = load.stop()
    return {"deploys": count, **seen, "problems": problems,
            "seconds": {"median": round(statistics.median(times), 2),
                        "longest": round(max(times), 2)}, "failures": load.failures()}


def measure(machine, program, strategies, count, say, result):
    """Adds {strategy: outcome} to <result>, each when it is there; <strategies> gives the keys."""
    shop = Shop(machine)
    first = shop.deploy({"strategy": "auto"})
    if first.status != 0:
        raise RuntimeError(f"the shop did not come up: {first}")
    try:
        check_calm(program)
        for name, keys in strategies.items():
            result[name] = one_strategy(shop, program, keys, count)
            say(f"eshop, {name}: {json.dumps(result[name])}")
    finally:
        shop.run("down", "-v", "-t", "5", timeout=60)
