"""Handlers whose time comes at one moment run in the order of their registration."""

from hassette_core import App, AppConfig
from hassette_core.testing import HomeUnderTest

NUMBERS = list(range(30))


class Numbered(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.jobs: list[int] = []
        self.slept: list[int] = []
        self.called: list[int] = []
        self.held: list[int] = []
        self.debounced: list[int] = []
        self.daily: list[int] = []
        for number in NUMBERS:
            self.scheduler.run_in(self.job, 60, kwargs={"number": number})
            for method, options in ((self.hold, {"duration": 60}), (self.wait, {"debounce": 60})):
                self.bus.on_state_change(
                    method,
                    "light.hall",
                    changed_to="on",
                    kwargs={"number": number},
                    name=f"{method.__name__}{number}",
                    **options,  # type: ignore[arg-type]
                )

    async def job(self, number: int) -> None:
        self.jobs.append(number)
        await self.time.sleep(1)
        self.slept.append(number)
        await self.api.call_service("light", "turn_on", target="light.hall")
        self.called.append(number)

    async def hold(self, number: int) -> None:
        self.held.append(number)

    async def wait(self, number: int) -> None:
        self.debounced.append(number)


async def test_jobs_pauses_and_held_changes_of_one_moment_keep_their_order(home: HomeUnderTest) -> None:
    await home.set("light.hall", "off")
    await home.add_app(Numbered)
    await home.set("light.hall", "on")
    await home.advance(minutes=2)
    app = home.app(Numbered)
    assert app.jobs == app.slept == app.called == app.held == app.debounced == NUMBERS
