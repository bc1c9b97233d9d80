"""The JSON API under ``/api/v1``. Ids are strings. Times are microseconds since the Unix epoch."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from hassette_sync.answers.apps import AppDetail
from hassette_sync.answers.errors import ErrorGroupDetail, ErrorGroupsPage
from hassette_sync.answers.overview import Overview, SystemStatus, Timeline, TriggerState, Upcoming
from hassette_sync.answers.registrations import AppSummary, RegistrationDetail, Registrations, SkipReason
from hassette_sync.answers.runs import RunDetail, RunFacets, RunningNow, RunsPage
from hassette_sync.answers.sessions import LifecyclePage, LossesPage, Session, SessionsPage, Uptime
from hassette_sync.answers.waterfall import Waterfall
from hassette_sync.ids import parse_id
from hassette_sync.questions.paging import DEFAULT_LIMIT
from hassette_sync.questions.registrations import MAX_LISTED
from hassette_sync.questions.runs import MAX_TEXT
from hassette_sync.web.parameters import (
    AppKey,
    Cursor,
    ErrorCursor,
    Filter,
    History,
    KindName,
    Limit,
    PathId,
    Range,
    RangeOrAll,
    RegistrationCursor,
    RegistrationId,
    check_names,
)
from hassette_sync.web.problems import Problem

api = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(check_names)],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
)


@api.get("/status")
async def status(data: History) -> SystemStatus:
    """Size, schema and incidents of the file, the newest session and run, and the framework's present state."""
    return await data.status()


@api.get("/overview")
async def overview(data: History, time_range: Range) -> Overview:
    """Status, figures, failing handlers and jobs, errors and recent runs."""
    return await data.overview(time_range)


@api.get("/apps")
async def apps(data: History, time_range: Range) -> tuple[AppSummary, ...]:
    """Apps with their runs and failures."""
    return await data.apps(time_range)


@api.get("/apps/{app}")
async def app(
    data: History, time_range: Range, app: Annotated[str, Path(description="The app's key.", max_length=MAX_TEXT)]
) -> AppDetail:
    """One app: its figures, its handlers and jobs, its versions and its newest runs."""
    return await data.app(app, time_range)


@api.get("/registrations")
async def registrations(
    data: History,
    time_range: Range,
    kind: KindName = None,
    app: AppKey = None,
    retired: Annotated[
        bool, Query(description="Whether retired handlers and jobs are included; disabled ones always are.")
    ] = True,
    cursor: RegistrationCursor = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LISTED, description="Maximum number of entries.")] = MAX_LISTED,
) -> Registrations:
    """Handlers and jobs with their runs, failures and durations, ordered by name."""
    return await data.registrations(
        time_range, kind=kind or None, app=app or None, retired=retired, cursor=cursor, limit=limit
    )


@api.get("/registrations/{id}")
async def registration(data: History, time_range: Range, id_: PathId) -> RegistrationDetail:
    """One handler or job: settings, source, statistics, heat map, and why triggers led to no run."""
    return await data.registration(id_, time_range)


@api.get("/runs")
async def runs(
    data: History, time_range: Range, run_filter: Filter, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> RunsPage:
    """Runs, newest first."""
    return await data.runs(run_filter, time_range, cursor=cursor, limit=limit)


@api.get("/runs/facets")
async def run_facets(data: History, time_range: Range, run_filter: Filter) -> RunFacets:
    """Values of the filters on runs, each with the number of runs that meet the other filters."""
    return await data.run_facets(time_range, run_filter)


@api.get("/runs/{id}")
async def run(data: History, id_: PathId) -> RunDetail:
    """One run in detail: trigger, failure, log lines, service calls, causes, and the runs that it triggered."""
    return await data.run(id_)


@api.get("/runs/{id}/waterfall")
async def waterfall(data: History, id_: PathId) -> Waterfall:
    """One run with its causes and effects on one time axis, from the first cause to the last effect."""
    return await data.waterfall(id_)


@api.get("/running")
async def running(data: History) -> RunningNow:
    """Runs in progress."""
    return await data.running()


@api.get("/upcoming")
async def upcoming(data: History) -> tuple[Upcoming, ...]:
    """The next 50 runs of jobs, soonest first; empty outside the framework's process."""
    return data.upcoming()


@api.get("/triggers")
async def triggers(data: History) -> tuple[TriggerState, ...]:
    """Home Assistant's answers to the triggers of handlers; empty outside the framework's process."""
    return data.triggers()


@api.get("/errors")
async def errors(
    data: History, time_range: Range, cursor: ErrorCursor = None, limit: Limit = DEFAULT_LIMIT
) -> ErrorGroupsPage:
    """Error groups, most recently seen first."""
    return await data.error_groups(time_range, cursor=cursor, limit=limit)


@api.get("/errors/{id}")
async def error_group(data: History, time_range: Range, id_: PathId) -> ErrorGroupDetail:
    """One error group: its traceback, the affected handlers and jobs, and its newest runs."""
    return await data.error_group(id_, time_range)


@api.get("/sessions")
async def sessions(
    data: History, time_range: RangeOrAll, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> SessionsPage:
    """Sessions, newest first."""
    return await data.sessions(time_range, cursor=cursor, limit=limit)


@api.get("/sessions/{id}")
async def session(data: History, id_: PathId) -> Session:
    """One session: start, end, outcome, versions and lost records."""
    return await data.session(id_)


@api.get("/uptime")
async def uptime(data: History, time_range: Range) -> Uptime:
    """Share of the time range in which the framework was up."""
    return await data.uptime(time_range)


@api.get("/timeline")
async def timeline(data: History, time_range: Range, registration: RegistrationId = None) -> Timeline:
    """Runs, failures and durations over time, of all apps or of one handler or job."""
    return await data.timeline(time_range, parse_id(registration, "registration id") if registration else None)


@api.get("/skips")
async def skips(data: History, time_range: Range) -> tuple[SkipReason, ...]:
    """Numbers of triggers that led to no run, by reason."""
    return await data.skips(time_range)


@api.get("/lifecycle")
async def lifecycle(
    data: History,
    time_range: Range,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
    routine: Annotated[bool, Query(description="Whether ordinary starts and stops are included.")] = True,
) -> LifecyclePage:
    """Lifecycle events of the framework, newest first; ``routine=false`` leaves out ordinary starts and stops."""
    return await data.lifecycle(time_range, cursor=cursor, limit=limit, routine=routine)


@api.get("/losses")
async def losses(data: History, time_range: Range, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> LossesPage:
    """Lost records, newest first."""
    return await data.losses(time_range, cursor=cursor, limit=limit)
