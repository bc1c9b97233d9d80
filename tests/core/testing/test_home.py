"""The home of a test: changes, time, calls, runs and failures, in sync and async tests."""

import asyncio
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hassette_core import App, AppConfig, NewState
from hassette_core.errors import AppLoadError
from hassette_core.testing import HomeUnderTest
from hassette_core.testing.errors import HomeTestError, UnexpectedFailureError

MOTION, LIGHT = "binary_sensor.hall_motion", "light.hall"


class LightConfig(AppConfig):
    off_after_s: float = 300


class MotionLight(App[LightConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.turn_on, MOTION, changed_to="on")
        self.bus.on_state_change(self.turn_off, MOTION, changed_to="off", duration=self.config.off_after_s)

    async def turn_on(self) -> None:
        await self.api.call_service("light", "turn_on", target=LIGHT, brightness=120)

    async def turn_off(self) -> None:
        await self.api.call_service("light", "turn_off", target=LIGHT)


async def test_async_test_awaits_each_request(home: HomeUnderTest) -> None:
    await home.set(LIGHT, "off")
    await home.set(MOTION, "off")
    await home.add_app(MotionLight)
    await home.set(MOTION, "on")
    assert home.state(LIGHT) == "on"
    await home.set(MOTION, "off")
    await home.advance(seconds=299)
    assert home.state(LIGHT) == "on"
    await home.advance(seconds=1)
    assert home.state(LIGHT) == "off"
    assert [(call.service, call.entities, dict(call.data)) for call in home.calls()] == [
        ("light.turn_on", (LIGHT,), {"brightness": 120}),
        ("light.turn_off", (LIGHT,), {}),
    ]
    assert home.calls("light.turn_off")[0].time == home.now


def test_sync_test_needs_no_await(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(MotionLight, off_after_s=60)
    home.set(MOTION, "on")
    home.set(MOTION, "off")
    home.advance(minutes=1)
    assert home.attributes(LIGHT)["brightness"] is None
    assert [(run.name, run.status, run.trigger) for run in home.runs()] == [
        ("motion_light.turn_on", "success", f"{MOTION}: None → on"),
        ("motion_light.turn_off", "success", f"{MOTION}: on → off"),
    ]
    assert home.runs(MotionLight.turn_off) == home.runs("motion_light.turn_off") == home.runs()[1:]


async def test_request_that_is_not_awaited_happens_before_the_next_question(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.set("sensor.power", 12.5, unit_of_measurement="W")
    assert home.state("sensor.power") == "12.5"
    home.remove("sensor.gone")
    with pytest.raises(HomeTestError, match=r"entity_id must be known, got 'sensor.gone'"):
        home.state(LIGHT)


class Jobs(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.times: list[datetime] = []
        self.scheduler.run_daily(self.note, "07:00")

    async def note(self) -> None:
        await asyncio.sleep(300)
        async with asyncio.timeout(5):
            await asyncio.sleep(2)


def test_time_moves_only_on_request_and_sleeping_handlers_follow_it(home: HomeUnderTest) -> None:
    home.at("2026-03-28 06:59", tz="Europe/Vienna")
    home.add_app(Jobs)
    assert home.now == datetime(2026, 3, 28, 6, 59, tzinfo=ZoneInfo("Europe/Vienna"))
    home.advance(minutes=2)
    assert home.runs() == []
    home.advance(minutes=10)
    (run,) = home.runs("note")
    assert (run.started.hour, run.started.minute, run.duration_s) == (7, 0, 302)
    home.advance_to("2026-03-29 12:00")
    assert home.now.utcoffset() == timedelta(hours=2)
    assert [run.started.isoformat() for run in home.runs()][1:] == ["2026-03-29T07:00:00+02:00"]


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("07:00", "2026-06-02T07:00:00+02:00"),
        ("12:00:01", "2026-06-01T12:00:01+02:00"),
        ("12:00", "2026-06-02T12:00:00+02:00"),
        ("2026-06-03 01:00", "2026-06-03T01:00:00+02:00"),
        (datetime.fromisoformat("2026-06-03T01:00:00+00:00"), "2026-06-03T03:00:00+02:00"),
    ],
)
def test_time_moves_to_the_next_occurrence_of_a_moment(
    home: HomeUnderTest, moment: str | datetime, expected: str
) -> None:
    home.advance_to(moment)
    assert home.now.isoformat() == expected


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (lambda home: home.advance(seconds=-1), "the time must move forward, got -1 s"),
        (lambda home: home.advance_to("2026-05-01 07:00"), "moment must be in the future, got 2026-05-01 07:00:00"),
        (lambda home: home.advance_to("soon"), 'moment must be a time such as "07:00"'),
        (lambda home: home.at("2026-01-01", tz="Europe/Wien"), "tz must be a time zone such as 'Europe/Vienna'"),
        (lambda home: home.set("hall", "on"), "entity_id must be an entity id such as 'light.hall', got 'hall'"),
        (lambda home: home.set("light.hal", "on"), "got 'light.hal'; did you mean 'light.hall'?"),
        (lambda home: home.set("light.ahll", "on"), "got 'light.ahll'; did you mean 'light.hall'?"),
        (lambda home: home.set("light.new"), "the state of the new entity 'light.new' is missing"),
        (lambda home: home.set("light.hall", True), "state must be a text or a number, got True; write 'on'"),
        (lambda home: home.add_entity("light.hall", "on"), "entity_id must be new, got 'light.hall'"),
        (lambda home: home.state("light.hal"), "got 'light.hal'; did you mean 'light.hall'?"),
        (lambda home: home.calls("light.trun_on"), "got 'light.trun_on'; did you mean 'light.turn_on'?"),
        (lambda home: home.calls(entity="light.hal"), "got 'light.hal'; did you mean 'light.hall'?"),
        (
            lambda home: home.calls("notify.mobile_app_alex"),
            r"notify.persistent_notification, notify.send_message. Add it with home.add_service\(",
        ),
        (lambda home: home.runs("turn_onn"), "handler must be known, got 'turn_onn'; did you mean 'turn_on'?"),
        (lambda home: home.not_runs(Jobs.note), "handler must be known, got 'Jobs.note'"),
        (lambda home: home.at("2026-01-01"), r"home.at\(\) must be called before the first app is added"),
        (lambda home: home.add_app(MotionLight), "instance must be unique, got 'motion_light' again"),
    ],
)
def test_wrong_request_is_refused_with_an_explanation(home: HomeUnderTest, request_: object, problem: str) -> None:
    home.set(LIGHT, "off")
    home.set("light.bed_a", "off")
    home.set("light.bed_b", "off")
    home.set("sensor.room_1", 1)
    home.set("sensor.room_12", 1)
    home.add_app(MotionLight)
    with pytest.raises(HomeTestError, match=problem):
        request_(home)  # pyright: ignore


