# SPDX-License-Identifier: Apache-2.0
"""The proxies of the bench: how each is configured and started, and proof that each has its duties
on before anything is measured."""
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import time

from rig import BACKEND_PORT, HERE, HOST, PROXY_CORE, await_port, fail, start, stop, version

ROUTES = 100
ROUTE = 57  # the one that is asked
NOBODY = 65534
KINDS = ("plain", "tls", "static", "cache")
# as nginx has it: each client is counted, none is ever refused
LIMITS = {"rates": [{"text": "1000000/s:1000000 per ip", "requests": 1000000, "seconds": 1,
                     "burst": 1000000, "per": "ip"}]}
SECURITY = ("X-Frame-Options", "X-Content-Type-Options", "X-XSS-Protection")


def path_of(name=""):
    return f"/app{ROUTE}/{name}"


class Proxy:
    """One that reads a configuration file. <ports> has those of KINDS that it can do."""

    name = binary = template = None
    kinds = KINDS
    duties = ("headers", "forwarded", "id", "log")
    version_of = (["-v"], r"/([0-9.]+)")

    def __init__(self, run, log, number, routes=ROUTES, backends=1):
        self.run, self.output, self.routes = run, log, routes
        self.backends = backends
        self.ports = {kind: 8100 + 10 * number + i for i, kind in enumerate(KINDS)
                      if kind in self.kinds}
        self.log = run / f"{self.name}-access.log"
        self.log.touch()
        self.process = self.start()

    @classmethod
    def is_there(cls):
        return shutil.which(cls.binary) is not None

    @classmethod
    def version(cls):
        return version([cls.binary, *cls.version_of[0]], cls.version_of[1])

    def route_text(self, path):
        raise NotImplementedError

    def configure(self):
        text = (HERE / "conf" / self.template).read_text()
        routes = "".join(self.route_text(f"/app{i}/") for i in range(self.routes))
        values = {"RUN": self.run, "NAME": self.name, "BACKEND": BACKEND_PORT, "ROUTES": routes}
        values.update({kind.upper(): self.ports.get(kind, 0) for kind in KINDS})
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        conf = self.run / f"{self.name}-{self.template}"
        conf.write_text(text)
        return conf

    def start(self):
        return start(PROXY_CORE, self.command(self.configure()), self.output, **self.more())

    def more(self):
        return {}

    def await_ports(self):
        for port in self.ports.values():
            await_port(port, self.process, self.name)

    def stop(self):
        stop(self.process)


class Nginx(Proxy):
    name, binary, template = "nginx", "nginx", "nginx.conf"

    def route_text(self, path):
        return f"        location {path} {{ proxy_pass http://backend; }}\n"

    def command(self, conf):
        return ["nginx", "-p", self.run, "-c", conf]


class Bare(Nginx):
    """nginx that only proxies."""

    name, kinds, duties = "bare", ("plain", "tls", "static", "cache"), ()

    def configure(self):
        conf = super().configure()
        lines = [line for line in conf.read_text().splitlines(True) if "# duty" not in line]
        conf.write_text("".join(lines).replace("http {", "http {\n    access_log off;", 1))
        return conf


class Relay(Proxy):
    """No proxy: what it costs to pass bytes on (relay.c)."""

    name, kinds, duties = "relay", ("plain",), ()

    @classmethod
    def is_there(cls):
        return True

    @classmethod
    def version(cls):
        return ""

    def start(self):
        return start(PROXY_CORE, [self.run / "relay", self.ports["plain"], BACKEND_PORT], self.output)


