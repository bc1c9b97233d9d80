from datetime import datetime, timedelta

import pytest
from occupancy import Occupancy

from hassette_core.testing import HomeUnderTest

LIGHTS = ["light.hall", "light.kitchen"]


@pytest.fixture
def away(home: HomeUnderTest) -> HomeUnderTest:
    for light in LIGHTS:
        home.set(light, "off")
    home.set("input_boolean.holiday", "on")
    home.add_app(Occupancy, holiday="input_boolean.holiday", lights=LIGHTS)
    return home


def times_of(home: HomeUnderTest, service: str, light: str) -> list[datetime]:
    return [call.time for call in home.calls(service, entity=light)]


def test_each_light_is_on_for_a_while_each_evening(away: HomeUnderTest) -> None:
    away.advance(days=5)

    for light in LIGHTS:
        begins, ends = times_of(away, "light.turn_on", light), times_of(away, "light.turn_off", light)
        assert len(begins) == len(ends) == 5
        for begin, end in zip(begins, ends, strict=True):
            assert timedelta(minutes=30) <= end - begin <= timedelta(minutes=120)


def test_lights_go_on_around_sunset_at_another_time_each_day(away: HomeUnderTest) -> None:
    away.advance(days=5)

    times = [begin for light in LIGHTS for begin in times_of(away, "light.turn_on", light)]
    assert all("21:10" <= f"{time:%H:%M}" <= "22:50" for time in times)  # the sun sets at about 22:00
    assert len({f"{time:%H:%M:%S}" for time in times}) == len(times)


@pytest.mark.parametrize("holiday", ["off", "unavailable"])
def test_nothing_happens_unless_the_family_is_known_to_be_away(away: HomeUnderTest, holiday: str) -> None:
    away.set("input_boolean.holiday", holiday)

    away.advance(days=2)

    away.assert_not_called()
    assert {not_run.reason for not_run in away.not_runs()} == {"condition"}


def test_a_family_that_comes_back_keeps_its_light(away: HomeUnderTest) -> None:
    away.advance_to("22:45")
    assert "on" in {away.state(light) for light in LIGHTS}

    away.set("input_boolean.holiday", "off")
    before = len(away.calls("light.turn_off"))
    away.advance(hours=6)

    assert len(away.calls("light.turn_off")) == before


def test_a_light_goes_off_although_hassette_restarts_meanwhile(away: HomeUnderTest) -> None:
    away.advance_to("22:45")

    away.restart()
    away.advance(hours=3)

    assert [away.state(light) for light in LIGHTS] == ["off", "off"]
