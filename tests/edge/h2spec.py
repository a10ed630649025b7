#!/usr/bin/env python3
"""h2spec, an outside suite of 146 tests of RFC 9113 and RFC 7541, against the edge.

Run by edge_rig. h2spec is built from the Go module proxy into a folder of the user's cache; without
Go, or without a way to the proxy, the test is skipped and says so. H2SPEC names a binary that is
there already.
"""
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
TESTS = 146


class Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # requests that are cut short are what the suite is made of


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while (size := int(self.rfile.readline(), 16)) > 0:
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "16")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"sixteen bytes...")

    do_GET = do_POST = do_HEAD = do_OPTIONS = do_PUT = answer

    def log_message(self, *_):
        pass


def find():
    """The program, or why there is none."""
    given = os.environ.get("H2SPEC") or shutil.which("h2spec")
    if given:
        return given, ""
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ishizue-tests"
    if (home / "h2spec").exists():
        return str(home / "h2spec"), ""
    if shutil.which("go") is None:
        return None, "Go is not installed"
    home.mkdir(parents=True, exist_ok=True)
    built = subprocess.run(["go", "install", MODULE], env=os.environ | {"GOBIN": str(home)},
                           cwd=home, capture_output=True, text=True, timeout=300)
    if built.returncode != 0:
        return None, "cannot build h2spec: " + built.stderr.strip().splitlines()[-1]
    return str(home / "h2spec"), ""


def main():
    program, why = find()
    print("1..1")
    if program is None:
        print(f"ok 1 - h2spec # SKIP {why}")
        return 0
    server = Server(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    subprocess.run([sys.argv[1], "app", "", str(server.server_port)], check=True,
                   stdout=subprocess.DEVNULL)
    ran = subprocess.run([program, "--strict", "-t", "-k", "-p", os.environ["EDGE_HTTPS"], "-o", "2"],
                         capture_output=True, text=True, timeout=300)
    found = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", ran.stdout)
    passed = int(found.group(2)) if found else 0
    good = passed == TESTS
    print(f"{'' if good else 'not '}ok 1 - h2spec: {passed} of {TESTS} passed")
    if not good:
        print(re.sub(r"(?m)^", "# ", ran.stdout[max(0, ran.stdout.find("Failures")):][-6000:]))
    return not good


sys.exit(main())
