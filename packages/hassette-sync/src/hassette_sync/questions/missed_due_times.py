"""Due times of a daily job at which Hassette was not running."""

import re
from datetime import datetime, time, timedelta
from typing import Final

from hassette_sync.home_time import ShownTimes
from hassette_sync.questions.gaps import MANY_GAPS, Gap, gaps_in
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import TimeRange

_DAILY: Final = re.compile(r"daily at (\d{2}:\d{2}(?::\d{2})?)")
_MAX_DAYS: Final = 7


async def missed_due_time(
    transaction: ReadTransaction, schedule: str, time_range: TimeRange, times: ShownTimes
) -> tuple[str, int] | None:
    """Return the newest due time at which Hassette was not running, in words and as a time; None if there is none.

    Args:
        transaction: Read transaction of the question.
        schedule: Schedule of the job. Only a schedule such as ``daily at 02:30`` has a known due time.
        time_range: Time range of the due times.
        times: Formats times.
    """
    if (daily := _DAILY.fullmatch(schedule)) is None:
        return None
    clock = time.fromisoformat(daily[1])
    until_us = min(time_range.until_us, transaction.at_us)
    last_day = times.home.local(until_us).date()
    gaps = await gaps_in(transaction, time_range, limit=MANY_GAPS)
    for number in range(_MAX_DAYS):
        due_us = times.home.moment_us(datetime.combine(last_day - timedelta(days=number), clock))
        if due_us < time_range.since_us:
            break
        gap = next((gap for gap in gaps if gap.contains(due_us) and gap.certain_us < due_us), None)
        if due_us < until_us and gap is not None:
            return f"It was due at {times(due_us)}, while Hassette was not running ({_span(gap, times)}).", due_us
    return None


def _span(gap: Gap, times: ShownTimes) -> str:
    ended = times(gap.from_us)
    return f"since {ended}" if gap.until_us is None else f"{ended} to {times(gap.until_us)}"
