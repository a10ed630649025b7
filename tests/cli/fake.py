# SPDX-License-Identifier: Apache-2.0
"""What the tests of the command line need: a daemon that only answers what a test says, a
terminal that remembers its screen, and a folder with a compose file."""
import fcntl
import json
import os
import pty
import re
import select
import socketserver
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unicodedata

COMPOSE = """\
name: shop
services:
  postgres: {image: "postgres:15", environment: {POSTGRES_PASSWORD: "${PASSWORD:-x}"}}
  backend: {build: ., depends_on: [postgres]}
"""


class Daemon:
    """Answers <answers>[(method, path without query)]: JSON, (status, JSON), or a list or
    generator of lines, which makes it a stream. Keeps what was asked in <requests>."""

    def __init__(self, folder):
        self.answers = {}
        self.requests = []
        self.gone = threading.Event()  # a client left in the middle of a stream
        os.makedirs(folder, exist_ok=True)
        daemon = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                daemon.serve(self.rfile, self.wfile)

        self.server = socketserver.ThreadingUnixStreamServer(f"{folder}/api.sock", Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def serve(self, reader, writer):
        words = reader.readline().split()
        if len(words) != 3:
            return  # a probe whether somebody listens
        length = 0
        while (line := reader.readline()) not in (b"\r\n", b""):
            name, value = line.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        body = json.loads(reader.read(length)) if length else None
        method, target = words[0].decode(), words[1].decode()
        path, _, query = target.partition("?")
        self.requests.append((method, path, query, body))
        answer = self.answers.get((method, path))
        if answer is None:
            answer = (404, {"error": {"code": "not_found", "text": f"there is no '{path}'"}})
        if isinstance(answer, (dict, tuple)):
            status, value = answer if isinstance(answer, tuple) else (200, answer)
            text = json.dumps(value).encode()
            writer.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (status, len(text), text))
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        try:
            for item in answer() if callable(answer) else answer:
                text = json.dumps(item).encode() + b"\n"
                writer.write(b"%x\r\n%s\r\n" % (len(text), text))
                writer.flush()
            writer.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.gone.set()

    def asked(self, method, path):
        return [r for r in self.requests if r[:2] == (method, path)]


class Screen:
    """As much of a terminal as the program may use; anything else fails the test."""

    PIECE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\r|\n|[^\x1b\r\n]", re.DOTALL)

    def __init__(self, columns):
        self.columns, self.rows, self.row, self.column = columns, [""], 0, 0
        self.wrapped = False

    def feed(self, text):
        at = 0
        for found in self.PIECE.finditer(text):
            assert found.start() == at, f"unexpected bytes {text[at:found.start()]!r}"
            at = found.end()
            if found[2]:
                self.escape(found[1], found[2])
            elif found[0] == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append("")
            elif found[0] == "\r":
                self.column = 0
            else:
                self.put(found[0])
        assert at == len(text), f"unexpected bytes {text[at:]!r}"

    def put(self, char):
        line = self.rows[self.row].ljust(self.column)
        self.rows[self.row] = line[:self.column] + char + line[self.column + 1:]
        self.column += 1
        width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in self.rows[self.row])
        self.wrapped |= width > self.columns

    def escape(self, number, kind):
        if kind == "F":
            self.row -= int(number or 1)
            self.column = 0
            assert self.row >= 0, "the cursor went above the first line"
        elif kind == "K":
            self.rows[self.row] = self.rows[self.row][:self.column]
        elif kind == "J":
            self.rows[self.row] = self.rows[self.row][:self.column]
            del self.rows[self.row + 1:]
        else:
            assert kind == "m", f"unexpected sequence ESC [ {number} {kind}"

    def text(self):
        return "\n".join(line.rstrip() for line in self.rows).rstrip()


class Place:
    """A folder with a compose file and a fake daemon, and ways to run the program there."""

    def __init__(self, program, compose=COMPOSE, daemon=True):
        self.program = program
        self.folder = tempfile.TemporaryDirectory(prefix="ishizue-cli-")
        self.path = self.folder.name
        self.environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TERM": "xterm",
            "ISHIZUE_RUN_DIR": f"{self.path}/run", "ISHIZUE_STATE_DIR": f"{self.path}/state",
            **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}}
        with open(f"{self.path}/compose.yaml", "w", encoding="utf-8") as file:
            file.write(compose)
        self.daemon = Daemon(f"{self.path}/run") if daemon else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.daemon:
            self.daemon.close()
        self.folder.cleanup()

    def run(self, *words, **more):
        done = subprocess.run([self.program, *words], cwd=self.path, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30,
                              check=False, **more)
        return done.returncode, done.stdout, done.stderr

    def screen(self, *words, columns=80, keys=()):
        """Runs under a terminal. <keys>: (text to wait for, bytes to type). Returns the exit
        status and the screen."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        child = subprocess.Popen([self.program, *words], cwd=self.path, env=self.environment,
                                 stdin=theirs, stdout=theirs, stderr=theirs,
                                 preexec_fn=take_terminal)
        os.close(theirs)
        screen, text, keys, end = Screen(columns), "", list(keys), time.monotonic() + 30
        try:
            while time.monotonic() < end:
                if not select.select([ours], [], [], 1)[0]:
                    continue
                try:
                    piece = os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
                text += piece.decode()
                if keys and keys[0][0] in text:
                    os.write(ours, keys.pop(0)[1])
            status = child.wait(timeout=10)
        finally:
            child.kill()
            child.wait()
            os.close(ours)
        screen.feed(text)
        return status, screen
