"""Questions about runs."""

import json
from dataclasses import dataclass, replace

from hassette_store.kinds import KINDS
from hassette_store.search_form import search_form
from hassette_store.statuses import FAILED_STATUSES, STATUS_NAMES, STATUS_NUMBERS, SUCCESS
from hassette_sync.answers.runs import Run, RunDetail, RunsPage, ServiceCall
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.formatting import replace_surrogates
from hassette_sync.queries import runs as queries
from hassette_sync.queries.causes import EXAMINED
from hassette_sync.queries.events import APP_OF_STARTS
from hassette_sync.queries.registrations import APP_OF_NAME
from hassette_sync.queries.run_search import ENTITIES, REGISTRATIONS
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, id_below
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.rows import failing_line_of, log_line_of, run_of, runs_of, service_call_of, state_read_of
from hassette_sync.questions.run_filters import RunSearch
from hassette_sync.questions.run_search import newest_ids
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import HOUR_US, TimeRange

_MAX_RELATED = 50
MAX_TEXT = 200
"""Maximum number of characters of a text filter."""

LONGEST_RUN_US = HOUR_US
"""A run has the id of its end. The lists find it if it ended at most this long after its start or its log lines."""


def check_kind(kind: str | None) -> None:
    """Check a filter by kind.

    Raises:
        BadQuestionError: There is no such kind.
    """
    known = [kind.name for kind in KINDS]
    if kind is not None and kind not in known:
        raise BadQuestionError(f"must be {' or '.join(known)}, got {kind!r}.", parameter="kind")


def check_text(text: str | None) -> None:
    """Check the length of a text filter.

    Raises:
        BadQuestionError: The text is too long.
    """
    if text is not None and len(text) > MAX_TEXT:
        raise BadQuestionError(f"must have at most {MAX_TEXT} characters, got {len(text)}.", parameter="text")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Filter on runs. A field of None does not filter.

    Attributes:
        app: Key of the app.
        registration_id: Id of a handler or job.
        kind: ``handler`` or ``job``.
        status: ``success``, ``error``, ``cancelled``, ``timed_out`` or ``interrupted``; ``failed`` means ``error``,
            ``timed_out`` or ``interrupted``.
        text: Text within the app, name, topic, schedule, entity, event type, error message, service, target or log
            line, at most 200 characters. Case and the form of Unicode do not matter
            (`hassette_store.search_form.search_form`). A text of three characters or more is also searched in the
            new state of the event, unless the state is a number.
        entity_id: Entity of the event. If no entity has exactly this id, case does not matter. The same applies to
            ``app``.
        session_id: Session in which the run ended.
        error_group_id: Error group of the failure.
        min_duration_us: Minimum duration in microseconds.
        max_duration_us: Maximum duration in microseconds.
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
        known = (*STATUS_NAMES, "failed")
        if self.status is not None and self.status not in known:
            raise BadQuestionError(f"must be one of {', '.join(known)}, got {self.status!r}.", parameter="status")
        check_text(self.text)
        check_kind(self.kind)


def search_text(text: str | None) -> str | None:
    """Return the search form of a text. None if the text is missing or its search form is empty."""
    return search_form(replace_surrogates(text.strip())) or None if text else None


async def known_app(transaction: ReadTransaction, app: str) -> str:
    """Return the key of the app that a filter names. If no app has exactly this key, case does not matter.

    An app that has registered nothing, for example because it failed to start, is known from the newest events.
    """
    app = replace_surrogates(app)
    row = await transaction.one(APP_OF_NAME, {"app": app})
    row = row or await transaction.one(APP_OF_STARTS, {"app": app, "examined": EXAMINED})
    return row["app"] if row is not None else app


