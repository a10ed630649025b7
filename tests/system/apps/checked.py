# SPDX-License-Identifier: Apache-2.0
"""An application whose instances are told from outside how they are: answers its name; /health is
500 while /flags has a file of that name. On the ports behind the first it says its name to whoever
connects, then what it is sent, and takes no connection while there is a file NAME.closed."""
import http.server
import os
import signal
import socket
import sys
import threading
import time

NAME = os.environ["HOSTNAME"]
asked = [0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sick = self.path == "/health" and os.path.exists(f"/flags/{NAME}")
        asked[0] += self.path == "/health"
        body = b"the disk is full" if sick else f"{NAME} {asked[0]}".encode()
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


def greet(sock):
    with sock:
        sock.sendall(f"{NAME}\n".encode())
        try:
            while data := sock.recv(65536):
                sock.sendall(data)
        except OSError:
            pass


def listen(port):
    listener = None
    while True:
        closed = os.path.exists(f"/flags/{NAME}.closed")
        if closed and listener is not None:
            listener.close()
            listener = None
        if not closed and listener is None:
            listener = socket.create_server(("0.0.0.0", port), backlog=512)
            listener.settimeout(0.05)
        if listener is None:
            time.sleep(0.05)
            continue
        try:
            sock, _ = listener.accept()
        except TimeoutError:
            continue
        sock.settimeout(None)
        threading.Thread(target=greet, args=(sock,), daemon=True).start()


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for port in sys.argv[2:]:
    threading.Thread(target=listen, args=(int(port),), daemon=True).start()
Server(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
