"""Questions about runs."""

import heapq
import json
import logging
from dataclasses import dataclass
from itertools import islice

from hassette_sync.answers.runs import Facet, LogLine, Run, RunDetail, RunFacets, RunsPage, ServiceCall
from hassette_sync.answers.values import FAILED, STATUSES, EventTrigger
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.ids import parse_id
from hassette_sync.queries import runs as queries
from hassette_sync.queries.registrations import REGISTRATIONS
from hassette_sync.queries.statistics import by_unit
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.rows import counts_of, run_of, sum_of
from hassette_sync.reader import Parameters, Snapshot
from hassette_sync.time_range import TimeRange

MAX_LIMIT = 500
# Several registrations or statuses are asked for one by one, each by its index, and merged: that costs the same
# however long the history is. Beyond so many, one walk along the ids is cheaper.
_MAX_STREAMS = 60
_MAX_RELATED = 50
_STATUS_IDS = {name: number for number, name in enumerate(STATUSES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs are asked for; what is None does not filter.

    Attributes:
        app: The app's key.
        registration_id: One handler or job.
        kind: ``handler`` or ``job``.
        status: ``success``, ``error``, ``cancelled``, ``timed_out``, ``interrupted``, or ``failed`` for error, timed
            out and interrupted together.
        text: Found anywhere in app, name, topic, entity, event type or error message; case does not matter.
        entity_id: The entity of the event.
        session_id: In which session it ended.
        error_group_id: Which mistake it made.
        min_duration_us: At least this long.
        max_duration_us: At most this long.
    """

    app: str | None = None
    registration_id: int | None = None
    kind: str | None = None
    status: str | None = None
    text: str | None = None
    entity_id: str | None = None
    session_id: int | None = None
    error_group_id: int | None = None
    min_duration_us: int | None = None
    max_duration_us: int | None = None

    def __post_init__(self) -> None:
        if self.status not in (None, "failed", *STATUSES):
            known = ", ".join((*STATUSES, "failed"))
            raise BadQuestionError(f"{self.status!r} is not a status. Choose one of: {known}.")
        if self.kind not in (None, "handler", "job"):
            raise BadQuestionError(f"{self.kind!r} is not a kind of run. Choose handler or job.")


async def runs_page(
    snapshot: Snapshot, asked: RunFilter, time_range: TimeRange, cursor: str | None, limit: int
) -> RunsPage:
    """Answer one page of runs, newest first."""
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuestionError(f"limit must be from 1 to {MAX_LIMIT}, not {limit}.")
    below = min(parse_id(cursor, "cursor"), time_range.end_id) if cursor else time_range.end_id
    parameters: Parameters = {"cursor": below, "first_id": time_range.first_id, "limit": limit + 1}
    conditions = _conditions(asked, parameters)
    pages: list[list[Run]] = []
    for extra, values in await _streams(snapshot, asked):
        rows = await snapshot.all(queries.runs_page([*conditions, *extra]), {**parameters, **values})
        pages.append([run_of(row) for row in rows])
    merged = list(islice(heapq.merge(*pages, key=lambda run: -run.id), limit + 1))
    more = len(merged) > limit
    found = tuple(merged[:limit])
    return RunsPage(
        runs=found,
        next_cursor=str(found[-1].id) if more else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


def _conditions(asked: RunFilter, parameters: Parameters) -> list[str]:
    conditions: list[str] = []

    def ask(name: str, parameter: str, value: object) -> None:
        if value is not None:
            conditions.append(name)
            parameters[parameter] = value

    ask("kind", "kind", asked.kind)
    ask("text", "text", f"%{_like(asked.text)}%" if asked.text else None)
    ask("entity", "entity", asked.entity_id)
    ask("session", "session_id", asked.session_id)
    ask("error_group", "error_group_id", asked.error_group_id)
    ask("min_duration", "min_duration_us", asked.min_duration_us)
    ask("max_duration", "max_duration_us", asked.max_duration_us)
    return conditions


def _like(text: str) -> str:
    return text.strip()[:200].replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _streams(snapshot: Snapshot, asked: RunFilter) -> list[tuple[list[str], Parameters]]:
    registrations: list[int | None] = [asked.registration_id]
    if asked.registration_id is None and asked.app is not None:
        rows = await snapshot.all(REGISTRATIONS, {"kind": None, "app": asked.app})
        registrations = [row["id"] for row in rows]
    statuses: list[str | None] = list(FAILED) if asked.status == "failed" else [asked.status]
    if len(registrations) * len(statuses) > _MAX_STREAMS:
        values: Parameters = {"registrations": json.dumps(registrations)}
        names = ["registrations"]
        if asked.status is not None:
            names.append("statuses")
            values["statuses"] = json.dumps([_STATUS_IDS[name] for name in statuses if name])
        return [(names, values)]
    return [_stream(registration, status) for registration in registrations for status in statuses]


def _stream(registration_id: int | None, status: str | None) -> tuple[list[str], Parameters]:
    names: list[str] = []
    values: Parameters = {}
    if registration_id is not None:
        names.append("registration")
        values["registration_id"] = registration_id
    if status == "success":
        names.append("success")
    elif status is not None:
        names.append("status")
        values["status_id"] = _STATUS_IDS[status]
    return names, values


async def run_facets(snapshot: Snapshot, time_range: TimeRange) -> RunFacets:
    """Answer what runs can be filtered by, from statistics."""
    periods = await periods_of(snapshot, time_range)
    rows = await snapshot.all(by_unit(periods.unit).by_registration, {"first": periods.first, "last": periods.last})
    apps = {row["id"]: row["app"] for row in await snapshot.all(REGISTRATIONS, {"kind": None, "app": None})}
    by_app: dict[str, int] = dict.fromkeys(apps.values(), 0)
    for row in rows:
        app = apps.get(row["registration_id"], "?")
        by_app[app] = by_app.get(app, 0) + counts_of(row).total
    total = sum_of([counts_of(row) for row in rows])
    statuses = [Facet(value=name, count=getattr(total, name)) for name in STATUSES]
    return RunFacets(
        apps=tuple(Facet(value=app, count=count) for app, count in sorted(by_app.items())),
        statuses=(Facet(value="failed", count=total.failed), *statuses),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


async def runs_after(snapshot: Snapshot, after: int, limit: int) -> tuple[Run, ...]:
    """Answer the runs that ended after a known one, oldest first."""
    return tuple(run_of(row) for row in await snapshot.all(queries.RUNS_AFTER, {"after": after, "limit": limit}))


async def newest_id(snapshot: Snapshot) -> int:
    """Answer the newest run's id, 0 in an empty history."""
    row = await snapshot.one(queries.NEWEST_IDS)
    return max(row) if row is not None else 0


async def run_detail(snapshot: Snapshot, run_id: int) -> RunDetail:
    """Answer the story of one run."""
    row = await snapshot.one(queries.RUN, {"id": run_id})
    if row is None:
        raise NotFoundError("run", run_id)
    run = run_of(row)
    failure = await snapshot.one(queries.RUN_FAILURE, {"id": run_id})
    dropped = await snapshot.one(queries.DROPPED_EFFECTS, {"id": run_id})
    lines = await snapshot.all(queries.LOG_LINES, {"id": run_id})
    return RunDetail(
        run=run,
        failure_kind=failure["kind"] if failure else None,
        traceback=failure["traceback"] if failure else "",
        caused_by=await _causes(snapshot, run),
        service_calls=await _service_calls(snapshot, run_id),
        log_lines=tuple(
            LogLine(
                at_us=line["at_us"],
                level=_level(line["level"]),
                logger=line["logger"] or "",
                message=line["message"],
            )
            for line in lines
        ),
        dropped_log_lines=dropped["log_lines"] if dropped else 0,
        dropped_service_calls=dropped["service_calls"] if dropped else 0,
        heard_by=await _same_event(snapshot, run),
    )


def _level(number: int) -> str:
    names = {value: name for name, value in logging.getLevelNamesMapping().items() if name not in ("WARN", "FATAL")}
    return names.get(number, str(number))


async def _causes(snapshot: Snapshot, run: Run) -> tuple[Run, ...]:
    if not isinstance(run.trigger, EventTrigger):
        return ()
    contexts = [id_ for id_ in (run.trigger.context_id, run.trigger.parent_id) if id_]
    if not contexts:
        return ()
    rows = await snapshot.all(queries.CALLERS_OF_CONTEXTS, {"contexts": json.dumps(contexts), "limit": _MAX_RELATED})
    return tuple(run_of(row) for row in rows if row["id"] != run.id)


async def _effects(snapshot: Snapshot, context_id: str | None, but_not: int) -> tuple[Run, ...]:
    if not context_id:
        return ()
    rows = await snapshot.all(queries.CAUSED_BY_CONTEXT, {"context_id": context_id, "limit": _MAX_RELATED})
    return tuple(run_of(row) for row in rows if row["id"] != but_not)


async def _service_calls(snapshot: Snapshot, run_id: int) -> tuple[ServiceCall, ...]:
    return tuple(
        [
            ServiceCall(
                at_us=row["at_us"],
                service=row["service"] or "?",
                target=row["target"],
                data=row["data"],
                duration_us=row["duration_us"],
                context_id=row["context_id"],
                error=row["error"],
                caused=await _effects(snapshot, row["context_id"], run_id),
            )
            for row in await snapshot.all(queries.SERVICE_CALLS, {"id": run_id})
        ]
    )


async def _same_event(snapshot: Snapshot, run: Run) -> tuple[Run, ...]:
    # Only events that somebody caused are indexed by their context; sensors' events answer nothing here.
    if not isinstance(run.trigger, EventTrigger):
        return ()
    found = await _effects(snapshot, run.trigger.context_id, run.id)
    return tuple(
        other
        for other in found
        if isinstance(other.trigger, EventTrigger)
        and (other.trigger.context_id, other.trigger.entity_id, other.trigger.new_state)
        == (run.trigger.context_id, run.trigger.entity_id, run.trigger.new_state)
    )
