"""The pages: a question, a template, an answer."""

import asyncio
import functools
import platform
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import jinja2
from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hassette_sync import words
from hassette_sync.__about__ import __version__
from hassette_sync.answers.values import EventTrigger
from hassette_sync.questions.runs import RunFilter
from hassette_sync.settings import WebSettings
from hassette_sync.time_range import SECOND_US, TimeRange, now_us
from hassette_sync.verdict import verdict_of
from hassette_sync.web import charts
from hassette_sync.web.asking import DEFAULT_AGE, Asked, AskedId, AskedOrAll, Cursor, Data, Filter
from hassette_sync.web.gate import COOKIE, cookie_for, is_token

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

RANGES = (("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"), ("30d", "30 days"))
_FILTERS = ("duration", "iso", "number", "share", "size", "words", "coarse")
_MAX_FORM_BYTES = 4_096
_COOKIE_MAX_AGE_S = 90 * 86_400


def _is_event(trigger: object) -> bool:
    return isinstance(trigger, EventTrigger)


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hassette_sync"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(words, name) for name in _FILTERS})
    environment.filters["status_word"] = words.status
    tests: dict[str, Any] = {"event": _is_event}
    environment.tests.update(tests)
    shared: dict[str, Any] = {
        "version": __version__,
        "ranges": RANGES,
        "chart_width": charts.WIDTH,
        "chart_height": charts.HEIGHT,
        "timeline_chart": charts.timeline_chart,
        "session_strip": charts.session_strip,
        "heat_chart": charts.heat_chart,
    }
    environment.globals.update(shared)
    return environment


async def _page(
    request: Request, name: str, code: int = 200, /, follow_from: int | None = None, **facts: Any
) -> HTMLResponse:
    """Make a page.

    Args:
        request: What was asked.
        name: The template.
        code: Of the answer.
        follow_from: The newest run's id from before the page's questions: where its live updates begin. None makes a
            page that stays as it is.
        facts: What the template shows.
    """
    # In a thread: a page of a year takes a while, and the loop is the one that the house's automations run on.
    text = await asyncio.to_thread(_render, request, name, follow_from=follow_from, **facts)
    return HTMLResponse(text, code)


def _render(request: Request, name: str, /, **facts: Any) -> str:
    at_us = now_us()
    since, until = request.query_params.get("since") or DEFAULT_AGE, request.query_params.get("until")
    return _templates().get_template(name).render(
        path=request.url.path,
        query=dict(request.query_params),
        since=since,
        # For links to what lists the same time.
        span=urlencode({"since": since, "until": until} if until else {"since": since}),
        now_us=at_us,
        moment=functools.partial(words.moment, now_us=at_us),
        tick_word=functools.partial(_tick_word, at_us=at_us),
        ago=functools.partial(words.ago, now_us=at_us),
        link=functools.partial(_link, request.url.path, dict(request.query_params)),
        host=platform.node(),
        **facts,
    )  # fmt: skip


def _link(path: str, query: Mapping[str, str], /, **changes: object) -> str:
    """Return the address of this page with other parameters; None takes one away."""
    wanted = {**query, **{key: str(value) for key, value in changes.items() if value is not None}}
    for key, value in changes.items():
        if value is None:
            wanted.pop(key, None)
    return f"{path}?{urlencode(wanted)}" if wanted else path


def _ticks(asked: TimeRange) -> tuple[charts.Tick, ...]:
    return charts.ticks(asked.since_us, asked.until_us, _utc_offset_us)


def _utc_offset_us(at_us: int) -> int:
    offset = datetime.fromtimestamp(at_us / SECOND_US).astimezone().utcoffset()
    return int(offset.total_seconds() * SECOND_US) if offset else 0


def _tick_word(tick_us: int, *, at_us: int) -> str:
    """Name a tick of an axis: the day for a midnight, the time otherwise."""
    said = words.moment(tick_us, now_us=at_us, seconds=False)
    if not said.endswith("00:00"):
        return said[-5:]
    return said[:-6] or "today"


async def error_page(request: Request, code: int, sentence: str) -> Response:
    """Say what is wrong, on a page; one that waits for the history turns into the page asked for."""
    follow_from = 0 if code == 503 else None
    return await _page(request, "error.html", code, follow_from=follow_from, sentence=sentence, code=code)


@pages.get("/")
async def overview(request: Request, data: Data, asked: Asked) -> Response:
    """Is the house's automation all right?"""
    asked = await data.covered(asked)
    follow_from = await data.newest_id()
    answer = await data.overview(asked)
    return await _page(
        request,
        "overview.html",
        asked=asked,
        follow_from=follow_from,
        overview=answer,
        verdict=verdict_of(answer),
        ticks=_ticks(asked),
    )


@pages.get("/handlers")
async def handlers(request: Request, data: Data, asked: Asked, app: str | None = None) -> Response:
    """The handlers, by app."""
    return await _registrations(request, data, asked, "handler", app)


@pages.get("/jobs")
async def jobs(request: Request, data: Data, asked: Asked, app: str | None = None) -> Response:
    """The jobs, by app, with their next runs."""
    return await _registrations(request, data, asked, "job", app)


