"""testssl.sh (Debian's package of that name) against the edge: nothing above INFO but what it says
about a certificate that nobody trusts and a name that is in no DNS. Run by tests/edge/run."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../edge/lib")
import tap  # noqa: E402
from tables import Recorder, publish  # noqa: E402

app = Recorder()
# About the certificate's trust, the DNS of a name that has none, and testssl's own means.
NOT_OURS = {"cert_chain_of_trust", "cert_revocation", "cert_caIssuers", "DNS_CAArecord", "engine_problem",
            "OCSP_stapling", "cert_mustStapleExtension"}
LIMIT_S = 900


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "90", "-subj", "/CN=a.localhost", "-addext",
                    "subjectAltName=DNS:a.localhost", "-keyout", f"{folder}/key.pem",
                    "-out", f"{folder}/certificate.pem"], check=True, capture_output=True)
    return {"names": ["a.localhost"], "certificate_file": f"{folder}/certificate.pem",
            "key_file": f"{folder}/key.pem"}


def testssl_finds_nothing_above_info():
    if shutil.which("testssl") is None:
        raise tap.Skip("testssl.sh is not there")
    with tempfile.TemporaryDirectory() as folder:
        publish(app, [{"hsts": True, "security_headers": True}], certificates=[make_certificate(folder)])
        report = f"{folder}/report.json"
        subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1",
                        "--jsonfile", report, f"a.localhost:{os.environ['EDGE_HTTPS']}"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                       timeout=LIMIT_S)
        with open(report) as file:
            findings = json.load(file)
    print(f"# {len(findings)} findings", flush=True)
    assert len(findings) > 80, "it has not come far"
    above = [(f["severity"], f["id"], f["finding"]) for f in findings
             if f["severity"] not in ("OK", "INFO") and f["id"].split(" ")[0] not in NOT_OURS]
    assert not above, above


if __name__ == "__main__":
    sys.exit(tap.run([testssl_finds_nothing_above_info]))
