"""Find the newest runs that meet a filter: first their ids, through the most selective index.

The cost follows the answer, not the history. Long runs are found through the statistics, which know the longest run of
each registration and hour. Filters that exclude each other, and unknown names, are answered without reading runs.
"""

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from heapq import nlargest
from itertools import groupby

from hassette_store.ids import first_id_at, time_of
from hassette_store.kinds import HANDLER, KINDS, RunKind
from hassette_store.periods import DAY_US, HOUR_US
from hassette_sync.queries import run_search as queries
from hassette_sync.queries.runs import NEWEST_ID
from hassette_sync.reader import Parameters, ReadTransaction

# For more registrations, one statement first finds those with the newest runs.
_MAX_STATEMENTS = 20
# Above this number of runs of an hour, the hour is read along the primary key.
_MAX_LOOK_UPS = 500
# Ends of the slices of a text search, in hours before its end.
_SLICES_HOURS = (1, 6, 24, 72, 240)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSearch:
    """Filter on runs with ids in place of names. A field of None does not filter.

    Attributes:
        first_id: Lowest id of the range.
        below: Exclusive upper limit of the ids.
        limit: Maximum number of ids.
        kinds: Kinds of runs.
        registrations: Ids of handlers and jobs, by kind.
        statuses: Numbers of the statuses; success is never together with another one.
        success: Whether only successes are wanted.
        session_id: Session of the runs.
        entities: Ids of the name of an entity.
        error_group_id: Error group of the failures.
        min_duration_us: Minimum duration.
        max_duration_us: Maximum duration.
        text: Text in the search form.
    """

    first_id: int
    below: int
    limit: int
    kinds: tuple[RunKind, ...] = KINDS
    registrations: dict[str, tuple[int, ...]] | None = None
    statuses: tuple[int, ...] | None = None
    success: bool = False
    session_id: int | None = None
    entities: tuple[int, ...] | None = None
    error_group_id: int | None = None
    min_duration_us: int | None = None
    max_duration_us: int | None = None
    text: str | None = None

    @property
    def parameters(self) -> Parameters:
        """Parameters of all statements of the search."""
        return {
            "first_id": self.first_id,
            "below": self.below,
            "limit": self.limit,
            "registrations": None,
            "statuses": json.dumps(self.statuses),
            "session_id": self.session_id,
            "entities": json.dumps(self.entities),
            "error_group_id": self.error_group_id,
            "min_duration_us": self.min_duration_us,
            "max_duration_us": self.max_duration_us,
            "text": self.text,
        }

    @property
    def conditions(self) -> list[str]:
        """Names of the conditions on each run, except those on its registration and its text."""
        wanted = {
            "success": self.success or None,
            "statuses": self.statuses,
            "session": self.session_id,
            "entities": self.entities,
            "min_duration": self.min_duration_us,
            "max_duration": self.max_duration_us,
        }
        return [name for name, value in wanted.items() if value is not None]

    def registrations_of(self, kind: RunKind) -> tuple[int, ...]:
        """Return the wanted handlers or jobs."""
        return (self.registrations or {}).get(kind.name, ())


