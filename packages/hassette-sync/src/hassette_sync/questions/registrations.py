"""Questions about handlers, jobs and apps."""

import functools
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from sqlite3 import Row
from typing import get_args
from urllib.parse import quote, unquote

from hassette_store.ids import MAX_ID
from hassette_store.statuses import STATUS_NAMES
from hassette_sync.answers.kinds import Kind
from hassette_sync.answers.registrations import (
    AppSummary,
    HeatCell,
    HeatMap,
    NotRun,
    Registration,
    RegistrationDetail,
    Registrations,
    Setting,
    SkipReason,
    Source,
)
from hassette_sync.answers.values import Percentiles
from hassette_sync.errors import BadQuestionError, NotFoundError
from hassette_sync.queries import registrations as queries
from hassette_sync.queries.runs import NOT_RUNS
from hassette_sync.queries.statistics import statistics_sql
from hassette_sync.questions.failing import MAX_CHECKED
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.restrictions import disabled_ids, restrictions
from hassette_sync.questions.rows import (
    bucket_value_us,
    facts_of,
    registration_ref,
    trigger_of,
)
from hassette_sync.questions.runs import check_kind, known_app
from hassette_sync.questions.silences import without_silenced
from hassette_sync.questions.sketches import (
    Durations,
    durations_of_one,
    percentiles,
    percentiles_by_registration,
)
from hassette_sync.questions.statistics import Sums, sums_by_registration
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import Periods, TimeRange

