"""The web application: routes, responses to errors, and access control."""

import asyncio
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hassette_sync.__about__ import __version__
from hassette_sync.answers.values import build_answers
from hassette_sync.errors import (
    BadQuestionError,
    DatabaseUnreadableError,
    HistoryUnavailableError,
    NotADatabaseError,
    NotFoundError,
    QueryTimeoutError,
    SyncError,
    UnclearWordsError,
)
from hassette_sync.service import DataSyncService
from hassette_sync.settings import WebSettings
from hassette_sync.web.access import AccessControl
from hassette_sync.web.answer_pages import answer_pages
from hassette_sync.web.api import api
from hassette_sync.web.api_answers import api_answers
from hassette_sync.web.api_control import api_control, control_form
from hassette_sync.web.assistants import PATH as ASSISTANTS_PATH
from hassette_sync.web.assistants import AssistantEndpoint
from hassette_sync.web.body_limit import BodyLimit
from hassette_sync.web.browser_sessions import BrowserSessions
from hassette_sync.web.compression import AnswerCompression
from hassette_sync.web.description import describe_api
from hassette_sync.web.disconnects import StopWhenClientLeaves
from hassette_sync.web.login import login
from hassette_sync.web.metrics import metrics
from hassette_sync.web.notices import Notices
from hassette_sync.web.page_keys import PageKeys
from hassette_sync.web.page_tags import PageTags, PageUnchangedError, answer_unchanged
from hassette_sync.web.pages import pages
from hassette_sync.web.parameters import MAX_PROBLEMS
from hassette_sync.web.problems import is_for_programs, problem
from hassette_sync.web.refusals import RefusalLog
from hassette_sync.web.rendering import error_page
from hassette_sync.web.root import first_part, no_page
from hassette_sync.web.static_files import VersionedFiles
from hassette_sync.web.stream import stream
from hassette_sync.web.wrong_tokens import WrongTokens

_STATUS = {
    NotFoundError: 404,
    UnclearWordsError: 404,
    BadQuestionError: 400,
    QueryTimeoutError: 503,
    HistoryUnavailableError: 503,
}
_MESSAGES = {"extra_forbidden": "There is no such key"}
"""Messages in place of those of pydantic, by the type of the error."""
_UNREADABLE = (DatabaseUnreadableError, NotADatabaseError)
_MAX_SHOWN = 200

_ROUTERS = (api, api_answers, api_control, control_form, stream, pages, answer_pages, login, metrics)


def create_app(
    data: DataSyncService,
    settings: WebSettings,
    sessions: BrowserSessions | None = None,
    wrong_tokens: WrongTokens | None = None,
    page_tags: PageTags | None = None,
) -> FastAPI:
    """Create the application. This takes half a second; call it in a thread while automations are running.

    Args:
        data: The service that answers the questions.
        settings: Token and host names.
        sessions: Sessions of browsers; by default in memory.
        wrong_tokens: Delay of checks after wrong tokens.
        page_tags: Tags of pages.
    """
    build_answers()
    app = FastAPI(
        title="Hassette",
        summary="The history of Hassette: runs, failures, sessions.",
        version=__version__,
        # FastAPI would make the description on the event loop, which takes half a second.
        openapi_url=None,
        # FastAPI's documentation pages load scripts from another host.
        docs_url=None,
        redoc_url=None,
        # FastAPI's redirection would contain the host name, which a proxy may have replaced. `AccessControl` redirects
        # instead.
        redirect_slashes=False,
    )
    kept = app.state.sessions = sessions or BrowserSessions(settings.token)
    app.state.page_keys = PageKeys(lambda: kept.page_secret)
    app.state.wrong_tokens = wrong_tokens or WrongTokens()
    app.state.refusals = RefusalLog()
    app.state.data = data
    app.state.page_tags = page_tags or PageTags(data)
    app.state.notices = Notices()
    app.state.settings = settings
    app.state.stopping = asyncio.Event()
    app.state.max_followers = 100
    app.state.followers = set[asyncio.Task[object]]()
    for router in _ROUTERS:
        # `include_router` would make each route again, which takes 0.2 s of the first requests after a start.
        app.router.routes.extend(router.routes)
    app.add_api_route("/api/v1/openapi.json", describe_api, include_in_schema=False)
    app.add_api_route("/health/live", _health_live, include_in_schema=False)
    app.add_api_route("/health/ready", _health_ready, include_in_schema=False)
    app.router.routes.append(Route(ASSISTANTS_PATH, AssistantEndpoint(), methods=["POST"], include_in_schema=False))
    app.mount("/static", VersionedFiles(packages=[("hassette_sync", "static")]))
    app.add_exception_handler(SyncError, _answer_error)
    app.add_exception_handler(PageUnchangedError, answer_unchanged)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(RequestValidationError, _answer_invalid_parameter)
    app.state.first_parts = frozenset(first_part(getattr(route, "path", "/")) for route in app.routes)
    app.add_middleware(BodyLimit)
    app.add_middleware(AnswerCompression)
    app.add_middleware(StopWhenClientLeaves)
    app.add_middleware(
        AccessControl,  # pyright: ignore[reportArgumentType]  starlette's own typing of middleware
        settings=settings,
        first_parts=app.state.first_parts,
        sessions=app.state.sessions,
        page_keys=app.state.page_keys,
        wrong_tokens=app.state.wrong_tokens,
        refusals=app.state.refusals,
    )
    return app


