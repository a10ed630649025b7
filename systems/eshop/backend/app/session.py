"""Who is asking: the token arrives in an httpOnly cookie (browser) or as a bearer token (API)."""

from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response

from app.db import DbSession
from app.models import User
from app.security import read_token

COOKIE_NAME = "eshop_session"
MAX_TOKEN_CHARS = 2048


def set_cookie(request: Request, response: Response, token: str, lifetime_seconds: int) -> None:
    response.set_cookie(
        COOKIE_NAME,
        token,
        max_age=lifetime_seconds,
        path="/",
        httponly=True,
        # Lax keeps the cookie out of requests that other sites make other than by a link.
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def remove_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE_NAME, path="/", httponly=True, samesite="lax")


def _find_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        token = request.cookies.get(COOKIE_NAME, "")
    return token if 0 < len(token) <= MAX_TOKEN_CHARS else None


def get_current_user(request: Request, db: DbSession) -> User:
    token = _find_token(request)
    user_id = read_token(token) if token else None
    user = db.get(User, user_id) if user_id is not None else None
    if user is None:
        raise HTTPException(401, "log in first", headers={"WWW-Authenticate": "Bearer"})
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]
