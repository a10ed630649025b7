"""Slow clients: they are cut off, and nobody else is slowed down meanwhile. How little, to a tenth of
the p99, is bench/slow/run's to say: here the machine may do other work."""
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from tables import Recorder, connect, expect_counter, get, publish  # noqa: E402

CLIENTS, HEAD_SECONDS = 500, 10
SLACK_MS = 2  # of the machine's own
app = Recorder()


def honest(seconds):
    """The 90th and 99th percentile of requests, one after the other, in milliseconds."""
    times, end = [], time.monotonic() + seconds
    with connect() as sock:
        while time.monotonic() < end:
            began = time.perf_counter()
            assert get(sock=sock)[0] == 200
            times.append(time.perf_counter() - began)
            time.sleep(0.001)
    times.sort()
    return [times[len(times) * percent // 100] * 1000 for percent in (90, 99)]


def is_alive(sock):
    """Until the end, whether an answer came before it or not."""
    sock.setblocking(False)
    try:
        while data := sock.recv(4096):
            del data
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False


def start_drip(socks, piece, seconds):
    """In a process of its own, which must not slow down the honest one."""
    pid = os.fork()
    if pid > 0:
        return pid
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for sock in socks:
            try:
                sock.send(piece)
            except OSError:
                pass
            time.sleep(1 / len(socks))
    os._exit(0)


def of_500_slow_heads_none_is_alive_after_ten_seconds():
    publish(app)
    alone = honest(3)
    socks = [connect() for _ in range(CLIENTS)]
    began = time.monotonic()
    for sock in socks:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n")
    child = start_drip(socks, b"X: y\r\n", HEAD_SECONDS)
    meanwhile = honest(HEAD_SECONDS - 1.5)
    os.waitpid(child, 0)
    time.sleep(max(0, began + HEAD_SECONDS + 0.5 - time.monotonic()))
    assert not [sock for sock in socks if is_alive(sock)]
    for sock in socks:
        sock.close()
    after = honest(3)
    alone = [max(pair) for pair in zip(alone, after)]
    print(f"# others: p90 {alone[0]:.2f} ms and p99 {alone[1]:.2f} ms alone, {meanwhile[0]:.2f} ms and "
          f"{meanwhile[1]:.2f} ms meanwhile", flush=True)
    assert meanwhile[0] < max(1.1 * alone[0], alone[0] + SLACK_MS), (alone, meanwhile)
    expect_counter("slow_heads", CLIENTS)


if __name__ == "__main__":
    sys.exit(tap.run([of_500_slow_heads_none_is_alive_after_ten_seconds]))
