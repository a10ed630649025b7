# SPDX-License-Identifier: Apache-2.0
"""Answers each connection, HTTP or not, with its first line: who the PROXY protocol says it is."""
import socket
import sys

listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
while True:
    sock, _ = listener.accept()
    sock.settimeout(5)
    try:
        first = sock.recv(4096).split(b"\r\n")[0]
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(first), first))
    except OSError:
        pass
    sock.close()
