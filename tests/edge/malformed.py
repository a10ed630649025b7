#!/usr/bin/env python3
"""Requests that break RFC 9112 or that two readers could understand differently.

Everything that reaches the application behind the edge is recorded and read again by a reader of this
file that accepts nothing but the grammar. Whatever a client sends, what comes out must be whole
requests in that grammar, at most as many as were sent, and never the one that was hidden in the body
or behind a broken end of line. A vector says which answer it expects: `refused` is 4xx or 5xx and a
closed connection with nothing at the application; `passed` goes on, in its normal form.

Each vector ends with what an attacker would put behind it: a request for /smuggled.
"""
import fcntl
import os
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from apps import Listening  # noqa: E402
from tap import run  # noqa: E402

HIDDEN = b"GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n"
recorded, lock = [], threading.Lock()  # of each connection of the application

# ---- the vectors: (section, name, what is sent, expectation) ----

refused, passed = "refused", "passed"


def get(*lines, target=b"/", method=b"GET", version=b"HTTP/1.1", host=b"Host: a.test"):
    head = [method + b" " + target + b" " + version] + ([host] if host else []) + list(lines)
    return b"\r\n".join(head) + b"\r\n\r\n"


def post(*lines, body=b"", **more):
    return get(*lines, method=b"POST", **more) + body


CHUNKED = b"Transfer-Encoding: chunked"
END = b"0\r\n\r\n"

