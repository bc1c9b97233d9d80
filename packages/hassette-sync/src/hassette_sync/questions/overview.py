"""Questions about the whole house."""

import sqlite3
from collections import Counter, defaultdict
from pathlib import Path

from hassette_sync.answers.overview import Live, Overview, Status, Timeline, TimelinePoint, Upcoming
from hassette_sync.answers.registrations import Registration
from hassette_sync.answers.runs import RunningNow
from hassette_sync.answers.sessions import LifecycleEvent, Session
from hassette_sync.answers.values import Counts, Percentiles
from hassette_sync.queries.sessions import SCHEMA_REVISION
from hassette_sync.queries.statistics import by_unit
from hassette_sync.questions.errors import error_groups
from hassette_sync.questions.periods import newest_run_us, periods_of
from hassette_sync.questions.registrations import apps, registrations, skips
from hassette_sync.questions.rows import counts_of, sum_of
from hassette_sync.questions.runs import RunFilter, runs_page
from hassette_sync.questions.sessions import incidents, lifecycle_page, losses_page, lost, newest_session, uptime
from hassette_sync.questions.sketches import Sketch, Sketches, percentiles
from hassette_sync.reader import Parameters, Snapshot
from hassette_sync.time_range import SECOND_US, Periods, TimeRange
from hassette_sync.words import INCIDENT_WORDS, coarse, moment, sendable

# https://sqlite.org/wal.html: before this version, two connections that write or checkpoint at once can damage a
# file in WAL mode. The store keeps to one writer; another program on the file would not.
_SAFE_SQLITE = (3, 51, 3)
_RECENT_RUNS = 15
_FAILING = 8
_LISTED = 6
# Two machines' clocks may differ by seconds, and nobody needs to hear of it.
_AHEAD_US = 60 * SECOND_US


async def status(snapshot: Snapshot, path: Path, live: Live | None, at_us: int) -> Status:
    """Answer how the file and the framework are."""
    revision = await snapshot.one(SCHEMA_REVISION)
    newest = await newest_session(snapshot, at_us)
    newest_run = await newest_run_us(snapshot)
    last = await runs_page(snapshot, RunFilter(), TimeRange(0, max(at_us, newest_run) + SECOND_US), None, 1)
    befell = await incidents(snapshot, at_us)
    return Status(
        path=sendable(str(path)),
        size_bytes=_size_of(path),
        schema_revision=str(revision[0]) if revision else "",
        sqlite_version=sqlite3.sqlite_version,
        notices=_notices(newest, befell, newest_run, at_us),
        incidents=befell,
        session=newest,
        last_run=last.runs[0] if last.runs else None,
        live=live,
        at_us=at_us,
    )


def _size_of(path: Path) -> int:
    size = 0
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            size += file.stat().st_size
        except OSError:  # the log comes and goes
            continue
    return size


def _notices(
    newest: Session | None, befell: tuple[LifecycleEvent, ...], newest_run_us: int, at_us: int
) -> tuple[str, ...]:
    notices = [
        f"{INCIDENT_WORDS[event.kind]} at {moment(event.at_us, now_us=at_us, seconds=False)}. {event.detail}".strip()
        for event in befell
    ]
    if newest is not None and newest.state == "silent":
        notices.append(
            f"Hassette (process {newest.pid} on {newest.host}) has not been heard of since its last heartbeat: "
            f"it has stopped without saying so, or it cannot write."
        )
    if newest_run_us > at_us + _AHEAD_US:
        notices.append(
            f"The newest run is dated {moment(newest_run_us, now_us=at_us)}: a clock has been ahead, by "
            f"{coarse(newest_run_us - at_us)} or more. What is asked until now reaches until then."
        )
    if newest is not None and newest.lost_runs:
        notices.append(
            f"{newest.lost_runs:,} runs of this session have no row of their own. They are counted in all figures."
        )
    if sqlite3.sqlite_version_info < _SAFE_SQLITE:
        notices.append(
            f"This Python links SQLite {sqlite3.sqlite_version}. Before 3.51.3, a second program that writes to the "
            f"history while Hassette runs can damage it; Hassette itself never has two writers."
        )
    return tuple(notices)


