"""A replaced app loses no timer that its last runs have set, and its `immediate` listeners run once for each change."""

import asyncio
from typing import Any

import pytest

from support.app_runner import AppDirectory, AppRunner, entry, module, newer
from support.home import Home

TIMERS = """
import asyncio
GO = asyncio.Event()
class Lamp(App[AppConfig]):
    VERSION = 1
    runs = []
    async def on_initialize(self):
        self.bus.on_state_change(self.on, "light.a")
        if self.VERSION == 3:
            raise ValueError("broken")
    async def on(self):
        cancelled = self.scheduler.run_in(self.off, 300, kwargs={"name": "cancelled"})
        await GO.wait()
        cancelled.cancel()
        self.scheduler.run_in(self.off, 300, kwargs={"name": "set at the end"})
    async def off(self, name):
        self.runs.append(name)
"""


@pytest.mark.parametrize("version", [2, 3], ids=["starts", "fails"])
async def test_timers_that_the_last_run_of_the_older_version_sets_and_cancels_are_kept_and_cancelled(
    home: Home, apps: AppRunner, app_dir: AppDirectory, version: int
) -> None:
    app_dir.write("lamp", TIMERS)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    old = module("lamp")
    home.change("light.a", "on")
    await home.settle()
    app_dir.write("lamp", newer(TIMERS, version))
    reloading = asyncio.create_task(service.reload_changed())
    await home.settle()
    old.GO.set()
    await reloading
    await home.pass_time(301)
    await home.settle()
    assert old.Lamp.runs + (module("lamp").Lamp.runs if version == 2 else []) == ["set at the end"]


IMMEDIATE = """
import hassette_core
import asyncio
GO, STARTING = asyncio.Event(), asyncio.Event()
LOG = []
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, "light.a", immediate=True)
        self.bus.on_attribute_change(self.dimmed, "light.a", "brightness", immediate=True)
        if self.VERSION > 1:
            STARTING.set()
            await GO.wait()
            if self.VERSION == 3:
                raise ValueError("broken")
    async def heard(self, new: "hassette_core.NewState"):
        LOG.append(new.state)
    async def dimmed(self, new: "hassette_core.NewState"):
        LOG.append(new.attributes.get("brightness"))
"""


@pytest.mark.parametrize(
    ("during", "expected"),
    [
        ([], ["on", 1]),
        ([("off", 1)], ["off", 1]),
        ([("on", 2)], [2, "on"]),
        ([("off", 1), ("on", 1)], ["off", "on", 1]),
        ([("off", 2), ("on", 3)], ["off", 2, "on", 3]),
    ],
)
@pytest.mark.parametrize("version", [2, 3], ids=["starts", "fails"])
async def test_immediate_listener_runs_once_for_each_change_during_a_reload(
    home: Home, apps: AppRunner, app_dir: AppDirectory, version: int, during: list[tuple[str, int]], expected: list[Any]
) -> None:
    home.change("light.a", "on", brightness=1)
    app_dir.write("lamp", IMMEDIATE)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    await home.records(2)
    old = module("lamp")
    assert sorted(map(str, old.LOG)) == ["1", "on"]
    old.LOG.clear()
    app_dir.write("lamp", newer(IMMEDIATE, version))
    reloading = asyncio.create_task(service.reload_changed())
    await home.until(lambda: version == module("lamp").Lamp.VERSION)
    new = module("lamp")
    await asyncio.wait_for(new.STARTING.wait(), 10)
    for state, brightness in during:
        await home.pass_time(1)
        home.change("light.a", state, brightness=brightness)
    new.GO.set()
    await reloading
    await home.records(2 + len(expected))
    log = new.LOG if version == 2 else old.LOG
    assert sorted(map(str, log)) == sorted(map(str, expected))
    assert [each for each in log if isinstance(each, str)] == [each for each in expected if isinstance(each, str)]
    assert version == 2 or new.LOG == []
