"""Questions about all apps together and about the framework."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hassette_store.file.side_files import log_path, second_files
from hassette_sync.answers.overview import (
    Before,
    Live,
    Overview,
    ShownTimeZone,
    SystemStatus,
    Timeline,
    TimelinePoint,
    Upcoming,
)
from hassette_sync.answers.runs import RunningNow
from hassette_sync.answers.sessions import LifecycleEvent, Session
from hassette_sync.answers.values import Counts
from hassette_sync.formatting import INCIDENT_LABELS, plural, replace_surrogates, rough_duration
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.sessions import EARLY_DELETIONS, EXPECTED_TIME, SCHEMA_REVISION
from hassette_sync.queries.statistics import statistics_sql
from hassette_sync.queries.why_not import REGISTRATION_BY_ID
from hassette_sync.questions.errors import error_groups_page
from hassette_sync.questions.failing import failing_now
from hassette_sync.questions.periods import newest_run_us, periods_of
from hassette_sync.questions.registrations import app_summaries, failing_registrations, skip_reasons
from hassette_sync.questions.restrictions import restrictions
from hassette_sync.questions.rows import counts_of, sum_of
from hassette_sync.questions.runs import RunFilter, runs_page
from hassette_sync.questions.sessions import (
    home_time,
    incidents,
    lifecycle_page,
    losses_by_reason,
    lost_records,
    newest_session,
    uptime_in,
)
from hassette_sync.questions.silences import silenced, silenced_failures
from hassette_sync.questions.sketches import durations_by_period, durations_of_one, percentiles
from hassette_sync.questions.statistics import counts_in, sums_by_period
from hassette_sync.questions.timeline import marks_in, points_by_minute
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import DAY_US, MINUTE_US, SECOND_US, Periods, TimeRange

# https://sqlite.org/wal.html: in earlier versions, two connections that write or checkpoint at the same time can damage
# a file in WAL mode. Hassette has only one writer, but another program might also write.
_SAFE_SQLITE = (3, 51, 3)
# After a checkpoint, SQLite cuts the file of a long log to 16.4 MB. So if the file is longer, SQLite could not start
# the log again.
_LONG_LOG_BYTES = 17_000_000
# Equal runs are shown as one row, so more runs than rows are read.
_RECENT_RUNS = 40
_MAX_FAILING = 8
_MAX_LISTED = 6
# The clocks of two machines may differ by a few seconds. A notice about so small a difference would only disturb.
_CLOCK_TOLERANCE_US = MINUTE_US
_EARLY_FOR_US = 7 * DAY_US


async def status(transaction: ReadTransaction, live: Live | None) -> SystemStatus:
    """Return facts about the file, its incidents, the newest session and run, and the present state.

    Args:
        transaction: Read transaction of the question.
        live: Present state of the framework; None outside of its process.
    """
    at_us, path = transaction.at_us, transaction.path
    revision = await transaction.one(SCHEMA_REVISION)
    newest = await newest_session(transaction)
    newest_us = await newest_run_us(transaction)
    ever = TimeRange(0, max(at_us, newest_us) + SECOND_US)
    last = await runs_page(transaction, RunFilter(), ever, limit=1)
    recent_incidents = await incidents(transaction)
    home = await home_time(transaction)
    expected = await transaction.one(EXPECTED_TIME)
    early = await transaction.all(EARLY_DELETIONS)
    return SystemStatus(
        path=replace_surrogates(str(path)),
        size_bytes=_size_of(path),
        schema_revision=str(revision[0]) if revision else "",
        sqlite_version=sqlite3.sqlite_version,
        notices=(
            *_second_file_notices(path, transaction.problem),
            *_log_notices(path),
            *_notices(newest, recent_incidents, newest_us, expected[0] if expected else None, ShownTimes(home, at_us)),
            *_early_deletions(early, ShownTimes(home, at_us)),
        ),
        incidents=recent_incidents,
        session=newest,
        last_run=last.runs[0] if last.runs else None,
        silenced=await silenced(transaction),
        live=live,
        restrictions=await restrictions(transaction),
        time_zone=ShownTimeZone(
            name=home.name,
            source="machine" if home.zone is None else "home",
            utc_offset_us=home.utc_offset_us(at_us),
        ),
        at_us=at_us,
    )


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size + _log_size(path)
    except OSError:  # the file was removed after the question began
        return 0


def _log_size(path: Path) -> int:
    try:
        return log_path(path).stat().st_size
    except OSError:  # SQLite creates and deletes the write-ahead log as needed
        return 0


def _second_file_notices(path: Path, problem: str) -> Iterator[str]:
    if problem:
        yield (
            f"{problem[0].upper()}{problem[1:]} All data here comes from {replace_surrogates(path.name)}, to which "
            "Hassette writes until it can use the history again."
        )
        return
    try:
        seconds = second_files(path)
    except OSError:  # the notice is not worth an error
        return
    for second in seconds:
        yield (
            f"Hassette could not use this file, and wrote new runs to {replace_surrogates(second.name)}. The next "
            "start that can use this file adds these runs to it. To read them now, use hassette telemetry with --db "
            "and that file."
        )


def _log_notices(path: Path) -> Iterator[str]:
    if (size := _log_size(path)) > _LONG_LOG_BYTES:
        yield (
            f"The write-ahead log of the history has grown to {size / 1e6:.0f} MB. The likely cause is a program that "
            "keeps a read transaction on the history open, such as a database browser. Close that program."
        )


def _notices(
    newest: Session | None,
    recent_incidents: tuple[LifecycleEvent, ...],
    newest_run_us: int,
    expected_us: int | None,
    shown: ShownTimes,
) -> tuple[str, ...]:
    at_us = shown.now_us
    notices = [
        f"{INCIDENT_LABELS[event.kind]} at {shown(event.at_us, seconds=False)}. {event.detail}".strip()
        for event in recent_incidents
    ]
    if newest is not None and newest.state == "silent":
        notices.append(
            f"The heartbeat of Hassette (process {newest.pid} on {newest.host}) is overdue: "
            f"Hassette has ended without a clean stop, or cannot write to the history."
        )
    if newest_run_us > at_us + _CLOCK_TOLERANCE_US:
        notices.append(
            f"The newest run has a time in the future ({shown(newest_run_us)}), because a clock was "
            f"ahead by {rough_duration(newest_run_us - at_us)} or more. A time range that ends now also includes "
            "runs with a future time."
        )
    if expected_us is not None:
        notices.append(
            "Hassette deletes no old runs at present, because the clock of its machine was set, or differs by more "
            f"than a day from the expected time ({shown(expected_us)}). The deletion continues after at most six hours "
            "without a step of the clock."
        )
    if newest is not None and newest.lost_runs:
        notices.append(
            f"The details of {plural(newest.lost_runs, 'run')} of this session could not be recorded. "
            "All figures are complete."
        )
    if unknown := shown.home.unknown:
        notices.append(
            f"This machine does not know the home's time zone {unknown[:60]!r}. All times are in {shown.home.label}. "
            "Install a newer version of the package tzdata here."
        )
    if sqlite3.sqlite_version_info < _SAFE_SQLITE:
        notices.append(
            f"Python uses SQLite {sqlite3.sqlite_version}. With a version before 3.51.3, another program that writes "
            "to the history while Hassette runs can damage the file. Hassette itself has only one writer."
        )
    return tuple(notices)


_DELETED = {
    "runs": ("run", "runs"),
    "registrations": ("removed handler or job", "removed handlers or jobs"),
    "error_groups": ("error group without runs", "error groups without runs"),
    "lifecycle_events": ("event", "events"),
    "sessions": ("session", "sessions"),
    "losses": ("entry of lost records", "entries of lost records"),
    "search_index": ("row of the search index", "rows of the search index"),
}


def _early_deletions(rows: list[sqlite3.Row], shown: ShownTimes) -> tuple[str, ...]:
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts[_DELETED.get(row["what"], ("row of statistics", "rows of statistics"))] += row["count"]
    if not counts or shown.now_us - rows[0]["last_us"] > _EARLY_FOR_US:
        return ()
    deleted = ", ".join(plural(count, *words) for words, count in counts.most_common())
    at = shown(rows[0]["last_us"], seconds=False)
    notice = f"The history has reached its size limit, so old rows were deleted early: {deleted}; the last at {at}."
    return (f"{notice} To keep more, raise max_size_mb under [store].",)


async def timeline(
    transaction: ReadTransaction, time_range: TimeRange | None = None, registration_id: int | None = None
) -> Timeline:
    """Return throughput, failures and durations over time, of all apps or of one handler or job."""
    periods = await periods_of(transaction, time_range)
    counts = await _counts_by_period(transaction, periods, registration_id)
    marks = await marks_in(transaction, periods.time_range, await _app_of(transaction, registration_id))
    if (minutes := await points_by_minute(transaction, periods, counts, registration_id)) is not None:
        return Timeline(period_length_us=minutes[0], points=minutes[1], marks=marks)
    statements = statistics_sql(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    if registration_id is None:
        found, skips = await durations_by_period(transaction, periods), statements.skips_by_period
    else:
        found, skips = await durations_of_one(transaction, periods, registration_id), statements.skips_of_one
    skipped = _sum_by_period(await transaction.all(skips, within))
    return Timeline(
        period_length_us=periods.length_us,
        marks=marks,
        points=tuple(
            TimelinePoint(
                start_us=point * periods.length_us,
                counts=sum_of(counts[period] for period in members if period in counts),
                percentiles=percentiles(found[period] for period in members if period in found),
                skipped=sum(skipped[period] for period in members),
            )
            for point in periods.points
            for members in [range(point * periods.step, (point + 1) * periods.step)]
        ),
    )


async def _app_of(transaction: ReadTransaction, registration_id: int | None) -> str | None:
    if registration_id is None:
        return None
    row = await transaction.one(REGISTRATION_BY_ID, {"registration_id": registration_id})
    return row["app"] if row is not None else None


async def _counts_by_period(
    transaction: ReadTransaction, periods: Periods, registration_id: int | None
) -> dict[int, Counts]:
    if registration_id is None:
        return {period: sums.counts() for period, sums in (await sums_by_period(transaction, periods)).items()}
    statement = statistics_sql(periods.unit).of_one_by_period
    within: Parameters = {"first": periods.first, "last": periods.last, "registration_id": registration_id}
    return {row["period"]: counts_of(row) for row in await transaction.all(statement, within)}


def _sum_by_period(rows: list[sqlite3.Row]) -> Counter[int]:
    sums: Counter[int] = Counter()
    for row in rows:
        sums[row["period"]] += row["count"]
    return sums


async def _before(transaction: ReadTransaction, time_range: TimeRange) -> Before | None:
    length_us = time_range.until_us - time_range.since_us
    since_us = time_range.since_us - length_us
    if since_us < 0:
        return None
    before = TimeRange(since_us, time_range.since_us)
    uptime = await uptime_in(transaction, before)
    # A history that begins in the period would make every figure look like a rise.
    if not uptime.spans or uptime.spans[0].started_us > since_us + length_us // 10:
        return None
    periods = await periods_of(transaction, before)
    return Before(
        counts=await counts_in(transaction, periods),
        percentiles=percentiles((await durations_by_period(transaction, periods)).values()),
        uptime_share=uptime.share,
        since_us=since_us,
        until_us=time_range.since_us,
    )


async def overview(
    transaction: ReadTransaction,
    *,
    time_range: TimeRange | None,
    status: SystemStatus,
    running: RunningNow,
    upcoming: tuple[Upcoming, ...],
) -> Overview:
    """Return everything that the overview page shows.

    Args:
        transaction: Read transaction of the question.
        time_range: Time range. The answer covers the whole hours or days that contain it.
        status: Status of the file and of the framework.
        running: Runs in progress.
        upcoming: Next runs of the jobs.
    """
    periods = await periods_of(transaction, time_range)
    # The lists must cover the same whole hours or days as the figures. Otherwise they would contradict the figures.
    time_range = periods.time_range
    apps = await app_summaries(transaction, time_range)
    failing, failing_ids, failing_count = await failing_registrations(transaction, time_range, limit=_MAX_FAILING)
    not_over, not_over_count = await failing_now(transaction, failing_ids, limit=_MAX_FAILING)
    errors = await error_groups_page(transaction, time_range, limit=_MAX_LISTED, silenced=False, with_trends=False)
    return Overview(
        status=status,
        counts=await counts_in(transaction, periods),
        percentiles=percentiles((await durations_by_period(transaction, periods)).values()),
        before=await _before(transaction, time_range),
        timeline=await timeline(transaction, time_range),
        apps=apps,
        failing=failing,
        failing_count=failing_count,
        failing_now=not_over,
        failing_now_count=not_over_count,
        errors=errors.groups,
        silenced_failures=await silenced_failures(transaction, time_range),
        running=running,
        upcoming=upcoming[:_MAX_LISTED],
        recent=(await runs_page(transaction, RunFilter(), time_range, limit=_RECENT_RUNS)).runs,
        uptime=await uptime_in(transaction, time_range),
        skips=await skip_reasons(transaction, time_range, limit=_MAX_LISTED),
        lifecycle=(await lifecycle_page(transaction, time_range, limit=_MAX_LISTED, routine=False)).events,
        losses=await losses_by_reason(transaction, time_range, limit=_MAX_LISTED),
        lost=await lost_records(transaction, time_range),
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )
