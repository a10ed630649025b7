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