async def timeline(
    snapshot: Snapshot, sketches: Sketches, time_range: TimeRange, registration_id: int | None = None
) -> Timeline:
    """Answer throughput, failures and durations over time, of the house or of one registration."""
    periods = await periods_of(snapshot, time_range)
    statements = by_unit(periods.unit)
    within: Parameters = {"first": periods.first, "last": periods.last}
    if registration_id is None:
        counts = {row["period"]: counts_of(row) for row in await snapshot.all(statements.by_period, within)}
        found = await sketches.of_house(snapshot, periods, {period: one.total for period, one in counts.items()})
        skipped = await snapshot.all(statements.skips_by_period, within)
    else:
        within["registration_id"] = registration_id
        counts = {row["period"]: counts_of(row) for row in await snapshot.all(statements.of_one_by_period, within)}
        of_one: defaultdict[int, Counter[int]] = defaultdict(Counter)
        for row in await snapshot.all(statements.sketch_of_one, within):
            of_one[row["period"]][row["bucket"]] = row["count"]
        found = dict[int, Sketch](of_one)
        skipped = await snapshot.all(statements.skips_of_one, within)
    skips_by_period: Counter[int] = Counter()
    for row in skipped:
        skips_by_period[row["period"]] += row["count"]
    return Timeline(
        period_length_us=periods.length_us,
        points=tuple(
            _point(
                point * periods.length_us,
                [counts[period] for period in members if period in counts],
                [found[period] for period in members if period in found],
                sum(skips_by_period[period] for period in members),
            )
            for point in periods.points
            for members in [range(point * periods.step, (point + 1) * periods.step)]
        ),
    )


def _point(start_us: int, counts: list[Counts], sketches: list[Sketch], skipped: int) -> TimelinePoint:
    return TimelinePoint(start_us=start_us, counts=sum_of(counts), percentiles=percentiles(sketches), skipped=skipped)


async def _percentiles_of_house(snapshot: Snapshot, sketches: Sketches, periods: Periods) -> Percentiles:
    within: Parameters = {"first": periods.first, "last": periods.last}
    rows = await snapshot.all(by_unit(periods.unit).by_period, within)
    totals = {row["period"]: counts_of(row).total for row in rows}
    return percentiles((await sketches.of_house(snapshot, periods, totals)).values())


def _worst_first(registration: Registration) -> tuple[int, str]:
    return (-registration.counts.failed, registration.name)


async def overview(
    snapshot: Snapshot,
    sketches: Sketches,
    *,
    time_range: TimeRange,
    status: Status,
    running: RunningNow,
    upcoming: tuple[Upcoming, ...],
) -> Overview:
    """Answer whether the house's automation is all right.

    Args:
        snapshot: The moment to look at.
        sketches: Remembers the latency sketches.
        time_range: Over which time; the answer is of the whole hours or days that cover it.
        status: How the file and the framework are.
        running: What is running.
        upcoming: The jobs' next runs.
    """
    periods = await periods_of(snapshot, time_range)
    # All that follows is of the same time, figures and lists: of these whole hours or days.
    time_range = periods.time_range
    all_apps = await apps(snapshot, time_range)
    # All of them: an app that gives each of its jobs a name of its own may have thousands, and hide what fails.
    every = await registrations(snapshot, time_range, with_percentiles=False, limit=None)
    failing = sorted((one for one in every.registrations if one.counts.failed), key=_worst_first)
    return Overview(
        status=status,
        counts=sum_of([app.counts for app in all_apps]),
        percentiles=await _percentiles_of_house(snapshot, sketches, periods),
        timeline=await timeline(snapshot, sketches, time_range),
        apps=all_apps,
        failing=tuple(failing[:_FAILING]),
        failing_count=len(failing),
        errors=(await error_groups(snapshot, time_range, None, _LISTED)).groups,
        running=running,
        upcoming=upcoming[:_LISTED],
        recent=(await runs_page(snapshot, RunFilter(), time_range, None, _RECENT_RUNS)).runs,
        uptime=await uptime(snapshot, time_range, status.at_us),
        skips=await skips(snapshot, time_range, _LISTED),
        lifecycle=(await lifecycle_page(snapshot, time_range, None, _LISTED, routine=False)).events,
        losses=(await losses_page(snapshot, time_range, None, _LISTED)).losses,
        lost=await lost(snapshot, time_range),
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )
