"""Due times of a daily job at which Hassette was not running."""

import re
from datetime import datetime, time, timedelta
from typing import Final

from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.why_not import SESSION_AFTER, SESSION_BEFORE
from hassette_sync.questions.sessions import HEARTBEAT_OVERDUE_US
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
    for number in range(_MAX_DAYS):
        due_us = times.home.moment_us(datetime.combine(last_day - timedelta(days=number), clock))
        if due_us < time_range.since_us:
            break
        if due_us < until_us and (gap := await _gap_at(transaction, due_us, times)) is not None:
            return f"It was due at {times(due_us)}, while Hassette was not running ({gap}).", due_us
    return None


async def _gap_at(transaction: ReadTransaction, at_us: int, times: ShownTimes) -> str | None:
    """Return the gap between two sessions at a time, in words; None if Hassette was running or had never started.

    The number of sessions does not matter, and a session whose clock was ahead makes no gap. `gaps_in` differs in both.
    """
    before = await transaction.one(SESSION_BEFORE, {"at_us": at_us})
    if before is None:
        return None
    # The end of a session that was not stopped is its last heartbeat.
    overdue_us = 0 if before["outcome"] == "clean" else HEARTBEAT_OVERDUE_US
    if before["end_us"] + overdue_us >= at_us:
        return None
    after = await transaction.one(SESSION_AFTER, {"at_us": at_us})
    ended = times(before["end_us"])
    return f"since {ended}" if after is None else f"{ended} to {times(after['started_us'])}"
