# SPDX-License-Identifier: Apache-2.0
"""The usual way, for comparison: nginx in front, and a deploy that stops the service and starts it
again, as `docker-compose up -d --build` does after it has built."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import clients

HERE = Path(__file__).resolve().parent
PORT, H2_PORT, BACKEND_PORT = 8180, 8181, 8190
STOP_SECONDS = 10  # what Compose waits before it kills
CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024; listen 127.0.0.1:{h2} http2;
        location / {{
            proxy_pass http://backend; proxy_http_version 1.1; proxy_read_timeout 3600s;
            proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""


def start_service(version):
    return subprocess.Popen([sys.executable, str(HERE.parent.parent / "tests/system/apps/hostile.py"), str(BACKEND_PORT)],
                            env={**os.environ, "VERSION": str(version)},
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stop_service(child):
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def wait_port(port, timeout=10):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on port {port}")


def measure(load_program, rates, count, folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.chmod(folder, 0o755)
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, port=PORT, h2=H2_PORT, backend=BACKEND_PORT))
    service = start_service(0)
    nginx = subprocess.Popen(["nginx", "-c", str(conf), "-e", str(folder / "error.log")])
    try:
        wait_port(BACKEND_PORT)
        wait_port(PORT)
        others = {name: rate for name, rate in rates.items() if name != "http2"}
        loads = [clients.Load(load_program, PORT, others),
                 clients.Load(load_program, H2_PORT, {"http2": rates["http2"]})]
        time.sleep(2)
        for version in range(1, count + 1):
            stop_service(service)
            service = start_service(version)
            loads[0].wait_version(str(version), 20)
            time.sleep(1)
        time.sleep(2)
        return {"deploys": count, **clients.summary(clients.join([one.stop() for one in loads]))}
    finally:
        nginx.terminate()
        nginx.wait(10)
        service.kill()
        service.wait()
        shutil.rmtree(folder, ignore_errors=True)