# Upper limits of the duration bands of a heat map: two per power of ten, each about three times the previous one.
BANDS_US = (300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
MAX_LISTED = 5_000
# Each text of this form is a place in the list, so that the description of the API can state the form.
_CURSOR = re.compile("([0-9]{1,19}):([A-Za-z0-9_.~%-]*:[A-Za-z0-9_.~%-]*:[A-Za-z0-9_.~%-]*)")
_AFTER = ("after_app", "after_instance", "after_name", "after_id")


async def registration_list(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    kind: str | None = None,
    app: str | None = None,
    retired: bool = True,
    idle: bool = True,
    cursor: str | None = None,
    limit: int = MAX_LISTED,
) -> Registrations:
    """Return one page of handlers and jobs with their figures, ordered by name.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the figures.
        kind: ``handler`` or ``job``; None for both.
        app: Key of an app; None for all.
        retired: If false, the list contains only current and disabled registrations.
        idle: If false, the list leaves out retired registrations without runs in the time range.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of registrations, up to 5,000.
    """
    check_kind(kind)
    if not 1 <= limit <= MAX_LISTED:
        raise BadQuestionError(f"must be from 1 to {MAX_LISTED}, got {limit!r}.", parameter="limit")
    after = _parse_cursor(cursor) if cursor else None
    periods = await periods_of(transaction, time_range)
    app = await known_app(transaction, app) if app is not None else None
    among = await _ids_of(transaction, kind, app)
    active = list(await sums_by_registration(transaction, periods, among)) if retired and not idle else []
    parameters: Parameters = {
        "kind": kind,
        "app": app,
        "retired": retired and idle,
        "registrations": json.dumps(active),
        "disabled": await disabled_ids(transaction),
        "limit": limit + 1,
    }
    if after is not None:
        parameters |= dict(zip(_AFTER, after, strict=True))
    statement = queries.registrations_sql(of_app=app is not None, after=after is not None)
    listed = await transaction.all(statement, parameters)
    last = listed[limit - 1] if len(listed) > limit else None
    hidden = await transaction.one(queries.hidden_sql(), parameters)
    return Registrations(
        registrations=await _with_figures(transaction, periods, listed[:limit], among),
        next_cursor=_cursor_of(last) if last is not None else None,
        hidden=hidden["hidden"] if hidden is not None else 0,
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


async def _ids_of(transaction: ReadTransaction, kind: str | None, app: str | None) -> list[int] | None:
    """Return the ids of the handlers and jobs of an app, a kind or both; None for all."""
    if kind is None and app is None:
        return None
    rows = await transaction.once(queries.APPS_AND_KINDS)
    return [row["id"] for row in rows if kind in (None, row["kind"]) and app in (None, row["app"])]


def _cursor_of(row: Row) -> str:
    return ":".join([str(row["id"]), *(quote(row[key], safe="") for key in ("app", "instance", "name"))])


def _parse_cursor(cursor: str) -> tuple[str, str, str, int]:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None or int(parts[1]) > MAX_ID:
        raise BadQuestionError(
            f"must be the next_cursor of a page of handlers or jobs, got {cursor[:40]!r}.", parameter="cursor"
        )
    app, instance, name = (unquote(part) for part in parts[2].split(":"))
    return app, instance, name, int(parts[1])


async def failing_registrations(
    transaction: ReadTransaction, time_range: TimeRange, *, limit: int
) -> tuple[tuple[Registration, ...], tuple[int, ...], int]:
    """Return the handlers and jobs with the most failures. Those with only silenced failures are left out.

    Returns:
        The first ``limit`` of them with their figures, the ids of the first 500, and the number of all.
    """
    periods = await periods_of(transaction, time_range)
    names = {row["id"]: row["name"] for row in await transaction.once(queries.APPS_AND_KINDS)}
    sums = await sums_by_registration(transaction, periods)
    failing = sorted((-one.failed, names[id_], id_) for id_, one in sums.items() if one.failed and id_ in names)
    checked = tuple(id_ for _, _, id_ in failing[: max(limit, MAX_CHECKED)])
    ids = await without_silenced(transaction, checked, periods.time_range)
    shown: Parameters = {"registrations": json.dumps(ids[:limit]), "disabled": await disabled_ids(transaction)}
    listed = await transaction.all(queries.SOME_REGISTRATIONS, shown)
    listed.sort(key=lambda row: ids.index(row["id"]))
    return await _with_figures(transaction, periods, listed, None), ids, len(failing) - len(checked) + len(ids)


async def _with_figures(
    transaction: ReadTransaction, periods: Periods, rows: list[Row], among: list[int] | None
) -> tuple[Registration, ...]:
    """Add figures to handlers and jobs.

    Args:
        transaction: Read transaction of the question.
        periods: Hours or days of the figures.
        rows: The handlers and jobs.
        among: Ids whose sums the question needs anyway; None for all handlers and jobs.
    """
    wanted = [row["id"] for row in rows]
    ids = json.dumps(wanted)
    some: Parameters = {"first": periods.first, "last": periods.last, "registrations": ids}
    sums = await sums_by_registration(transaction, periods, among)
    ranks = await percentiles_by_registration(transaction, periods, wanted, among)
    newest = {row["registration_id"]: row for row in await transaction.all(queries.NEWEST_RUNS, {"registrations": ids})}
    skipped = {
        row["registration_id"]: row["count"]
        for row in await transaction.all(statistics_sql(periods.unit).skips_by_registration, some)
    }
    return tuple(
        _registration(row, sums.get(row["id"]), ranks.get(row["id"]), newest.get(row["id"]), skipped.get(row["id"], 0))
        for row in rows
    )


def _registration(
    row: Row, sums: Sums | None, ranks: Percentiles | None, newest: Row | None, skipped: int
) -> Registration:
    sums = sums or Sums()
    return Registration(
        id=row["id"],
        kind=row["kind"],
        app=row["app"],
        instance=row["instance"],
        name=row["name"],
        listens_to=row["listens_to"],
        handler=row["handler"],
        counts=sums.counts(),
        percentiles=(ranks or Percentiles()).at_most(sums.max_us),
        mean_us=sums.mean_us,
        max_us=sums.max_us,
        skipped=skipped,
        last_run_id=newest["run_id"] if newest is not None else None,
        last_status=newest["status"] if newest is not None else None,
        disabled=bool(row["disabled"]),
        retired_us=row["retired_us"],
    )


async def registration_detail(
    transaction: ReadTransaction, registration_id: int, time_range: TimeRange | None = None
) -> RegistrationDetail:
    """Return one handler or job: settings, source, figures, heat map, and why triggers led to no run.

    Raises:
        NotFoundError: The history has no registration with this id.
    """
    row = await transaction.one(
        queries.REGISTRATION, {"registration_id": registration_id, "disabled": await disabled_ids(transaction)}
    )
    if row is None:
        raise NotFoundError("handler or job", registration_id)
    periods = await periods_of(transaction, time_range)
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    by_period = await transaction.all(statements.of_one_by_period, within)
    newest = await transaction.one(queries.NEWEST_RUN, within)
    durations = await durations_of_one(transaction, periods, registration_id)
    reasons: Counter[str] = Counter()
    for skip in await transaction.all(statements.skips_of_one, within):
        reasons[skip["reason"]] += skip["count"]
    sums = Sums()
    for period in by_period:
        sums.add_counted([period[status] for status in STATUS_NAMES], period["total_us"], period["max_us"])
    registration = _registration(row, sums, percentiles(durations.values()), newest, reasons.total())
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
        heat_map=_heat_map(durations, periods),
        skips=tuple(
            SkipReason(registration=registration.ref, reason=reason, count=count)
            for reason, count in reasons.most_common()
        ),
        not_runs=tuple(
            NotRun(
                at_us=row["at_us"],
                reason=row["reason"] or "?",
                detail=row["detail"] or "",
                trigger=trigger_of(row) if row["has_trigger"] else None,
            )
            for row in await transaction.all(NOT_RUNS, within)
        ),
        since_us=periods.since_us,
        until_us=periods.until_us,
    )


def _heat_map(durations: Mapping[int, Durations], periods: Periods) -> HeatMap:
    cells: Counter[tuple[int, int]] = Counter()
    for period, one in durations.items():
        for bucket, count in one.counts().items():
            cells[period // periods.step * periods.length_us, _band(bucket)] += count
    return HeatMap(
        period_length_us=periods.length_us,
        bands_us=BANDS_US,
        cells=tuple(
            HeatCell(period_us=period_us, band=band, count=count) for (period_us, band), count in sorted(cells.items())
        ),
    )


@functools.cache
def _band(bucket: int) -> int:
    value = bucket_value_us(bucket)
    return next((band for band, limit in enumerate((*BANDS_US, math.inf)) if value <= limit), len(BANDS_US))


async def skip_reasons(
    transaction: ReadTransaction, time_range: TimeRange | None = None, *, limit: int = 100
) -> tuple[SkipReason, ...]:
    """Return the numbers of triggers without a run, by registration and reason, most frequent first."""
    periods = await periods_of(transaction, time_range)
    within: Parameters = {"first": periods.first, "last": periods.last, "limit": limit}
    return tuple(
        SkipReason(registration=registration_ref(row), reason=row["reason"], count=row["count"])
        for row in await transaction.all(statistics_sql(periods.unit).skips, within)
    )


async def app_summaries(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    app: str | None = None,
) -> tuple[AppSummary, ...]:
    """Return the apps with their figures. An app without current registrations is listed if it is disabled or has runs.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range of the figures.
        app: Key of the only wanted app; None for all.
    """
    found = await restrictions(transaction)
    disabled = {one.subject for one in found if one.kind == "disabled" and app in (None, one.subject)}
    periods = await periods_of(transaction, time_range)
    apps = {row["id"]: row["app"] for row in await transaction.once(queries.APPS_AND_KINDS)}
    sums: defaultdict[str, Sums] = defaultdict(Sums)
    among = await _ids_of(transaction, None, app)
    for registration_id, one in (await sums_by_registration(transaction, periods, among)).items():
        if registration_id in apps:
            sums[apps[registration_id]].add(one)
    by_app: dict[str, list[Row]] = defaultdict(list)
    for row in await transaction.all(queries.MEMBERS, {"app": app, "disabled": await disabled_ids(transaction)}):
        by_app[row["app"]].append(row)
    return tuple(
        _app_summary(name, by_app[name], sums.get(name))
        for name in sorted({*disabled, *by_app})
        if name in sums or name in disabled or any(row["current"] for row in by_app[name])
    )


def _app_summary(app: str, members: list[Row], sums: Sums | None) -> AppSummary:
    sums = sums or Sums()
    current = Counter[str]()
    for row in members:
        current[row["kind"]] += row["current"]
    return AppSummary(
        app=app,
        instances=tuple(dict.fromkeys(row["instance"] for row in members)),
        **{f"{kind}s": current[kind] for kind in get_args(Kind)},
        counts=sums.counts(),
        total_us=sums.total_us,
    )
