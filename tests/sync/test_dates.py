"""Columns of days carry the right date, east and west of Greenwich."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.settings import WebSettings

SECOND = 1_000_000
DAY = 24 * 3_600 * SECOND

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")


@pytest.fixture
def at_home_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
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
async def test_a_column_of_a_day_is_called_by_the_day_it_is_about(
    new_history: Callable[..., Any], at_home_in: Callable[[str], None], zone: str, title: str, first: str
) -> None:
    from hassette_sync.web.application import create_app

    at_home_in(zone)
    # Ten in the morning of 20 January in California; two in the afternoon of the 20th, UTC and in Auckland.
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
        assert re.findall(r"<title>([^<]*): 100 runs", page)[0] == title.format(month="Jan 2025")
        axis = re.findall(r'<text x="[^"]*" y="13">(\d+) Jan 2025</text>', page)
        assert axis[0] == first, "the UTC day of four days before, by its middle"