VECTORS = [
    # 9112, 6.1 and 6.3: which length counts
    ("6.1", "both lengths, chunked last", post(b"Content-Length: 5", CHUNKED, body=END), refused),
    ("6.1", "both lengths, chunked first", post(CHUNKED, b"Content-Length: 5", body=END), refused),
    ("6.1", "both lengths, 0 and chunked", post(b"Content-Length: 0", CHUNKED, body=END), refused),
    ("6.1", "both lengths, in capitals", post(b"CONTENT-LENGTH: 5", b"TRANSFER-ENCODING: CHUNKED", body=END), refused),
    ("6.3", "two lengths that differ", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"), refused),
    ("6.3", "two lengths, 0 first", post(b"Content-Length: 0", b"Content-Length: 40", body=HIDDEN), refused),
    ("6.3", "a list of lengths that differ", post(b"Content-Length: 5, 6", body=b"hello!"), refused),
    ("6.3", "a list of lengths that are equal", post(b"Content-Length: 5, 5", body=b"hello"), refused),
    ("6.3", "two equal lengths", post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), refused),
    ("6.3", "a length with a sign", post(b"Content-Length: +5", body=b"hello"), refused),
    ("6.3", "a negative length", post(b"Content-Length: -1", body=b""), refused),
    ("6.3", "a length in hex", post(b"Content-Length: 0x5", body=b"hello"), refused),
    ("6.3", "a length with a space inside", post(b"Content-Length: 1 0", body=b"hello"), refused),
    ("6.3", "a length with a letter", post(b"Content-Length: 5a", body=b"hello"), refused),
    ("6.3", "a length with a comma alone", post(b"Content-Length: ,", body=b""), refused),
    ("6.3", "an empty length", post(b"Content-Length:", body=b""), refused),
    ("6.3", "a length of 2^64", post(b"Content-Length: 18446744073709551616", body=b""), refused),
    ("6.3", "a length of 2^64 + 5", post(b"Content-Length: 18446744073709551621", body=b"hello"), refused),
    ("6.3", "a length of 2^63", post(b"Content-Length: 9223372036854775808", body=b""), refused),
    ("6.3", "a length with a dot", post(b"Content-Length: 5.0", body=b"hello"), refused),
    ("6.3", "a length in quotes", post(b'Content-Length: "5"', body=b"hello"), refused),
    ("6.3", "a length with a semicolon", post(b"Content-Length: 5;a", body=b"hello"), refused),
    ("6.3", "a length behind an underscore", post(b"Content_Length: 40", body=b""), passed),
    ("6.3", "a length that is not there: the body is the next request", post(body=b""), passed),
    ("6.3", "a length with zeros before it", post(b"Content-Length: 005", body=b"hello"), None),
    # 6.1: Transfer-Encoding
    ("6.1", "chunked twice", post(CHUNKED, CHUNKED, body=END), refused),
    ("6.1", "chunked twice in one line", post(b"Transfer-Encoding: chunked, chunked", body=END), refused),
    ("6.1", "chunked is not last", post(b"Transfer-Encoding: chunked, gzip", body=END), refused),
    ("6.1", "gzip before chunked", post(b"Transfer-Encoding: gzip, chunked", body=END), refused),
    ("6.1", "identity", post(b"Transfer-Encoding: identity", body=b""), refused),
    ("6.1", "identity and a length", post(b"Transfer-Encoding: identity", b"Content-Length: 5", body=b"hello"), refused),
    ("6.1", "identity, chunked", post(b"Transfer-Encoding: identity, chunked", body=END), refused),
    ("6.1", "chunked, identity", post(b"Transfer-Encoding: chunked, identity", body=END), refused),
    ("6.1", "xchunked", post(b"Transfer-Encoding: xchunked", body=END), refused),
    ("6.1", "chunkedx", post(b"Transfer-Encoding: chunkedx", body=END), refused),
    ("6.1", "chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", body=END), refused),
    ("6.1", "chunked in quotes", post(b'Transfer-Encoding: "chunked"', body=END), refused),
    ("6.1", "chunked behind a comma", post(b"Transfer-Encoding: ,chunked", body=END), None),
    ("6.1", "chunked before a comma", post(b"Transfer-Encoding: chunked,", body=END), None),
    ("6.1", "an empty coding", post(b"Transfer-Encoding:", body=END), refused),
    ("6.1", "a vertical tab before chunked", post(b"Transfer-Encoding: \x0bchunked", body=END), refused),
    ("6.1", "a form feed behind chunked", post(b"Transfer-Encoding: chunked\x0c", body=END), refused),
    ("6.1", "a tab before chunked", post(b"Transfer-Encoding:\tchunked", body=END), None),
    ("6.1", "a space behind chunked", post(b"Transfer-Encoding: chunked ", body=END), None),
    ("6.1", "chunked in capitals", post(b"Transfer-Encoding: CHUNKED", body=END), None),
    ("6.1", "chunked in HTTP/1.0", post(CHUNKED, body=END, version=b"HTTP/1.0"), refused),
    ("6.1", "chunked by halves: another line says gzip", post(CHUNKED, b"Transfer-Encoding: gzip", body=END), refused),
    ("6.1", "chunked by halves: another line is empty", post(CHUNKED, b"Transfer-Encoding:", body=END), refused),
    ("6.1", "chunked in a name with an underscore", post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=END), passed),
    ("6.1", "a coding with a NUL", post(b"Transfer-Encoding: chunked\x00", body=END), refused),
    ("6.1", "a name with a letter of another alphabet", post(b"Transfer-Encod\xc4\xb1ng: chunked", body=b""), refused),
    ("6.1", "GET with chunks", get(CHUNKED) + b"5\r\nhello\r\n0\r\n\r\n", passed),
    # 5.1: field lines
    ("5.1", "a space before the colon", get(b"X : 1"), refused),
    ("5.1", "a tab before the colon", get(b"X\t: 1"), refused),
    ("5.1", "a space before the colon of a length", post(b"Content-Length : 5", body=b"hello"), refused),
    ("5.1", "a space before the colon of chunked", post(b"Transfer-Encoding : chunked", body=END), refused),
    ("5.1", "no colon", get(b"NoColon"), refused),
    ("5.1", "no name", get(b": value"), refused),
    ("5.1", "a name with a space", get(b"X Y: 1"), refused),
    ("5.1", "a name with a slash", get(b"X/Y: 1"), refused),
    ("5.1", "a name in brackets", get(b"(X): 1"), refused),
    ("5.1", "a name with a quote", get(b'X": 1'), refused),
    ("5.1", "a name with a NUL", get(b"X\x00Y: 1"), refused),
    ("5.1", "a name with 0x7f", get(b"X\x7f: 1"), refused),
    ("5.1", "a name above ASCII", get(b"X\xff: 1"), refused),
    ("5.5", "a value with a NUL", get(b"X: a\x00b"), refused),
    ("5.5", "a value with a CR", get(b"X: a\rb"), refused),
    ("5.5", "a value with a CR and a header", get(b"X: a\rTransfer-Encoding: chunked"), refused),
    ("5.5", "a value with a bell", get(b"X: a\x07b"), refused),
    ("5.5", "a value with an escape", get(b"X: \x1b[31m"), refused),
    ("5.5", "a value with 0x7f", get(b"X: a\x7fb"), refused),
    ("5.5", "a value above ASCII", get(b"X: caf\xc3\xa9"), passed),
    ("5.5", "a value with a tab", get(b"X: a\tb"), passed),
    # 5.2: folding
    ("5.2", "a folded line", get(b"X: 1", b" folded"), refused),
    ("5.2", "a line folded with a tab", get(b"X: 1", b"\tfolded"), refused),
    ("5.2", "chunked in a folded line", post(b"Transfer-Encoding:", b" chunked", body=END), refused),
    ("5.2", "a length in a folded line", post(b"Content-Length:", b" 5", body=b"hello"), refused),
    ("5.2", "the first line begins with a space", b"GET / HTTP/1.1\r\n Host: a.test\r\nX: 1\r\n\r\n", refused),
    ("2.2", "a line of spaces alone", get(b"   "), refused),
    # 2.2: ends of lines
    ("2.2", "bare LF everywhere", b"GET / HTTP/1.1\nHost: a.test\n\n", refused),
    ("2.2", "bare LF behind the request line", b"GET / HTTP/1.1\nHost: a.test\r\n\r\n", refused),
    ("2.2", "bare LF behind a header", b"GET / HTTP/1.1\r\nHost: a.test\nX: 1\r\n\r\n", refused),
    ("2.2", "bare LF at the end", b"GET / HTTP/1.1\r\nHost: a.test\r\n\n", refused),
    ("2.2", "bare CR everywhere", b"GET / HTTP/1.1\rHost: a.test\r\r", refused),
    ("2.2", "bare CR behind a header", b"GET / HTTP/1.1\r\nHost: a.test\rX: 1\r\n\r\n", refused),
    ("2.2", "CR CR LF", b"GET / HTTP/1.1\r\r\nHost: a.test\r\r\n\r\r\n", refused),
    ("2.2", "LF CR", b"GET / HTTP/1.1\n\rHost: a.test\n\r\n\r", refused),
    ("2.2", "an empty line first", b"\r\n" + get(), None),
    ("2.2", "an LF first", b"\n" + get(), refused),
    ("2.2", "many empty lines first", b"\r\n" * 100 + get(), None),
    ("2.2", "a NUL first", b"\x00" + get(), refused),
    ("2.2", "a byte order mark first", b"\xef\xbb\xbf" + get(), refused),
    # 3: the request line
    ("3", "no version", b"GET /\r\nHost: a.test\r\n\r\n", refused),
    ("3", "HTTP/0.9", b"GET /\r\n", refused),
    ("3", "two spaces behind the method", b"GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "two spaces before the version", b"GET /  HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "a space behind the version", b"GET / HTTP/1.1 \r\nHost: a.test\r\n\r\n", refused),
    ("3", "a space before the method", b" GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "tabs for spaces", b"GET\t/\tHTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "a vertical tab for a space", b"GET\x0b/ HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "no target", b"GET HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "a space in the target", b"GET /a b HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3", "a version in the target", b"GET /a HTTP/1.1 HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("2.3", "HTTP/1.2", get(version=b"HTTP/1.2"), None),
    ("2.3", "HTTP/2.0", get(version=b"HTTP/2.0"), refused),
    ("2.3", "HTTP/1", get(version=b"HTTP/1"), refused),
    ("2.3", "HTTP/1.10", get(version=b"HTTP/1.10"), refused),
    ("2.3", "HTTP/01.1", get(version=b"HTTP/01.1"), refused),
    ("2.3", "http/1.1", get(version=b"http/1.1"), refused),
    ("2.3", "HTTP-1.1", get(version=b"HTTP-1.1"), refused),
    ("2.3", "HTTP/1.1x", get(version=b"HTTP/1.1x"), refused),
    ("2.3", "HTTPS/1.1", get(version=b"HTTPS/1.1"), refused),
    ("3.1", "a method with a control", get(method=b"GE\x01T"), refused),
    ("3.1", "a method with a bracket", get(method=b"GET("), refused),
    ("3.1", "an empty method", b"/ HTTP/1.1\r\nHost: a.test\r\n\r\n", refused),
    ("3.1", "a method above ASCII", get(method=b"G\xcb\x88T"), refused),
    ("3.2", "a target without a slash", get(target=b"index.html"), refused),
    ("3.2", "a target with a NUL", get(target=b"/a\x00b"), refused),
    ("3.2", "a target with a control", get(target=b"/a\x01b"), refused),
    ("3.2", "a target above ASCII", get(target=b"/caf\xc3\xa9"), None),
    ("3.2", "a target with a fragment", get(target=b"/a#b"), refused),
    ("3.2", "a target with %00", get(target=b"/a%00b"), refused),
    ("3.2", "a target with half an escape", get(target=b"/a%2"), refused),
    ("3.2", "a target with a wrong escape", get(target=b"/a%zz"), refused),
    ("3.2", "a target above the root", get(target=b"/../../etc/passwd"), None),
    ("3.2", "a target above the root, escaped", get(target=b"/%2e%2e/%2e%2e/etc/passwd"), None),
    ("3.2", "a backslash", get(target=b"/a\\b"), None),
    ("3.2.2", "another host in absolute form", get(target=b"http://b.test/"), None),
    ("3.2.2", "absolute form without a host", get(target=b"http:///"), refused),
    ("3.2.2", "absolute form with a user", get(target=b"http://user@a.test/"), refused),
    ("3.2.2", "another scheme", get(target=b"ftp://a.test/"), refused),
    ("3.2.3", "CONNECT", get(method=b"CONNECT", target=b"a.test:80"), refused),
    ("3.2.4", "* for GET", get(target=b"*"), refused),
    # 9112, 3.2 and 9110, 7.2: Host
    ("3.2", "no Host", get(host=b""), refused),
    ("3.2", "two Hosts", get(b"Host: b.test"), refused),
    ("3.2", "two equal Hosts", get(b"Host: a.test"), refused),
    ("3.2", "Host with a space", get(host=b"Host: a.test b.test"), refused),
    ("3.2", "Host with a comma", get(host=b"Host: a.test, b.test"), refused),
    ("3.2", "Host with a slash", get(host=b"Host: a.test/x"), refused),
    ("3.2", "Host with a user", get(host=b"Host: user@a.test"), refused),
    ("3.2", "Host with a port that is none", get(host=b"Host: a.test:x"), refused),
    ("3.2", "Host with a port that is too large", get(host=b"Host: a.test:99999"), refused),
    ("3.2", "Host with two ports", get(host=b"Host: a.test:80:80"), refused),
    ("3.2", "Host with a control", get(host=b"Host: a.\x01test"), refused),
    ("3.2", "Host with a bracket", get(host=b"Host: [::1"), refused),
    ("3.2", "a space before the colon of Host", get(host=b"Host : a.test"), refused),
    # 7.1: chunks
    ("7.1", "a size that is no number", post(CHUNKED, body=b"x\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size with 0x", post(CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size with a sign", post(CHUNKED, body=b"+5\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a negative size", post(CHUNKED, body=b"-5\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "an empty size", post(CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size with a space before it", post(CHUNKED, body=b" 5\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size with a space behind it", post(CHUNKED, body=b"5 \r\nhello\r\n0\r\n\r\n"), None),
    ("7.1", "a size with an underscore", post(CHUNKED, body=b"1_0\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size of 2^64 + 5", post(CHUNKED, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size of 17 digits", post(CHUNKED, body=b"00000000000000005\r\nhello\r\n0\r\n\r\n"), None),
    ("7.1", "a size that ends with a bare LF", post(CHUNKED, body=b"5\nhello\r\n0\r\n\r\n"), refused),
    ("7.1", "a size that ends with a bare CR", post(CHUNKED, body=b"5\rhello\r\n0\r\n\r\n"), refused),
    ("7.1", "data that ends with a bare LF", post(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n"), refused),
    ("7.1", "data that is longer than its size", post(CHUNKED, body=b"5\r\nhello!\r\n0\r\n\r\n"), refused),
    ("7.1", "data that is shorter than its size", post(CHUNKED, body=b"5\r\nhell\r\n0\r\n\r\n"), refused),
    ("7.1", "the last chunk ends with a bare LF", post(CHUNKED, body=b"0\n\n"), refused),
    ("7.1", "the end is a bare LF", post(CHUNKED, body=b"0\r\n\n"), refused),
    ("7.1.1", "an extension with a bare LF", post(CHUNKED, body=b"5;a\nb\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1.1", "an extension with a bare CR", post(CHUNKED, body=b"5;a\rb\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1.1", "an extension with a NUL", post(CHUNKED, body=b"5;a\x00\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1.1", "an extension with an open quote", post(CHUNKED, body=b'5;a="\r\nhello\r\n0\r\n\r\n'), None),
    ("7.1.1", "an extension without end", post(CHUNKED, body=b"5;" + b"a" * 100000 + b"\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1.1", "an extension", post(CHUNKED, body=b"5;a=b\r\nhello\r\n0\r\n\r\n"), refused),
    ("7.1.2", "a trailer with a length", post(CHUNKED, body=b"0\r\nContent-Length: 40\r\n\r\n"), None),
    ("7.1.2", "a trailer with chunked", post(CHUNKED, body=b"0\r\nTransfer-Encoding: chunked\r\n\r\n"), None),
    ("7.1.2", "a trailer without a colon", post(CHUNKED, body=b"0\r\nNoColon\r\n\r\n"), refused),
    ("7.1.2", "a trailer with a space before its colon", post(CHUNKED, body=b"0\r\nX : 1\r\n\r\n"), refused),
    ("7.1.2", "a folded trailer", post(CHUNKED, body=b"0\r\nX: 1\r\n 2\r\n\r\n"), refused),
    ("7.1.2", "a trailer with a bare LF", post(CHUNKED, body=b"0\r\nX: 1\nY: 2\r\n\r\n"), refused),
    # 9.6 and 9110, 7.6.1, 7.8: connections
    ("7.6.1", "Connection names the length", post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), None),
    ("7.6.1", "Connection names Host", get(b"Connection: close, Host"), None),
    ("7.6.1", "Connection names X-Forwarded-For", get(b"Connection: X-Forwarded-For", b"X-Forwarded-For: 1.2.3.4"), None),
    ("7.8", "an upgrade to h2c", get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"), None),
    ("10.1", "Expect that is not known", get(b"Expect: 200-maybe"), refused),
    # limits
    ("5.4", "a header of 20 KiB", get(b"X: " + b"a" * 20000), refused),
    ("5.4", "2,000 headers", get(*[b"X: 1"] * 2000), refused),
    ("3", "a target of 20 KiB", get(target=b"/" + b"a" * 20000), refused),
]

# ---- the reader: nothing but the grammar ----

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
LINE = re.compile(rb"(" + TOKEN + rb") (/[\x21-\x7e\x80-\xff]*|\*) HTTP/1\.1\Z")
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\x20-\x7e\x80-\xff\t]*[\x21-\x7e\x80-\xff])?)?)[ \t]*\Z")


class Malformed(Exception):
    pass


class Cut(Exception):
    """The bytes end within a message: it was given up, or there is more to come."""


def need(condition, text):
    if not condition:
        raise Malformed(text)


def read_lines(data):
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise Cut
    return data[:end].split(b"\r\n"), data[end + 4:]


def read_fields(lines):
    fields = []
    for line in lines:
        found = FIELD.match(line)
        need(found is not None, f"not a field line: {line!r}")
        fields.append((found.group(1).lower(), found.group(2)))
    return fields


def read_chunks(data):
    while True:
        if b"\r\n" not in data:
            raise Cut
        found = re.match(rb"([0-9A-Fa-f]{1,16})\r\n", data)
        need(found is not None, f"not a chunk size: {data[:40]!r}")
        size, data = int(found.group(1), 16), data[found.end():]
        if size == 0:
            break
        if len(data) < size + 2:
            raise Cut
        need(data[size:size + 2] == b"\r\n", f"no end of a chunk: {data[size:size + 10]!r}")
        data = data[size + 2:]
    if data.startswith(b"\r\n"):
        return data[2:]
    lines, rest = read_lines(data)
    for name, _ in read_fields(lines):
        need(name not in (b"content-length", b"transfer-encoding", b"host"), f"trailer {name!r}")
    return rest


def read_requests(data):
    """The targets of the whole requests in <data>, and that of one that is cut."""
    targets, begun = [], []
    try:
        while data:
            begun = []
            data = read_request(data, begun)
            targets += begun
    except Cut:
        return targets, begun
    return targets, []


def read_request(data, begun):
    lines, data = read_lines(data)
    found = LINE.match(lines[0])
    need(found is not None, f"not a request line: {lines[0]!r}")
    fields = read_fields(lines[1:])
    values = {name: [value for other, value in fields if other == name] for name, _ in fields}
    need(len(values.get(b"host", [])) == 1, "not exactly one Host")
    begun.append(found.group(2))
    lengths, codings = values.get(b"content-length", []), values.get(b"transfer-encoding", [])
    need(len(lengths) + len(codings) <= 1, f"two lengths: {lengths} {codings}")
    if codings:
        need(codings[0].lower() == b"chunked", f"coding {codings[0]!r}")
        data = read_chunks(data)
    elif lengths:
        need(re.fullmatch(rb"[0-9]{1,18}", lengths[0]) is not None, f"length {lengths[0]!r}")
        if len(data) < int(lengths[0]):
            raise Cut
        data = data[int(lengths[0]):]
    return data


# ---- the application: records, and answers what is whole ----


class Connection:
    """What came on a connection of the application. Changes under <lock>."""

    def __init__(self, sock, port):
        self.sock, self.port, self.bytes, self.answered, self.is_open = sock, port, bytearray(), 0, True

    def take(self):
        """Reads once, and says how many requests are whole now that were not; None: it is over."""
        piece = self.sock.recv(65536)
        self.bytes += piece
        if not piece:
            self.is_open = False
            return None
        try:
            whole_ones, _ = read_requests(bytes(self.bytes))
        except Malformed:
            self.is_open = False
            return None
        count = len(whole_ones) - self.answered
        self.answered = len(whole_ones)
        return count

    def is_at_rest(self):
        """Closed, or everything that came was read, and is whole."""
        if not self.is_open:
            return True
        waiting = struct.unpack("i", fcntl.ioctl(self.sock, termios.FIONREAD, b"\0" * 4))[0]
        return waiting == 0 and self.answered > 0 and not read_requests(bytes(self.bytes))[1]


class Application(Listening):
    def accept(self, listener):
        while True:
            sock, (_, port) = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, port)
            with lock:
                recorded.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        readable = select.poll()
        readable.register(connection.sock, select.POLLIN)
        try:
            while True:
                readable.poll()
                with lock:
                    count = connection.take()
                if count is None:
                    break
                connection.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * count)
        except OSError:
            pass
        with lock:
            connection.is_open = False
        connection.sock.close()


def settle(app):
    """Waits until the application has seen all that the edge has sent it. What the edge gave up it
    has closed; and connections are accepted in their order, the one that is made here last."""
    end = time.monotonic() + 10
    with socket.create_connection(("127.0.0.1", app.port)) as fence:
        port = fence.getsockname()[1]
    while True:
        with lock:
            if any(connection.port == port for connection in recorded) and \
                    all(connection.is_at_rest() for connection in recorded):
                return
            left = [bytes(connection.bytes) for connection in recorded if not connection.is_at_rest()]
        assert time.monotonic() < end, f"the application still waits: {left!r}"
        time.sleep(0.002)


def send(request):
    """Everything that comes back until the connection closes or a second is quiet."""
    answer = b""
    with socket.create_connection(("127.0.0.1", os.environ["EDGE_HTTP"]), timeout=5) as sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass
        try:
            while piece := sock.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
    return [int(text) for text in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", answer)]


def check(app, request, expected):
    with lock:
        marks = [len(connection.bytes) for connection in recorded]
    # what is behind a passed request is an honest one: its path says so
    behind = HIDDEN if expected == refused else HIDDEN.replace(b"smuggled", b"honest")
    statuses = send(request + behind)
    settle(app)
    with lock:
        marks += [0] * (len(recorded) - len(marks))
        records = [bytes(connection.bytes[mark:]) for connection, mark in zip(recorded, marks)]
    targets, begun = [], []
    for record in records:
        done, cut = read_requests(record)
        targets, begun = targets + done, begun + cut
    assert b"/smuggled" not in targets + begun, f"the hidden request arrived: {records!r}"
    assert len(targets) + len(begun) <= 2, f"more requests than were sent: {records!r}"
    if expected == refused:
        # A body may turn out wrong when its head has gone: then nothing whole arrived.
        assert not targets, f"it arrived: {records!r}"
        assert len(statuses) == 1 and statuses[0] >= 400, statuses
    elif expected == passed:
        assert statuses == [200, 200] and targets[1:] == [b"/honest"], (statuses, targets)


def whole(app, section, name, request, expected):
    def test():
        check(app, request, expected)
    test.__name__ = f"{section}: {name}"
    return test


def main():
    app = Application()
    subprocess.run([sys.argv[1], "app", "", str(app.port)], check=True, stdout=subprocess.DEVNULL)
    assert len(VECTORS) >= 100
    sys.exit(run([whole(app, *vector) for vector in VECTORS]))


main()
