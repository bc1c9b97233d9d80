"""The timeline shows what happened in the order in which it happened, also within one moment."""

from hassette_core import App, AppConfig, above
from hassette_core.testing import HomeUnderTest


class Mixed(App[AppConfig]):
    """Jobs and handlers of one moment."""

    async def on_initialize(self) -> None:
        self.scheduler.run_daily(self.quiet, "13:00")
        self.scheduler.run_daily(self.acts, "13:00")
        self.scheduler.run_daily(self.sleeps, "13:00")
        self.scheduler.run_daily(self.never, "13:00", where=self.allowed)
        self.bus.on_state_change(self.follows, "light.*")
        self.bus.on_state_change(self.never, "sensor.heat", where=above("sensor.heat", "sensor.limit"), name="warm")

    def allowed(self) -> bool:
        return False

    async def quiet(self) -> None: ...

    async def acts(self) -> None:
        await self.api.turn_on("light.a")

    async def sleeps(self) -> None:
        await self.time.sleep(10)

    async def follows(self) -> None: ...

    async def never(self) -> None: ...


def lines_at(home: HomeUnderTest, moment: str) -> list[str]:
    return [str(entry)[14:] for entry in home.timeline() if f"{entry.time:%H:%M:%S}" == moment]


def test_jobs_and_skipped_jobs_come_before_later_changes_of_the_same_moment(home: HomeUnderTest) -> None:
    home.set("light.a", "off")
    home.set("light.b", "off")
    home.add_app(Mixed)
    home.advance_to("13:00")
    home.set("light.b", "on")
    home.advance(minutes=1)
    assert lines_at(home, "13:00:00") == [
        "not run    mixed.never: condition, allowed() must be true, it returned False",
        "run        mixed.quiet: success (due at 13:00:00)",
        "run        mixed.acts: success (due at 13:00:00)",
        "call         light.turn_on light.a",
        'change         light.a: off → on brightness=255 color_mode="brightness"',
        "run              mixed.follows: success",
        "run        mixed.sleeps: success, 10 s (due at 13:00:00)",
        "change     light.b: off → on",
        "run          mixed.follows: success",
    ]


def test_events_of_the_framework_come_after_earlier_changes_of_the_same_moment(home: HomeUnderTest) -> None:
    home.set("light.a", "off")
    home.add_app(Mixed)
    home.set("light.a", "on")
    home.interrupt(seconds=1)
    lines = lines_at(home, "12:00:00")
    lost = next(number for number, line in enumerate(lines) if "connection_lost" in line)
    assert lost > lines.index("run          mixed.follows: success")


def test_triggers_without_a_run_have_their_own_times(home: HomeUnderTest) -> None:
    home.set("sensor.heat", 1)
    home.set("sensor.limit", 1000)
    home.add_app(Mixed)
    home.advance(seconds=0.1)

    def change() -> None:
        for number in range(2, 52):
            home.simulated.core.change("sensor.heat", number)

    home.run(change)
    home.advance(seconds=10)
    times = {f"{entry.time:%S.%f}" for entry in home.timeline() if entry.kind == "not run"}
    assert times == {"00.100000"}
    (not_run,) = home.not_runs("warm")
    assert {f"{each.time:%S.%f}" for each in not_run.samples} == {"00.100000"}
    assert not_run.samples[-1].detail == ("sensor.heat is above sensor.limit: it was 51, sensor.limit was 1000")
    assert "mixed.warm: 30 more × condition" in str(home.timeline())
