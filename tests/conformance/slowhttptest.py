"""The four attacks of slowhttptest (Debian's package of that name), and whether others are served
meanwhile. Run by tests/edge/run."""
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../edge/lib")
import tap  # noqa: E402
from tables import Recorder, expect_counter, get, publish  # noqa: E402

app = Recorder()
files = {"path": "/", "files_fd": 0}


def kernel_pages():
    """Of all TCP connections of this network."""
    with open("/proc/net/sockstat") as lines:
        words = next(line for line in lines if line.startswith("TCP:")).split()
    return int(words[words.index("mem") + 1])


def slowhttptest(*arguments, path="/"):
    """A minute of the attack at most. The report of the service's availability, and of connections."""
    url = f"http://127.0.0.1:{os.environ['EDGE_HTTP']}{path}"
    done = subprocess.run(["slowhttptest", "-c", "400", "-r", "200", "-l", "16", "-p", "2", "-u", url,
                           *arguments], capture_output=True, text=True, timeout=60)
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    last = text[text.rindex("slow HTTP test status"):]
    return text, {name: int(n) for name, n in re.findall(r"(\w+): +(\d+)", last)}


def attack(*arguments, routes=(files,), **more):
    if shutil.which("slowhttptest") is None:
        raise tap.Skip("slowhttptest is not there")
    publish(app, routes)
    text, counts = slowhttptest(*arguments, **more)
    assert not re.search(r"service available: +NO", text), text[-1500:]
    assert get("/hello.txt")[0] == 200


def slowhttptest_with_slow_heads():
    """It does not notice that its connections are cut; the edge counts them."""
    attack("-H", "-i", "2", "-x", "24")
    expect_counter("slow_heads", 400)


def slowhttptest_with_slow_bodies():
    attack("-B", "-i", "2", "-s", "8192", "-x", "10", "-t", "POST", routes=({}, {**files, "path": "/hello.txt"}))


def slowhttptest_with_many_ranges():
    attack("-R", "-a", "1", "-b", "3000", path="/large.bin")


def slowhttptest_with_slow_readers():
    """What they do not read waits in the application's file, not in the kernel's memory."""
    before, most = kernel_pages(), [0]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.5):
            most[0] = max(most[0], kernel_pages())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        attack("-X", "-w", "1", "-y", "1", "-n", "5", "-z", "32", path="/large.bin")
    finally:
        stop.set()
        thread.join()
    kib = (most[0] - before) * 4 // 400
    print(f"# {kib} KiB of the kernel for each of 400 slow readers", flush=True)
    assert kib < 1024, kib


def a_reader_of_twenty_bytes_a_second_is_cut_off():
    """It takes two minutes: the first is given to everybody who has taken something."""
    publish(app, [files])
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.connect(("127.0.0.1", int(os.environ["EDGE_HTTP"])))
        sock.sendall(b"GET /large.bin HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        end = time.monotonic() + 145
        while time.monotonic() < end:
            try:
                sock.recv(10)  # what has come can often be read after the reset too
            except ConnectionResetError:
                break
            time.sleep(0.5)
    expect_counter("slow_readers", 1)


if __name__ == "__main__":
    sys.exit(tap.run([
        slowhttptest_with_slow_heads,
        slowhttptest_with_slow_bodies,
        slowhttptest_with_many_ranges,
        slowhttptest_with_slow_readers,
        a_reader_of_twenty_bytes_a_second_is_cut_off,
    ]))
