# SPDX-License-Identifier: Apache-2.0
"""The tests' own network and mounts.

The whole test process moves into a network and a mount namespace of its own, so that published
ports, firewall rules, addresses and mounts of a shop that is running on this machine and those of
the tests never meet. Two cables lead out of it: one to the machine's network, through which build
steps reach the package registries, and one to the street, where somebody is who is really outside.
"""
import atexit
import contextlib
import ctypes
import ipaddress
import os
import subprocess

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
LIBC = ctypes.CDLL(None, use_errno=True)
PREFIX = "ishizue_tests"


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def run(*argv, text=None, namespace=None):
    """Runs a program that must succeed; <namespace> is the descriptor of a network namespace."""
    if namespace is not None:
        argv = ("nsenter", f"--net=/proc/self/fd/{namespace}", *argv)
    done = subprocess.run(argv, input=text, text=True, capture_output=True, timeout=20,
                          pass_fds=() if namespace is None else (namespace,))
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    """Made once, before anything else is started."""

    def __init__(self):
        number = os.getpid() % 16384
        self._table = f"{PREFIX}_{os.getpid()}"
        self._machine = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._drop_left_over()
        _check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
        _check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
        self._inside = os.open("/proc/self/ns/net", os.O_RDONLY)
        _check(LIBC.unshare(CLONE_NEWNET), "unshare")
        self._street = os.open("/proc/self/ns/net", os.O_RDONLY)
        _check(LIBC.setns(self._inside, CLONE_NEWNET), "setns")
        atexit.register(self._close, os.getpid())
        run("ip", "link", "set", "lo", "up")
        self.outside_address, self.address = self._plug(
            self._street, "198.19.0.0/16", number, "house", "street")
        run("ip", "route", "add", "default", "via", self.address, namespace=self._street)
        self._connect(number)

    def _drop_left_over(self):
        """Of a test run that was killed."""
        for line in run("nft", "list", "tables", "ip", namespace=self._machine).splitlines():
            name = line.split()[-1]
            if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name.split('_')[-1]}"):
                run("nft", "delete", "table", "ip", name, namespace=self._machine)

    def _plug(self, namespace, network, number, there, here):
        """A cable between the tests and <namespace>; the addresses there and here."""
        base = int(ipaddress.ip_network(network).network_address)
        net = ipaddress.ip_network((base + 4 * number, 30))
        far, near = map(str, net.hosts())
        run("ip", "link", "add", there, "type", "veth", "peer", "name", here, "netns",
            str(os.getpid()), namespace=namespace)
        run("ip", "address", "add", f"{far}/30", "dev", there, namespace=namespace)
        run("ip", "link", "set", there, "up", namespace=namespace)
        run("ip", "address", "add", f"{near}/30", "dev", here)
        run("ip", "link", "set", here, "up")
        return far, near

    def _connect(self, number):
        gateway, own = self._plug(self._machine, "198.18.0.0/16", number, f"ist{number}", "cable")
        run("ip", "route", "add", "default", "via", gateway)
        run("nft", "-f", "-", namespace=self._machine, text=f"""
            table ip {self._table} {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat; policy accept;
                    ip saddr {own} masquerade
                }}
            }}""")
        self._forward = run("sysctl", "-n", "net.ipv4.ip_forward", namespace=self._machine).strip()
        if self._forward != "1":
            run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", namespace=self._machine)

    def _close(self, pid):
        if pid != os.getpid():
            return
        with contextlib.suppress(RuntimeError):
            run("nft", "delete", "table", "ip", self._table, namespace=self._machine)
        with contextlib.suppress(RuntimeError):
            run("ip", "link", "del", "cable")
        if self._forward != "1":
            run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0", namespace=self._machine)

    @contextlib.contextmanager
    def outside(self):
        """Sockets made in this block are those of somebody on the street."""
        _check(LIBC.setns(self._street, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(LIBC.setns(self._inside, CLONE_NEWNET), "setns")
