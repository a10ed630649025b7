"""Applications behind the edge: functions that are given their connections."""
import socket
import subprocess
import sys
import threading

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def receive_head(sock):
    """A head, and the bytes that came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("no request")
        data += piece
    head, rest = data.split(b"\r\n\r\n", 1)
    return head + b"\r\n\r\n", rest


def serve(application, members=""):
    """Publishes a table with <application> as the only one."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def run(sock):
        try:
            application(sock)
        except OSError:
            pass
        sock.close()

    def accept():
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=run, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    subprocess.run([sys.argv[1], "app", members, str(listener.getsockname()[1])], check=True,
                   stdout=subprocess.DEVNULL)


class Listening:
    """An application on a port that it can leave and take again; each connection goes to serve(),
    in a thread of its own."""

    def __init__(self, start=True):
        self.port = 0
        self.bind()
        if start:
            self.start()

    def bind(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", self.port))
        self.port = self.socket.getsockname()[1]

    def start(self):
        self.socket.listen(512)
        threading.Thread(target=self.accept, args=(self.socket,), daemon=True).start()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def start_again(self):
        self.bind()
        self.start()

    def accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()


class Answering(Listening):
    """Gives each request without a body to answer(sock, head)."""

    def serve(self, sock):
        data = b""
        try:
            while True:
                while b"\r\n\r\n" not in data:
                    piece = sock.recv(65536)
                    if not piece:
                        return
                    data += piece
                head, data = data.split(b"\r\n\r\n", 1)
                self.answer(sock, head.decode())
        except OSError:
            return
