"""Tables with more than one application, and the edge's counters."""
import json
import os
import re
import socket
import subprocess
import sys
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RIG = sys.argv[1] if len(sys.argv) > 1 else ""


class Recorder:
    """An application that answers every request, and keeps what came on its connections."""

    def __init__(self):
        self.heads, self.first, self.connections = [], [], 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            sock, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        data = b""
        try:
            while piece := sock.recv(65536):
                if not data:
                    self.first.append(piece)
                data += piece
                while b"\r\n\r\n" in data:
                    head, data = data.split(b"\r\n\r\n", 1)
                    self.heads.append(head.decode("latin-1"))
                    length = re.search(r"(?i)content-length: (\d+)", self.heads[-1])
                    left = int(length[1]) if length else 0
                    while len(data) < left:
                        data += sock.recv(65536)
                    data = data[left:]
                    sock.sendall(OK)
        except OSError:
            pass
        sock.close()


def publish(app, routes=None, listener=None, certificates=None, upstream=None):
    """One upstream, <app> or a list of them; <routes> are members of routes, by default one for
    everything."""
    apps = app if isinstance(app, list) else [app]
    pem = {"certificate_file": os.environ["EDGE_CERTIFICATE"], "key_file": os.environ["EDGE_KEY"]}
    limits = {"limits": listener} if listener else {}
    table = {
        "sign_key": "01" * 32,
        "certificates": certificates or [{"names": ["*.localhost"], **pem}],
        "listeners": [{"id": 1, "kind": "http", **limits}, {"id": 2, "kind": "https", **limits},
                      {"id": 3, "kind": "tcp", "upstream": 0, **limits},
                      {"id": 4, "kind": "http"}],
        "upstreams": [{"name": "test/app", **(upstream or {}),
                       "targets": [{"id": f"t{i}", "address": f"127.0.0.1:{each.port}"}
                                   for i, each in enumerate(apps, 1)]}],
        "routes": [{"system": "test", "path": "/", **({} if "files_fd" in route else {"upstream": 0}),
                    **route} for route in routes or [{}]],
    }
    done = subprocess.run([RIG, "table"], input=json.dumps(table), text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def expect_counter(name, value):
    """Is or becomes <value>."""
    subprocess.run([RIG, "send", '{"type":"stats"}'], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([RIG, "await", f'"{name}":{value},'], capture_output=True, text=True)
    assert done.returncode == 0, f"{name} is not {value}"


SERIAL = [0]


def counter(name):
    """As it is now: an answer about the cache has a number, and all counters."""
    SERIAL[0] += 1
    message = '{"type":"cache","id":%d,"system":"test"}' % SERIAL[0]
    subprocess.run([RIG, "send", message], check=True, stdout=subprocess.DEVNULL)
    done = subprocess.run([RIG, "await", f'"id":{SERIAL[0]},'], check=True, capture_output=True,
                          text=True)
    return int(re.search(rf'"{name}":(\d+)', done.stdout)[1])


def connect(listener="EDGE_HTTP", timeout=10):
    return socket.create_connection(("127.0.0.1", int(os.environ[listener])), timeout=timeout)


def receive(sock):
    """One answer with a Content-Length: status, headers in lower case, body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        data += piece
    head, data = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    while len(data) < int(headers.get("content-length", 0)):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("closed within the body")
        data += piece
    return int(first.split()[1]), headers, data


def is_open(sock):
    """For the moment: nothing is sent to it, and no end."""
    sock.settimeout(0.05)
    try:
        return sock.recv(1) != b""
    except TimeoutError:
        return True
    except ConnectionResetError:
        return False
    finally:
        sock.settimeout(10)


def get(path="/", headers=(), sock=None, host="a.localhost"):
    own = sock or connect()
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    own.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode())
    answer = receive(own)
    if sock is None:
        own.close()
    return answer
