"""Failures on demand in the home of a test, and the calls that they refuse."""

import pytest

from hassette_core import App, AppConfig, SyncApp
from hassette_core.errors import NoAnswerError
from hassette_core.testing import HomeTestError, HomeUnderTest

LIGHT = "light.hall"


class Lamp(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.turn_on, "go")
        self.bus.on_event(self.turn_on_for_sure, "go_for_sure")

    async def turn_on(self) -> None:
        await self.api.call_service("light.turn_on", target=LIGHT, brightness=120)

    async def turn_on_for_sure(self) -> None:
        await self.api.call_service("light.turn_on", target=LIGHT, expect="on", within=3, retries=2)


@pytest.fixture
def lamp(home: HomeUnderTest) -> HomeUnderTest:
    home.set(LIGHT, "off")
    home.add_app(Lamp)
    return home


def test_refused_call_fails_its_run_and_is_not_among_the_accepted_calls(lamp: HomeUnderTest) -> None:
    lamp.failures.refuse("light.turn_on", message="The bulb is broken", times=1)
    lamp.fire("go")
    assert lamp.runs("turn_on")[0].failed
    lamp.assert_not_called()
    (call,) = lamp.calls(outcome="refused")
    assert (call.service, call.entities, call.data, call.outcome, call.error) == (
        "light.turn_on",
        (LIGHT,),
        {"brightness": 120},
        "refused",
        "The bulb is broken",
    )
    lamp.fire("go")
    lamp.assert_called("light.turn_on", LIGHT, times=1)
    assert lamp.calls("light.turn_on", LIGHT, outcome="refused") == [call]


def test_slow_call_that_is_refused_in_the_end_is_refused(lamp: HomeUnderTest) -> None:
    lamp.expect_failures()
    lamp.failures.slow("light.*", seconds=5)
    lamp.failures.refuse("*.turn_on", entity=LIGHT)
    lamp.fire("go")
    assert len(lamp.calls()) == 1  # in progress
    lamp.fire("go")
    lamp.advance(seconds=5)
    assert lamp.calls() == []
    assert len(lamp.calls(outcome="refused")) == 2


@pytest.mark.parametrize("code", ["light.turn_on(brightness='bright')", "light.no_such()", "light.turn_on()"])
def test_call_that_the_home_cannot_accept_is_refused(home: HomeUnderTest, code: str) -> None:
    class Wrong(SyncApp[AppConfig]):
        def on_initialize(self) -> None:
            self.bus.on_event(self.act, "go")

        def act(self) -> None:
            if "no_such" in code:
                self.api.call_service("light", "no_such", target=LIGHT)
            elif "bright" in code:
                self.api.call_service("light", "turn_on", target=LIGHT, brightness="bright")
            else:
                self.api.call_service("light", "turn_on")

    home.expect_failures()
    home.set(LIGHT, "off")
    home.add_app(Wrong)
    home.fire("go")
    assert home.calls() == []
    (call,) = home.calls(outcome="refused")
    assert str(call).startswith(code.partition("(")[0])
    assert call.error


def test_slow_service_takes_effect_after_its_time(lamp: HomeUnderTest) -> None:
    lamp.failures.slow("light.turn_on", seconds=12, times=1)
    lamp.fire("go")
    lamp.advance(seconds=11)
    assert lamp.state(LIGHT) == "off"
    lamp.advance(seconds=1)
    assert lamp.state(LIGHT) == "on"
    assert lamp.runs("turn_on")[0].duration_s == 12


async def test_deaf_bulb_accepts_calls_and_stays_off(home: HomeUnderTest) -> None:
    await home.set(LIGHT, "off")
    await home.add_app(Lamp)
    await home.failures.deaf(LIGHT, calls=2)
    await home.fire("go_for_sure")
    await home.advance(seconds=4)
    assert home.state(LIGHT) == "off"
    await home.advance(seconds=3)
    assert home.state(LIGHT) == "on"
    home.assert_called("light.turn_on", LIGHT, times=3)
    assert [run.status for run in home.runs("turn_on_for_sure")] == ["success"]


def test_unavailable_entity_ignores_calls_until_it_is_available(lamp: HomeUnderTest) -> None:
    lamp.failures.unavailable(LIGHT)
    lamp.fire("go")
    assert lamp.state(LIGHT) == "unavailable"
    lamp.failures.available(LIGHT)
    assert lamp.state(LIGHT) == "off"


def test_unanswered_call_has_its_effect_and_fails_after_its_time_limit(lamp: HomeUnderTest) -> None:
    lamp.failures.unanswered("light.turn_on")
    lamp.fire("go")
    assert lamp.state(LIGHT) == "on"
    lamp.advance(minutes=1)
    (run,) = lamp.runs("turn_on")
    assert (run.duration_s, NoAnswerError.__name__ in (run.error or "")) == (60, True)


def test_all_failures_end_with_clear(lamp: HomeUnderTest) -> None:
    lamp.failures.deaf(LIGHT)
    lamp.failures.refuse("light.turn_on")
    lamp.failures.unavailable(LIGHT)
    lamp.failures.clear()
    lamp.fire("go")
    assert lamp.state(LIGHT) == "on"


def test_failure_of_an_unknown_entity_or_service_is_an_error_of_the_test(lamp: HomeUnderTest) -> None:
    for request in (lambda: lamp.failures.deaf("light.hal"), lambda: lamp.failures.unavailable(LIGHT, "light.hal")):
        with pytest.raises(HomeTestError, match=r"entity_id must be known, got 'light.hal'; did you mean 'light.hall'"):
            request()
    for request in (
        lambda: lamp.failures.refuse("light.trun_on"),
        lambda: lamp.failures.slow("light.trun_on", seconds=1),
    ):
        with pytest.raises(HomeTestError, match=r"service must be known, got 'light.trun_on'; did you mean"):
            request()
    assert lamp.state(LIGHT) == "off"
