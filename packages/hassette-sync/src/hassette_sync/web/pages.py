"""The pages. Each page asks its questions and renders a template."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from hassette_sync.answers.kinds import LABELS
from hassette_sync.answers.overview import TriggerState
from hassette_sync.answers.registrations import Registration
from hassette_sync.errors import NotFoundError
from hassette_sync.questions.events import FrameworkEventFilter
from hassette_sync.questions.restrictions import by_subject
from hassette_sync.questions.runs import RunFilter
from hassette_sync.questions.timeline import LONGEST_MINUTES_US
from hassette_sync.time_range import TimeRange
from hassette_sync.verdict import verdict_of
from hassette_sync.web.bursts import folded
from hassette_sync.web.chips import chips_of
from hassette_sync.web.columns import APP_COLUMNS
from hassette_sync.web.differences import differences_of
from hassette_sync.web.lists import sorted_list
from hassette_sync.web.page_tags import check_tag
from hassette_sync.web.parameters import MONTH, Cursor, Filter, Find, History, Home, PathId, Range, RangeOfMonth, Sort
from hassette_sync.web.rendering import axis_ticks, first_to_follow, page
from hassette_sync.web.whole_lists import REGISTRATIONS_ON_A_PAGE, ListRequest, listed_errors, listed_registrations

_MAX_RECENT = 15
_MAX_OF_ONE = 20
SHOWN_DIFFERENCES = 8
"""Maximum number of handlers, jobs and errors on the overview that differ from the previous period."""
_MAX_VERSIONS = 5

pages = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, dependencies=[Depends(check_tag)])


@pages.get("/")
async def overview(request: Request, data: History, home: Home, time_range: Range) -> Response:
    """Overall health, figures and the latest runs."""
    time_range = await data.covered(time_range)
    follow_from = await data.newest_id()
    answer, trends, compared = await data.compared_overview(time_range, limit=SHOWN_DIFFERENCES)
    return await page(
        request,
        "overview.html",
        time_range=time_range,
        follow_from=follow_from,
        overview=answer,
        verdict=verdict_of(answer),
        ticks=axis_ticks(time_range, home),
        recent=folded(answer.recent, at_least=2)[:_MAX_RECENT],
        differences=differences_of(answer),
        trends=trends,
        compared=compared,
    )


@pages.get("/apps")
async def apps(request: Request, data: History, time_range: Range, sort: Sort = None) -> Response:
    """All apps with their figures, the noisiest first."""
    time_range = await data.covered(time_range)
    follow_from = await data.newest_id()
    noise = {one.app: one for one in (await data.noise(time_range)).apps}
    rows = [(one, noise.get(one.app)) for one in await data.apps(time_range)]
    rows.sort(key=lambda row: row[1].rank if row[1] else len(noise) + 1)
    listed = sorted_list(APP_COLUMNS, rows, sort)
    return await page(
        request,
        "apps.html",
        time_range=time_range,
        follow_from=follow_from,
        list=listed,
        restricted=by_subject(await data.restrictions()),
    )


@pages.get("/apps/{app:path}")
async def app(request: Request, data: History, time_range: Range, app: str) -> Response:
    """One app: its figures, its handlers and jobs, and its newest runs."""
    time_range = await data.covered(time_range)
    follow_from = await data.newest_id()
    members = await data.registrations(time_range, app=app, idle=False, limit=REGISTRATIONS_ON_A_PAGE)
    summary = next(iter(await data.apps(time_range, app=app)), None)
    # An app that ended before the time range has a page, too.
    if summary is None and not members.registrations and not members.hidden:
        raise NotFoundError("app", app)
    recent = await data.runs(RunFilter(app=app), time_range, limit=50)
    noise = await data.noise(time_range)
    return await page(
        request,
        "app.html",
        time_range=time_range,
        follow_from=follow_from,
        name=app,
        summary=summary,
        members=members.registrations,
        more_members=members.next_cursor is not None,
        state=next((one for one in data.control.apps() if one.app == app), None),
        upcoming=data.next_runs(members.registrations),
        restricted=by_subject(await data.restrictions()),
        noise=next((one for one in noise.apps if one.app == app), None),
        versions=await data.versions(app, limit=_MAX_VERSIONS),
        recent=folded(recent.runs, at_least=2)[:_MAX_RECENT],
    )


async def registrations(
    request: Request,
    data: History,
    time_range: Range,
    app: str | None = None,
    sort: Sort = None,
    find: Find = None,
    cursor: Cursor = None,
) -> Response:
    """Handlers or jobs by app; jobs with their next runs."""
    kind = LABELS[request.scope["route"].name]
    time_range = await data.covered(time_range)
    follow_from = await data.newest_id()
    asked = ListRequest(sort=sort, find=find, cursor=cursor)
    shown, upcoming, hidden = await listed_registrations(data, time_range, kind, app or None, asked)
    return await page(
        request,
        "registrations.html",
        time_range=time_range,
        follow_from=follow_from,
        kind=kind,
        shown=shown,
        active=chips_of(request.query_params),
        hidden=hidden,
        upcoming=upcoming,
        restricted=by_subject(await data.restrictions()),
    )


for _kind in LABELS.values():
    pages.add_api_route(f"/{_kind.plural}", registrations, name=_kind.name)


def trigger_state_of(registration: Registration, triggers: tuple[TriggerState, ...]) -> TriggerState | None:
    """Return Home Assistant's answer to the triggers of a handler; None for other handlers and for jobs."""
    if registration.kind != "handler" or not registration.is_current:
        return None
    key = (registration.app, registration.instance, registration.name, registration.listens_to)
    return next((one for one in triggers if (one.app, one.instance, one.name, one.topic) == key), None)


