"""Accounts: register, log in, log out, who am I."""

from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from app.db import DbSession
from app.models import User
from app.schemas import LoginIn, RegisterIn, TokenOut, UserOut
from app.security import check_password, hash_password, make_token
from app.session import CurrentUser, remove_cookie, set_cookie

router = APIRouter(tags=["accounts"])


def _start_session(request: Request, response: Response, user: User) -> TokenOut:
    token, lifetime_seconds = make_token(user.id)
    set_cookie(request, response, token, lifetime_seconds)
    response.headers["Cache-Control"] = "no-store"
    return TokenOut(
        access_token=token, expires_in=lifetime_seconds, user=UserOut.model_validate(user)
    )


@router.post("/auth/register", status_code=201, response_model=TokenOut)
def register(wanted: RegisterIn, request: Request, response: Response, db: DbSession) -> TokenOut:
    user = User(email=wanted.email, name=wanted.name, password_hash=hash_password(wanted.password))
    db.add(user)
    try:
        db.commit()
    except IntegrityError:
        raise HTTPException(409, "this e-mail address has an account, log in instead") from None
    return _start_session(request, response, user)


@router.post("/auth/login", response_model=TokenOut)
def login(given: LoginIn, request: Request, response: Response, db: DbSession) -> TokenOut:
    user = db.scalar(select(User).where(User.email == given.email))
    # The connection goes back to the pool: hashing is slow and needs no database.
    db.close()
    if not check_password(given.password, user.password_hash if user else None):
        raise HTTPException(401, "e-mail address or password is wrong")
    return _start_session(request, response, user)


@router.post("/auth/logout", status_code=204)
def logout(response: Response) -> None:
    remove_cookie(response)


@router.get("/me", response_model=UserOut)
def get_me(user: CurrentUser, response: Response) -> User:
    response.headers["Cache-Control"] = "no-store"
    return user