async def _registrations(request: Request, data: Data, asked: Asked, kind: str, app: str | None) -> Response:
    asked = await data.covered(asked)
    follow_from = await data.newest_id()
    answer = await data.registrations(asked, kind=kind, app=app or None)
    upcoming = {(one.app, one.instance, one.name): one.due_us for one in reversed(data.upcoming())}
    shown = [one for one in answer.registrations if one.retired_us is None or one.counts.total]
    hidden = len(answer.registrations) - len(shown)
    return await _page(
        request,
        "registrations.html",
        asked=asked,
        follow_from=follow_from,
        kind=kind,
        shown=shown,
        hidden=hidden,
        upcoming=upcoming,
    )


@pages.get("/registrations/{id}")
async def registration(request: Request, data: Data, asked: Asked, id_: AskedId) -> Response:
    """All about one handler or job."""
    asked = await data.covered(asked)
    follow_from = await data.newest_id()
    answer = await data.registration(id_, asked)
    timeline = await data.timeline(asked, id_)
    recent = await data.runs(RunFilter(registration_id=id_), TimeRange(0, asked.until_us), limit=20)
    failures = await data.runs(RunFilter(registration_id=id_, status="failed"), TimeRange(0, asked.until_us), limit=5)
    return await _page(
        request,
        "registration.html",
        asked=asked,
        follow_from=follow_from,
        answer=answer,
        over_time=timeline,
        recent=recent.runs,
        failures=failures.runs,
    )


@pages.get("/runs")
async def runs(request: Request, data: Data, asked: Asked, wanted: Filter, cursor: Cursor = None) -> Response:
    """Runs, with filters."""
    asked = await data.covered(asked)
    # An older page, or one with an end, does not change.
    follows = cursor is None and not request.query_params.get("until")
    follow_from = await data.newest_id() if follows else None
    answer = await data.runs(wanted, asked, cursor=cursor, limit=100)
    facets = await data.run_facets(asked)
    named = await data.registration(wanted.registration_id, asked) if wanted.registration_id is not None else None
    return await _page(
        request,
        "runs.html",
        asked=asked,
        follow_from=follow_from,
        answer=answer,
        facets=facets,
        wanted=wanted,
        named=named,
        cursor=cursor,
    )


@pages.get("/runs/{id}")
async def run(request: Request, data: Data, id_: AskedId) -> Response:
    """The story of one run."""
    return await _page(request, "run.html", story=await data.run(id_))


@pages.get("/errors")
async def errors(request: Request, data: Data, asked: Asked, cursor: Cursor = None) -> Response:
    """Error groups."""
    asked = await data.covered(asked)
    follow_from = await data.newest_id() if cursor is None else None
    answer = await data.error_groups(asked, cursor=cursor)
    return await _page(request, "errors.html", asked=asked, follow_from=follow_from, answer=answer, cursor=cursor)


@pages.get("/errors/{id}")
async def error_group(request: Request, data: Data, asked: Asked, id_: AskedId) -> Response:
    """One error group."""
    asked = await data.covered(asked)
    return await _page(request, "error_group.html", answer=await data.error_group(id_, asked))


@pages.get("/sessions")
async def sessions(
    request: Request,
    data: Data,
    asked: AskedOrAll,
    cursor: Cursor = None,
    events: Annotated[str | None, Query()] = None,
    routine: Annotated[bool, Query()] = False,
) -> Response:
    """Sessions, what befell the framework (``events`` is its cursor), and what is missing."""
    follow_from = await data.newest_id() if cursor is None and events is None else None
    month = TimeRange.last("30d")
    uptime = await data.uptime(month)
    return await _page(
        request,
        "sessions.html",
        follow_from=follow_from,
        answer=await data.sessions(asked, cursor=cursor, limit=30),
        uptime=uptime,
        ticks=_ticks(month),
        lifecycle=await data.lifecycle(month, cursor=events or None, limit=30, routine=routine),
        events=events,
        routine=routine,
        losses=(await data.losses(month, limit=30)).losses,
        status=await data.status(),
        cursor=cursor,
    )


@pages.get("/login")
async def login_form(request: Request, next: Annotated[str, Query()] = "/") -> Response:  # noqa: A002  the name in the address
    """Ask for the token."""
    return await _page(request, "login.html", next=_own_path(next), wrong=False)


@pages.post("/login")
async def login(request: Request) -> Response:
    """Take the token and give a cookie for it."""
    settings: WebSettings = request.app.state.settings
    form = parse_qs((await _body(request)).decode("utf-8", "replace"))
    wanted = _own_path(form.get("next", ["/"])[0])
    if settings.token is None:
        return RedirectResponse(wanted, 303)
    if not is_token(settings.token, form.get("token", [""])[0].strip()):
        return await _page(request, "login.html", 401, next=wanted, wrong=True)
    answer = RedirectResponse(wanted, 303)
    answer.set_cookie(
        COOKIE,
        cookie_for(settings.token),
        max_age=_COOKIE_MAX_AGE_S,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FORM_BYTES:
            return b""
    return body


def _own_path(path: str) -> str:
    """Return the path if it is one of ours: a login must not send people elsewhere."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
