# SPDX-License-Identifier: Apache-2.0
"""The whole shop of systems/eshop: a browser buys something, and finds it again later."""
import shutil
import socket
import subprocess
import time

import pytest

from rig import machine as machines, process
from rig.client import Client
from rig.system import System

pytestmark = pytest.mark.slow
SHOP = machines.REPOSITORY / "systems" / "eshop"
WALK = machines.REPOSITORY / "tests" / "e2e"
OUTPUT = machines.OUTPUT / "eshop"
FIRST_TIMEOUT = 900  # with npm ci, next build and pip install
WARM_LIMIT = 12
MADE = ("node_modules", ".next", ".venv", "data", ".env", "__pycache__", ".pytest_cache")


class Shop(System):
    """Keeps its builds from one test run to the next; its data is new each time."""

    def __init__(self, machine):
        folder = machines.STATE_ROOT / "eshop-source"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(*MADE))
        super().__init__(machine, folder, "st-eshop")
        self.write(".env", f"SECRET_KEY={'5' * 64}\nPOSTGRES_PASSWORD={'a' * 32}\n", 0o600)

    def walk(self, phase):
        done = subprocess.run(["node", "shop.mjs", "https://eshop.localhost:8443/", phase,
                               str(OUTPUT)], cwd=WALK, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def browser():
    if shutil.which("chromium") is None or shutil.which("node") is None:
        pytest.skip("chromium or node is missing; run scripts/setup")
    if not (WALK / "node_modules" / "playwright-core").is_dir():
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=WALK,
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    OUTPUT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="module")
def shop(park):
    machine = park.get("eshop", keep=True)
    machine.ensure()
    machine.down_all()
    shop = Shop(machine)
    first = shop.run("up", "-d", "--wait", timeout=FIRST_TIMEOUT)
    assert first.status == 0, f"{first}\n{machine.log_text()[-3000:]}"
    shop.first = first
    yield shop
    park.close()
    shutil.rmtree(shop.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def edge(shop):
    return Client(8443, "eshop.localhost", trust=shop.machine.ok("ca").out)


def test_the_shop_comes_up_with_every_service_healthy(shop, figure):
    figure("eshop_first_up", shop.first.seconds, "s")
    assert {one["service"]: one["health"] for one in shop.instances()} == {
        "frontend": "healthy", "backend": "healthy", "postgres": "healthy", "redis": "healthy"}
    ps = shop.ok("ps").out
    machines.OUTPUT.joinpath("eshop-ps.txt").write_text(ps)
    print(ps)


def test_a_browser_buys_something_and_finds_it_after_down_and_up(shop, browser, figure):
    shop.walk("buy")
    shop.down()
    up = shop.up("--wait")
    figure("eshop_warm_up", up.seconds, "s")
    shop.walk("again")
    assert len(list(OUTPUT.glob("*.png"))) >= 6


def test_pages_that_come_in_pieces_give_no_script_error(shop, browser):
    done = subprocess.run(["node", "slow.mjs", "https://eshop.localhost:8443/"], cwd=WALK,
                          capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_warm_up_builds_nothing_and_is_quick(shop, figure):
    shop.down()
    warm = shop.up("--wait", "--json")
    lines = warm.json_lines()
    states = [(line["service"], line["state"]) for line in lines if line["event"] == "step"]
    assert ("frontend", "cached") in states and ("backend", "cached") in states
    assert not [one for one in states if one[1] == "building"]
    figure("eshop_warm_up_to_healthy", warm.seconds, "s")
    machines.OUTPUT.joinpath("eshop-up.txt").write_text("".join(map(timeline, lines)))
    if warm.seconds >= WARM_LIMIT:  # a machine that does other things gets a second chance
        shop.down()
        warm = shop.up("--wait")
        figure("eshop_warm_up_to_healthy_second", warm.seconds, "s")
    assert warm.seconds < WARM_LIMIT
    again = shop.up()
    figure("eshop_up_when_up", again.seconds, "s")
    assert "was up already" in again.out and again.seconds < 3


def timeline(line):
    return (f"{line.get('elapsed_ms', 0):6} ms  {line.get('service', ''):9} "
            f"{line.get('state', line['event']):9}  {line.get('text', '')}\n")


def test_the_backend_sees_the_clients_address_over_https(shop, edge, net):
    client = Client(8443, "eshop.localhost", net.address)
    client.context = edge.context
    with net.outside():
        answer = client.get("/api/v1/whoami")
    assert answer.status == 200
    assert net.outside_address in answer.body.decode() and "https" in answer.body.decode()


def test_the_database_and_the_cache_are_reached_only_from_inside(shop, net):
    for one in shop.instances():
        port = {"postgres": 5432, "redis": 6379, "backend": 8000}.get(one["service"])
        if port is None:
            continue
        with net.outside(), pytest.raises(OSError):
            socket.create_connection((one["address"], port), 1.5)
    assert shop.execute("redis", "redis-cli", "ping").out == "PONG\n"


def test_the_edge_serves_the_front_end_with_the_routes_of_the_file(shop, edge):
    page = edge.get("/")
    assert page.status == 200 and b"Ruled notebook" in page.body
    script = page.body.decode().split('src="/_next/static/')[1].split('"')[0]
    assert "immutable" in edge.get(f"/_next/static/{script}").headers["Cache-Control"]
    assert edge.get("/api/v1/products").headers["X-Cache"] in ("hit", "miss")
    plain = Client(8080, "eshop.localhost").get("/products/x?y=1")
    assert plain.status == 308
    assert plain.headers["Location"] == "https://eshop.localhost:8443/products/x?y=1"


def test_the_platform_under_the_shop_is_small(shop, figure):
    time.sleep(1)
    pids = [shop.machine.daemon_pid(), shop.machine.edge_pid(), *shop.machine.conmon_pids()]
    total = sum(process.proportional_kib(pid) for pid in pids) / 1024
    figure("eshop_idle_memory_of_the_platform", total, "MiB")
    assert total < 20
