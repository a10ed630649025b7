"""TLS: certificates of clients, hosts of a connection, stapled responses, resumed sessions, and
certificates that change under load."""
import base64
import os
import secrets
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/lib")
import tap  # noqa: E402
from tables import Recorder, connect, expect_counter, get, publish, receive  # noqa: E402

app = Recorder()
work = tempfile.TemporaryDirectory()
folder = work.name


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout + done.stderr


def text_of(name):
    with open(f"{folder}/{name}") as file:
        return file.read()


def make_authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_leaf(name, authority, subject, serial, names=None, days=2):
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
    with open(f"{folder}/{name}.ext", "w") as file:
        file.write(f"subjectAltName={names}\n" if names else "basicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-set_serial", str(serial), "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem")


make_authority("servers")
make_authority("clients")
make_authority("strangers")
make_leaf("a", "servers", "/CN=a", 100, "DNS:a.localhost,DNS:c.localhost")
make_leaf("b", "servers", "/CN=b", 101, "DNS:b.localhost")
make_leaf("ann", "clients", "/O=Shop\\, Ltd/CN=Ann\u0009\u00e4", 200)
make_leaf("late", "clients", "/CN=Late", 201, days=-1)
make_leaf("eve", "strangers", "/CN=Ann", 202)


def entry(name, hosts, **more):
    return {"names": hosts, "certificate_file": f"{folder}/{name}.pem",
            "key_file": f"{folder}/{name}.key", **more}


BOTH = [entry("a", ["a.localhost", "c.localhost"]), entry("b", ["b.localhost"])]


def context_of(client=None, version=None):
    context = ssl.create_default_context(cafile=f"{folder}/servers.pem")
    if client:
        context.load_cert_chain(f"{folder}/{client}.pem", f"{folder}/{client}.key")
    if version:
        context.maximum_version = version
    return context


def connect_tls(context, name="a.localhost", session=None):
    return context.wrap_socket(connect("EDGE_HTTPS"), server_hostname=name, session=session)


def ask(sni, host=None, client=None, context=None, headers=()):
    with connect_tls(context or context_of(client), sni) as sock:
        return get(sock=sock, host=host or sni, headers=headers)[0]


def a_connection_is_good_for_hosts_of_its_certificate_only():
    publish(app, certificates=BOTH)
    assert ask("a.localhost") == 200 and ask("b.localhost") == 200
    assert ask("a.localhost", "c.localhost") == 200 and ask("a.localhost", "A.localhost:8443") == 200
    assert ask("a.localhost", "b.localhost") == 421 and ask("b.localhost", "a.localhost") == 421
    stranger = ssl._create_unverified_context()  # a name that is nobody's is as good as none
    with connect("EDGE_HTTPS") as plain, \
            stranger.wrap_socket(plain, server_hostname="nobody.test") as sock:
        assert get(sock=sock, host="a.localhost")[0] == 200
    expect_counter("misdirected_requests", 2)


CLIENTS = [entry("a", ["a.localhost"], client_ca=text_of("clients.pem")),
           entry("a", ["c.localhost"]), entry("b", ["b.localhost"])]
REQUIRED = [{"host": "a.localhost", "path": "/in", "limits": {"client_certificate": "required"}},
            {"host": "a.localhost", "limits": {"client_certificate": "optional"}}, {}]


def last_certificate_headers():
    lines = [line.split(": ", 1) for line in app.heads[-1].split("\r\n")[1:]]
    return {name: value for name, value in lines if name.lower().startswith("x-client-cert-")}


