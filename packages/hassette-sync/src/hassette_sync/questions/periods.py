"""Select the whole hours or days that answer a question about a time range.

The store keeps hourly statistics for some weeks and daily statistics for a year or more, so figures cover whole
periods. Lists on the same page must cover the same time. Otherwise they would contradict the figures.
"""

from dataclasses import replace
from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.queries.runs import NEWEST_ID
from hassette_sync.queries.statistics import KEPT_SINCE, ONLY_IN_DAYS
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import DAY_US, HOUR_US, SECOND_US, Periods, TimeRange

# 72 hours, plus a partial hour at each end. Longer ranges use days: a year is then 366 periods instead of 8,784.
MAX_HOURS = 74
# A chart cannot show more points.
_MAX_POINTS = 400


async def end_of_now(transaction: ReadTransaction) -> int:
    """Return the end of a range that lasts until now.

    The end is one second after the present time. If the newest run is in the future, it is one second after that run.

    If a clock was ahead, the history contains runs with a future time. Ids only increase, so until the
    corrected clock reaches that time, new runs get an id of that time, too. Questions about the present must include
    these runs.
    """
    # The end is excluded. Without the extra second, a run that ends at this moment would be missing.
    return max(transaction.at_us, await newest_run_us(transaction)) + SECOND_US


async def newest_run_us(transaction: ReadTransaction) -> int:
    """Return the end of the newest run, or 0 for an empty history."""
    rows = await transaction.once(NEWEST_ID)
    return time_of(rows[0]["id"]) if rows else 0


async def resolve(transaction: ReadTransaction, time_range: TimeRange | None) -> TimeRange:
    """Return the time range of a question. None means the last 24 hours. A range until now ends at `end_of_now`."""
    asked = time_range or TimeRange.last(at_us=transaction.at_us)
    if not asked.ends_now:
        return asked
    return replace(asked, until_us=max(asked.until_us, await end_of_now(transaction)))


async def covered_range(transaction: ReadTransaction, time_range: TimeRange | None = None) -> TimeRange:
    """Return the time range that the figures of a range cover: whole hours or days.

    A page asks this first and passes the returned range to its other questions. Its lists and its figures then cover
    the same time.
    """
    return (await periods_of(transaction, time_range)).time_range


async def periods_of(transaction: ReadTransaction, time_range: TimeRange | None) -> Periods:
    """Return the whole hours that cover a range, or whole days for a long range or if hourly statistics have expired.

    A range that ends in the future is cut to `end_of_now`. If a range is longer than 400 days and begins before the
    history, its start moves to the start of the history. Calling this function with the range of the returned periods
    returns the same periods.
    """
    now = await end_of_now(transaction)
    asked = await resolve(transaction, time_range)
    kept = (await transaction.once(KEPT_SINCE))[0]
    until_us = min(asked.until_us, max(now, asked.since_us + 1))
    since_us = asked.since_us
    if until_us - since_us > _MAX_POINTS * DAY_US:
        since_us = min(max(since_us, _known_since(kept, until_us)), until_us - 1)
    first, last = since_us // HOUR_US, (until_us - 1) // HOUR_US
    if last - first < MAX_HOURS and not await _has_expired(transaction, kept, first):
        return Periods(unit="hour", first=first, last=last, until_us=max(until_us, min((last + 1) * HOUR_US, now)))
    first, last = since_us // DAY_US, (until_us - 1) // DAY_US
    step = (last - first) // _MAX_POINTS + 1
    end_us = max(until_us, min((last + 1) * DAY_US, now))
    return Periods(unit="day", first=first - first % step, last=last, step=step, until_us=end_us)


def _known_since(kept: Row, until_us: int) -> int:
    starts = [kept["first_start_us"], None if kept["first_day"] is None else kept["first_day"] * DAY_US]
    return min((start for start in starts if start is not None), default=until_us - DAY_US)


async def _has_expired(transaction: ReadTransaction, kept: Row, hour: int) -> bool:
    """Return whether a range that begins with this hour needs daily statistics.

    It needs them if hourly statistics of the range have been deleted and daily ones for that time still exist.
    """
    if kept["first_hour"] is not None and hour >= kept["first_hour"]:
        return False
    below = kept["first_hour"] // 24 if kept["first_hour"] is not None else None
    return bool(await transaction.once(ONLY_IN_DAYS, {"first": hour // 24, "below": below}))
