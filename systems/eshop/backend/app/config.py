"""Settings, read once from the environment. A bad value ends the process with one clear line."""

import os
from dataclasses import dataclass
from functools import lru_cache

MIN_SECRET_BYTES = 32
HMAC_ALGORITHMS = ("HS256", "HS384", "HS512")


class SettingsError(Exception):
    """A setting is missing or unusable; the text says which one and what to do."""


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    secret_key: str
    jwt_algorithm: str
    jwt_expire_minutes: int
    cache_ttl_seconds: int


def _read_text(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if not value:
        raise SettingsError(f"{name} is not set; docker-compose.yml shows the expected value")
    return value


def _read_count(name: str, default: int, lowest: int, highest: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not lowest <= int(text) <= highest:
        raise SettingsError(f'{name} is "{text}"; give a number from {lowest} to {highest}')
    return int(text)


def _read_secret_key() -> str:
    key = _read_text("SECRET_KEY")
    if len(key.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"SECRET_KEY is shorter than {MIN_SECRET_BYTES} bytes; "
            "make one with: openssl rand -hex 32"
        )
    return key


def _read_algorithm() -> str:
    name = os.environ.get("JWT_ALGORITHM") or "HS256"
    if name not in HMAC_ALGORITHMS:
        raise SettingsError(f'JWT_ALGORITHM is "{name}"; use one of {", ".join(HMAC_ALGORITHMS)}')
    return name


def read_database_url() -> str:
    """DATABASE_URL with the driver named, so `postgresql://` always means psycopg 3."""
    url = _read_text("DATABASE_URL")
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise SettingsError("DATABASE_URL does not start with postgresql://")
    return f"postgresql+psycopg://{rest}"


@lru_cache
def get_settings() -> Settings:
    return Settings(
        database_url=read_database_url(),
        redis_url=_read_text("REDIS_URL", "redis://redis:6379/0"),
        secret_key=_read_secret_key(),
        jwt_algorithm=_read_algorithm(),
        jwt_expire_minutes=_read_count("JWT_EXPIRE_MINUTES", 30, 1, 60 * 24 * 30),
        cache_ttl_seconds=_read_count("CACHE_TTL_SECONDS", 30, 1, 3600),
    )