def a_route_lets_in_whom_the_authority_knows():
    publish(app, REQUIRED, certificates=CLIENTS)
    fingerprint = openssl("x509", "-in", "ann.pem", "-noout", "-fingerprint", "-sha256")
    fingerprint = fingerprint.split("=")[1].strip().replace(":", "").lower()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for client, status, verdict in (("ann", 200, "SUCCESS"), (None, 403, "NONE"), ("eve", 403, "FAILED"),
                                        ("late", 403, "FAILED")):
            context = context_of(client, version)
            with connect_tls(context) as sock:
                assert get("/in", sock=sock)[0] == status, (client, version)
            with connect_tls(context) as sock:  # optional: all are let in, and told apart
                spoofed = [("X-Client-Cert-Verify", "SUCCESS"), ("x-client-cert-subject", "root"),
                           ("X_Client_Cert_Subject", "root")]
                assert get("/", sock=sock, headers=spoofed)[0] == 200
                seen = last_certificate_headers()
                assert seen.pop("X-Client-Cert-Verify") == verdict, (client, seen)
                if verdict != "SUCCESS":
                    assert seen == {}, seen
                    continue
                assert seen.pop("X-Client-Cert-Fingerprint") == fingerprint
                subject = seen.pop("X-Client-Cert-Subject")
                assert subject.startswith("CN=Ann\\09") and "O=Shop\\, Ltd" in subject, subject
                assert seen == {}, seen
    expect_counter("client_certificates_missing", 6)


def no_other_host_of_the_edge_opens_that_door():
    publish(app, REQUIRED, certificates=CLIENTS)
    assert ask("c.localhost", "a.localhost", client="ann") == 421
    assert ask("b.localhost", "a.localhost", client="ann") == 421
    assert ask("unknown.localhost", "a.localhost",
               context=trusting_context()) == 421
    with connect() as sock:  # without TLS there is no certificate
        assert get("/in", sock=sock)[0] == 403


def trusting_context(client=None):
    context = context_of(client)
    context.check_hostname = False
    return context


def a_session_does_not_carry_a_certificate_where_it_was_not_asked_for():
    publish(app, REQUIRED, certificates=CLIENTS)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_of("ann", version)
        with connect_tls(context) as sock:
            assert get("/in", sock=sock)[0] == 200
            session = sock.session
        with connect_tls(context, session=session) as sock:  # it is the same client
            assert sock.session_reused and get("/in", sock=sock)[0] == 200
        stranger = context_of(None, version)
        with connect_tls(stranger, "c.localhost") as sock:
            assert get(sock=sock, host="c.localhost")[0] == 200
            session = sock.session
        with connect_tls(stranger, session=session) as sock:
            assert not sock.session_reused and get("/in", sock=sock)[0] == 403


def another_authority_in_the_next_table_counts_at_once():
    publish(app, REQUIRED, certificates=CLIENTS)
    with connect_tls(context_of("ann")) as sock:
        assert get("/in", sock=sock)[0] == 200
        publish(app, REQUIRED, certificates=[
            entry("a", ["a.localhost"], client_ca=text_of("strangers.pem")), *CLIENTS[1:]])
        assert get("/in", sock=sock)[0] == 421
    assert ask("a.localhost", client="eve") == 200


def ocsp_response(leaf, serial, days="1"):
    with open(f"{folder}/index.txt", "w") as file:
        file.write(f"V\t351231235959Z\t\t{serial:02X}\tunknown\t/CN=x\n")
    openssl("ocsp", "-index", "index.txt", "-rsigner", "servers.pem", "-rkey", "servers.key",
            "-CA", "servers.pem", "-issuer", "servers.pem", "-cert", f"{leaf}.pem",
            "-respout", f"{leaf}.ocsp", "-ndays", days)
    with open(f"{folder}/{leaf}.ocsp", "rb") as file:
        return base64.b64encode(file.read()).decode()


def status_of(name):
    port = os.environ["EDGE_HTTPS"]
    return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name,
                           "-status"], capture_output=True, stdin=subprocess.DEVNULL).stdout.decode("latin-1")


def the_response_of_the_authority_is_stapled():
    response = ocsp_response("a", 100)
    publish(app, certificates=[entry("a", ["a.localhost"], ocsp=response), entry("b", ["b.localhost"])])
    assert "Cert Status: good" in status_of("a.localhost")
    assert "no response sent" in status_of("b.localhost")
    for wrong in (ocsp_response("b", 101), "not base64", base64.b64encode(b"nonsense").decode()):
        try:
            publish(app, certificates=[entry("a", ["a.localhost"], ocsp=wrong)])
        except AssertionError as error:
            assert "OCSP" in str(error), error
        else:
            raise AssertionError("taken")


def session_of(context):
    with connect_tls(context) as sock:
        assert get(sock=sock)[0] == 200
        return sock.session


