"""The tests' own network and mounts.

The whole test process moves into a network and a mount namespace of its own, so that published
ports, firewall rules, addresses and mounts of a shop that is running on this machine and those of
the tests never meet. A cable leads to the machine's network: through it build steps reach the
package registries, and on its other end is somebody who is really outside.
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
        net = ipaddress.ip_network((int(ipaddress.ip_address("198.18.0.0")) + 4 * number, 30))
        self.outside_address, self.address = map(str, net.hosts())
        self._table = f"{PREFIX}_{os.getpid()}"
        self._outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._drop_left_over()
        _check(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
        _check(LIBC.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
        self._inside = os.open("/proc/self/ns/net", os.O_RDONLY)
        atexit.register(self._close, os.getpid())
        self._plug(net.prefixlen, f"ist{number}")

    def _drop_left_over(self):
        """Of a test run that was killed."""
        for line in run("nft", "list", "tables", "ip", namespace=self._outside).splitlines():
            name = line.split()[-1]
            if name.startswith(PREFIX) and not os.path.exists(f"/proc/{name.split('_')[-1]}"):
                run("nft", "delete", "table", "ip", name, namespace=self._outside)

    def _plug(self, bits, name):
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "cable", "netns",
            str(os.getpid()), namespace=self._outside)
        run("ip", "address", "add", f"{self.outside_address}/{bits}", "dev", name,
            namespace=self._outside)
        run("ip", "link", "set", name, "up", namespace=self._outside)
        run("ip", "address", "add", f"{self.address}/{bits}", "dev", "cable")
        run("ip", "link", "set", "cable", "up")
        run("ip", "route", "add", "default", "via", self.outside_address)
        run("nft", "-f", "-", namespace=self._outside, text=f"""
            table ip {self._table} {{
                chain postrouting {{
                    type nat hook postrouting priority srcnat; policy accept;
                    ip saddr {self.address} masquerade
                }}
            }}""")
        self._forward = run("sysctl", "-n", "net.ipv4.ip_forward", namespace=self._outside).strip()
        if self._forward != "1":
            run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1", namespace=self._outside)

    def _close(self, pid):
        if pid != os.getpid():
            return
        with contextlib.suppress(RuntimeError):
            run("nft", "delete", "table", "ip", self._table, namespace=self._outside)
        with contextlib.suppress(RuntimeError):
            run("ip", "link", "del", "cable")
        if self._forward != "1":
            run("sysctl", "-q", "-w", "net.ipv4.ip_forward=0", namespace=self._outside)

    @contextlib.contextmanager
    def outside(self):
        """Sockets made in this block are those of somebody on the other end of the cable."""
        _check(LIBC.setns(self._outside, CLONE_NEWNET), "setns")
        try:
            yield
        finally:
            _check(LIBC.setns(self._inside, CLONE_NEWNET), "setns")
