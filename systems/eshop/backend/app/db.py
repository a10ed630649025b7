"""The connection pool. Every wait has an end: connecting, getting a connection, a lock, a query."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session, sessionmaker

from app.config import get_settings

CONNECT_TIMEOUT_SECONDS = 3
POOL_TIMEOUT_SECONDS = 5
SESSION_OPTIONS = (
    "-c statement_timeout=5000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=10000"
)


def open_engine(url: str) -> Engine:
    return create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_timeout=POOL_TIMEOUT_SECONDS,
        pool_recycle=1800,
        # The database may have restarted or failed over since the connection was last used.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "options": SESSION_OPTIONS,
            "application_name": "eshop-backend",
        },
    )


engine = open_engine(get_settings().database_url)
SessionLocal = sessionmaker(engine, expire_on_commit=False)


def open_session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


DbSession = Annotated[Session, Depends(open_session)]
