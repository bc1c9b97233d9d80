"""Questions about triggers that led to no run."""

import json
from dataclasses import dataclass
from sqlite3 import Row

from hassette_sync.answers.explanations import NotRunEntry
from hassette_sync.answers.logs import NotRunsPage
from hassette_sync.formatting import replace_surrogates
from hassette_sync.queries import not_runs as queries
from hassette_sync.queries.registrations import REGISTRATIONS_OF_APP
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, parse_pair
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.rows import registration_of_record, trigger_of
from hassette_sync.questions.runs import known_app
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRunFilter:
    """Filter on triggers that led to no run. A field of None does not filter.

    Attributes:
        app: Key of the app.
        registration_id: Id of a handler or job.
        reason: Reason such as ``condition`` or ``rate_limited``.
        entity_id: Entity of the event.
    """

    app: str | None = None
    registration_id: int | None = None
    reason: str | None = None
    entity_id: str | None = None


async def not_runs_page(
    transaction: ReadTransaction,
    not_run_filter: NotRunFilter = NotRunFilter(),
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> NotRunsPage:
    """Return one page of triggers that led to no run, newest first.

    The history keeps the newest 20 of each handler and job. `DataSyncService.skips` counts all of them.

    Args:
        transaction: Read transaction of the question.
        not_run_filter: Filter on the triggers.
        time_range: Time range of the triggers.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of triggers.
    """
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    before_us, below = parse_pair(cursor, "not-runs") if cursor else (time_range.until_us, 0)
    parameters: Parameters = {
        "since_us": time_range.since_us,
        "before_us": min(before_us, time_range.until_us),
        "cursor": below,
        "limit": limit + 1,
    }
    conditions = await _conditions(transaction, not_run_filter, parameters)
    rows = await transaction.all(queries.not_runs_sql(conditions), parameters)
    samples = tuple(sample_of(row) for row in rows[:limit])
    return NotRunsPage(
        samples=samples,
        next_cursor=f"{samples[-1].at_us}.{samples[-1].id}" if len(rows) > limit else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def _conditions(transaction: ReadTransaction, wanted: NotRunFilter, parameters: Parameters) -> list[str]:
    """Return the names of the conditions of a filter. Add their values to ``parameters``."""
    conditions: list[str] = []
    registrations = None if wanted.registration_id is None else {wanted.registration_id}
    if wanted.app is not None:
        app = await known_app(transaction, wanted.app)
        of_app = {row["id"] for row in await transaction.all(REGISTRATIONS_OF_APP, {"app": app})}
        registrations = of_app if registrations is None else of_app & registrations
    if registrations is not None:
        conditions.append("registrations")
        parameters["registrations"] = json.dumps(sorted(registrations))
    for name, value in (("reason", wanted.reason), ("entity", wanted.entity_id)):
        if value is not None:
            conditions.append(name)
            parameters[name] = replace_surrogates(value)
    return conditions


def sample_of(row: Row) -> NotRunEntry:
    """Convert a row of `queries.not_runs`."""
    return NotRunEntry(
        id=row["id"],
        at_us=row["at_us"],
        registration=registration_of_record(row),
        reason=row["reason"] or "?",
        detail=row["detail"] or "",
        trigger=trigger_of(row) if row["has_trigger"] else None,
    )
