"""Facets: values of the filters on runs, with numbers of runs."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from hassette_store.kinds import KINDS
from hassette_store.statuses import FAILED_STATUSES, STATUS_NAMES
from hassette_sync.answers.runs import Facet, RunFacets
from hassette_sync.queries.registrations import APPS_AND_KINDS
from hassette_sync.queries.run_search import STATUSES_BY_ID
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.run_filters import RunSearch
from hassette_sync.questions.run_search import newest_ids
from hassette_sync.questions.runs import RunFilter, known_app, resolved_search
from hassette_sync.questions.statistics import sums_by_registration
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import Periods, TimeRange

MAX_COUNTED = 500
"""Maximum number of runs that are counted one by one."""


class _Group(NamedTuple):
    """Runs that all filters see alike."""

    app: str
    kind: str
    status: str


async def facets_of_runs(
    transaction: ReadTransaction, time_range: TimeRange | None = None, run_filter: RunFilter | None = None
) -> RunFacets:
    """Return the values of the filters on runs. The number at each value respects all other filters."""
    periods = await periods_of(transaction, time_range)
    run_filter = run_filter or RunFilter()
    app = await known_app(transaction, run_filter.app) if run_filter.app is not None else None
    registrations = {row["id"]: (row["app"], row["kind"]) for row in await transaction.all(APPS_AND_KINDS)}
    others = replace(run_filter, app=None, kind=None, status=None)
    if others == RunFilter(registration_id=run_filter.registration_id):
        runs, complete = await _from_statistics(transaction, periods, others, registrations), True
    else:
        runs, complete = await _from_rows(transaction, periods, others, registrations)
    statuses = FAILED_STATUSES if run_filter.status == "failed" else (run_filter.status,)

    def of_app(one: _Group) -> bool:
        return app in (None, one.app)

    def of_kind(one: _Group) -> bool:
        return run_filter.kind in (None, one.kind)

    def of_status(one: _Group) -> bool:
        return run_filter.status is None or one.status in statuses

    def count(value: Callable[[_Group], str], *conditions: Callable[[_Group], bool]) -> Counter[str]:
        counts: Counter[str] = Counter()
        for one, number in runs.items():
            if all(condition(one) for condition in conditions):
                counts[value(one)] += number
        return counts

    by_app = count(lambda one: one.app, of_kind, of_status)
    by_app.update({name: 0 for name, _ in registrations.values()})
    by_status = count(lambda one: one.status, of_app, of_kind)
    by_kind = count(lambda one: one.kind, of_app, of_status)
    failed = sum(by_status[name] for name in FAILED_STATUSES)
    return RunFacets(
        apps=tuple(Facet(value=name, count=number) for name, number in sorted(by_app.items())),
        statuses=(
            Facet(value="failed", count=failed),
            *(Facet(value=name, count=by_status[name]) for name in STATUS_NAMES),
        ),
        kinds=tuple(Facet(value=kind.name, count=by_kind[kind.name]) for kind in KINDS),
        complete=complete,
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


_Registrations = dict[int, tuple[str, str]]
"""App and kind of each registration."""
_UNKNOWN = ("?", "?")


async def _from_statistics(
    transaction: ReadTransaction, periods: Periods, run_filter: RunFilter, registrations: _Registrations
) -> Counter[_Group]:
    wanted = None if run_filter.registration_id is None else [run_filter.registration_id]
    runs: Counter[_Group] = Counter()
    for registration_id, sums in (await sums_by_registration(transaction, periods, wanted)).items():
        app, kind = registrations.get(registration_id, _UNKNOWN)
        for status, count in zip(STATUS_NAMES, sums.statuses, strict=True):
            if count:
                runs[_Group(app, kind, status)] += count
    return runs


async def _from_rows(
    transaction: ReadTransaction, periods: Periods, run_filter: RunFilter, registrations: _Registrations
) -> tuple[Counter[_Group], bool]:
    time_range = periods.time_range
    search = RunSearch(first_id=time_range.first_id, below=time_range.end_id, limit=MAX_COUNTED + 1)
    ids = newest_ids(transaction, await resolved_search(transaction, run_filter, search))
    runs: Counter[_Group] = Counter()
    for row in await transaction.all(STATUSES_BY_ID, {"ids": json.dumps(ids[:MAX_COUNTED])}):
        app, kind = registrations.get(row["registration_id"], _UNKNOWN)
        runs[_Group(app, kind, row["status"] or "?")] += row["count"]
    return runs, len(ids) <= MAX_COUNTED
