"""Questions about handlers, jobs and apps."""

import math
from collections import Counter, defaultdict
from sqlite3 import Row
from typing import get_args

from hassette_sync.answers.kinds import Kind, RegistrationRef
from hassette_sync.answers.registrations import (
    AppSummary,
    HeatCell,
    HeatMap,
    Registration,
    RegistrationDetail,
    Registrations,
    Setting,
    SkipReason,
    Source,
)
from hassette_sync.errors import NotFoundError
from hassette_sync.queries import registrations as queries
from hassette_sync.queries.statistics import statistics_sql
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.rows import (
    bucket_value_us,
    counts_of,
    facts_of,
    percentiles_of,
    registration_ref,
    sum_of,
)
from hassette_sync.questions.runs import check_kind, known_app
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import Periods, TimeRange

# Upper limits of the duration bands of a heat map: two per power of ten, each about three times the previous one.
BANDS_US = (300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
_MAX_LISTED = 5_000


async def registration_list(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    kind: str | None = None,
    app: str | None = None,
    retired: bool = True,
) -> Registrations:
    """Return handlers and jobs with their figures, ordered by name, at most 5,000.

    ``kind`` is ``handler`` or ``job``, and ``app`` is the key of an app. None means all. If ``retired`` is false, the
    list contains only current registrations.
    """
    check_kind(kind)
    periods = await periods_of(transaction, time_range)
    within: Parameters = {"first": periods.first, "last": periods.last}
    percentiles = await transaction.all(statistics_sql(periods.unit).percentiles_by_registration, within)
    ranks = {row["registration_id"]: row for row in percentiles}
    app = await known_app(transaction, app) if app is not None else None
    rows = await transaction.all(queries.REGISTRATIONS, {"kind": kind, "app": app})
    listed = [row for row in rows if retired or row["retired_us"] is None][:_MAX_LISTED]
    return Registrations(
        registrations=await _with_figures(transaction, periods, listed, ranks),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


async def failing_registrations(transaction: ReadTransaction, time_range: TimeRange) -> list[Registration]:
    """Return all handlers and jobs with failures, most failures first, without percentiles.

    The list has no limit. An app that gives each of its jobs a different name may have thousands of jobs, and a limit
    could hide failures. The list has no percentiles, because they would take most of the time.
    """
    periods = await periods_of(transaction, time_range)
    rows = await transaction.all(queries.REGISTRATIONS, {"kind": None, "app": None})
    registrations = await _with_figures(transaction, periods, rows, {})
    failing = (registration for registration in registrations if registration.counts.failed)
    return sorted(failing, key=lambda registration: (-registration.counts.failed, registration.name))


async def _with_figures(
    transaction: ReadTransaction, periods: Periods, rows: list[Row], ranks: dict[int, Row]
) -> tuple[Registration, ...]:
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    sums = {row["registration_id"]: row for row in await transaction.all(statements.by_registration, within)}
    newest = {row["registration_id"]: row for row in await transaction.all(queries.NEWEST_RUNS)}
    skipped: Counter[int] = Counter()
    for row in await transaction.all(statements.skips, within):
        skipped[row["registration_id"]] += row["count"]
    return tuple(
        _registration(row, sums.get(row["id"]), ranks.get(row["id"]), newest.get(row["id"]), skipped[row["id"]])
        for row in rows
    )


def _registration(row: Row, sums: Row | None, ranks: Row | None, newest: Row | None, skipped: int) -> Registration:
    counts = counts_of(sums)
    # Interrupted runs do not count for the mean, because the statistics do not contain their durations.
    timed = counts.total - counts.interrupted
    return Registration(
        id=row["id"],
        kind=row["kind"],
        app=row["app"],
        instance=row["instance"],
        name=row["name"],
        listens_to=row["listens_to"],
        handler=row["handler"],
        counts=counts,
        percentiles=percentiles_of(ranks),
        mean_us=sums["total_us"] // timed if sums is not None and timed else None,
        max_us=sums["max_us"] if sums is not None else 0,
        skipped=skipped,
        last_run_id=newest["run_id"] if newest is not None else None,
        last_status=newest["status"] if newest is not None else None,
        retired_us=row["retired_us"],
    )


async def registration_detail(
    transaction: ReadTransaction, registration_id: int, time_range: TimeRange | None = None
) -> RegistrationDetail:
    """Return one handler or job: settings, source, figures, heat map, and why triggers led to no run.

    Raises:
        NotFoundError: The history has no registration with this id.
    """
    row = await transaction.one(queries.REGISTRATION, {"registration_id": registration_id})
    if row is None:
        raise NotFoundError("handler or job", registration_id)
    periods = await periods_of(transaction, time_range)
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    by_period = await transaction.all(statements.of_one_by_period, within)
    newest = await transaction.one(queries.NEWEST_RUN, within)
    ranks = await transaction.one(statements.percentiles_of_one, within)
    reasons: Counter[str] = Counter()
    for skip in await transaction.all(statements.skips_of_one, within):
        reasons[skip["reason"]] += skip["count"]
    counts = sum_of(counts_of(period) for period in by_period)
    timed = counts.total - counts.interrupted
    registration = _registration(row, None, ranks, newest, reasons.total()).model_copy(
        update={
            "counts": counts,
            "mean_us": sum(period["total_us"] for period in by_period) // timed if timed else None,
            "max_us": max((period["max_us"] for period in by_period), default=0),
        }
    )
    return RegistrationDetail(
        registration=registration,
        settings=tuple(Setting(name=name, value=value) for name, value in facts_of(row["settings"]).items()),
        source=(
            Source(file=row["source_file"], line=row["source_line"] or 0, snippet=row["source_snippet"] or "")
            if row["source_file"]
            else None
        ),
        runs_in=row["runs_in"],
        timeout_s=row["timeout_s"],
        first_registered_us=row["first_registered_us"],
        last_registered_us=row["last_registered_us"],
        heat_map=_heat_map(await transaction.all(statements.sketch_of_one, within), periods),
        skips=tuple(
            SkipReason(registration=registration.ref, reason=reason, count=count)
            for reason, count in reasons.most_common()
        ),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


def _heat_map(rows: list[Row], periods: Periods) -> HeatMap:
    cells: Counter[tuple[int, int]] = Counter()
    for row in rows:
        cells[row["period"] // periods.step * periods.length_us, _band(row["bucket"])] += row["count"]
    return HeatMap(
        period_length_us=periods.length_us,
        bands_us=BANDS_US,
        cells=tuple(
            HeatCell(period_us=period_us, band=band, count=count) for (period_us, band), count in sorted(cells.items())
        ),
    )


def _band(bucket: int) -> int:
    value = bucket_value_us(bucket)
    return next((band for band, limit in enumerate((*BANDS_US, math.inf)) if value <= limit), len(BANDS_US))


async def skip_reasons(
    transaction: ReadTransaction, time_range: TimeRange | None = None, *, limit: int = 100
) -> tuple[SkipReason, ...]:
    """Return how many triggers did not lead to a run, by registration and reason, most frequent first."""
    periods = await periods_of(transaction, time_range)
    names = await _names(transaction)
    rows = await transaction.all(statistics_sql(periods.unit).skips, {"first": periods.first, "last": periods.last})
    return tuple(
        SkipReason(registration=names[row["registration_id"]], reason=row["reason"], count=row["count"])
        for row in rows[:limit]
        if row["registration_id"] in names
    )


async def _names(transaction: ReadTransaction) -> dict[int, RegistrationRef]:
    rows = await transaction.all(queries.REGISTRATIONS, {"kind": None, "app": None})
    return {row["id"]: registration_ref(row) for row in rows}


async def app_summaries(transaction: ReadTransaction, time_range: TimeRange | None = None) -> tuple[AppSummary, ...]:
    """Return the apps with their figures. An app without current registrations is listed only if it has runs."""
    periods = await periods_of(transaction, time_range)
    rows = await transaction.all(
        statistics_sql(periods.unit).by_registration, {"first": periods.first, "last": periods.last}
    )
    sums = {row["registration_id"]: row for row in rows}
    by_app: dict[str, list[Row]] = defaultdict(list)
    for row in await transaction.all(queries.REGISTRATIONS, {"kind": None, "app": None}):
        by_app[row["app"]].append(row)
    return tuple(
        _app_summary(app, members, sums)
        for app, members in by_app.items()
        if any(row["retired_us"] is None or row["id"] in sums for row in members)
    )


def _app_summary(app: str, members: list[Row], sums: dict[int, Row]) -> AppSummary:
    current = Counter(row["kind"] for row in members if row["retired_us"] is None)
    return AppSummary(
        app=app,
        instances=tuple(dict.fromkeys(row["instance"] for row in members)),
        **{f"{kind}s": current[kind] for kind in get_args(Kind)},
        counts=sum_of(counts_of(sums.get(row["id"])) for row in members),
        total_us=sum(sums[row["id"]]["total_us"] for row in members if row["id"] in sums),
    )
