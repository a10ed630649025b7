"""What operators and tests ask: is the backend healthy, and whom does it see."""

from fastapi import APIRouter, Request, Response
from sqlalchemy import text

from app.db import DbSession

router = APIRouter(tags=["system"])
health_router = APIRouter(tags=["system"])


@health_router.get("/health")
def get_health(db: DbSession, response: Response) -> dict[str, str]:
    """200 only when the database answers. The cache is not asked: the shop works without it."""
    db.execute(text("SELECT 1"))
    response.headers["Cache-Control"] = "no-store"
    return {"status": "ok"}


@router.get("/whoami")
def get_whoami(request: Request, response: Response) -> dict[str, str | None]:
    """The client's address and scheme, as uvicorn took them from the proxy's headers."""
    response.headers["Cache-Control"] = "no-store"
    return {
        "address": request.client.host if request.client else None,
        "scheme": request.url.scheme,
    }
