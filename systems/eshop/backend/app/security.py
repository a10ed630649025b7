"""Passwords (Argon2id) and tokens (JWT, signed with SECRET_KEY)."""

import secrets
import threading
from datetime import UTC, datetime, timedelta

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.config import get_settings

# OWASP's recommendation: 19 MiB, two passes, one lane. The gate bounds what a flood of logins
# can take: at most this many hashes are computed, and this much memory is used, at a time.
MAX_HASHES_AT_A_TIME = 2
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_gate = threading.BoundedSemaphore(MAX_HASHES_AT_A_TIME)


def hash_password(password: str) -> str:
    with _gate:
        return _hasher.hash(password)


# Verified when the account does not exist, so that both answers take the same time.
_NO_ACCOUNT_HASH = _hasher.hash(secrets.token_urlsafe(16))


def check_password(password: str, password_hash: str | None) -> bool:
    with _gate:
        try:
            _hasher.verify(password_hash or _NO_ACCOUNT_HASH, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None


def make_token(user_id: int) -> tuple[str, int]:
    """A token for <user_id> and the number of seconds it is valid."""
    settings = get_settings()
    lifetime = timedelta(minutes=settings.jwt_expire_minutes)
    now = datetime.now(UTC)
    claims = {"sub": str(user_id), "iat": now, "exp": now + lifetime}
    token = jwt.encode(claims, settings.secret_key, algorithm=settings.jwt_algorithm)
    return token, int(lifetime.total_seconds())


def read_token(token: str) -> int | None:
    """The user id in <token>, or None when it is expired, forged or not a token."""
    settings = get_settings()
    try:
        claims = jwt.decode(
            token,
            settings.secret_key,
            algorithms=[settings.jwt_algorithm],
            options={"require": ["exp", "sub"]},
        )
        return int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError):
        return None