async def runs_page(
    transaction: ReadTransaction,
    run_filter: RunFilter = RunFilter(),
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> RunsPage:
    """Return one page of runs, newest first."""
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    below = min(id_below(cursor), time_range.end_id)
    search = RunSearch(first_id=time_range.first_id, below=below, limit=limit + 1)
    ids = newest_ids(transaction, await resolved_search(transaction, run_filter, search))
    rows = transaction.rows(queries.RUNS_BY_ID, {"ids": json.dumps(ids[:limit])})
    return RunsPage(
        runs=runs_of(rows),
        next_cursor=str(ids[limit - 1]) if len(ids) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


def failures_with_text(
    transaction: ReadTransaction, form: str, time_range: TimeRange, *, limit: int
) -> tuple[Run, ...]:
    """Return the newest runs whose error contains a text in the search form, newest first."""
    search = RunSearch(
        first_id=time_range.first_id, below=time_range.end_id, limit=limit, text=form, only_in_errors=True
    )
    return runs_of(transaction.rows(queries.RUNS_BY_ID, {"ids": json.dumps(newest_ids(transaction, search))}))


async def resolved_search(transaction: ReadTransaction, run_filter: RunFilter, search: RunSearch) -> RunSearch:
    """Return the search for a filter, with ids in place of names."""
    kinds = tuple(kind for kind in KINDS if run_filter.kind in (None, kind.name))
    registrations = None
    if run_filter.app is not None or run_filter.registration_id is not None:
        app = await known_app(transaction, run_filter.app) if run_filter.app is not None else None
        rows = await transaction.all(REGISTRATIONS, {"app": app, "id": run_filter.registration_id})
        registrations = {kind.name: tuple(row["id"] for row in rows if row["kind"] == kind.name) for kind in kinds}
        kinds = tuple(kind for kind in kinds if registrations[kind.name])
    entities = None
    if run_filter.entity_id is not None:
        rows = await transaction.all(ENTITIES, {"entity": replace_surrogates(run_filter.entity_id)})
        entities = tuple(row["id"] for row in rows)
    statuses = FAILED_STATUSES if run_filter.status == "failed" else [run_filter.status]
    numbers = tuple(STATUS_NUMBERS[name] for name in statuses if name is not None)
    return replace(
        search,
        kinds=kinds,
        registrations=registrations,
        statuses=numbers if numbers and SUCCESS not in numbers else None,
        success=SUCCESS in numbers,
        session_id=run_filter.session_id,
        entities=entities,
        error_group_id=run_filter.error_group_id,
        min_duration_us=run_filter.min_duration_us,
        max_duration_us=run_filter.max_duration_us,
        text=search_text(run_filter.text),
    )


async def runs_after(transaction: ReadTransaction, after: int, limit: int) -> tuple[Run, ...]:
    """Return the runs with an id above a known one, oldest first."""
    rows = await transaction.all(queries.RUNS_AFTER, {"after": after, "limit": limit})
    return runs_of(rows)


async def newest_id(transaction: ReadTransaction) -> int:
    """Return the id of the newest run, or 0 for an empty history. A live page follows the runs after it."""
    row = await transaction.one(queries.NEWEST_ID)
    return row["id"] if row is not None else 0


async def run_detail(transaction: ReadTransaction, run_id: int) -> RunDetail:
    """Return one run in detail: its causes, failure, log lines, and service calls with the runs that they triggered.

    Raises:
        NotFoundError: The history has no run with this id.
    """
    row = await transaction.one(queries.RUN, {"id": run_id})
    if row is None:
        raise NotFoundError("run", run_id)
    run = run_of(row)
    failure = await transaction.one(queries.RUN_FAILURE, {"id": run_id})
    dropped = await transaction.one(queries.DROPPED_EFFECTS, {"id": run_id})
    lines = await transaction.all(queries.LOG_LINES, {"id": run_id})
    reads = await transaction.all(queries.STATE_READS, {"id": run_id})
    return RunDetail(
        run=run,
        failure_kind=failure["kind"] if failure else None,
        failing_line=failing_line_of(failure),
        sample_traceback=failure["sample_traceback"] if failure else "",
        sample_run_id=failure["sample_run_id"] if failure else None,
        caused_by=await _causes(transaction, run),
        service_calls=await _service_calls(transaction, run_id),
        log_lines=tuple(map(log_line_of, lines)),
        dropped_log_lines=dropped["log_lines"] if dropped else 0,
        dropped_service_calls=dropped["service_calls"] if dropped else 0,
        state_reads=tuple(map(state_read_of, reads)),
        dropped_state_reads=dropped["state_reads"] if dropped else 0,
        heard_by=await _other_runs_of_event(transaction, run),
    )


async def _causes(transaction: ReadTransaction, run: Run) -> tuple[Run, ...]:
    if not run.trigger.contexts:
        return ()
    parameters: Parameters = {"contexts": json.dumps(run.trigger.contexts), "limit": _MAX_RELATED}
    rows = await transaction.all(queries.CALLERS_OF_CONTEXTS, parameters)
    return tuple(run_of(row) for row in rows if row["id"] != run.id)


async def _runs_triggered_by(transaction: ReadTransaction, context_id: str | None, except_run: int) -> tuple[Run, ...]:
    if not context_id:
        return ()
    rows = await transaction.all(queries.CAUSED_BY_CONTEXT, {"context_id": context_id, "limit": _MAX_RELATED})
    return tuple(run_of(row) for row in rows if row["id"] != except_run)


async def _service_calls(transaction: ReadTransaction, run_id: int) -> tuple[ServiceCall, ...]:
    return tuple(
        [
            service_call_of(row, await _runs_triggered_by(transaction, row["context_id"], run_id))
            for row in await transaction.all(queries.SERVICE_CALLS, {"id": run_id})
        ]
    )


async def _other_runs_of_event(transaction: ReadTransaction, run: Run) -> tuple[Run, ...]:
    # The index on contexts covers only events that a user or another event caused. So the answer for an event of a
    # sensor has no other runs.
    if run.trigger.own_context is None:
        return ()
    found = await _runs_triggered_by(transaction, run.trigger.own_context, run.id)
    return tuple(other for other in found if run.trigger.is_same_event(other.trigger))
