"""Requests of a test: rehearsals, places, people, added services, restarts, and requests from the wrong code."""

from typing import Any

import pytest

from hassette_core import App, AppConfig, SyncApp, above
from hassette_core.testing import HomeTestError, HomeUnderTest

LIGHT = "light.hall"


class Lamp(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.heard: list[str] = []
        self.bus.on_event(self.act, "go")
        self.bus.on_state_change(self.changed, LIGHT)
        self.bus.on_homeassistant_start(self.started)
        self.bus.on_connection_lost(self.lost)

    async def act(self) -> None:
        await self.api.call_service("light.turn_on", target={"entity_id": [LIGHT], "area_id": "attic"}, brightness=7)
        await self.api.call_service("notify", "phone", message="é" * 3_000)
        await self.api.fire_event("done", {"n": 1})

    async def changed(self) -> None:
        self.heard.append("changed")

    async def started(self) -> None:
        self.heard.append("started")

    async def lost(self) -> None:
        self.heard.append("lost")


def test_calls_of_a_rehearsing_app_are_recorded_and_not_sent(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Lamp, rehearse=True)
    home.fire("go")
    assert home.state(LIGHT) == "off"
    assert home.calls() == home.calls(outcome="refused") == []
    turn_on, notify, event = home.calls(outcome="rehearsed")
    assert (turn_on.service, turn_on.entities, turn_on.outcome) == ("light.turn_on", (LIGHT,), "rehearsed")
    assert turn_on.data == {"area_id": "attic", "brightness": 7}
    assert (notify.service, notify.data["truncated"][:14]) == ("notify.phone", '{"message":"éé')
    assert (event.service, event.time) == ("api.fire_event", home.now)
    assert home.calls("light.turn_on", LIGHT, outcome="rehearsed") == [turn_on]
    lines = str(home.timeline()).splitlines()
    run = next(number for number, line in enumerate(lines) if "run          lamp.act: success" in line)
    assert lines[run + 1].endswith(
        f"call           light.turn_on {LIGHT} " + 'area_id="attic" brightness=7 (not sent, the app rehearses)'
    )


class Dusk(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.note, "sunset")

    async def note(self) -> None: ...


@pytest.mark.parametrize(
    ("tz", "latitude", "longitude", "expected"),
    [
        (None, None, None, "21:52"),
        ("Europe/Vienna", 48.21, 16.37, "20:46"),
        ("Australia/Sydney", -33.87, 151.21, "16:54"),
        ("Europe/Oslo", 69.65, 18.96, None),  # the sun does not set
    ],
)
def test_place_of_the_home_decides_when_the_sun_sets(
    home: HomeUnderTest, tz: str | None, latitude: float | None, longitude: float | None, expected: str | None
) -> None:
    home.at("2026-06-01 12:00", tz=tz, latitude=latitude, longitude=longitude)
    home.add_app(Dusk)
    home.advance(hours=11)
    found = [f"{run.started:%H:%M}" for run in home.runs(Dusk.note)]
    assert found == ([] if expected is None else [expected])
    assert home.state("sun.sun") == ("above_horizon" if expected is None else "below_horizon")


def test_impossible_place_is_refused(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r"latitude must be between -90 and 90, got 91"):
        home.at("2026-06-01 12:00", latitude=91)
    with pytest.raises(HomeTestError, match=r"longitude must be between -180 and 180, got nan"):
        home.at("2026-06-01 12:00", longitude=float("nan"))


class Person(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.users: list[str | None] = []
        self.bus.on_state_change(self.changed, LIGHT)
        self.bus.on_call_service(self.called, domain="light")

    async def changed(self, event: Any) -> None:
        self.users.append(event.context.user_id)

    async def called(self) -> None: ...


async def test_person_who_calls_a_service_is_the_user_of_the_change(home: HomeUnderTest) -> None:
    await home.set(LIGHT, "off")
    await home.add_app(Person)
    await home.call("light.turn_on", LIGHT, user="Alex", brightness=3)
    await home.call("light.turn_off", [LIGHT], user="Alex")
    await home.call("light.toggle", LIGHT)
    first, second, third = home.app(Person).users
    assert first == second
    assert first is not None
    assert third is None
    assert len(home.runs("called")) == 3
    assert home.calls() == []  # no app has called a service


async def test_added_service_receives_calls_and_answers(home: HomeUnderTest) -> None:
    seen: list[Any] = []
    await home.add_service("shop.price", lambda call: seen.append(call.data["item"]) or {"price": 3}, response="only")
    await home.add_service("notify.phone")

    class Shop(App[AppConfig]):
        async def on_initialize(self) -> None:
            self.bus.on_event(self.buy, "buy")

        async def buy(self) -> None:
            answer = await self.api.call_service("shop", "price", return_response=True, item="milk")
            await self.api.call_service("notify", "phone", message=f"{answer.response['price']}")

    await home.add_app(Shop)
    await home.fire("buy")
    assert seen == ["milk"]
    home.assert_called("notify.phone", message="3")
    with pytest.raises(HomeTestError, match=r"service must be of the form domain.service, got 'phone'"):
        await home.add_service("phone")


def test_app_hears_restarts_of_home_assistant_and_interruptions_of_the_connection(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Lamp)
    began = home.now
    home.restart_home_assistant(down_seconds=40)
    assert (home.now - began).total_seconds() >= 40
    home.advance(minutes=1)
    assert sorted(home.app(Lamp).heard) == ["lost", "started"]
    home.interrupt(seconds=20)
    assert sorted(home.app(Lamp).heard) == ["lost", "lost", "started"]
    home.set(LIGHT, "on")
    assert home.app(Lamp).heard[-1] == "changed"


class Keeper(SyncApp[AppConfig]):
    def on_initialize(self) -> None:
        self.bus.on_event(self.keep, "keep")

    def keep(self) -> None:
        self.storage["many"] = list(range(20_000))

    def count(self) -> int:
        return len(self.storage.get("many", ()))


def test_restart_waits_until_the_storage_is_written(home: HomeUnderTest) -> None:
    home.add_app(Keeper)
    home.fire("keep")
    home.restart()
    assert home.run(home.app(Keeper).count).result == 20_000


class Strict(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.warm, "sensor.heat", where=above("sensor.heat", 20))

    async def warm(self) -> None: ...


def test_trigger_without_a_run_is_shown_with_its_time_cause_and_reason(home: HomeUnderTest) -> None:
    home.set("sensor.heat", 10)
    home.add_app(Strict)
    home.set("sensor.heat", 15)
    home.advance(minutes=1)
    home.set("sensor.heat", 16)
    (not_run,) = home.not_runs("warm")
    assert (not_run.reason, not_run.count) == ("condition", 2)
    assert [(f"{each.time:%H:%M}", each.detail, each.trigger) for each in not_run.samples] == [
        ("12:00", "sensor.heat is above 20: it was 15", "sensor.heat: 10 → 15"),
        ("12:01", "sensor.heat is above 20: it was 16", "sensor.heat: 15 → 16"),
    ]
    assert str(home.timeline()).splitlines()[-2:] == [
        "12:01:00.000  change     sensor.heat: 15 → 16",
        "12:01:00.000  not run      strict.warm: condition, sensor.heat is above 20: it was 16",
    ]


def test_more_triggers_than_the_framework_keeps_are_counted(home: HomeUnderTest) -> None:
    home.set("sensor.heat", 1)
    home.add_app(Strict)

    def change() -> None:
        for number in range(50):
            home.simulated.core.change("sensor.heat", f"1.{number:02}")

    home.run(change)
    (not_run,) = home.not_runs("warm")
    assert (not_run.count, len(not_run.samples)) == (50, 20)
    assert "strict.warm: 30 more × condition" in str(home.timeline())


async def test_code_that_runs_in_the_home_can_ask_and_cannot_request(home: HomeUnderTest) -> None:
    await home.set(LIGHT, "off")
    await home.add_app(Lamp)
    assert await home.run(lambda: home.app(Lamp).heard) == []
    assert await home.run(lambda: home.state(LIGHT)) == "off"

    async def request() -> None:
        await home.set(LIGHT, "on")

    for wrong in (request, lambda: home.advance(minutes=1), lambda: home.runs("act"), lambda: home.run(request)):
        with pytest.raises(HomeTestError, match="the test must make this request, but code that runs in the home"):
            await home.run(wrong)
    assert home.state(LIGHT) == "off"


def test_thread_of_an_app_can_ask_and_cannot_request(home: HomeUnderTest) -> None:
    class Asking(SyncApp[AppConfig]):
        def on_initialize(self) -> None:
            self.bus.on_event(self.ask, "ask")
            self.bus.on_event(self.change, "change")

        def ask(self) -> None:
            self.logger.info("%s", home.state(LIGHT))

        def change(self) -> None:
            home.set(LIGHT, "on")

    home.set(LIGHT, "off")
    home.add_app(Asking)
    home.fire("ask")
    home.fire("change")
    ask, change = home.runs()
    assert ask.logs == ("off",)
    assert "the test must make this request" in (change.error or "")
