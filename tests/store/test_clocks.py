"""Statistics use UTC hours, even when local time repeats or skips an hour."""

import os
import time
from datetime import UTC, datetime

import pytest

from hassette_store import DatabaseService
from support.rows import T0_US, Batch, Listener, invocation
from support.stores import Reader


@pytest.mark.skipif(os.name != "posix", reason="Windows has no tzset")
@pytest.mark.parametrize(
    ("zone", "first_utc", "repeated"),
    [
        # 02:30 local time occurs twice.
        ("CET-1CEST,M3.5.0,M10.5.0/3", datetime(2026, 10, 25, 0, 30, tzinfo=UTC), True),
        # Local time skips from 01:30 to 03:30.
        ("CET-1CEST,M3.5.0,M10.5.0/3", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), False),
    ],
    ids=["autumn", "spring"],
)
async def test_statistics_use_utc_hours_when_local_time_changes(
    store: DatabaseService,
    read: Reader,
    monkeypatch: pytest.MonkeyPatch,
    zone: str,
    first_utc: datetime,
    *,
    repeated: bool,
) -> None:
    first_us = int(first_utc.timestamp()) * 1_000_000
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        hours = [time.localtime(first_us // 1_000_000 + seconds).tm_hour for seconds in (0, 3_600)]
        assert (hours[0] == hours[1]) is repeated
        listener = Listener()
        runs = tuple(invocation((first_us - T0_US) // 1000 + minutes * 60_000, listener) for minutes in (0, 1, 60))
        await store.write(Batch(1, invocations=runs))
        rows = read.rows("SELECT hour, success FROM statistics_hourly ORDER BY hour")
        first = first_us // 3_600_000_000
        assert rows == [{"hour": first, "success": 2}, {"hour": first + 1, "success": 1}]
        assert read.rows("SELECT day, success FROM statistics_daily") == [{"day": first // 24, "success": 3}]
    finally:
        monkeypatch.undo()
        time.tzset()