def test_wrong_settings_of_an_app_are_refused(home: HomeUnderTest) -> None:
    with pytest.raises(AppLoadError, match=r"off_after is not a known key; did you mean 'off_after_s'?"):
        home.add_app(MotionLight, off_after=5)


class Broken(App[AppConfig]):
    async def on_initialize(self) -> None:
        raise LookupError("no lamp")


def test_app_that_cannot_start_fails_the_test_at_that_line(home: HomeUnderTest) -> None:
    with pytest.raises(HomeTestError, match=r"app broken.broken: on_initialize failed: LookupError: no lamp") as error:
        home.add_app(Broken)
    assert isinstance(error.value.__cause__, LookupError)


class Failing(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.fail, "fail")

    async def fail(self) -> None:
        raise ValueError("a lamp exploded")


def test_failed_run_is_reported_unless_the_test_looks_at_it(home: HomeUnderTest) -> None:
    home.add_app(Failing)
    home.fire("fail", reason="test")
    with pytest.raises(UnexpectedFailureError, match=r"12:00:00 failing.fail: ValueError: a lamp exploded"):
        home.check_failures()
    assert [run.error for run in home.runs()] == ["ValueError: a lamp exploded"]
    home.check_failures()
    home.fire("fail")
    with pytest.raises(UnexpectedFailureError):
        home.check_failures()
    home.expect_failures()
    home.check_failures()