def newest_ids(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    """Return the ids of the newest runs, newest first."""
    search = _within_session(transaction, search)
    if search.entities is not None:
        search = replace(search, kinds=tuple(kind for kind in search.kinds if kind is HANDLER))
    if not search.kinds or search.first_id >= search.below or search.entities == ():
        return []
    if search.text is not None:
        return _in_slices(transaction, search, search.text)
    return _without_text(transaction, search)


def _without_text(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    if search.error_group_id is not None:
        return _failures(transaction, search, queries.OF_GROUP, {})
    if search.min_duration_us is not None and search.statuses is None:
        return _long_runs(transaction, search)
    return _merged([_of_kind(transaction, search, kind) for kind in search.kinds], search.limit)


def _of_kind(transaction: ReadTransaction, search: RunSearch, kind: RunKind) -> list[int]:
    """Return the newest runs of a kind, through the index on its registrations or on unsuccessful runs."""
    conditions, parameters = search.conditions, search.parameters
    if search.registrations is None:
        return _ids(transaction, queries.newest_sql(kind, conditions), parameters)
    registrations = search.registrations_of(kind)
    if len(registrations) > _MAX_STATEMENTS:
        parameters["registrations"] = json.dumps(registrations)
        newest = transaction.rows(queries.newest_of_each_sql(kind, conditions), parameters)
        found = [(row["id"], row["registration_id"]) for row in newest if row["id"] is not None]
        registrations = [registration for _, registration in nlargest(search.limit, found)]
    statement = queries.of_registration_sql(kind, conditions)
    pages = [_ids(transaction, statement, {**parameters, "registration_id": one}) for one in registrations]
    return _merged(pages, search.limit)


def _failures(transaction: ReadTransaction, search: RunSearch, condition: str, values: Parameters) -> list[int]:
    """Return the newest runs whose failures meet a condition."""
    conditions, parameters = _with_registrations(search)
    statement = queries.failures_sql(search.kinds, conditions, condition)
    return _ids(transaction, statement, {**parameters, **values})


def _with_registrations(search: RunSearch) -> tuple[list[str], Parameters]:
    """Return conditions on each run, including that on its registration, and the parameters."""
    parameters = search.parameters
    if search.registrations is None:
        return search.conditions, parameters
    wanted = [one for registrations in search.registrations.values() for one in registrations]
    parameters["registrations"] = json.dumps(wanted)
    return [*search.conditions, "registrations"], parameters


def _in_slices(transaction: ReadTransaction, search: RunSearch, text: str) -> list[int]:
    """Return the newest runs with a text. Search the newest hours first, and older ones only if the page is not full.

    A place where a text is rare would otherwise be read up to the start of the range, although the page is full.
    """
    found: list[int] = []
    (newest,) = transaction.rows(NEWEST_ID)
    below = min(search.below, newest["id"] + 1)
    starts = [first_id_at(time_of(below) - hours * HOUR_US) for hours in _SLICES_HOURS]
    for first_id in [*(start for start in starts if start > search.first_id), search.first_id]:
        part = replace(search, first_id=first_id, below=below, limit=search.limit - len(found))
        found += _merged(_with_text(transaction, part, text), part.limit)
        if len(found) >= search.limit:
            break
        below = first_id
    return found


def _with_text(transaction: ReadTransaction, search: RunSearch, text: str) -> Iterable[list[int]]:
    """Yield the newest runs for each place in which the text can be."""
    asked: Parameters = {"text": text}
    named = {row["id"] for row in transaction.rows(queries.REGISTRATIONS_WITH_TEXT, asked)}
    if named:
        allowed = search.registrations or _registrations(transaction, search)
        both = {kind: tuple(one for one in ids if one in named) for kind, ids in allowed.items()}
        yield _without_text(transaction, replace(search, registrations=both, text=None))
    conditions, parameters = _with_registrations(search)
    names = [row["id"] for row in transaction.rows(queries.NAMES_WITH_TEXT, asked)]
    if names and HANDLER in search.kinds and search.error_group_id is None:
        statement = queries.newest_sql(HANDLER, [*conditions, "names"])
        yield _ids(transaction, statement, {**parameters, "names": json.dumps(names)})
    for group in transaction.rows(queries.GROUPS_WITH_TEXT, asked):
        if search.error_group_id in (None, group["id"]):
            values: Parameters = {"error_group_id": group["id"], "own_message": group["own_message"]}
            yield _failures(transaction, search, queries.WITH_MESSAGE_OF_GROUP, values)
    if search.error_group_id is None:
        yield _ids(transaction, queries.log_lines_sql(search.kinds, conditions), parameters)
        names_of_calls = {**parameters, "names": json.dumps(names)}
        yield _ids(transaction, queries.service_calls_sql(search.kinds, conditions), names_of_calls)
    own = [queries.WITH_TEXT, *[queries.OF_GROUP] * (search.error_group_id is not None)]
    yield _failures(transaction, search, " AND ".join(own), {})


def _registrations(transaction: ReadTransaction, search: RunSearch) -> dict[str, tuple[int, ...]]:
    rows = transaction.rows(queries.REGISTRATIONS, {"app": None, "id": None})
    return {kind.name: tuple(row["id"] for row in rows if row["kind"] == kind.name) for kind in search.kinds}


def _within_session(transaction: ReadTransaction, search: RunSearch) -> RunSearch:
    """Return the search with the range of ids of its session. An unknown session has no runs."""
    if search.session_id is None:
        return search
    rows = transaction.rows(queries.SESSION_IDS, {"session_id": search.session_id})
    if not rows:
        return replace(search, kinds=())
    first_id, last_id = rows[0]
    if first_id is None or last_id is None:
        return search
    return replace(search, first_id=max(search.first_id, first_id), below=min(search.below, last_id + 1))


def _long_runs(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    """Return the newest long runs. Read only the hours in which the statistics have a long run, newest first."""
    found: list[int] = []
    for first_id, below, registrations in _times_of_long_runs(transaction, search):
        part = replace(search, first_id=max(search.first_id, first_id), below=min(search.below, below))
        if part.first_id < part.below:
            part = replace(part, limit=search.limit - len(found))
            if registrations is not None:
                # An id is that of a handler or of a job. For the other kind, the look-up finds nothing.
                allowed = search.registrations or {kind.name: tuple(registrations) for kind in search.kinds}
                both = {kind: tuple(one for one in ids if one in registrations) for kind, ids in allowed.items()}
                part = replace(part, registrations=both)
            found += _merged([_of_kind(transaction, part, kind) for kind in part.kinds], part.limit)
            if len(found) >= search.limit:
                break
    return found


def _times_of_long_runs(
    transaction: ReadTransaction, search: RunSearch
) -> Iterable[tuple[int, int, Collection[int] | None]]:
    """Yield ranges of ids that can contain long runs, newest first: first id, end, and the registrations; None for all.

    Runs that are not counted yet come first. Hours come from the hourly statistics, and older ones from the daily
    statistics. For runs that are older than all statistics, the range covers all of them.
    """
    (kept,) = transaction.rows(queries.KEPT_PERIODS)
    first_day, first_hour, counted_below = kept
    yield counted_below, search.below, None
    search = replace(search, below=min(search.below, counted_below))
    if first_day is None:
        yield 0, search.below, None
        return
    wanted: set[int] | None = None
    if search.registrations is not None:
        wanted = {one for ids in search.registrations.values() for one in ids}
    days = time_of(search.first_id) // DAY_US, time_of(search.below) // DAY_US
    asked: Parameters = {"first": days[0], "last": days[1], "min_duration_us": search.min_duration_us}
    for day, rows in groupby(transaction.rows(queries.LONG_DAYS, asked), key=lambda row: row["day"]):
        of_day = {row["registration_id"] for row in rows}
        if wanted is not None and not (of_day := of_day & wanted):
            continue
        if first_hour is None or day * 24 < first_hour:
            yield first_id_at(day * DAY_US), min(first_id_at((day + 1) * DAY_US), search.below), of_day
            continue
        hours = transaction.rows(queries.LONG_HOURS, {**asked, "first": day * 24, "last": day * 24 + 23})
        for hour, rows_of_hour in groupby(hours, key=lambda row: row["hour"]):
            of_hour = {row["registration_id"]: row["runs"] for row in rows_of_hour if row["registration_id"] in of_day}
            if of_hour:
                # A walk along all runs of the hour is faster than look-ups of many runs through an index.
                few = wanted is not None or sum(of_hour.values()) <= _MAX_LOOK_UPS
                end = min(first_id_at((hour + 1) * HOUR_US), search.below)
                yield first_id_at(hour * HOUR_US), end, of_hour if few else None
    yield 0, min(first_id_at(first_day * DAY_US), search.below), None


def _ids(transaction: ReadTransaction, statement: str, parameters: Parameters) -> list[int]:
    return [row["id"] for row in transaction.rows(statement, parameters)]


def _merged(pages: Iterable[list[int]], limit: int) -> list[int]:
    """Return the highest ids of all pages, without repeats."""
    return nlargest(limit, {one for page in pages for one in page})
