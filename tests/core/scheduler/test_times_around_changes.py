"""Runs around changes of the clocks, compared with a look at each minute of the local clock."""

from datetime import datetime, time, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.moments import Place
from hassette_core.scheduler.schedules import Cron
from support.places import utc

pytestmark = pytest.mark.heavy

CHANGING_ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Africa/Cairo"]
minutes_of_fields = st.sampled_from(["0", "7", "30", "59", "0,30", "*/15", "*/20"])
hours_of_fields = st.sampled_from(["*", "*/2", "0", "1", "2", "3", "1-3", "0,2", "23"])


def changes_of(zone: ZoneInfo) -> list[datetime]:
    """Return the hours (UTC) in which the clocks of a time zone change in 2026."""
    hours = [utc("2026-01-01 00:00") + timedelta(hours=number) for number in range(365 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hour for hour, before, after in zip(hours, offsets, offsets[1:], strict=False) if before != after]


CHANGES = [(name, change) for name in CHANGING_ZONES for change in changes_of(ZoneInfo(name))]


@cache
def matching_times(minute: str, hour: str) -> frozenset[time]:
    """Return the times of day that a cron expression matches."""
    day = datetime(2026, 1, 1)  # noqa: DTZ001  local time
    runs = takewhile(
        lambda run: run < day + timedelta(days=1), CronSim(f"{minute} {hour} * * *", day - timedelta(hours=1))
    )
    return frozenset(run.time() for run in runs if run >= day)


def times_by_minute(minute: str, hour: str, zone: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Return the runs of a cron expression, found by a look at each minute of the local clock."""
    matching = matching_times(minute, hour)
    found: list[datetime] = []
    shown: set[datetime] = set()
    previous = (start - timedelta(minutes=1)).astimezone(zone).replace(tzinfo=None)
    fixed = not (minute.startswith("*") or hour.startswith("*"))
    for number in range(int((end - start) / timedelta(minutes=1))):
        at = start + timedelta(minutes=number)
        local = at.astimezone(zone).replace(tzinfo=None)
        gap = [
            previous + timedelta(minutes=each) for each in range(1, max(1, (local - previous) // timedelta(minutes=1)))
        ]
        skipped = fixed and any(each.time() in matching for each in gap)
        matches = local.time() in matching and not (fixed and local in shown)
        if matches or skipped:
            found.append(at)
        shown.add(local)
        previous = local
    return found


@given(st.sampled_from(CHANGES), minutes_of_fields, hours_of_fields)
def test_cron_runs_around_a_change_are_those_of_a_look_at_each_minute(
    change: tuple[str, datetime], minute: str, hour: str
) -> None:
    name, at = change
    zone, start, end = ZoneInfo(name), at - timedelta(hours=14), at + timedelta(hours=14)
    schedule, place = Cron(f"{minute} {hour} * * *"), Place(zone=zone)
    found: list[datetime] = []
    moment = start - timedelta(minutes=1)
    while (following := schedule.next_after(moment, place)) is not None and following < end:
        moment = following
        found.append(following)
    assert found == times_by_minute(minute, hour, zone, start, end)
