# SPDX-License-Identifier: Apache-2.0
"""udp.py PORT: answers each datagram with its own host name, the sender's address and the bytes."""
import os
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
print("udp is listening", flush=True)
while True:
    data, peer = server.recvfrom(65536)
    server.sendto(f"{os.uname().nodename} {peer[0]} ".encode() + data, peer)
