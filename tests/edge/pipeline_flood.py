#!/usr/bin/env python3
"""Ten thousand pipelined requests on one connection, while another client is served in time."""
import os
import socket
import subprocess
import sys
import threading
import time

COUNT = 10_000


def connect():
    return socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTP"]), timeout=30)


def read_answers(sock, count):
    data, seen = b"", 0
    while seen < count:
        piece = sock.recv(65536)
        assert piece, f"closed after {seen} answers, last {data[-600:]}"
        data += piece
        *whole, data = data.split(b"</html>\n")
        seen += len(whole)
    return seen


def main():
    table = '{"listeners":[{"id":1,"kind":"http"}],"routes":[{"path":"/x","redirect":"/y"}]}'
    subprocess.run([sys.argv[1], "table"], input=table.encode(), check=True,
                   stdout=subprocess.DEVNULL)
    flood, honest = connect(), connect()
    request = b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
    sender = threading.Thread(target=flood.sendall, args=(request * COUNT,), daemon=True)
    reader = threading.Thread(target=read_answers, args=(flood, COUNT), daemon=True)
    sender.start()
    reader.start()
    slowest = 0.0
    for _ in range(50):
        started = time.monotonic()
        honest.sendall(request)
        read_answers(honest, 1)
        slowest = max(slowest, time.monotonic() - started)
    reader.join(30)
    print("1..2")
    print(f"{'not ' if reader.is_alive() else ''}ok 1 - all {COUNT} are answered")
    print(f"{'not ' if slowest > 1 else ''}ok 2 - the other client waits less than a second"
          f" ({slowest * 1000:.0f} ms)")
    return reader.is_alive() or slowest > 1


sys.exit(main())
