"""Questions about handlers, jobs and apps."""

import math
from collections import Counter, defaultdict
from sqlite3 import Row

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
from hassette_sync.answers.values import RegistrationRef
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.queries import registrations as queries
from hassette_sync.queries.statistics import by_unit
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.rows import bucket_value_us, counts_of, facts_of, percentiles_of, sum_of
from hassette_sync.reader import Parameters, Snapshot
from hassette_sync.time_range import Periods, TimeRange

_VIEW_KINDS = {"handler": "listener", "job": "job"}
_KINDS = {"listener": "handler", "job": "job"}
# Bands of a heat map: people think of durations in these steps.
BANDS_US = (300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)


async def registrations(
    snapshot: Snapshot,
    time_range: TimeRange,
    *,
    kind: str | None = None,
    app: str | None = None,
    retired: bool = True,
    with_percentiles: bool = True,
    limit: int | None = 5_000,
) -> Registrations:
    """Answer handlers and jobs with what they did.

    Args:
        snapshot: The moment to look at.
        time_range: Over which time to count.
        kind: ``handler`` or ``job``; None for both.
        app: Only this app's.
        retired: Also those that are no longer registered.
        with_percentiles: Also the percentiles, which cost most by far.
        limit: How many at most, by name; None for all.
    """
    if kind is not None and kind not in _VIEW_KINDS:
        raise BadQuestionError(f"{kind!r} is not a kind of registration. Choose handler or job.")
    asked: Parameters = {"kind": _VIEW_KINDS[kind] if kind else None, "app": app}
    rows = await snapshot.all(queries.REGISTRATIONS, asked)
    periods = await periods_of(snapshot, time_range)
    statements = by_unit(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    sums = {row["registration_id"]: row for row in await snapshot.all(statements.by_registration, within)}
    ranks: dict[int, Row] = {}
    if with_percentiles:
        rows_of_ranks = await snapshot.all(statements.percentiles_by_registration, within)
        ranks = {row["registration_id"]: row for row in rows_of_ranks}
    newest = {row["registration_id"]: row for row in await snapshot.all(queries.NEWEST_RUNS)}
    skipped: Counter[int] = Counter()
    for row in await snapshot.all(statements.skips, within):
        skipped[row["registration_id"]] += row["count"]
    return Registrations(
        registrations=tuple(
            _registration(row, sums.get(row["id"]), ranks.get(row["id"]), newest.get(row["id"]), skipped[row["id"]])
            for row in [row for row in rows if retired or row["retired_us"] is None][:limit]
        ),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


def _registration(row: Row, sums: Row | None, ranks: Row | None, newest: Row | None, skipped: int) -> Registration:
    counts = counts_of(sums)
    # Interrupted runs have no duration.
    timed = counts.total - counts.interrupted
    newest_id: int | None = None
    if newest is not None:
        newest_id = newest["run_id"] if "run_id" in newest.keys() else newest["id"]  # noqa: SIM118  a Row iterates its values
    return Registration(
        id=row["id"],
        kind=_KINDS[row["kind"]],  # pyright: ignore[reportArgumentType]
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
        last_run_id=newest_id,
        last_status=newest["status"] if newest is not None else None,
        retired_us=row["retired_us"],
    )


async def registration_detail(snapshot: Snapshot, registration_id: int, time_range: TimeRange) -> RegistrationDetail:
    """Answer all about one handler or job."""
    row = await snapshot.one(queries.REGISTRATION, {"registration_id": registration_id})
    if row is None:
        raise NotFoundError("handler or job", registration_id)
    periods = await periods_of(snapshot, time_range)
    statements = by_unit(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    by_period = await snapshot.all(statements.of_one_by_period, within)
    newest = await snapshot.one(queries.NEWEST_RUN, within)
    ranks = await snapshot.one(statements.percentiles_of_one, within)
    reasons: Counter[str] = Counter()
    for skip in await snapshot.all(statements.skips_of_one, within):
        reasons[skip["reason"]] += skip["count"]
    counts = sum_of([counts_of(period) for period in by_period])
    timed = counts.total - counts.interrupted
    answer = _registration(row, None, ranks, newest, reasons.total()).model_copy(
        update={
            "counts": counts,
            "mean_us": sum(period["total_us"] for period in by_period) // timed if timed else None,
            "max_us": max((period["max_us"] for period in by_period), default=0),
        }
    )
    return RegistrationDetail(
        registration=answer,
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
        heat_map=_heat_map(await snapshot.all(statements.sketch_of_one, within), periods),
        skips=tuple(
            SkipReason(registration=answer.ref, reason=reason, count=count) for reason, count in reasons.most_common()
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


async def skips(snapshot: Snapshot, time_range: TimeRange, limit: int = 100) -> tuple[SkipReason, ...]:
    """Answer what did not run and why, the most frequent first."""
    periods = await periods_of(snapshot, time_range)
    names = await _names(snapshot)
    rows = await snapshot.all(by_unit(periods.unit).skips, {"first": periods.first, "last": periods.last})
    return tuple(
        SkipReason(registration=names[row["registration_id"]], reason=row["reason"], count=row["count"])
        for row in rows[:limit]
        if row["registration_id"] in names
    )


async def _names(snapshot: Snapshot) -> dict[int, RegistrationRef]:
    return {
        row["id"]: RegistrationRef(
            id=row["id"],
            kind=_KINDS[row["kind"]],  # pyright: ignore[reportArgumentType]
            app=row["app"],
            instance=row["instance"],
            name=row["name"],
        )
        for row in await snapshot.all(queries.REGISTRATIONS, {"kind": None, "app": None})
    }


async def apps(snapshot: Snapshot, time_range: TimeRange) -> tuple[AppSummary, ...]:
    """Answer the apps with what they did; one whose registrations have all retired only if it did something."""
    periods = await periods_of(snapshot, time_range)
    rows = await snapshot.all(by_unit(periods.unit).by_registration, {"first": periods.first, "last": periods.last})
    sums = {row["registration_id"]: row for row in rows}
    by_app: dict[str, list[Row]] = defaultdict(list)
    for row in await snapshot.all(queries.REGISTRATIONS, {"kind": None, "app": None}):
        by_app[row["app"]].append(row)
    return tuple(
        AppSummary(
            app=app,
            instances=tuple(dict.fromkeys(row["instance"] for row in members)),
            handlers=sum(row["kind"] == "listener" and row["retired_us"] is None for row in members),
            jobs=sum(row["kind"] == "job" and row["retired_us"] is None for row in members),
            counts=sum_of([counts_of(sums.get(row["id"])) for row in members]),
            total_us=sum(sums[row["id"]]["total_us"] for row in members if row["id"] in sums),
        )
        for app, members in by_app.items()
        if any(row["retired_us"] is None or row["id"] in sums for row in members)
    )
