"""Columns of days have the right date in all time zones."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.settings import WebSettings
from support.history import DAY, SECOND, NewHistory

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")


@pytest.fixture
def in_time_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("zone", "title", "first"),
    [
        ("America/Los_Angeles", "19 {month} 16:00 to 20 {month} 16:00", "16"),
        ("UTC", "20 {month}", "16"),
        ("Pacific/Auckland", "20 {month} 13:00 to 21 {month} 13:00", "17"),
    ],
)
async def test_day_in_a_chart_has_the_local_date_that_covers_most_of_it(
    new_history: NewHistory, in_time_zone: Callable[[str], None], zone: str, title: str, first: str
) -> None:
    from hassette_sync.web.application import create_app

    in_time_zone(zone)
    # The runs are on 20 January at 10:00 in California, and at 14:00 in all other zones, in local time.
    hour = 10 if zone == "America/Los_Angeles" else 14
    ran = int(datetime(2025, 1, 20, hour, tzinfo=ZoneInfo(zone)).timestamp() * SECOND)
    with new_history() as history:
        history.session(ran - 20 * DAY)
        handler = history.listener("app", "on_x", "t")
        for number in range(100):
            history.run(handler, ran + number * SECOND)
    asked = TimeRange(ran - 4 * DAY, ran + 4 * DAY)
    async with DataSyncService(history.path) as data:
        transport = httpx.ASGITransport(app=create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            pages = [
                (await client.get(f"{path}?since={asked.since_us}&until={asked.until_us}")).text
                for path in ("/", f"/registrations/{handler}")
            ]
    for page in pages:
        assert re.findall(r'data-title="([^"]*)" data-text="100 runs', page)[0] == title.format(month="Jan 2025")
        axis = re.findall(r'<text x="[^"]*" y="13">(\d+) Jan 2025</text>', page)
        assert axis[0] == first, "the UTC day of four days ago has the date of its middle"


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
def test_axis_has_midnights_after_a_change_of_clocks(zone: str) -> None:
    from hassette_sync.web import charts

    def offset_us(at_us: int) -> int:
        offset = datetime.fromtimestamp(at_us / SECOND, ZoneInfo(zone)).utcoffset()
        assert offset is not None
        return int(offset.total_seconds()) * SECOND

    for month in (4, 11):
        since = int(datetime(2026, month, 20, 15, tzinfo=ZoneInfo(zone)).timestamp()) * SECOND - 30 * DAY
        for length in (30 * DAY, 7 * DAY, 29 * DAY + 13 * 3_600 * SECOND):
            ticks = charts.ticks(since, since + length, offset_us)
            assert 4 <= len(ticks) <= 9
            locally = [datetime.fromtimestamp(tick.at_us / SECOND, ZoneInfo(zone)) for tick in ticks]
            assert {(moment.hour, moment.minute) for moment in locally} == {(0, 0)}
            assert all(since <= tick.at_us < since + length for tick in ticks)
