# SPDX-License-Identifier: Apache-2.0
"""What the proxies are asked to do, and how it is counted."""
import os
import re
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Callable

from proxies import path_of
from rig import HOST, LOAD_CORE, PROXY_CORE, core_seconds, cpu_seconds, fail, memory_kib

TOOLS = {}  # name -> program that was compiled by run
IDLE_CONNECTIONS = 9000


@dataclass
class Load:
    """What a load generator saw."""

    requests: int
    error: str = ""
    p50: str = ""
    p99: str = ""
    resumed: int = 0


def output_of(command, seconds):
    return subprocess.run(["taskset", "-c", LOAD_CORE, *map(str, command)], capture_output=True,
                          text=True, timeout=seconds + 60).stdout


def wrk(connections, scheme, path):
    def run(port, seconds):
        out = output_of(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout",
                         "5s", "-H", f"Host: {HOST}:{port}", f"{scheme}://127.0.0.1:{port}{path}"],
                        seconds)
        latency = dict(re.findall(r"(50|99)%\s+(\S+)", out))
        errors = re.findall(r"(?:Non-2xx.*|Socket errors.*)", out)
        count = re.search(r"(\d+) requests in", out)
        return Load(int(count.group(1)) if count else 0, "; ".join(errors), latency.get("50", ""),
                    latency.get("99", ""))
    return run


def h2load(clients, streams, scheme, path):
    def run(port, seconds):
        out = output_of(["h2load", "-t1", f"-c{clients}", f"-m{streams}", "-D", seconds,
                         "--connect-to", f"127.0.0.1:{port}", f"{scheme}://{HOST}:{port}{path}"],
                        seconds)
        done = re.search(r"(\d+) succeeded, (\d+) failed", out)
        status = re.search(r"status codes: (\d+) 2xx", out)
        if done is None:
            return Load(0, "no result")
        wrong = int(done.group(2)) + int(done.group(1)) - int(status.group(1))
        return Load(int(done.group(1)), f"{wrong} failed" if wrong > clients * streams else "")
    return run


def handshakes(mode):
    def run(port, seconds):
        out = output_of([TOOLS["handshakes"], port, 32, seconds, mode, HOST, path_of()], seconds)
        found = re.search(r"requests (\d+) errors (\d+) resumed (\d+)", out)
        count, errors, resumed = (int(text) for text in found.groups())
        why = f"{errors} errors" if errors else ""
        if mode == "resume" and resumed < 0.9 * count:
            why += f" only {100 * resumed // max(count, 1)} % resumed"
        return Load(count, why.strip(), resumed=resumed)
    return run


@dataclass
class Work:
    key: str
    title: str
    kind: str  # of port
    run: Callable
    goal: float = 0  # what edge / nginx must reach; 0: none is set


WORKS = (
    Work("proxy-64", "HTTP/1.1 proxy, 600 B, 64 connections", "plain",
         wrk(64, "http", path_of()), 0.75),
    Work("proxy-512", "HTTP/1.1 proxy, 600 B, 512 connections", "plain",
         wrk(512, "http", path_of()), 0.65),
    Work("proxy-16k", "HTTP/1.1 proxy, 16 KiB, 64 connections", "plain",
         wrk(64, "http", path_of("16k")), 0.80),
    Work("proxy-1m", "HTTP/1.1 proxy, 1 MiB, 64 connections", "plain",
         wrk(64, "http", path_of("1m")), 0.65),
    Work("tls-64", "TLS 1.3 keep-alive, 64 connections", "tls", wrk(64, "https", path_of()), 0.70),
    Work("tls-512", "TLS 1.3 keep-alive, 512 connections", "tls",
         wrk(512, "https", path_of()), 0.65),
    Work("handshake", "TLS 1.3 full handshake", "tls", handshakes("full"), 0.95),
    Work("resumption", "TLS 1.3 resumed handshake", "tls", handshakes("resume"), 0.95),
    Work("h2", "HTTP/2 over TLS to HTTP/1.1, 32 x 10 streams", "tls",
         h2load(32, 10, "https", path_of()), 0.65),
    Work("static-1k", "static file, 1 KiB", "static", wrk(64, "http", "/1k"), 0.72),
    Work("static-64k", "static file, 64 KiB", "static", wrk(64, "http", "/64k"), 0.90),
    Work("cache", "cache hit, 600 B", "cache", wrk(64, "http", "/cached"), 0.62),
)


