"""`next_cron_time`: the next time at which the clock on the wall matches a cron expression.

cronsim also computes with a time zone, but it leaves runs out after a change of half an hour, as on Lord Howe Island.
"""

from datetime import UTC, datetime, timedelta, tzinfo

from cronsim import CronSim

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def next_cron_time(expression: str, moment: datetime, zone: tzinfo) -> datetime | None:
    """Return the first moment (UTC) after a moment at which the clock on the wall matches. None if there is none.

    In a repeated hour, both passes match. A skipped time never matches.

    Args:
        expression: The expression.
        moment: The moment (aware).
        zone: The time zone of the clock.
    """
    after = moment.astimezone(UTC)
    offset = _offset(after, zone)
    while True:
        # Until the next change of the offset, the clock on the wall runs like a clock without a time zone.
        local = next(CronSim(expression, (after + offset).replace(tzinfo=None)), None)
        found = None if local is None else local.replace(tzinfo=UTC) - offset
        change = _next_change(after, found, zone, offset)
        if change is None:
            return found
        # CronSim begins after the given time, but the moment of the change itself may match.
        after, offset = change - _SECOND, _offset(change, zone)


def _next_change(after: datetime, until: datetime | None, zone: tzinfo, offset: timedelta) -> datetime | None:
    """Return the first second up to ``until`` at which the clock has another offset. None if there is none."""
    if until is None:
        return None
    before = after.replace(microsecond=0) + _SECOND
    while _offset(until, zone) != offset or before < until:
        later = min(before + _DAY, until)
        if _offset(later, zone) == offset:
            before = later
            continue
        while later - before > _SECOND:
            middle = before + timedelta(seconds=(later - before) // _SECOND // 2)
            before, later = (middle, later) if _offset(middle, zone) == offset else (before, middle)
        return later
    return None


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # an aware datetime has an offset
    return offset
