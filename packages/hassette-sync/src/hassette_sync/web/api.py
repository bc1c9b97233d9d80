"""The JSON answers under ``/api``: one route for each question. Ids are strings, times microseconds since the epoch."""

from fastapi import APIRouter
from pydantic import BaseModel

from hassette_sync.answers.errors import ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.answers.overview import Overview, Status, Timeline, Upcoming
from hassette_sync.answers.registrations import AppSummary, RegistrationDetail, Registrations, SkipReason
from hassette_sync.answers.runs import RunDetail, RunFacets, RunningNow, RunsPage
from hassette_sync.answers.sessions import LifecyclePage, LossesPage, Session, SessionsPage, Uptime
from hassette_sync.ids import parse_id
from hassette_sync.web.asking import DEFAULT_LIMIT, Asked, AskedId, AskedOrAll, Cursor, Data, Filter, Limit


class Problem(BaseModel):
    """Why there is no answer.

    Attributes:
        error: What kind of problem, as a word such as ``bad_question`` or ``not_found``.
        detail: One sentence for a person.
    """

    error: str
    detail: str


api = APIRouter(prefix="/api", responses={"4XX": {"model": Problem}, 503: {"model": Problem}})


@api.get("/status")
async def status(data: Data) -> Status:
    """How the history file and the framework are."""
    return await data.status()


@api.get("/overview")
async def overview(data: Data, asked: Asked) -> Overview:
    """Is the house's automation all right?"""
    return await data.overview(asked)


@api.get("/apps")
async def apps(data: Data, asked: Asked) -> tuple[AppSummary, ...]:
    """The apps with what they did."""
    return await data.apps(asked)


@api.get("/registrations")
async def registrations(
    data: Data, asked: Asked, kind: str | None = None, app: str | None = None, retired: bool = True
) -> Registrations:
    """Handlers and jobs with what they did."""
    return await data.registrations(asked, kind=kind, app=app, retired=retired)


@api.get("/registrations/{id}")
async def registration(data: Data, asked: Asked, id_: AskedId) -> RegistrationDetail:
    """All about one handler or job: settings, source, statistics, heat map, did-not-run reasons."""
    return await data.registration(id_, asked)


@api.get("/runs")
async def runs(
    data: Data, asked: Asked, wanted: Filter, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> RunsPage:
    """Runs, newest first."""
    return await data.runs(wanted, asked, cursor=cursor, limit=limit)


@api.get("/runs/facets")
async def run_facets(data: Data, asked: Asked) -> RunFacets:
    """What runs can be filtered by, with counts."""
    return await data.run_facets(asked)


@api.get("/runs/{id}")
async def run(data: Data, id_: AskedId) -> RunDetail:
    """The story of one run: what caused it, what it did, what that caused."""
    return await data.run(id_)


@api.get("/running")
async def running(data: Data) -> RunningNow:
    """What is running now."""
    return await data.running()


@api.get("/upcoming")
async def upcoming(data: Data) -> tuple[Upcoming, ...]:
    """The jobs' next runs; empty outside of the framework's process."""
    return data.upcoming()


@api.get("/errors")
async def errors(data: Data, asked: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> ErrorGroupsPage:
    """Error groups, the most recently seen first."""
    return await data.error_groups(asked, cursor=cursor, limit=limit)


@api.get("/errors/{id}")
async def error_group(data: Data, asked: Asked, id_: AskedId) -> ErrorGroupDetail:
    """One error group: its traceback, whom it befell, its newest runs."""
    return await data.error_group(id_, asked)


@api.get("/sessions")
async def sessions(data: Data, asked: AskedOrAll, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> SessionsPage:
    """Sessions, newest first."""
    return await data.sessions(asked, cursor=cursor, limit=limit)


@api.get("/sessions/{id}")
async def session(data: Data, id_: AskedId) -> Session:
    """One session."""
    return await data.session(id_)


@api.get("/uptime")
async def uptime(data: Data, asked: Asked) -> Uptime:
    """How much of a time the framework was up."""
    return await data.uptime(asked)


@api.get("/timeline")
async def timeline(data: Data, asked: Asked, registration: str | None = None) -> Timeline:
    """Throughput, failures and durations over time, of the house or of one handler or job."""
    return await data.timeline(asked, parse_id(registration, "registration id") if registration else None)


@api.get("/skips")
async def skips(data: Data, asked: Asked) -> tuple[SkipReason, ...]:
    """What did not run, and why."""
    return await data.skips(asked)


@api.get("/lifecycle")
async def lifecycle(
    data: Data, asked: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT, routine: bool = True
) -> LifecyclePage:
    """What happened to the framework itself, newest first; ordinary starts and stops too unless ``routine=false``."""
    return await data.lifecycle(asked, cursor=cursor, limit=limit, routine=routine)


@api.get("/losses")
async def losses(data: Data, asked: Asked, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> LossesPage:
    """Gaps: detail that was not kept, newest first."""
    return await data.losses(asked, cursor=cursor, limit=limit)
