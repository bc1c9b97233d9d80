"""The question how handlers, jobs and error groups differ from the previous period or version."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from sqlite3 import Row
from typing import Final, Literal

from hassette_store.ids import time_of
from hassette_sync.answers.comparison import (
    GRAVITY,
    ComparedGroup,
    ComparedRegistration,
    Comparison,
    Difference,
    Figures,
)
from hassette_sync.answers.values import Counts, Percentiles
from hassette_sync.errors import BadQuestionError
from hassette_sync.formatting import duration, rough_duration, share
from hassette_sync.queries import comparison as queries
from hassette_sync.questions.error_changes import STANDARD_ERRORS, compared_groups, gravity
from hassette_sync.questions.figures import ExactFigures, exact_figures
from hassette_sync.questions.periods import periods_of
from hassette_sync.questions.rows import registration_ref
from hassette_sync.questions.sessions import newest_session, uptime_in
from hassette_sync.questions.sketches import percentiles_by_registration
from hassette_sync.questions.statistics import sums_by_registration
from hassette_sync.questions.versions import versions_page
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import DAY_US, TimeRange

Against = Literal["period", "version"]
SORTS: Final = ("gravity", "slower", "failing", "silent", "new", "back", "runs", "name")
MAX_COMPARED = 500
_DEFAULT_LIMIT = 50
# p95 of fewer runs changes by chance.
_MIN_RUNS = 20
_MANY_RUNS = 200
_SLOWER = 1.5
_SLOWER_MEDIAN = 1.2
_MIN_DIFFERENCE_US = 1_000
_NEWEST = 50
_SILENT = 1.5
_WEEK_US = 7 * DAY_US
# The usual pause of a handler or job is the longest one between its newest runs. If these runs cover less than a week,
# it is at least a day. Otherwise, it is at least a week divided by the number of runs. A shorter silence is never
# unusual.
_MIN_SILENT_US = _SILENT * _WEEK_US // _NEWEST
_MIN_HABIT_RUNS = 10
_UNCHANGED: Final[tuple[Difference, ...]] = ("unchanged",)


async def compare(
    transaction: ReadTransaction,
    time_range: TimeRange | None = None,
    *,
    against: Against = "period",
    sort: str = "gravity",
    differing: bool = True,
    limit: int = _DEFAULT_LIMIT,
) -> Comparison:
    """Compare each handler, job and error group: slower, failing more, silent, new, back, resolved.

    Args:
        transaction: Read transaction of the question.
        time_range: The period.
        against: ``period``: the preceding period of the same length. ``version``: for each app with two versions, the
            time since the current version began, compared with the previous version, or with its last 30 days. An error
            of several apps counts for each of them, with all of its failures.
        sort: ``gravity``, ``slower``, ``failing``, ``silent``, ``new``, ``back``, ``runs`` or ``name``.
        differing: If true, only handlers, jobs and error groups that differ are listed.
        limit: Maximum number of handlers and jobs, and of error groups, up to 500.
    """
    if against not in ("period", "version"):
        raise BadQuestionError(f"must be period or version, got {against[:40]!r}.", parameter="against")
    if sort not in SORTS:
        raise BadQuestionError(f"must be one of {', '.join(SORTS)}, got {sort[:40]!r}.", parameter="sort")
    if not 1 <= limit <= MAX_COMPARED:
        raise BadQuestionError(f"must be from 1 to {MAX_COMPARED}, got {limit!r}.", parameter="limit")
    now = (await periods_of(transaction, time_range)).time_range
    before = TimeRange(max(2 * now.since_us - now.until_us, 0), max(now.since_us, 1))
    pairs = [(None, now, before)] if against == "period" else await _versions(transaction, now)
    registrations: list[ComparedRegistration] = []
    by_group: dict[int, ComparedGroup] = {}
    for app, current, earlier in pairs:
        registrations += await _registrations(transaction, app, current, earlier, differing=differing)
        for one in await compared_groups(transaction, app, current, earlier):
            other = by_group.setdefault(one.id, one)
            by_group[one.id] = min(other, one, key=gravity)
    groups = sorted(by_group.values(), key=gravity)
    found = sum(one.findings != _UNCHANGED for one in registrations)
    different_groups = [one for one in groups if one.finding != "unchanged"]
    return Comparison(
        against=against,
        registrations=tuple(_sorted(registrations, sort)[:limit]),
        groups=tuple((different_groups if differing else groups)[:limit]),
        found=found + len(different_groups),
        since_us=now.since_us,
        until_us=now.until_us,
        before_since_us=before.since_us,
        before_until_us=before.until_us,
    )


async def _versions(transaction: ReadTransaction, now: TimeRange) -> list[tuple[str | None, TimeRange, TimeRange]]:
    """Return the apps that have a previous version, and the times of both within 30 days."""
    found: dict[str, tuple[str | None, TimeRange, TimeRange]] = {}
    page = await versions_page(transaction, limit=MAX_COMPARED)
    for index, version in enumerate(page.versions):
        if version.app in found or version.since_us >= now.until_us:
            continue
        earlier = next((one for one in page.versions[index + 1 :] if one.app == version.app), None)
        if earlier is None:
            continue
        current = TimeRange(version.since_us, max(now.until_us, version.since_us + 1))
        start_us = max(earlier.since_us, version.since_us - 30 * DAY_US)
        found[version.app] = (version.app, current, TimeRange(start_us, max(version.since_us, start_us + 1)))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Subject:
    """Handler or job, with its figures of the period and of the time before.

    Attributes:
        row: Row of `queries.COMPARED`.
        now: Figures of the period.
        before: Figures of the previous period or version.
        last_run_id: Id of the newest run; None if no run is stored.
    """

    row: Row
    now: ExactFigures
    before: ExactFigures
    last_run_id: int | None


async def _registrations(
    transaction: ReadTransaction, app: str | None, now: TimeRange, before: TimeRange, *, differing: bool
) -> list[ComparedRegistration]:
    rows = await transaction.all(queries.COMPARED, {"app": app})
    ids = [row["id"] for row in rows]
    if app is None:
        now, figures = await _figures(transaction, now, ids)
        before, earlier = await _figures(transaction, before, ids)
    else:
        # A whole hour or day around the change would contain runs of both versions.
        figures = await exact_figures(transaction, now, ids)
        earlier = await exact_figures(transaction, before, ids)
    listed = [row for row in rows if row["retired_us"] is None or row["id"] in figures]
    wanted = json.dumps([row["id"] for row in listed])
    newest = dict(map(tuple, await transaction.all(queries.LAST_RUNS, {"registrations": wanted})))
    none = ExactFigures()
    subjects = [
        _Subject(row, figures.get(row["id"], none), earlier.get(row["id"], none), newest[row["id"]]) for row in listed
    ]
    habits = await _habits(transaction, subjects, now)
    found: list[ComparedRegistration] = []
    for one in subjects:
        habit = habits.get(one.row["id"])
        sentences = _differences(one, now.since_us, before.since_us, habit)
        if sentences or not differing:
            found.append(_compared(one, _shown(one.now, now), _shown(one.before, before), sentences, habit))
    return found


async def _figures(
    transaction: ReadTransaction, time_range: TimeRange, registrations: list[int]
) -> tuple[TimeRange, dict[int, ExactFigures]]:
    """Return the whole hours or days that cover a time range, and the figures of the handlers and jobs with runs."""
    periods = await periods_of(transaction, time_range)
    sums = await sums_by_registration(transaction, periods)
    ranks = await percentiles_by_registration(transaction, periods, registrations)
    found = {
        one: ExactFigures(sums[one].counts(), ranks.get(one, Percentiles())) for one in registrations if one in sums
    }
    return periods.time_range, found


def _shown(figures: ExactFigures, time_range: TimeRange) -> Figures:
    return Figures(
        counts=figures.counts,
        p95_us=figures.percentiles.p95_us,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


async def _habits(
    transaction: ReadTransaction, subjects: Iterable[_Subject], now: TimeRange
) -> dict[int, tuple[int, int]]:
    """Return the usual pause and the present silence of the current handlers and jobs that are quiet.

    The usual pause is the longest time between two of the newest runs. The silence counts only the uptime of Hassette.
    """
    until_us = min(now.until_us, transaction.at_us)
    # Only the time in which Hassette was running counts. Otherwise, all handlers would look quiet after the end of
    # Hassette.
    if (session := await newest_session(transaction)) is not None:
        until_us = min(until_us, session.until_us)
    quiet = {
        one.row["id"]: one.last_run_id
        for one in subjects
        if one.row["retired_us"] is None
        and one.last_run_id is not None
        and until_us - time_of(one.last_run_id) > _MIN_SILENT_US
    }
    if not quiet:
        return {}
    parameters: Parameters = {"registrations": json.dumps(list(quiet)), "newest": _NEWEST}
    found: dict[int, tuple[int, int]] = {}
    for registration_id, text in await transaction.all(queries.NEWEST_OF_EACH, parameters):
        ids: list[int] = json.loads(text)
        if len(ids) < _MIN_HABIT_RUNS:
            continue
        last_us = time_of(quiet[registration_id])
        usual_us = time_of(max(later - earlier for later, earlier in pairwise(ids)))
        if last_us - time_of(ids[-1]) < _WEEK_US:
            # The runs cover less than a week, so a quiet night or weekend may be usual.
            usual_us = max(usual_us, DAY_US)
        if until_us - last_us > _SILENT * usual_us:
            up = await uptime_in(transaction, TimeRange(last_us, until_us))
            if up.up_us > _SILENT * usual_us:
                found[registration_id] = (usual_us, up.up_us)
    return found


def _differences(one: _Subject, since_us: int, before_us: int, habit: tuple[int, int] | None) -> dict[Difference, str]:
    """Return the differences of a handler or job from before, each with a sentence.

    Args:
        one: The handler or job.
        since_us: Start of the period.
        before_us: Start of the time before.
        habit: Usual pause and present silence; None if it is not silent.
    """
    sentences: dict[Difference, str] = {}
    now, before, first_us = one.now.counts, one.before.counts, one.row["first_registered_us"]
    if first_us >= since_us and now.total:
        sentences["new"] = "It is new."
    elif now.total and not before.total and first_us < before_us:
        sentences["back"] = "It is back after a pause."
    if (slower := _duration_difference(one.now, one.before)) is not None:
        name: Difference = "slower" if slower > 0 else "faster"
        was, is_ = duration(one.before.percentiles.p95_us), duration(one.now.percentiles.p95_us)
        sentences[name] = f"95 % of its runs took at most {is_}; before, it was {was}."
    failing = _share_difference(now, before)
    if failing:
        name = "failing_more" if failing > 0 else "failing_less"
        now_share, before_share = share(now.failure_share), share(before.failure_share)
        sentences[name] = f"{now_share} of its runs failed; before, it was {before_share}."
    if habit is not None:
        usual, silent = (rough_duration(us) for us in habit)
        sentences["silent"] = f"It has not run in {silent} of uptime; a pause of up to {usual} is usual."
    return sentences


def _compared(
    one: _Subject,
    now: Figures,
    before: Figures,
    sentences: dict[Difference, str],
    habit: tuple[int, int] | None,
) -> ComparedRegistration:
    findings = tuple(sorted(sentences, key=GRAVITY.index)) or _UNCHANGED
    p95, p95_before, last_run_id = now.p95_us, before.p95_us, one.last_run_id
    both = bool(now.counts.total and before.counts.total)
    return ComparedRegistration(
        registration=registration_ref(one.row),
        findings=findings,
        sentence=sentences.get(findings[0], "It does not differ."),
        now=now,
        before=before,
        slower_by=p95 / p95_before if p95 is not None and p95_before else None,
        fails_more_by=now.counts.failure_share - before.counts.failure_share if both else None,
        silent_for_us=habit[1] if habit is not None else None,
        usual_gap_us=habit[0] if habit is not None else None,
        last_run_us=time_of(last_run_id) if last_run_id is not None else None,
        last_run_id=last_run_id,
    )


def _duration_difference(now: ExactFigures, before: ExactFigures) -> int | None:
    """Return 1 if a handler or job is clearly slower than before, -1 if it is faster, None if it is neither."""
    ranks, earlier = now.percentiles, before.percentiles
    p95, p95_before, p50, p50_before = ranks.p95_us, earlier.p95_us, ranks.p50_us, earlier.p50_us
    runs = min(now.counts.total, before.counts.total)
    if runs < _MIN_RUNS or not p95 or not p95_before or not p50 or not p50_before:
        return None
    if abs(p95 - p95_before) < _MIN_DIFFERENCE_US:
        return None
    # With few runs, the p95 is one of the slowest runs. The median must have moved, too.
    if p95 >= _SLOWER * p95_before and (runs >= _MANY_RUNS or p50 >= _SLOWER_MEDIAN * p50_before):
        return 1
    if p95_before >= _SLOWER * p95 and (runs >= _MANY_RUNS or p50_before >= _SLOWER_MEDIAN * p50):
        return -1
    return None


def _share_difference(now: Counts, before: Counts) -> int:
    """Return 1 if the share of failed runs has risen significantly, -1 if it has fallen significantly, 0 otherwise."""
    if max(now.failed, before.failed) < 3 or not now.total or not before.total:
        return 0
    together = (now.failed + before.failed) / (now.total + before.total)
    error = math.sqrt(together * (1 - together) * (1 / now.total + 1 / before.total))
    difference = now.failure_share - before.failure_share
    if not error or abs(difference) <= STANDARD_ERRORS * error:
        return 0
    return 1 if difference > 0 else -1


def _sorted(registrations: list[ComparedRegistration], sort: str) -> list[ComparedRegistration]:
    def key(one: ComparedRegistration) -> tuple[float, int]:
        order = {
            "gravity": GRAVITY.index(one.findings[0]),
            "slower": -(one.slower_by or 0),
            "failing": -(one.fails_more_by if one.fails_more_by is not None else -2),
            "silent": -(one.silent_for_us or 0),
            "new": "new" not in one.findings,
            "back": "back" not in one.findings,
            "runs": -one.now.counts.total,
            "name": 0,
        }
        return order[sort], GRAVITY.index(one.findings[0]) if sort != "name" else 0

    return sorted(sorted(registrations, key=lambda one: one.registration.title), key=key)