class Haproxy(Proxy):
    name, binary, template = "haproxy", "haproxy", "haproxy.cfg"
    kinds = ("plain", "tls", "cache")
    duties = ("headers", "forwarded", "id")
    version_of = (["-v"], r"version ([0-9.]+)")

    def route_text(self, path):
        name = path.strip("/")
        return (f"backend {name}\n  server s1 127.0.0.1:{BACKEND_PORT} pool-max-conn 2048"
                " pool-purge-delay 60s\n")

    def configure(self):
        lines = [f"/app{i}/ app{i}\n" for i in range(self.routes)]
        (self.run / f"{self.name}.map").write_text("".join(lines))
        return super().configure()

    def start(self):
        """Its log goes to a socket; what reads it is the bench's, on the other core."""
        place = self.run / f"{self.name}-log.sock"
        place.unlink(missing_ok=True)
        self.sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sink.bind(str(place))
        drain = ("import socket,sys\ns=socket.socket(fileno=int(sys.argv[1]))\n"
                 "f=open(sys.argv[2],'ab',1<<16)\n"
                 "while 1: f.write(s.recv(65536)+b'\\n')")
        self.reader = start("1", ["python3", "-c", drain, self.sink.fileno(), self.log],
                            self.output, pass_fds=[self.sink.fileno()])
        return super().start()

    def command(self, conf):
        return ["haproxy", "-db", "-f", conf]

    def stop(self):
        super().stop()
        stop(self.reader)
        self.sink.close()


class H2o(Proxy):
    name, binary, template = "h2o", "h2o", "h2o.conf"
    kinds = ("plain", "tls", "static")
    duties = ("headers", "log")
    version_of = (["--version"], r"version ([0-9.]+)")

    def route_text(self, path):
        target = f"http://127.0.0.1:{BACKEND_PORT}{path}"
        return f'      "{path}": {{ proxy.reverse.url: "{target}" }}\n'

    def command(self, conf):
        return ["h2o", "-m", "worker", "-c", conf]


class Caddy(Proxy):
    name, binary, template = "caddy", "caddy", "Caddyfile"
    kinds = ("plain", "tls", "static")
    duties = ("headers", "log")
    version_of = (["version"], r"([0-9.]+)")

    def route_text(self, path):
        return f"\thandle {path}* {{\n\t\timport backend\n\t}}\n"

    def command(self, conf):
        return ["caddy", "run", "--config", conf, "--adapter", "caddyfile"]

    def more(self):
        home = str(self.run)
        return {"env": {**os.environ, "GOMAXPROCS": "1", "HOME": home, "XDG_DATA_HOME": home,
                        "XDG_CONFIG_HOME": home}}


class Lighttpd(Proxy):
    name, binary, template = "lighttpd", "lighttpd", "lighttpd.conf"
    kinds, duties = ("static",), ()

    def route_text(self, path):
        return ""

    def command(self, conf):
        return ["lighttpd", "-D", "-f", conf]


class Varnish(Proxy):
    name, binary, template = "varnish", "varnishd", "varnish.vcl"
    kinds, duties = ("cache",), ()
    version_of = (["-V"], r"varnish-([0-9.]+)")

    def route_text(self, path):
        return ""

    def command(self, conf):
        return ["varnishd", "-F", "-n", self.run / "varnish", "-a",
                f"127.0.0.1:{self.ports['cache']}", "-f", conf, "-s", "default=malloc,256m",
                "-T", "none", "-p", "thread_pools=1", "-p", "thread_pool_min=100"]


