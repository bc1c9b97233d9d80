"""Comparison of error groups with the previous period or version: new, back, failing more, resolved."""

import json
import math
from sqlite3 import Row

from hassette_sync.answers.comparison import GRAVITY, ComparedGroup, Difference
from hassette_sync.formatting import plural
from hassette_sync.queries import comparison as queries
from hassette_sync.queries.errors import RECENT_COUNTS
from hassette_sync.questions.figures import exact_figures
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import TimeRange

# The difference of two shares is significant if it is more than this many standard errors.
STANDARD_ERRORS = 2.6
_MOST_GROUPS = 2_000


async def compared_groups(
    transaction: ReadTransaction, app: str | None, now: TimeRange, before: TimeRange
) -> list[ComparedGroup]:
    """Compare the error groups with failures in two periods, at most the 2,000 that were seen most recently.

    Args:
        transaction: Read transaction of the question.
        app: App in whose handlers and jobs the errors occurred; None for all.
        now: The period.
        before: The time before.
    """
    within: Parameters = {"since_us": before.since_us, "until_us": now.until_us, "limit": _MOST_GROUPS}
    rows = await transaction.all(queries.GROUPS, within)
    if app is not None:
        known: Parameters = {"groups": json.dumps([row["id"] for row in rows]), "app": app}
        of_app = {row["error_group_id"] for row in await transaction.all(queries.GROUPS_OF_APP, known)}
        rows = [row for row in rows if row["id"] in of_app]
    ids = json.dumps([row["id"] for row in rows])
    counts = await _failures(transaction, now, ids)
    earlier = await _failures(transaction, before, ids)
    gone = [row["id"] for row in rows if earlier[row["id"]] and not counts[row["id"]]]
    succeeded = await _succeeded(transaction, now, gone)
    return [
        _group(row, counts[row["id"]], earlier[row["id"]], now, before, has_succeeded=row["id"] in succeeded)
        for row in rows
        if counts[row["id"]] or earlier[row["id"]]
    ]


def gravity(one: ComparedGroup) -> tuple[int, int, int]:
    """Return the place of an error group in the list: the gravest difference first, then the most failures."""
    return GRAVITY.index(one.finding), -one.now, one.id


async def _failures(transaction: ReadTransaction, time_range: TimeRange, groups: str) -> dict[int, int]:
    within: Parameters = {"first_id": time_range.first_id, "end_id": time_range.end_id, "groups": groups}
    return {row["error_group_id"]: row["count"] for row in await transaction.all(RECENT_COUNTS, within)}


async def _succeeded(transaction: ReadTransaction, now: TimeRange, groups: list[int]) -> set[int]:
    """Return the error groups with a handler or job that succeeded in the period."""
    if not groups:
        return set()
    rows = await transaction.all(queries.REGISTRATIONS_OF_GROUPS, {"groups": json.dumps(groups)})
    # A whole hour or day around the change of an app would contain runs of both versions.
    figures = await exact_figures(transaction, now, sorted({row["registration_id"] for row in rows}))
    succeeded = {one for one, found in figures.items() if found.counts.success}
    return {row["error_group_id"] for row in rows if row["registration_id"] in succeeded}


def _group(
    row: Row, now: int, before: int, time_range: TimeRange, earlier: TimeRange, *, has_succeeded: bool
) -> ComparedGroup:
    finding: Difference = "unchanged"
    text = f"{plural(now, 'failure')}; {before:,} before."
    if now and row["first_seen_us"] >= time_range.since_us:
        finding, text = "new", f"It is new: {plural(now, 'failure')}."
    elif now and not before:
        finding, text = "back", f"It is back after a pause: {plural(now, 'failure')}."
    elif before and not now and has_succeeded:
        finding, text = "resolved", f"No failures in this period; {plural(before, 'failure')} before."
    elif before and not now:
        text = f"No failures, but also no successful runs in this period; {plural(before, 'failure')} before."
    elif _is_more(now, before, time_range, earlier):
        finding = "failing_more"
    elif _is_more(before, now, earlier, time_range):
        finding = "failing_less"
    return ComparedGroup.model_validate(
        {**dict(row), "finding": finding, "sentence": text, "now": now, "before": before}
    )


def _is_more(count: int, other: int, time_range: TimeRange, other_range: TimeRange) -> bool:
    """Return whether a count is significantly higher than another, per time: the square roots differ enough."""
    length = time_range.until_us - time_range.since_us
    scaled = other * length / max(other_range.until_us - other_range.since_us, 1)
    return count >= 3 and 2 * (math.sqrt(count) - math.sqrt(scaled)) > STANDARD_ERRORS