# ---- one measurement ----


def measure(proxy, work, seconds):
    pid = proxy.process.pid
    work.run(proxy.ports[work.kind], 1)  # connections to the backend, memory, branch predictors
    cpu, before, started = cpu_seconds(pid), core_seconds(PROXY_CORE), time.monotonic()
    load = work.run(proxy.ports[work.kind], seconds)
    took = time.monotonic() - started
    cpu = cpu_seconds(pid) - cpu
    busy, stolen = (now - then for now, then in zip(core_seconds(PROXY_CORE), before))
    if load.requests == 0:
        fail(f"{proxy.name}: {work.title}: no answers {load.error}")
    os.truncate(proxy.log, 0)
    return {"proxy": proxy.name, "work": work.key, "requests": load.requests, "error": load.error,
            "per_second": round(load.requests / took),
            "cpu_us": round(cpu / load.requests * 1e6, 3),
            "proxy_core_percent": round(cpu / took * 100, 1),
            "others_core_percent": round(max(0.0, busy - cpu) / took * 100, 1),
            "stolen_core_percent": round(stolen / took * 100, 1), "p50": load.p50, "p99": load.p99}


def summarize(runs, works):
    result = []
    for work in works:
        row = {"key": work.key, "work": work.title, "goal": work.goal, "proxies": {}}
        for name in dict.fromkeys(run["proxy"] for run in runs if run["work"] == work.key):
            own = [run for run in runs if run["proxy"] == name and run["work"] == work.key]
            costs = [run["cpu_us"] for run in own]
            row["proxies"][name] = {
                "cpu_us": round(statistics.median(costs), 2), "lowest": round(min(costs), 2),
                "highest": round(max(costs), 2),
                "per_second": round(statistics.median(run["per_second"] for run in own)),
                "others_core_percent": max(run["others_core_percent"] for run in own),
                "errors": sorted({run["error"] for run in own if run["error"]})}
        if {"edge", "nginx"} <= row["proxies"].keys():
            cost = {name: row["proxies"][name]["cpu_us"] for name in row["proxies"]}
            row["ratio"] = round(cost["edge"] / cost["nginx"], 3)
        result.append(row)
    return result


# ---- latency at an equal share of each one's best rate ----


def latency(proxy, rate, seconds, scratch):
    """Microseconds at <rate> requests a second over 64 connections. h2load begins all of its
    connections in one phase, so the median is that of a burst: compare, do not read alone."""
    port, clients = proxy.ports["plain"], 64
    scratch.unlink(missing_ok=True)
    output_of(["h2load", "--h1", "-t1", f"-c{clients}", "-m1", "-D", seconds, "--rps",
               max(1, rate // clients), "--log-file", scratch, "--connect-to", f"127.0.0.1:{port}",
               f"http://{HOST}:{port}{path_of()}"], seconds)
    times = sorted(int(line.split("\t")[2]) for line in scratch.read_text().splitlines()
                   if line.count("\t") >= 2)
    if not times:
        fail(f"{proxy.name}: no latencies")

    def at(share):
        return times[min(len(times) - 1, int(share * len(times)))]
    return {"proxy": proxy.name, "rate": rate, "requests": len(times), "p50_us": at(0.5),
            "p99_us": at(0.99), "p999_us": at(0.999)}


# ---- memory of connections that do nothing ----


def idle_memory(proxy, kind):
    pid, port = proxy.process.pid, proxy.ports[kind]
    path = path_of()
    wrk(64, "https" if kind == "tls" else "http", path)(port, 1)
    time.sleep(0.5)  # what the load left goes
    before = memory_kib(pid)
    holder = subprocess.Popen(["taskset", "-c", LOAD_CORE, TOOLS["idle"], str(port),
                               str(IDLE_CONNECTIONS), kind, HOST, path], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    held = int((holder.stdout.readline() or "held 0").split()[1])
    after = memory_kib(pid)
    holder.stdin.close()
    holder.wait()
    return {"proxy": proxy.name, "kind": kind, "connections": held,
            "bytes": round((after - before) * 1024 / max(held, 1))}
