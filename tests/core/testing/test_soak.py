"""Half a day of a busy home leaves no objects behind."""

import gc
from pathlib import Path

import pytest

from hassette_core import App, AppConfig
from hassette_core.testing import HomeUnderTest


class Busy(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.follow, "sensor.*")
        self.bus.on_state_change(self.settle, "sensor.a", duration=20, mode="restart")
        self.scheduler.run_every(self.tick, 10)

    async def follow(self) -> None:
        await self.api.call_service("light", "toggle", target="light.hall")

    async def settle(self) -> None: ...

    async def tick(self) -> None:
        self.scheduler.run_in(self.later, 5)

    async def later(self) -> None: ...


def objects(home: HomeUnderTest) -> int:
    """Return the number of objects of asyncio and of the framework, without the history of the simulated home."""
    home.runs()  # all records are written
    gc.collect()
    modules = [str(type(each).__module__) for each in gc.get_objects()]
    ours = [module for module in modules if module.startswith(("hassette_", "asyncio", "_asyncio"))]
    return sum(not module.startswith("hassette_core.simulation") for module in ours)


@pytest.mark.long
@pytest.mark.timeout(240)
def test_objects_of_half_a_day_are_flat(tmp_path: Path) -> None:
    counts: list[int] = []
    with HomeUnderTest(tmp_path, kept=100) as home:
        home.set("light.hall", "off")
        home.add_app(Busy)
        for hour in range(12):
            for number in range(60):
                home.set(f"sensor.{'ab'[number % 2]}", hour * 60 + number)
                home.advance(minutes=1)
            counts.append(objects(home))
        home.check_failures()
    assert max(counts[4:]) - min(counts[4:]) < 20, counts
