# SPDX-License-Identifier: Apache-2.0
"""udp.py PORT [SECONDS]: answers each datagram with its own host name, the sender's address and the
bytes, so many seconds later."""
import os
import socket
import sys
import threading


def answer(data, peer):
    server.sendto(f"{os.uname().nodename} {peer[0]} ".encode() + data, peer)


server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", int(sys.argv[1])))
pause = float(sys.argv[2]) if len(sys.argv) > 2 else 0
print("udp is listening", flush=True)
while True:
    received = server.recvfrom(65536)
    if pause:
        threading.Timer(pause, answer, received).start()
    else:
        answer(*received)
