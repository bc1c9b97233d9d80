"""A timer that waits during a reload, whose handler or name the newer version uses in another way."""

from typing import Any

import pytest

from support.app_runner import AppDirectory, AppRunner, entry
from support.home import Home

OLDER = """
class Lamp(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_state_change(self.on, "light.a")
    async def on(self):
        self.scheduler.run_in(self.off, 300, kwargs={"light": "light.a"}, persist=PERSIST, where=WHERE)
    def is_on(self):
        return False
    async def off(self, light): ...
"""
NEWER = """
import threading
from hassette_core import SyncApp
RUNS = []
class Lamp(App[AppConfig]):
    RUNS = RUNS
    async def on_initialize(self): ...
    def is_on(self):
        return True
    async def off(self, light):
        RUNS.append(light)
"""


async def reload(home: Home, apps: AppRunner, app_dir: AppDirectory, older: str, newer: str) -> Any:
    """Set the timer in the older version. Return the object of the newer version, after the time of the timer."""
    app_dir.write("lamp", older)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.settle()
    app_dir.write("lamp", newer)
    await service.reload_changed()
    assert [status.status for status in service.statuses] == ["running"]
    await home.pass_time(301)
    return service.running.get("lamp")


@pytest.mark.parametrize("persist", [False, True])
@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("async def off(self): ...", "handler Lamp.off does not take it"),
        ("off = 7", ""),
        ("", ""),
        ("off = property(lambda self: 1 / 0)", "ZeroDivisionError: division by zero"),
    ],
)
async def test_timer_that_the_newer_version_cannot_run_is_dropped_and_recorded(
    home: Home, apps: AppRunner, app_dir: AppDirectory, handler: str, reason: str, persist: bool
) -> None:
    older = OLDER.replace("PERSIST", str(persist)).replace("WHERE", "None")
    newer = f"{NEWER.partition('    async def off')[0]}    {handler}\n"
    lamp = await reload(home, apps, app_dir, older, newer)
    assert lamp.RUNS == []
    ((_, subject, detail),) = [event for event in await home.lifecycle() if event[0] == "timer_dropped"]
    assert subject == "lamp.lamp"
    assert "the timer 'off'" in detail
    assert reason in detail


async def test_timer_runs_in_a_thread_if_the_newer_version_has_a_plain_def(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    newer = NEWER.replace("App[", "SyncApp[").replace("async def", "def")
    newer = newer.replace("append(light)", "append(threading.current_thread() is threading.main_thread())")
    lamp = await reload(home, apps, app_dir, OLDER.replace("PERSIST", "False").replace("WHERE", "None"), newer)
    await home.until(lambda: bool(lamp.RUNS))
    assert lamp.RUNS == [False]


@pytest.mark.parametrize("persist", [False, True])
async def test_recurring_job_of_the_newer_version_replaces_a_timer_of_its_name(
    home: Home, apps: AppRunner, app_dir: AppDirectory, persist: bool
) -> None:
    recurring = 'self.scheduler.run_every(self.off, 3600, kwargs={"light": "new"}, start=10)'
    older = OLDER.replace("PERSIST", str(persist)).replace("WHERE", "None")
    lamp = await reload(home, apps, app_dir, older, NEWER.replace("...", recurring))
    assert lamp.RUNS == ["new"]


async def test_persistent_timer_that_a_job_without_arguments_replaces_ends_with_the_reload(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    replacing = 'self.scheduler.run_in(self.is_on, 10, name="off")'
    older = OLDER.replace("PERSIST", "True").replace("WHERE", "None")
    lamp = await reload(home, apps, app_dir, older, NEWER.replace("...", replacing))
    assert lamp.RUNS == []


async def test_condition_of_a_timer_is_the_method_of_the_newer_version(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    older = OLDER.replace("PERSIST", "False").replace("WHERE", "self.is_on")
    lamp = await reload(home, apps, app_dir, older, NEWER)
    assert lamp.RUNS == ["light.a"]
