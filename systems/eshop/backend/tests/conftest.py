"""A throw-away PostgreSQL for the tests, on a unix socket in a temporary folder.

The cache address leads nowhere on purpose: everything but the cache tests runs without Redis.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

BACKEND = Path(__file__).resolve().parent.parent
POSTGRES_BIN = Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
FOLDER = Path(tempfile.mkdtemp(prefix="eshop-test-"))
SECRET_KEY = "only-for-tests-only-for-tests-only-for-tests"
COMMAND_TIMEOUT_SECONDS = 60

# Before any test imports the program, which reads its settings when it is imported.
sys.path.insert(0, str(BACKEND))
os.environ["DATABASE_URL"] = f"postgresql://eshop@/postgres?host={FOLDER}"
os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"
os.environ["SECRET_KEY"] = SECRET_KEY
os.environ["JWT_EXPIRE_MINUTES"] = "30"


def _unprivileged() -> dict[str, int]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam("postgres")
    return {"user": account.pw_uid, "group": account.pw_gid}


def _run(*command: str | Path, **options) -> None:
    subprocess.run(
        [str(part) for part in command],
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=COMMAND_TIMEOUT_SECONDS,
        **options,
    )


def _start_postgres(folder: Path) -> None:
    owner = _unprivileged()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    data = folder / "data"
    _run(
        POSTGRES_BIN / "initdb", "--pgdata", data, "--username=eshop", "--auth=trust",
        "--encoding=UTF8", "--locale=C", "--no-sync", cwd=folder, **owner,
    )  # fmt: skip
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=50"
    _run(
        POSTGRES_BIN / "pg_ctl", "start", "--wait", "--pgdata", data, "--log", folder / "log",
        "--options", options, cwd=folder, **owner,
    )  # fmt: skip


def _stop_postgres(folder: Path) -> None:
    _run(
        POSTGRES_BIN / "pg_ctl", "stop", "--mode=immediate", "--pgdata", folder / "data",
        cwd=folder, **_unprivileged(),
    )  # fmt: skip


def pytest_unconfigure() -> None:
    shutil.rmtree(FOLDER)


@pytest.fixture(scope="session")
def database():
    _start_postgres(FOLDER)
    try:
        alembic = [sys.executable, "-m", "alembic"]
        _run(*alembic, "upgrade", "head", cwd=BACKEND, stderr=subprocess.DEVNULL)
        yield
    finally:
        _stop_postgres(FOLDER)


@pytest.fixture
def make_client(database):
    """Each call gives a browser of its own, with its own cookies."""
    from fastapi.testclient import TestClient

    from app.main import app

    return lambda: TestClient(app, base_url="https://shop.test")


@pytest.fixture
def client(make_client):
    return make_client()