async def _health_live() -> dict[str, str]:
    """Report that this process responds to requests."""
    return {"status": "alive"}


async def _health_ready(request: Request) -> Response:
    """Report whether the framework is ready. Outside its process, report whether the history can be read."""
    data: DataSyncService = request.app.state.data
    if (live := data.live_state()) is not None:
        connection = live.connection or "unknown"
        if not live.ready:
            return problem(503, "not_ready", f"Hassette is not ready. Its connection to Home Assistant: {connection}.")
        return JSONResponse({"ready": True, "connection": connection})
    try:
        await data.check_readable()
    except SyncError as error:
        return problem(503, _name(error), str(error), headers={"retry-after": "5"})
    return JSONResponse({"ready": True})


async def _answer_error(request: Request, error: Exception) -> Response:
    code = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    headers = {"retry-after": "5"} if code == 503 else {}
    if is_for_programs(request.scope["path"]):
        return problem(code, _name(cast("SyncError", error)), str(error), headers=headers)
    answer = await error_page(request, code, str(error), is_unreadable=isinstance(error, _UNREADABLE))
    answer.headers.update(headers)
    return answer


async def _answer_invalid_parameter(request: Request, error: Exception) -> Response:
    """When FastAPI has rejected a parameter, send the same kind of response as for a `BadQuestionError`."""
    found = [
        (str(one["loc"][-1])[:_MAX_SHOWN], _sentence(_MESSAGES.get(one.get("type", "")) or one["msg"]))
        for one in cast("RequestValidationError", error).errors()[:MAX_PROBLEMS]
    ]
    message = " ".join(f"{name}: {sentence}" for name, sentence in found)
    if is_for_programs(request.scope["path"]):
        return problem(400, "bad_question", message, invalid=found)
    return await error_page(request, 400, message)


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


async def _answer_http_error(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    status, path = HTTPStatus(refused.status_code), request.scope["path"][:_MAX_SHOWN]
    sentence = f"{refused.detail.rstrip('.')}."
    if refused.detail != status.phrase:
        pass  # a route gave the reason
    elif status == HTTPStatus.NOT_FOUND:
        sentence = no_page(path, request.app.state.first_parts)
    elif status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (refused.headers or {}).get("Allow", "another one")
        sentence = f"The method of a request for {path} must be {allowed}, got {request.method[:20]!r}."
    if is_for_programs(request.scope["path"]):
        return problem(status, status.name.lower(), sentence, headers=refused.headers)
    answer = await error_page(request, refused.status_code, sentence)
    answer.headers.update(refused.headers or {})
    return answer


def _name(error: SyncError) -> str:
    words = type(error).__name__.removesuffix("Error")
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in words).lstrip("_")
