"""The parts of the JSON API that explain: causes, log lines, events, and triggers without a run."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from hassette_sync.answers.asked import Asked
from hassette_sync.answers.comparison import Comparison
from hassette_sync.answers.explanations import Why, WhyNot
from hassette_sync.answers.logs import EventsPage, LogsPage, Noise, NotRunsPage, VersionsPage
from hassette_sync.ids import parse_id
from hassette_sync.questions.comparison import SORTS
from hassette_sync.questions.events import GROUPS, FrameworkEventFilter
from hassette_sync.questions.logs import LEVELS, LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from hassette_sync.questions.paging import DEFAULT_LIMIT
from hassette_sync.web.parameters import (
    ASKED_TIME_SCHEMA,
    ID_SCHEMA,
    TEXT_SCHEMA,
    WORDS_SCHEMA,
    AppKey,
    Cursor,
    History,
    Limit,
    LogCursor,
    NotRunCursor,
    Range,
    RegistrationId,
    check_names,
    choice,
)
from hassette_sync.web.problems import Problem

api_answers = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(check_names)],
    responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
)

At = Annotated[
    str | None,
    Query(
        description=(
            "A time such as 03:12, a day such as monday or 28 nov, a part of it such as last night, a span such as "
            "03:00 to 04:30, an age, or an ISO time."
        ),
        json_schema_extra=ASKED_TIME_SCHEMA,
    ),
]
Text = Annotated[
    str | None, Query(description="Text to search for. Case does not matter.", json_schema_extra=TEXT_SCHEMA)
]


def _subject(description: str) -> Any:
    return Query(description=description, json_schema_extra=WORDS_SCHEMA)


@api_answers.get("/why")
async def why(
    data: History,
    entity: Annotated[str | None, _subject("Id of an entity, or words of its name.")] = None,
    service: Annotated[str | None, _subject("Service such as light.turn_on.")] = None,
    text: Annotated[str | None, _subject("Text within a log line, or within the error of a run.")] = None,
    at: At = None,
    state: Annotated[str | None, Query(description="Only changes to this state, if there are any.")] = None,
    limit: Annotated[int, Query(ge=1, le=50, description="Maximum number of findings.")] = 10,
) -> Why:
    """Why an entity changed, a service was called, or a text was logged: the chain back to the first cause."""
    return await data.why(
        entity=entity,
        service=service,
        text=text,
        at=await data.asked_time(at) if at else None,
        state=state or None,
        limit=limit,
    )


@api_answers.get("/why-not")
async def why_not(
    data: History,
    of: Annotated[str, _subject("APP, APP.HANDLER, APP.INSTANCE.HANDLER, or the id of a handler or job.")],
    at: At = None,
) -> WhyNot:
    """Why a handler or job did not run: each check with its result, and the first reason in one sentence."""
    return await data.why_not(of, at=await data.asked_time(at) if at else None)


@api_answers.get("/ask")
async def ask(
    data: History,
    q: Annotated[str, _subject("Words such as: why did light.hall turn on at 03:12?")],
) -> Asked:
    """Answer a question in words: why something happened, why a handler or job did not run, or what failed."""
    return await data.ask(q)


@api_answers.get("/logs")
async def logs(
    data: History,
    time_range: Range,
    text: Text = None,
    level: Annotated[
        str | None, Query(description=f"Lowest level: {', '.join(LEVELS)}.", json_schema_extra=choice(*LEVELS))
    ] = None,
    app: AppKey = None,
    registration: RegistrationId = None,
    run: Annotated[str | None, Query(description="The id of a run.", json_schema_extra=ID_SCHEMA)] = None,
    cursor: LogCursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> LogsPage:
    """Log lines, newest first. A page may be short and still have a next page, if the text is rare."""
    log_filter = LogFilter(
        text=text or None,
        level=level or None,
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        run_id=parse_id(run, "run id") if run else None,
    )
    return await data.logs(log_filter, time_range, cursor=cursor, limit=limit)


@api_answers.get("/events")
async def events(
    data: History,
    time_range: Range,
    group: Annotated[str | None, Query(description=f"{', '.join(GROUPS)}.", json_schema_extra=choice(*GROUPS))] = None,
    app: AppKey = None,
    text: Text = None,
    routine: Annotated[bool, Query(description="Whether ordinary starts and stops are included.")] = True,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> EventsPage:
    """Events of the framework, newest first."""
    event_filter = FrameworkEventFilter(group=group or None, app=app or None, text=text or None, routine=routine)
    return await data.events(event_filter, time_range, cursor=cursor, limit=limit)


@api_answers.get("/not-runs")
async def not_runs(
    data: History,
    time_range: Range,
    app: AppKey = None,
    registration: RegistrationId = None,
    reason: Annotated[str | None, Query(description="Reason such as condition or rate_limited.")] = None,
    entity: Annotated[str | None, Query(description="The entity of the event.")] = None,
    cursor: NotRunCursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> NotRunsPage:
    """Triggers that led to no run, newest first: the newest 20 of each handler and job."""
    not_run_filter = NotRunFilter(
        app=app or None,
        registration_id=parse_id(registration, "registration id") if registration else None,
        reason=reason or None,
        entity_id=entity or None,
    )
    return await data.not_runs(not_run_filter, time_range, cursor=cursor, limit=limit)


@api_answers.get("/compare")
async def compare(
    data: History,
    time_range: Range,
    against: Annotated[Literal["period", "version"], Query(description="The previous period or version.")] = "period",
    sort: Annotated[
        str,
        Query(description=f"Order of handlers and jobs: {', '.join(SORTS)}.", json_schema_extra={"enum": [*SORTS]}),
    ] = "gravity",
    differing: Annotated[bool, Query(description="Whether only those that differ are listed.")] = True,
    limit: Limit = DEFAULT_LIMIT,
) -> Comparison:
    """Compared handlers, jobs and error groups: slower, failing more, silent, new, back, resolved."""
    return await data.compare(time_range, against=against, sort=sort, differing=differing, limit=limit)


@api_answers.get("/noise")
async def noise(data: History, time_range: Range) -> Noise:
    """Runs, time, log lines, service calls and bytes of each app, the noisiest first."""
    return await data.noise(time_range)


@api_answers.get("/versions")
async def versions(
    data: History, app: AppKey = None, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> VersionsPage:
    """Versions of apps, newest first."""
    return await data.versions(app or None, cursor=cursor, limit=limit)