def test_assertions_about_calls_list_all_calls(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(MotionLight)
    with pytest.raises(AssertionError, match=r"light.turn_on light.hall was not called; the apps called no service"):
        home.assert_called("light.turn_on", LIGHT)
    home.assert_not_called()
    home.set(MOTION, "on")
    home.assert_called("light.turn_on", LIGHT, times=1, brightness=120)
    home.assert_not_called("light.turn_off")
    with pytest.raises(AssertionError, match=r"light.turn_on brightness=1 was not called; .* brightness=120"):
        home.assert_called("light.turn_on", brightness=1)
    with pytest.raises(AssertionError, match=r"must be called 2 times, got 1"):
        home.assert_called("light.turn_on", times=2)
    with pytest.raises(AssertionError, match=r"1 calls were not expected: light.turn_on light.hall brightness=120"):
        home.assert_not_called()


class Modes(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.work, "work", mode="single")

    async def work(self) -> None:
        await asyncio.sleep(60)


def test_triggers_without_a_run_are_counted_with_their_reason(home: HomeUnderTest) -> None:
    home.add_app(Modes)
    for _ in range(3):
        home.fire("work")
    assert [(each.name, each.reason, each.count) for each in home.not_runs("work")] == [("modes.work", "overlap", 2)]
    home.advance(minutes=1)
    assert [run.duration_s for run in home.runs()] == [60]


def test_restart_of_the_framework_starts_the_apps_again(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(MotionLight)
    home.restart()
    home.set(MOTION, "on")
    home.assert_called("light.turn_on", times=1)


def test_code_runs_in_the_home_and_time_passes_meanwhile(home: HomeUnderTest) -> None:
    async def wait() -> str:
        await asyncio.sleep(90)
        return "done"

    began = home.now
    assert home.run(wait()).result == "done"
    assert home.now - began == timedelta(seconds=90)
    assert home.run(lambda: 42).result == 42
    with pytest.raises(ZeroDivisionError):
        home.run(lambda: 1 // 0)


class Logs(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.log, LIGHT)

    async def log(self, new: NewState) -> None:
        self.logger.info("Light is %s", new.state)


def test_timeline_shows_the_log_line_of_each_run_of_one_moment_behind_its_run(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(Logs)
    home.set(LIGHT, "on")
    home.set(LIGHT, "off")
    texts = [entry.text for entry in home.timeline() if entry.kind in ("run", "log")]
    assert texts == ["logs.log: success", "info Light is on", "logs.log: success", "info Light is off"]


def test_timeline_shows_each_effect_behind_its_cause(home: HomeUnderTest) -> None:
    home.set(LIGHT, "off")
    home.add_app(MotionLight)
    home.set(MOTION, "on")
    assert str(home.timeline()).splitlines() == [
        "Monday 2026-06-01 (Europe/Amsterdam)",
        "12:00:00.000  change     light.hall: off",
        "12:00:00.000  framework  app motion_light.motion_light running",
        "12:00:00.000  change     binary_sensor.hall_motion: on",
        "12:00:00.000  run          motion_light.turn_on: success",
        "12:00:00.000  call           light.turn_on light.hall brightness=120",
        '12:00:00.000  change           light.hall: off → on brightness=120 color_mode="brightness"',
    ]


class Blocking(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_event(self.block, "block")

    async def block(self) -> None:
        while True:  # noqa: ASYNC110  the handler must never end
            await asyncio.sleep(0)


def test_handler_that_never_ends_is_named_in_the_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = HomeUnderTest(tmp_path_factory.mktemp("home"), patience_s=0.5)
    home.add_app(Blocking)
    with pytest.raises(HomeTestError, match=r"(?s)the home under test does not settle: it makes no progress for 0.5 s"):
        home.fire("block")
    with pytest.raises(HomeTestError):
        home.close()


def test_closed_home_refuses_requests(tmp_path_factory: pytest.TempPathFactory) -> None:
    with HomeUnderTest(tmp_path_factory.mktemp("home")) as home:
        home.set(LIGHT, "off")
    home.close()
    assert home.state(LIGHT) == "off"
    with pytest.raises(HomeTestError, match=r"the home is closed"):
        home.set(LIGHT, "on")
