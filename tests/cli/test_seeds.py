#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The compose files of real teams (tests/seeds, systems/eshop): `config` finds in them what the
teams' infrastructure documents say, `check` explains every key and names what cannot run.

    tests/cli/test_seeds.py PROGRAM ROOT    TAP on standard output
"""
import json
import os
import subprocess
import sys
import traceback

PROGRAM, ROOT = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
WORDS = {"honoured", "emulated", "obsolete", "refused"}
# A tuple per service: published:target of its ports, targets of its volumes, whether it has a health
# check, what it depends on, and names of its variables.
NOTHING = ((), (), False, (), ())
POSTGRES = ("POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER")
DATA = "/var/lib/postgresql/data"

DJANGO = ("DB_HOST", "DB_NAME", "DB_PASSWORD", "DB_PORT", "DB_USER", "DEBUG")
DJANGO_FILE = ("ALLOWED_HOSTS", "CORS_ALLOWED_ORIGINS", "JWT_ACCESS_TOKEN_LIFETIME",
               "JWT_REFRESH_TOKEN_LIFETIME", "JWT_SECRET_KEY", "SECRET_KEY")
SEEDS = {
    "thinkring in production": {
        "folder": "tests/seeds/thinkring",
        "argv": ["-f", "docker-compose.prod.yml", "--env-file", ".env.production"],
        "services": {
            "nginx": (("80:80", "443:443"),
                      ("/etc/nginx/nginx.conf", "/etc/nginx/ssl", "/var/www/static"), False,
                      ("backend", "frontend"), ()),
            "frontend": ((), ("/app/dist",), False, (), ("VITE_API_BASE_URL",)),
            "backend": ((), ("/app/staticfiles", "/app/media"), False, ("db",),
                        DJANGO + DJANGO_FILE),
            "db": ((), (DATA, "/backups"), False, (), POSTGRES)},
        "volumes": {"media_files", "postgres_data", "static_files"},
        "lacking": {"frontend": "Dockerfile", "backend": "Dockerfile"},
        "values": {("backend", "environment", "DB_NAME"): "thinkring_prod",
                   ("backend", "environment", "DEBUG"): "False",
                   ("db", "restart"): "always"},
        "how": {"version": "remove the line", "services.db.logging.driver": "keeps the log itself"}},
    "thinkring in development": {
        "folder": "tests/seeds/thinkring", "argv": [],
        "services": {
            "frontend": (("3000:3000",), ("/app", "/app/node_modules"), False, (),
                         ("VITE_API_BASE_URL",)),
            "backend": (("8000:8000",), ("/app",), False, ("db",), DJANGO),
            "db": ((), (DATA,), False, (), POSTGRES)},
        "volumes": {"postgres_data"}, "lacking": {}, "values": {}, "how": {}},
    "egov": {
        "folder": "tests/seeds/egov", "argv": [],
        "services": {
            "app": (("8000:8000",), (), True, ("postgres", "redis"),
                    ("DATABASE_URL", "REDIS_URL", "UVICORN_WORKERS")),
            "postgres": (("5432:5432",), (DATA,), True, (), POSTGRES),
            "redis": (("6379:6379",), (), False, (), ())},
        "volumes": {"postgres_data"},
        "lacking": {"app": "Dockerfile", "postgres": "docker.io/pgvector/pgvector:pg16"},
        "values": {("app", "environment", "UVICORN_WORKERS"): "4",
                   ("app", "build", "dockerfile"): "infra/podmanOrDocker/Dockerfile.lite",
                   ("postgres", "restart"): "unless-stopped"},
        "how": {"networks.egov-network.driver": "bridge"}},
    "egov for staging": {
        "folder": "tests/seeds/egov",
        "argv": ["-f", "docker-compose.yml", "-f", "docker-compose.staging.yml"],
        "services": {
            "app": (("8000:8000",), (), True, ("postgres", "redis"),
                    ("DATABASE_URL", "REDIS_URL", "UVICORN_WORKERS")),
            "postgres": ((), (DATA,), True, (), POSTGRES),
            "redis": NOTHING},
        "volumes": {"postgres_data"},
        "lacking": {"app": "Dockerfile", "postgres": "docker.io/pgvector/pgvector:pg16"},
        "values": {("app", "ports", 0, "host_ip"): "127.0.0.1"}, "how": {}},
    "oci in development": {
        "folder": "tests/seeds/oci", "argv": [],
        "services": {
            "app": (("3000:3000",), ("/app", "/app/node_modules"), False, ("db",),
                    ("DATABASE_URL", "NEXTAUTH_SECRET", "NEXTAUTH_URL")),
            "db": (("5432:5432",), (DATA,), True, (), POSTGRES)},
        "volumes": {"db-data"}, "lacking": {"app": "Dockerfile"},
        "values": {("app", "depends_on", "db", "condition"): "service_healthy"}, "how": {}},
    "oci in production": {
        "folder": "tests/seeds/oci", "argv": ["-f", "docker-compose.prod.yml"],
        "env": {"NEXTAUTH_SECRET": "s", "POSTGRES_PASSWORD": "p"},
        "services": {
            "app": ((), (), True, (), ("DATABASE_URL", "NEXTAUTH_SECRET_FILE", "NEXTAUTH_URL")),
            "db": ((), (DATA,), False, (), ("POSTGRES_DB", "POSTGRES_PASSWORD_FILE"))},
        "volumes": {"db-data"}, "lacking": {"app": "example/app:latest"},
        "values": {("app", "deploy", "replicas"): 2},
        "how": {"services.app.deploy.update_config.order": "start-first when it is not given"}},
    "aws-stages for staging": {
        "folder": "tests/seeds/aws-stages", "argv": [],
        "services": {
            "web": ((), (), False, ("api",), ("NEXT_PUBLIC_API_URL",)),
            "api": ((), (), True, ("mongo", "postgres"),
                    ("DATABASE_URL", "MONGODB_URI", "SENTRY_DSN")),
            "postgres": ((), (DATA,), True, (), POSTGRES),
            "mongo": ((), ("/data/db",), False, (), ())},
        "volumes": {"mongo", "postgres"},
        "lacking": {"web": "Dockerfile", "api": "Dockerfile", "mongo": "mongo:7"},
        "values": {}, "how": {}},
    "aws-stages in production": {
        "folder": "tests/seeds/aws-stages",
        "argv": ["-f", "compose.yaml", "-f", "compose.production.yaml"],
        "services": {
            "web": ((), (), False, ("api",), ("NEXT_PUBLIC_API_URL",)),
            "api": ((), (), True, ("mongo", "postgres"),
                    ("DATABASE_URL", "MONGODB_URI", "SENTRY_DSN")),
            "postgres": ((), (DATA,), True, (), POSTGRES),
            "mongo": ((), ("/data/db",), False, (), ())},
        "volumes": {"mongo", "postgres"},
        "lacking": {"web": "Dockerfile", "api": "Dockerfile", "mongo": "mongo:7"},
        "values": {("api", "deploy", "replicas"): 2,
                   ("web", "deploy", "resources", "limits", "memory"): str(1 << 30)},
        "how": {}},
    "eshop": {
        "folder": "systems/eshop", "argv": [],
        "env": {"POSTGRES_PASSWORD": "p", "SECRET_KEY": "k"},
        "services": {
            "nginx": (("8080:80", "8443:443"), (), False, ("backend", "frontend"), ()),
            "frontend": ((), (), True, ("backend",), ("NEXT_PUBLIC_API_URL",)),
            "backend": ((), (), True, ("postgres", "redis"),
                        ("DATABASE_URL", "JWT_ALGORITHM", "JWT_EXPIRE_MINUTES", "REDIS_URL",
                         "SECRET_KEY")),
            "postgres": ((), (DATA,), True, (), POSTGRES),
            "redis": ((), (), True, (), ())},
        "volumes": set(), "lacking": {},
        "values": {("frontend", "expose", 0): "3000", ("backend", "expose", 0): "8000",
                   ("postgres", "expose", 0): "5432", ("redis", "expose", 0): "6379"},
        "how": {}},
}


def run(seed, *argv):
    """Status and the JSON that is printed."""
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nowhere",
           "ISHIZUE_IMAGES_DIR": f"{ROOT}/images", **seed.get("env", {})}
    folder = f"{ROOT}/{seed['folder']}"
    if os.path.exists(f"{folder}/.env"):  # the reader's own, which is no part of the test
        argv = ("--env-file", "/dev/null", *argv)
    done = subprocess.run([PROGRAM, *seed["argv"], *argv], cwd=folder, env=env, text=True,
                          capture_output=True, timeout=60)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def same(what, got, wanted):
    assert got == wanted, f"{what}: got {got}, wanted {wanted}"


def config_has_what_the_documents_say(seed):
    status, model = run(seed, "config", "--format", "json")
    same("status", status, 0)
    same("services", set(model["services"]), set(seed["services"]))
    for name, (ports, targets, health, needs, variables) in seed["services"].items():
        service = model["services"][name]
        same(f"ports of {name}", sorted(f"{one['published']}:{one['target']}"
                                        for one in service.get("ports", [])), sorted(ports))
        same(f"volumes of {name}", [one["target"] for one in service.get("volumes", [])],
             list(targets))
        same(f"health check of {name}", "healthcheck" in service, health)
        same(f"dependencies of {name}", set(service.get("depends_on", {})), set(needs))
        missing = set(variables) - set(service.get("environment") or {})
        assert not missing, f"variables of {name}: {missing} are missing"
    same("volumes", set(model.get("volumes", {})), seed["volumes"])
    for path, wanted in seed["values"].items():
        value = model["services"]
        for part in path:
            value = value[part]
        same(".".join(map(str, path)), value, wanted)


def check_explains_it(seed):
    status, report = run(seed, "check", "--json")
    same("status", status, int(any(one["error"] for one in report["services"])))
    assert report["valid"] is True
    same("services", {one["service"] for one in report["services"]}, set(seed["services"]))
    assert report["keys"]
    for key in report["keys"]:
        assert key["support"] in WORDS, key
        assert key["support"] == "honoured" or key["how"], f"nothing says how or why not: {key}"
        assert key["file"] and key["line"] > 0 and key["column"] > 0, key
    how = {key["path"]: key["how"] for key in report["keys"]}
    for path, text in seed["how"].items():
        assert text in (how.get(path) or ""), f"{path}: {how.get(path)}"
    for one in report["services"]:
        assert (one["run_by"] is None) == (one["error"] is not None), one
        wanted = seed["lacking"].get(one["service"])
        if wanted is None and one["error"] is not None:
            assert "install the package" in one["error"], one  # a stand-in that is not installed
        elif wanted is not None:
            assert one["error"] and wanted in one["error"], one
            assert "x-ishizue.host" in one["error"], f"nothing says what to do: {one}"


def main():
    tests = [(f"{name}: {what.__name__.replace('_', ' ')}", what, seed)
             for name, seed in SEEDS.items()
             for what in (config_has_what_the_documents_say, check_explains_it)]
    failed = 0
    print(f"1..{len(tests)}")
    for number, (name, what, seed) in enumerate(tests, 1):
        try:
            what(seed)
            print(f"ok {number} - {name}")
        except Exception:  # whatever it is, the others run
            failed += 1
            print(f"not ok {number} - {name}")
            print("".join(f"# {line}\n" for line in traceback.format_exc().splitlines()), end="")
    sys.exit(failed > 0)


main()
