# SPDX-License-Identifier: Apache-2.0
"""Deploys of a service that is asked over UDP, and takes its time to answer."""
import concurrent.futures
import socket
import threading
import time

from rig.system import APPS, service

PORT = 5310


def udp(version):
    return {"services": {"udp": service(
        "exec python3 /srv/udp.py 5353 0.25", volumes=[f"{APPS}:/srv:ro"],
        environment={"VERSION": version}, ports=[f"{PORT}:5353/udp"])}}


def ask(number):
    """Name of the instance that answered, None: nobody did. From a port of its own, as clients do
    that ask once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.sendto(str(number).encode(), ("127.0.0.1", PORT))
        try:
            name, _, data = sock.recv(100).split(b" ")
        except OSError:
            return None
        assert data == str(number).encode()
        return name


def test_what_was_asked_over_udp_is_answered_though_a_deploy_comes(system):
    system.file(udp("1"))
    system.up()
    stop, asked = threading.Event(), []

    def go_on():
        while not stop.is_set():
            asked.append(pool.submit(ask, len(asked)))
            time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(max_workers=150) as pool:
        sender = threading.Thread(target=go_on)
        sender.start()
        try:
            time.sleep(1)
            for version in "23":
                system.file(udp(version))
                system.up()
                time.sleep(1)
        finally:
            stop.set()
            sender.join()
        names = [one.result() for one in asked]
    assert None not in names, [number for number, name in enumerate(names) if name is None]
    assert len(set(names)) == 3, set(names)
