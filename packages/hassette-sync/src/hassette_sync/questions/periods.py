"""Which whole hours or days answer a question about a time.

Statistics are kept by the hour for some weeks and by the day for a year or more, so a figure is of whole periods; and
what stands beside a figure must be of the same time, or the two contradict each other.
"""

from dataclasses import replace
from sqlite3 import Row

from hassette_sync.ids import ended_us
from hassette_sync.queries.runs import NEWEST_IDS
from hassette_sync.queries.statistics import KEPT_SINCE, ONLY_IN_DAYS
from hassette_sync.reader import Snapshot
from hassette_sync.time_range import DAY_US, HOUR_US, SECOND_US, Periods, TimeRange, now_us

# Three days and the hours that they touch; beyond, days: a range of a year is then 366 periods and not 8,784.
_MOST_HOURS = 74
# More points than this no drawing shows and no page should carry.
_MOST_POINTS = 400


async def present(snapshot: Snapshot) -> int:
    """Answer where the time until now ends: a second from now, or from the newest run if that is dated later.

    A clock that has been ahead leaves runs of the future, and ids only go up: once it is right, new runs are dated
    there, too, until it has caught up. Nobody who asks for the time until now wants to miss them.
    """
    # A run that ends in this very second belongs to "until now".
    return max(now_us(), await newest_run_us(snapshot)) + SECOND_US


async def newest_run_us(snapshot: Snapshot) -> int:
    """Answer when the newest run ended, 0 in an empty history."""
    row = await snapshot.one(NEWEST_IDS)
    return ended_us(max(row)) if row is not None else 0


async def until_present(snapshot: Snapshot, asked: TimeRange) -> TimeRange:
    """Answer a range that ends now with the end that this history gives it; any other as it is."""
    if not asked.ends_now:
        return asked
    return replace(asked, until_us=max(asked.until_us, await present(snapshot)))


async def periods_of(snapshot: Snapshot, asked: TimeRange) -> Periods:
    """Answer the whole hours that cover a range, or days if it is long or if its hours have aged out.

    A range that reaches into the future ends with the `present`, and one of more than 400 days begins where the
    history does. Asking for the periods' own range again answers the same.
    """
    now = await present(snapshot)
    asked = await until_present(snapshot, asked)
    kept = (await snapshot.all(KEPT_SINCE))[0]
    until_us = min(asked.until_us, max(now, asked.since_us + 1))
    since_us = asked.since_us
    if until_us - since_us > _MOST_POINTS * DAY_US:
        since_us = min(max(since_us, _known_from(kept, until_us)), until_us - 1)
    first, last = since_us // HOUR_US, (until_us - 1) // HOUR_US
    if last - first < _MOST_HOURS and not await _has_aged_out(snapshot, kept, first):
        return Periods(unit="hour", first=first, last=last, until_us=max(until_us, min((last + 1) * HOUR_US, now)))
    first, last = since_us // DAY_US, (until_us - 1) // DAY_US
    step = (last - first) // _MOST_POINTS + 1
    end_us = max(until_us, min((last + 1) * DAY_US, now))
    return Periods(unit="day", first=first - first % step, last=last, step=step, until_us=end_us)


def _known_from(kept: Row, until_us: int) -> int:
    starts = [kept["first_start_us"], None if kept["first_day"] is None else kept["first_day"] * DAY_US]
    return min((start for start in starts if start is not None), default=until_us - DAY_US)


async def _has_aged_out(snapshot: Snapshot, kept: Row, hour: int) -> bool:
    """Tell whether something of the time since an hour is only left in the statistics of days."""
    if kept["first_hour"] is not None and hour >= kept["first_hour"]:
        return False
    below = kept["first_hour"] // 24 if kept["first_hour"] is not None else None
    return await snapshot.one(ONLY_IN_DAYS, {"first": hour // 24, "below": below}) is not None
