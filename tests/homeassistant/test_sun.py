"""Jobs at sunrise and sunset run when a real Home Assistant shows these events, at any elevation."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from hassette_core.moments import Place, SunTime
from support.home_assistant import RealHomeAssistant
from support.home_queries import HomeClient, connected
from support.waiting import eventually

pytestmark = [pytest.mark.homeassistant, pytest.mark.timeout(180)]

NEXT_EVENTS = {"next_rising": SunTime("sunrise"), "next_setting": SunTime("sunset")}


@pytest.fixture
async def client(real: RealHomeAssistant) -> AsyncIterator[HomeClient]:
    """Connect, and move Home Assistant back to its old location at the end."""
    async with connected(real.home) as client:
        connection = client.link.require_connection("read the location")
        before = await connection.command("look", "get_config")
        yield client
        old = {name: before[name] for name in ("latitude", "longitude", "elevation", "time_zone")}
        await connection.command("move home", "config/core/update", **old)


@pytest.mark.parametrize(
    ("latitude", "longitude", "elevation"),
    [(51.92, 4.48, 0), (47.42, 10.98, 1_560), (46.55, 7.98, 3_571), (-33.45, 20.67, 600), (60.17, 24.94, 26)],
)
async def test_sun_job_runs_when_home_assistants_own_sun_rises_and_sets(
    client: HomeClient, latitude: float, longitude: float, elevation: int
) -> None:
    """At these places, no event is near midnight UTC, because Home Assistant omits some events near midnight UTC."""
    connection = client.link.require_connection("move the home")
    moved_at = datetime.now(UTC)
    await connection.command(
        "move the home", "config/core/update", latitude=latitude, longitude=longitude, elevation=elevation
    )
    await eventually(lambda: client.states["sun.sun"].last_updated > moved_at, within_s=20)
    sun = client.states["sun.sun"]
    home = client.link.configuration
    assert home is not None
    assert (home.latitude, home.longitude, home.elevation) == (latitude, longitude, elevation)
    place = Place(zone=UTC, latitude=home.latitude, longitude=home.longitude, elevation=home.elevation)
    for name, schedule in NEXT_EVENTS.items():
        shown = datetime.fromisoformat(sun.attributes[name])
        planned = schedule.next_after(sun.last_updated, place)
        assert planned is not None
        assert abs(planned - shown) < timedelta(seconds=2)