def sessions_are_resumed_by_every_worker_and_after_a_new_table():
    publish(app, certificates=BOTH)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_of(None, version)
        session = session_of(context)
        for n in range(16):  # the kernel spreads connections over the workers
            if n == 8:
                publish(app, certificates=BOTH)
            with connect_tls(context, session=session) as sock:
                assert sock.session_reused, n
                assert get(sock=sock)[0] == 200
                session = sock.session if version == ssl.TLSVersion.TLSv1_3 else session
    expect_counter("tls_sessions_resumed", 34)  # and two of the test with certificates


def publish_keys(keys):
    import tables
    original = tables.json.dumps
    tables.json.dumps = lambda table: original({**table, "ticket_keys": keys})
    try:
        publish(app, certificates=BOTH)
    finally:
        tables.json.dumps = original


def a_key_opens_tickets_until_it_is_gone():
    keys = [secrets.token_hex(80) for _ in range(4)]
    publish_keys(keys[:1])
    context = context_of()
    session = session_of(context)
    for given, reused in ((keys[1::-1], True), (keys[2::-1], True), (keys[3:0:-1], False)):
        publish_keys(given)
        with connect_tls(context, session=session) as sock:
            assert sock.session_reused == reused, given.index(given[0])
            assert get(sock=sock)[0] == 200
    for wrong in (["x" * 160], ["00" * 79], keys):
        try:
            publish_keys(wrong)
        except AssertionError as error:
            assert "ticket" in str(error), error
        else:
            raise AssertionError("taken")


def nobody_is_refused_while_certificates_change():
    failures, done, stop = [], [0], threading.Event()

    def handshakes():
        while not stop.is_set():
            try:
                assert ask("a.localhost") == 200
                done[0] += 1
            except (OSError, AssertionError) as error:
                failures.append(error)

    publish(app, certificates=BOTH)
    threads = [threading.Thread(target=handshakes) for _ in range(4)]
    for thread in threads:
        thread.start()
    for serial in range(300, 310):
        make_leaf("a", "servers", "/CN=a", serial, "DNS:a.localhost,DNS:c.localhost")
        publish(app, certificates=BOTH)
        time.sleep(0.1)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures and done[0] > 50, (failures[:3], done)


def a_ticket_comes_to_who_asks_nothing():
    """It waits for company, but not long."""
    publish(app, certificates=BOTH)
    with connect_tls(context_of()) as sock:
        assert sock.version() == "TLSv1.3"
        assert select.select([sock], [], [], 2)[0], "no ticket"
        sock.settimeout(0.1)
        try:
            assert not sock.recv(1), "something else than a ticket came"
        except TimeoutError:
            pass
        assert sock.session.has_ticket


def the_end_of_a_connection_is_announced():
    """So that nobody can cut an answer off unseen (RFC 8446, 6.1)."""
    publish(app, certificates=BOTH)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_of(version=version)
        with context.wrap_socket(connect("EDGE_HTTPS"), server_hostname="a.localhost",
                                 suppress_ragged_eofs=False) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: close\r\n\r\n")
            assert receive(sock)[0] == 200
            assert sock.recv(1) == b""


def plain_bytes_and_old_versions_are_no_handshake():
    with connect("EDGE_HTTPS") as sock:
        sock.sendall(b"\x16\x03\x01\xff\xff" + b"x" * 100)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    publish(app, certificates=BOTH)
    with connect_tls(context_of()) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.localhost\r\n\r\n")
        assert receive(sock)[0] == 200


if __name__ == "__main__":
    failed = tap.run([
        a_connection_is_good_for_hosts_of_its_certificate_only,
        a_route_lets_in_whom_the_authority_knows,
        no_other_host_of_the_edge_opens_that_door,
        a_session_does_not_carry_a_certificate_where_it_was_not_asked_for,
        another_authority_in_the_next_table_counts_at_once,
        the_response_of_the_authority_is_stapled,
        sessions_are_resumed_by_every_worker_and_after_a_new_table,
        a_key_opens_tickets_until_it_is_gone,
        nobody_is_refused_while_certificates_change,
        a_ticket_comes_to_who_asks_nothing,
        the_end_of_a_connection_is_announced,
        plain_bytes_and_old_versions_are_no_handshake,
    ])
    work.cleanup()
    sys.exit(failed)
