#!/usr/bin/env python3
"""System calls of the edge's workers fail, one at a time: each kind of call, at each place of a run
through everything the edge does. Whatever happens to that one connection, afterwards every kind of
request works, nobody is left connected, and no descriptor and no memory is lost.

The calls are counted and broken by faults.c, which is loaded before the C library.
"""
import errno
import mmap
import os
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from kinds import (application, descriptors, go_through_all, nothing_is_broken,  # noqa: E402
                   resident_kib, two_requests, works)
import shim  # noqa: E402
from tap import run  # noqa: E402

RIG = Path(sys.argv[1])
PLACES_MAX = 8  # of one kind of call; more are spread over the run
CALLS = {  # in the order of faults.c
    "recv": [errno.ECONNRESET, errno.ENOMEM],
    "send": [errno.EPIPE, errno.ENOBUFS],
    "sendmsg": [errno.ECONNRESET],
    "accept4": [errno.EMFILE, errno.ECONNABORTED],
    "connect": [errno.ECONNREFUSED, errno.EADDRNOTAVAIL],
    "socket": [errno.EMFILE],
    "epoll_ctl": [errno.ENOMEM],
    "pread": [errno.EIO],
    "sendfile": [errno.EIO],
    "splice": [errno.EIO],
}


class Plan:
    def __init__(self):
        with open(os.environ["FAULTS"], "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 4096)

    def set(self, call=None, fail_at=0, error=0):
        for i, name in enumerate(CALLS):
            mine = name == call
            struct.pack_into("=QQQ", self.memory, 24 * i, 0, fail_at if mine else 0,
                             error if mine else 0)

    def counts(self):
        return {name: struct.unpack_from("=Q", self.memory, 24 * i)[0]
                for i, name in enumerate(CALLS)}


def publish(port):
    table = (
        '{"certificates":[{"names":["*.localhost"],"certificate_file":"%s","key_file":"%s"}],'
        '"listeners":[{"id":1,"kind":"http"},{"id":2,"kind":"https"},{"id":3,"kind":"tcp","upstream":0},'
        '{"id":4,"kind":"http"}],"upstreams":[{"name":"test/app","targets":[{"id":"t1","address":'
        '"127.0.0.1:%d"}]}],"routes":[{"system":"test","path":"/","upstream":0},'
        '{"system":"test","path":"/files/","files_fd":0}]}') % (
            os.environ["EDGE_CERTIFICATE"], os.environ["EDGE_KEY"], port)
    done = subprocess.run([RIG, "table"], input=table, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout


def faults_of(plan, call, places, error):
    def test():
        for place in places:
            plan.set(call, place, error)
            go_through_all()
            plan.set()
            works(two_requests)
        nothing_is_broken()
    test.__name__ = f"{call} fails with {errno.errorcode[error]} at {len(places)} places"
    return test


def main():
    if "FAULTS_BEGUN" not in os.environ:
        shim.run_again(RIG, 4096, "libfaults.so")
    plan = Plan()
    publish(application())
    plan.set()
    nothing_is_broken()
    nothing_is_broken()
    plan.set()
    go_through_all()
    counts = plan.counts()
    before = {"descriptors": descriptors(), "kib": resident_kib()}

    def the_run_makes_calls_of_every_kind():
        missing = {name for name, count in counts.items() if count == 0}
        assert missing <= {"splice", "pread"}, counts  # what was read once is kept

    def nothing_was_lost():
        nothing_is_broken()
        # idle connections to the application are the one thing that may be more or fewer
        assert descriptors() <= before["descriptors"] + 4, (before, descriptors())
        assert resident_kib() <= before["kib"] + 8192, (before, resident_kib())

    tests = [the_run_makes_calls_of_every_kind]
    for call, errors in CALLS.items():
        step = max(1, -(-counts[call] // PLACES_MAX))
        places = range(1, counts[call] + 1, step)
        tests += [faults_of(plan, call, places, error) for error in errors if places]
    sys.exit(run(tests + [nothing_was_lost]))


main()
