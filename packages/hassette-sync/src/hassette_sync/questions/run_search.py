"""Find the newest runs that meet a filter: first their ids, through the most selective index.

The cost follows the answer, not the history. Long runs are found through the statistics, which know the longest run of
each registration and hour. Filters that exclude each other, and unknown names, are answered without reading runs.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from heapq import nlargest
from itertools import chain, groupby, islice

from hassette_store.derived.search_index import ENTITY, FAILED, FAILED_ENTITY, duration_term, value_term
from hassette_store.ids import first_id_at, time_of
from hassette_store.kinds import HANDLER, RunKind
from hassette_store.periods import DAY_US, HOUR_US
from hassette_sync.queries import run_search as queries
from hassette_sync.queries.runs import NEWEST_ID
from hassette_sync.questions.run_filters import RunSearch
from hassette_sync.questions.run_index import (
    CoveredRuns,
    Terms,
    can_find,
    candidate_ranges,
    covered_runs,
)
from hassette_sync.questions.run_places import places_of_text
from hassette_sync.reader import Parameters, ReadTransaction, is_interruption

# For more registrations, one statement first finds those with the newest runs.
_MAX_STATEMENTS = 20
# Above this number of runs of an hour, the hour is read along the primary key.
_MAX_LOOK_UPS = 500
# The index is read once for each combination of a filter and a place of the text, such as the name of an entity. Above
# this number of combinations, it is read only for the places, and the statement on the runs checks the filters.
_MAX_COMBINATIONS = 20
# The first statement reads few minutes. Each later one reads at most _GROWTH times as many minutes as the one before.
_FIRST_MINUTES = 4
_GROWTH = 4
# Ends of the slices of a text search, in hours before its end.
_SLICES_HOURS = (1, 6, 24, 72, 240)


def newest_ids(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    """Return the ids of the newest runs, newest first."""
    search = _within_session(transaction, search)
    if search.entities is not None:
        search = replace(search, kinds=tuple(kind for kind in search.kinds if kind is HANDLER))
    if not search.kinds or search.first_id >= search.below or search.entities == ():
        return []
    try:
        return _newest(transaction, search, covered_runs(transaction) if _has_terms(search) else None)
    except sqlite3.DatabaseError as error:
        # The index may be lost or damaged. The rows give the same answer. Damaged rows raise an error again.
        if is_interruption(error):
            raise
        return _newest(transaction, search, None)


def _newest(transaction: ReadTransaction, search: RunSearch, covered: CoveredRuns | None) -> list[int]:
    """Return the newest runs. Use the index for the runs that it covers, and read the rows of newer and older runs."""
    if covered is None or not _has_terms(search):
        return _from_rows(transaction, search)
    found: list[int] = []
    limits = (search.first_id, covered.first_id, covered.below, search.below)
    for number in (2, 1, 0):
        first_id, below = max(search.first_id, limits[number]), min(search.below, limits[number + 1])
        if first_id < below:
            part = replace(search, first_id=first_id, below=below, limit=search.limit - len(found))
            found += _from_index(transaction, part, covered) if number == 1 else _from_rows(transaction, part)
            if len(found) >= search.limit:
                break
    return found


def _from_rows(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    if search.text is not None:
        return _in_slices(transaction, search, search.text)
    return _without_text(transaction, search)


def _has_terms(search: RunSearch) -> bool:
    """Return whether the index makes the search faster than the other indexes of the tables of runs."""
    if search.text is not None:
        return can_find(search.text)
    if search.entities is not None:
        return search.error_group_id is None
    # The statistics know the longest run of each registration and hour.
    is_of_all = search.registrations is None and search.statuses is None and search.error_group_id is None
    return is_of_all and search.min_duration_us is not None and duration_term(search.min_duration_us) is not None


def _from_index(transaction: ReadTransaction, search: RunSearch, covered: CoveredRuns) -> list[int]:
    """Return the newest runs in a range that the index covers."""
    if search.text is None:
        conditions, parameters = search.with_registrations()
        statements = [queries.newest_in_ranges_sql(kind, conditions) for kind in search.kinds]
        return _in_minutes(transaction, search, covered, statements, parameters, _terms_of_filters(search))
    found = _of_named_registrations(transaction, search, search.text, covered)
    for place in places_of_text(transaction, search, search.text):
        if len(found) >= search.limit:
            # Older runs would not be on the page.
            search = replace(search, first_id=found[-1])
        parameters = {**place.parameters, "first_id": search.first_id}
        if place.terms:
            filters = _terms_of_filters(search)
            terms = tuple((*some, *one) for one in place.terms for some in filters)
            if len(terms) > _MAX_COMBINATIONS:
                terms = place.terms
            pages = _in_minutes(transaction, search, covered, [place.statement(in_ranges=True)], parameters, terms)
        else:
            pages = _ids(transaction, place.statement(in_ranges=False), parameters)
        found = _merged([found, pages], search.limit)
    return found


def _terms_of_filters(search: RunSearch) -> tuple[Terms, ...]:
    """Return the terms of the filters on entities, statuses and durations."""
    others: Terms = ()
    if search.min_duration_us is not None and (long := duration_term(search.min_duration_us)) is not None:
        others = (long,)
    failed = search.statuses is not None
    if search.entities is not None:
        kind = FAILED_ENTITY if failed else ENTITY
        return tuple((value_term(kind, one), *others) for one in search.entities)
    return ((FAILED, *others) if failed else others,)


def _in_minutes(
    transaction: ReadTransaction,
    search: RunSearch,
    covered: CoveredRuns,
    statements: Sequence[str],
    parameters: Parameters,
    terms: tuple[Terms, ...],
) -> list[int]:
    """Return the newest runs in the minutes with some terms."""
    found: list[int] = []
    candidates = candidate_ranges(transaction, covered, search.first_id, search.below, terms)
    read, most = 0, _FIRST_MINUTES
    while ranges := list(islice(candidates, most)):
        limit = search.limit - len(found)
        values = {**parameters, "ranges": json.dumps(ranges), "limit": limit}
        found += _merged([_ids(transaction, statement, values) for statement in statements], limit)
        if len(found) >= search.limit:
            break
        read += len(ranges)
        # Estimate from the minutes so far how many more fill the page, and add a quarter.
        wanted = (search.limit - len(found)) * read * 5 // (4 * max(len(found), 1)) + 1
        most = min(_GROWTH * most, wanted)
    return found


def _without_text(transaction: ReadTransaction, search: RunSearch) -> list[int]:
    if search.error_group_id is not None:
        conditions, parameters = search.with_registrations()
        return _ids(transaction, queries.failures_sql(search.kinds, conditions, queries.OF_GROUP), parameters)
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
        candidates = [(row["id"], row["registration_id"]) for row in newest if row["id"] is not None]
        registrations = [registration for _, registration in nlargest(search.limit, candidates)]
    statement = queries.of_registration_sql(kind, conditions)
    found: list[int] = []
    for one in registrations:
        if len(found) >= search.limit:
            # Older runs would not be on the page.
            parameters["first_id"] = found[-1]
        found = _merged([found, _ids(transaction, statement, {**parameters, "registration_id": one})], search.limit)
    return found


def _in_slices(transaction: ReadTransaction, search: RunSearch, text: str) -> list[int]:
    """Return the newest runs with a text. Search the newest hours first, and older ones only if the page is not full.

    A place where a text is rare would otherwise be read up to the start of the range, although the page is full.
    """
    found: list[int] = []
    (newest,) = transaction.rows_once(NEWEST_ID)
    below = min(search.below, newest["id"] + 1)
    if below <= search.first_id:
        return found
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
    yield _of_named_registrations(transaction, search, text)
    for place in places_of_text(transaction, search, text):
        yield _ids(transaction, place.statement(in_ranges=False), place.parameters)


def _of_named_registrations(
    transaction: ReadTransaction, search: RunSearch, text: str, covered: CoveredRuns | None = None
) -> list[int]:
    """Return the newest runs of the handlers and jobs whose name, topic or schedule contains the text."""
    if search.only_in_errors:
        return []
    named = {row["id"] for row in transaction.rows_once(queries.REGISTRATIONS_WITH_TEXT, {"text": text})}
    if not named:
        return []
    allowed = search.registrations or _registrations(transaction, search)
    both = {kind: tuple(one for one in ids if one in named) for kind, ids in allowed.items()}
    if not any(both.values()):
        return []
    return _newest(transaction, replace(search, registrations=both, text=None), covered)


def _registrations(transaction: ReadTransaction, search: RunSearch) -> dict[str, tuple[int, ...]]:
    rows = transaction.rows_once(queries.REGISTRATIONS, {"app": None, "id": None})
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
    if search.first_id >= counted_below:
        return
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
    # The pages are sorted already, which makes the sort fast.
    return list(dict.fromkeys(sorted(chain.from_iterable(pages), reverse=True)))[:limit]
