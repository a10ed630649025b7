# SPDX-License-Identifier: Apache-2.0
"""An application whose instances can be told apart: answers its name. ?ms=N waits before it, and
?fail=N lets the next N requests of this instance fail."""
import http.server
import os
import sys
import time
import urllib.parse

NAME = os.environ.get("HOSTNAME") or str(time.time_ns())
failing = [0]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        values = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(self.path).query))
        status = 200
        if failing[0] > 0 and not self.path.endswith("health"):
            failing[0] -= 1
            status = 500
        if "fail" in values:
            failing[0] = int(values["fail"])
        time.sleep(int(values.get("ms", 0)) / 1000)
        self.send_response(status)
        self.send_header("Content-Length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 512


Server(("0.0.0.0", int(sys.argv[1])), Handler).serve_forever()
