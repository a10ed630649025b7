"""The application: routes, and what a failure of the database looks like from outside."""

import logging

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.limits import BodyLimit
from app.routes import auth, orders, products, system

API_PREFIX = "/api/v1"
RETRY_AFTER_SECONDS = 2

log = logging.getLogger("uvicorn.error")


def answer_unavailable(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s: database: %s", request.method, request.url.path, str(error).splitlines()[0])
    return JSONResponse(
        {"detail": "the shop cannot reach its database, try again shortly"},
        503,
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _is_connection_loss(error: DBAPIError) -> bool:
    return isinstance(error, OperationalError) or error.connection_invalidated


def answer_database_error(request: Request, error: DBAPIError) -> JSONResponse:
    if _is_connection_loss(error):
        return answer_unavailable(request, error)
    raise error


def make_app() -> FastAPI:
    app = FastAPI(
        title="eshop",
        version="1.0.0",
        openapi_url=f"{API_PREFIX}/openapi.json",
        # Their pages load scripts from elsewhere; the description itself is enough.
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(BodyLimit)
    app.add_exception_handler(DBAPIError, answer_database_error)
    app.add_exception_handler(PoolTimeout, answer_unavailable)
    api = APIRouter(prefix=API_PREFIX)
    for module in (products, auth, orders, system):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(system.health_router)
    return app


app = make_app()
