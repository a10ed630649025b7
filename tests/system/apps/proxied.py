# SPDX-License-Identifier: Apache-2.0
"""Answers each connection that begins with the PROXY protocol, HTTP or not, with its first line."""
import socket
import sys

listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    sock, _ = listener.accept()
    sock.settimeout(5)
    try:
        data = sock.recv(4096)
        first = data.split(b"\r\n")[0]
        if data.startswith((b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n")):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(first), first))
    except OSError:
        pass
    sock.close()
