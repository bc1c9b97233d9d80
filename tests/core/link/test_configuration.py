"""Home Assistant's configuration: values that cannot be right are ignored."""

import math
from datetime import UTC, datetime
from itertools import product

import pytest

from hassette_core.link.configuration import HomeConfiguration
from hassette_core.moments import Place, SunTime


@pytest.mark.parametrize(
    "change",
    [
        {"latitude": 90.1},
        {"latitude": "52"},
        {"longitude": 1e308},
        {"longitude": None},
        {"elevation": -1e308},
        {"elevation": 10**400},
        {"elevation": math.nan},
        {"elevation": True},
    ],
)
def test_impossible_location_is_ignored_and_named(change: dict[str, object], caplog: pytest.LogCaptureFixture) -> None:
    """For such a place, the search for the next sunset would not end."""
    known = HomeConfiguration(latitude=52.37, longitude=4.89, elevation=2.0)
    assert known.updated(change) == known
    (name,) = change
    (record,) = caplog.records
    assert str(vars(record)["problem"]).startswith(f"{name} must be a number from -")


def test_places_at_the_limits_have_a_next_sunset() -> None:
    places = product((-90.0, 0.0, 90.0), (-180.0, 180.0), (-100_000.0, 100_000.0))
    for latitude, longitude, elevation in places:
        configuration = HomeConfiguration().updated(
            {"latitude": latitude, "longitude": longitude, "elevation": elevation}
        )
        assert configuration[3:6] == (latitude, longitude, elevation)
        place = Place(zone=UTC, latitude=latitude, longitude=longitude, elevation=elevation)
        SunTime("sunset").next_after(datetime(2026, 6, 1, tzinfo=UTC), place)  # it returns a time or None