@pages.get("/registrations/{id}")
async def registration(request: Request, data: History, time_range: Range, id_: PathId) -> Response:
    """One handler or job: settings, source, figures, heat map, and why triggers led to no run."""
    time_range = await data.covered(time_range)
    until_now = TimeRange(0, time_range.until_us)
    follow_from = await data.newest_id()
    # Equal runs are shown as one row, so more runs than rows are read.
    recent = await data.runs(RunFilter(registration_id=id_), until_now, limit=2 * _MAX_OF_ONE)
    failures = await data.runs(RunFilter(registration_id=id_, status="failed"), until_now, limit=5)
    answer = await data.registration(id_, time_range)
    return await page(
        request,
        "registration.html",
        time_range=time_range,
        follow_from=follow_from,
        answer=answer,
        trigger=trigger_state_of(answer.registration, data.triggers()),
        is_live=data.is_live,
        paused="paused" in by_subject(await data.restrictions()).get(answer.registration.ref.title, ()),
        over_time=await data.timeline(time_range, id_),
        time_choices=await data.time_choices(answer.registration.app),
        recent=folded(recent.runs)[:_MAX_OF_ONE],
        # A firing may have led to no run, for example because a condition did not hold.
        last_firing_us=max(
            [*(run.started_us for run in recent.runs[:1]), *(each.at_us for each in answer.not_runs)], default=0
        ),
        failures=failures.runs,
    )


@pages.get("/runs")
async def runs(
    request: Request, data: History, time_range: Range, run_filter: Filter, cursor: Cursor = None
) -> Response:
    """Runs, newest first, with the filters of `RunFilter`."""
    asked = time_range
    time_range = await data.covered(time_range)
    follow_from = await first_to_follow(request, data, cursor)
    filtered_registration = (
        await data.registration(run_filter.registration_id, time_range)
        if run_filter.registration_id is not None
        else None
    )
    # A chart by the minute leads to the runs of its minutes. Longer lists cover the same time as the figures.
    listed = asked if asked.until_us - asked.since_us <= LONGEST_MINUTES_US else time_range
    answer = await data.runs(run_filter, listed, cursor=cursor, limit=100)
    shown = {"registration": filtered_registration.registration.ref.title} if filtered_registration else {}
    return await page(
        request,
        "runs.html",
        time_range=listed,
        follow_from=follow_from,
        answer=answer,
        bursts=folded(answer.runs),
        facets=await data.run_facets(time_range, run_filter),
        run_filter=run_filter,
        active=chips_of(request.query_params, shown),
        cursor=cursor,
    )


@pages.get("/runs/{id}")
async def run(request: Request, data: History, id_: PathId) -> Response:
    """One run: its causes and effects on one time axis, its failure, log lines and service calls."""
    return await page(request, "run.html", detail=await data.run(id_), waterfall=await data.waterfall(id_))


@pages.get("/errors")
async def errors(
    request: Request,
    data: History,
    time_range: Range,
    sort: Sort = None,
    find: Find = None,
    cursor: Cursor = None,
) -> Response:
    """Error groups with their course over time, most recently seen first."""
    time_range = await data.covered(time_range)
    follow_from = await data.newest_id() if cursor is None else None
    shown = await listed_errors(data, time_range, ListRequest(sort=sort, find=find, cursor=cursor))
    return await page(request, "errors.html", time_range=time_range, follow_from=follow_from, shown=shown)


@pages.get("/errors/{id}")
async def error_group(request: Request, data: History, time_range: Range, id_: PathId) -> Response:
    """One error group: its traceback, the affected handlers and jobs, and its newest runs."""
    time_range = await data.covered(time_range)
    answer = await data.error_group(id_, time_range)
    return await page(request, "error_group.html", time_range=time_range, answer=answer, bursts=folded(answer.runs))


@pages.get("/sessions")
async def sessions(
    request: Request,
    data: History,
    home: Home,
    time_range: RangeOfMonth,
    cursor: Cursor = None,
    events: Annotated[str | None, Query()] = None,
    lost: Annotated[str | None, Query()] = None,
    routine: Annotated[bool, Query()] = False,
) -> Response:
    """Sessions, lifecycle events (``events`` is their cursor), and lost records (``lost`` is their cursor)."""
    follow_from = None if cursor or events or lost else await data.newest_id()
    return await page(
        request,
        "sessions.html",
        follow_from=follow_from,
        answer=await data.sessions(time_range, cursor=cursor, limit=30, neighbours=True),
        time_range=time_range,
        default_since=MONTH,
        uptime=await data.uptime(time_range),
        ticks=axis_ticks(time_range, home),
        lifecycle=await data.events(FrameworkEventFilter(routine=routine), time_range, cursor=events or None, limit=30),
        events=events,
        routine=routine,
        losses=await data.losses(time_range, cursor=lost or None, limit=30),
        lost=lost,
        status=await data.status(),
        cursor=cursor,
    )
