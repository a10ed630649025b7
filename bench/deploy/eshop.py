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
RATES = {"keepalive": 20, "fresh": 8, "http2": 12}
CALM_MS = 500  # p99 without a deploy; a shop that is slower is not kept from answering by deploys
PATHS = {"backend": "/api/v1/products", "frontend": "/healthz"}


class Shop(systems.System):
    """Without TLS, which is not what this bench is about."""

    def __init__(self, machine):
        folder = machines.STATE_ROOT / "work" / "eshop"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(*MADE))
        super().__init__(machine, folder, f"{machines.PREFIX}eshop")
        self.write(".env", f"SECRET_KEY={'5' * 64}\nPOSTGRES_PASSWORD={'a' * 32}\n", 0o600)

    def change(self, number):
        """Another environment, so that both services are replaced."""
        services = {name: {"environment": {"BENCH": str(number)}} for name in PATHS}
        self.write("bench.json", json.dumps({
            "services": services,
            "x-ishizue": {"domain": "st.localhost", "tls": "off",
                          "listen": {"http": PORT, "https": 0}}}))

    def deploy(self, number):
        self.change(number)
        return self.run("-f", "docker-compose.yml", "-f", "bench.json", "deploy", "-y",
                        timeout=FIRST_TIMEOUT)


def check_calm(load_program):
    """A shop that does not keep up with the load by itself shows nothing about deploys."""
    load = clients.Load(load_program, PORT, RATES, path=PATHS["backend"])
    time.sleep(8)
    seen = clients.summary(load.stop())
    if seen["failed"] or seen["p99_ms"] > CALM_MS:
        raise RuntimeError(f"the shop does not keep up with the load before any deploy, so nothing"
                           f" can be measured on this machine now: {seen}")


def measure(machine, load_program, count):
    shop = Shop(machine)
    first = shop.deploy(0)
    if first.status != 0:
        raise RuntimeError(f"the shop did not come up: {first}")
    try:
        check_calm(load_program)
        load = clients.Load(load_program, PORT, RATES, path=PATHS["backend"])
        time.sleep(2)
        times, problems = [], []
        for number in range(1, count + 1):
            result = shop.deploy(number)
            times.append(result.seconds)
            if result.status != 0:
                problems.append(f"status {result.status}: {result.err[-300:]}")
        time.sleep(5)
        seen = load.stop()
        return {"deploys": count, **clients.summary(seen), "problems": problems,
                "seconds": {"median": round(statistics.median(times), 2),
                            "longest": round(max(times), 2)}, "failures": load.failures[:20]}
    finally:
        shop.run("down", "-v", "-t", "5", timeout=60)