class Edge(Proxy):
    """`ishizue edge` with this program in the daemon's place: src/edge/control.h."""

    name = "edge"
    program = None  # set by run

    @classmethod
    def is_there(cls):
        return True

    @classmethod
    def version(cls):
        return version([cls.program, "version", "--short"], r"(\S+)")

    def start(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        empty = self.run / "empty"
        empty.mkdir(exist_ok=True)
        self.channel = ours
        process = start(PROXY_CORE, [
            self.program, "edge", "--channel-fd", theirs.fileno(), "--workers", 1,
            "--uid", NOBODY, "--gid", NOBODY, "--chroot-dir", empty,
        ], self.output, pass_fds=[theirs.fileno()])
        theirs.close()
        ours.settimeout(10)
        self.expect("ready")
        self.introduce()
        return process

    def expect(self, name):
        while True:
            message, fds, _, _ = socket.recv_fds(self.channel, 65536, 16)
            for fd in fds:
                os.close(fd)
            if not message:
                fail("the edge ended")
            event = json.loads(message)
            if event["event"] == name:
                return
            if event["event"] in ("refused", "error", "listener_failed"):
                fail(f"edge: {event}")

    def send(self, message, *fds):
        socket.send_fds(self.channel, [json.dumps(message).encode()], list(fds))

    def add_listener(self, number, port):
        with socket.socket() as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind(("127.0.0.1", port))
            listening.listen(4096)
            listening.setblocking(False)
            self.send({"type": "listener", "id": number}, listening.fileno())

    def introduce(self):
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.send({"type": "access_log"}, log)
        os.close(log)
        for number, port in enumerate(self.ports.values(), 1):
            self.add_listener(number, port)
        folder = os.open(self.run / "www", os.O_PATH | os.O_DIRECTORY)
        memory = os.memfd_create("table", os.MFD_CLOEXEC)
        os.write(memory, json.dumps(self.table()).encode())
        self.send({"type": "table", "generation": 1}, memory, folder)
        os.close(memory)
        os.close(folder)
        self.expect("applied")

    def route(self, path, listeners, **more):
        return {"system": "bench", "host": HOST, "path": path, "hsts": True,
                "security_headers": True, "listeners": listeners, "limits": LIMITS, **more}

    def table(self):
        kinds = {"plain": "http", "tls": "https", "static": "http", "cache": "http"}
        targets = [{"id": f"backend-{i}", "address": f"127.0.0.{i + 1}:{BACKEND_PORT}"}
                   for i in range(self.backends)]
        return {
            "generation": 1,
            "listeners": [{"id": i, "kind": kinds[kind], "system": "bench", "port": port}
                          for i, (kind, port) in enumerate(self.ports.items(), 1)],
            "certificates": [{"names": [HOST],
                              "certificate": (self.run / "certificate.pem").read_text(),
                              "key": (self.run / "key.pem").read_text()}],
            "upstreams": [{"name": "bench/backend", "targets": targets}],
            "routes": [self.route(f"/app{i}/", [1, 2], upstream=0) for i in range(self.routes)]
            + [self.route("/", [3], files_fd=0), self.route("/", [4], upstream=0, cache={})],
        }


ALL = (Nginx, Edge, Relay, Bare, Haproxy, H2o, Caddy, Lighttpd, Varnish)


# ---- the same duties ----


def ask(port, path, headers, tls=False):
    if tls:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(HOST, port, timeout=5, context=context)
        connection._create_connection = lambda address, *more: socket.create_connection(
            ("127.0.0.1", port), 5)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers={"Host": f"{HOST}:{port}", **headers})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def check_duties(proxy):
    def must(condition, text):
        if not condition:
            fail(f"{proxy.name}: {text}")

    sizes = {"plain": (path_of(), 600), "tls": (path_of(), 600), "static": ("/1k", 1024),
             "cache": ("/cached", 600)}
    for kind, port in proxy.ports.items():
        path, size = sizes[kind]
        response, body = ask(port, path, {}, kind == "tls")
        must(response.status == 200 and len(body) == size,
             f"{kind}: answered {response.status}, {len(body)} bytes")
        for name in SECURITY if "headers" in proxy.duties else ():
            must(len(response.headers.get_all(name, [])) == 1, f"{kind}: no {name}, or several")
    if "forwarded" in proxy.duties:
        check_forwarded(proxy, must)
    if "log" in proxy.duties:
        time.sleep(1.5)  # a log line may be held back for a second
        lines = [json.loads(line) for line in proxy.log.read_text().splitlines()]
        must(len(lines) >= len(proxy.ports), "the access log lacks requests")


def check_forwarded(proxy, must):
    port = proxy.ports["plain"]
    # the backend echoes what ends with /echo only at its own root: the path is the route's
    _, seen = ask(port, path_of("echo"), {"X-Forwarded-For": "192.0.2.7", "X-Request-Id": "given-1"})
    seen = seen.decode().lower()
    for pattern in (r"^x-forwarded-for: 192\.0\.2\.7, 127\.0\.0\.1\r", r"^x-forwarded-proto: http\r",
                    r"^x-forwarded-host: bench\.localhost", r"^x-request-id: given-1\r"):
        must(re.search(pattern, seen, re.M), f"the server behind it did not see {pattern}")
    _, seen = ask(port, path_of("echo"), {})
    must(re.search(r"^x-request-id: \S{16,64}\r", seen.decode().lower(), re.M),
         "no request id was made")
