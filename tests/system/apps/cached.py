# SPDX-License-Identifier: Apache-2.0
"""An HTTP server whose answers say how they may be kept.

cached.py PORT   answers every path with the number of times it was asked for it; the query says
more: cc= Cache-Control, tag= Cache-Tag, etag=, n= bytes. While the file /tmp/sick is there it
answers 503. /health is always well.
"""
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

asked = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version, wbufsize = "HTTP/1.1", 1 << 16

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlparse(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        asked[url.path] = asked.get(url.path, 0) + 1
        body = str(asked[url.path]).encode().ljust(int(query.get("n", 0)))
        well = url.path == "/health" or not os.path.exists("/tmp/sick")
        self.send_response(200 if well else 503)
        for name, key in (("Cache-Control", "cc"), ("Cache-Tag", "tag"), ("ETag", "etag")):
            if key in query:
                self.send_header(name, query[key])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
