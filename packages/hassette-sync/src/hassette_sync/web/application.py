"""The web application: routes, responses to errors, and access control."""

import asyncio
import secrets
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from hassette_sync.__about__ import __version__
from hassette_sync.errors import (
    BadQuestionError,
    HistoryUnavailableError,
    NotFoundError,
    QueryTimeoutError,
    SyncError,
)
from hassette_sync.service import DataSyncService
from hassette_sync.settings import WebSettings
from hassette_sync.web.access import AccessControl
from hassette_sync.web.api import api
from hassette_sync.web.login import login
from hassette_sync.web.pages import pages
from hassette_sync.web.refusals import RefusalLog
from hassette_sync.web.rendering import error_page
from hassette_sync.web.root import first_part, no_page
from hassette_sync.web.stream import stream

_STATUS = {NotFoundError: 404, BadQuestionError: 400, QueryTimeoutError: 503, HistoryUnavailableError: 503}

_ROUTERS = (api, stream, pages, login)


def create_app(data: DataSyncService, settings: WebSettings) -> FastAPI:
    """Create the application.

    Args:
        data: The service that answers the questions.
        settings: Token and host names.
    """
    app = FastAPI(
        title="Hassette",
        summary="The history of Hassette: runs, failures, sessions.",
        version=__version__,
        openapi_url="/api/openapi.json",
        # FastAPI's documentation pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
        # FastAPI's redirection would contain the host name, which a proxy may have replaced. `AccessControl` redirects
        # instead.
        redirect_slashes=False,
    )
    app.state.page_key = secrets.token_urlsafe()
    app.state.refusals = RefusalLog()
    app.state.data = data
    app.state.settings = settings
    app.state.stopping = asyncio.Event()
    app.state.followers = set[asyncio.Task[object]]()
    for router in _ROUTERS:
        app.include_router(router)
    app.add_api_route("/healthz", _healthz, include_in_schema=False)
    app.add_api_route("/readyz", _readyz, include_in_schema=False)
    app.mount("/static", StaticFiles(packages=[("hassette_sync", "static")]))
    app.add_exception_handler(SyncError, _answer_error)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_parameter)
    # Older versions of FastAPI copy the routes of a router into `app.routes`, newer versions do not.
    routes = [*app.routes, *(route for router in _ROUTERS for route in router.routes)]
    app.state.first_parts = frozenset(first_part(getattr(route, "path", "/")) for route in routes)
    app.add_middleware(
        AccessControl,  # pyright: ignore[reportArgumentType]  starlette's own typing of middleware
        settings=settings,
        first_parts=app.state.first_parts,
        page_key=app.state.page_key,
        refusals=app.state.refusals,
    )
    return app


async def _healthz() -> dict[str, str]:
    """Report that this process responds to requests."""
    return {"status": "alive"}


async def _readyz(request: Request) -> Response:
    """Report whether the framework is ready. Outside its process, report whether the history can be read."""
    data: DataSyncService = request.app.state.data
    if (live := data.live_state()) is not None:
        connection = live.connection or "unknown"
        return JSONResponse({"ready": live.ready, "connection": connection}, 200 if live.ready else 503)
    try:
        await data.status()
    except SyncError as error:
        return JSONResponse({"ready": False, "detail": str(error)}, 503)
    return JSONResponse({"ready": True})


async def _answer_error(request: Request, error: Exception) -> Response:
    code = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    if request.url.path.startswith("/api/"):
        body = {"error": _name(cast("SyncError", error)), "detail": str(error)}
        return JSONResponse(body, code, headers={"retry-after": "5"} if code == 503 else None)
    return await error_page(request, code, str(error))


async def _answer_invalid_parameter(request: Request, error: Exception) -> Response:
    """When FastAPI has rejected a parameter, send the same response as for a `BadQuestionError`."""
    found = cast("RequestValidationError", error).errors()
    message = "; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in found)
    return await _answer_error(request, BadQuestionError(f"{message}."))


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    sentence = f"{refused.detail}."
    if refused.status_code == 404:
        sentence = no_page(request.url.path, request.app.state.first_parts)
    if request.url.path.startswith(("/api/", "/static/")):
        return JSONResponse({"error": "http", "detail": sentence}, refused.status_code, headers=refused.headers)
    return await error_page(request, refused.status_code, sentence)


def _name(error: SyncError) -> str:
    words = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in words).lstrip("_")
