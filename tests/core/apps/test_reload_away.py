"""A reload while Home Assistant is away, and the apps that depend on a reloaded app."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hassette_core.apps import AppService
from hassette_core.apps.imports import PACKAGE
from support.app_runner import AppDirectory, AppRunner, entry, module, newer, statuses
from support.home import Home
from support.waiting import patience

LAMP = """
class Lamp(App[AppConfig]):
    VERSION = 1
    READY = None
    RUNS = []
    async def on_initialize(self):
        await self.connect()
        self.bus.on_state_change(self.on, "light.a")
    async def connect(self):
        if self.READY is not None and not self.READY.is_set():
            raise ConnectionError("no connection")
    async def on(self):
        self.scheduler.run_in(self.off, 300)
    async def off(self):
        self.RUNS.append(self.VERSION)
"""

RETRIES = "The previous version does not run either, and its start will be tried again"


def version(service: AppService) -> int:
    lamp: Any = service.running.get("lamp")
    return lamp.VERSION


async def reloads(home: Home) -> list[tuple[str, str]]:
    return [(kind, detail) for kind, _, detail in await home.lifecycle() if "reload" in kind]


@pytest.fixture
def ready() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@pytest.fixture
async def serving(
    home: Home, apps: AppRunner, app_dir: AppDirectory, ready: asyncio.Event
) -> AsyncIterator[AppService]:
    """A running service with the app `LAMP`, whose timer has been set, and that cannot start while not ready."""
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")}, ready=ready, first_retry_s=0.001)
    task = asyncio.create_task(service.serve())
    await asyncio.wait_for(service.started.wait(), patience(5))
    module("lamp").Lamp.READY = ready
    home.change("light.a", "on")
    await home.records(1)
    yield service
    await service.stop()
    await asyncio.wait_for(task, patience(5))


@pytest.mark.parametrize("by_request", [False, True])
async def test_reload_waits_while_home_assistant_is_away_and_loses_no_timer(
    home: Home, app_dir: AppDirectory, ready: asyncio.Event, serving: AppService, by_request: bool
) -> None:
    ready.clear()
    app_dir.write("lamp", newer(LAMP, 2))
    old = serving.running.get("lamp")
    await (serving.reload("lamp") if by_request else serving.reload_changed())
    await home.settle()
    assert serving.running.get("lamp") is old
    assert await reloads(home) == []
    await home.pass_time(100)
    ready.set()
    await home.until(lambda: serving.running.get("lamp") is not old)
    assert version(serving) == 2
    assert await reloads(home) == [("app_reloaded", "its code has changed")]
    await home.pass_time(199)
    assert module("lamp").Lamp.RUNS == []
    await home.pass_time(1)
    assert module("lamp").Lamp.RUNS == [2]


LOSING = """
from lamp_ready import READY
class Gone:
    def is_set(self):
        READY[0].clear()
        return False
"""


async def test_connection_lost_during_a_reload_ends_no_app_and_loses_no_timer(
    home: Home, app_dir: AppDirectory, ready: asyncio.Event, serving: AppService
) -> None:
    app_dir.write("lamp_ready", "READY = []")
    importlib.import_module(f"{PACKAGE}.lamp_ready").READY.append(ready)
    # The newer version loses the connection while it starts. So neither version can start.
    app_dir.write("lamp", LOSING + newer(LAMP, 2).replace("READY = None", "READY = Gone()"))
    await serving.reload_changed()
    assert statuses(serving) == {"lamp.lamp": "retrying"}
    problem = "on_initialize failed: ConnectionError: no connection"
    assert await reloads(home) == [("app_reload_failed", f"{problem}. {RETRIES}")]
    assert ("app_failed", "lamp.lamp", problem) in await home.lifecycle()
    app_dir.write("lamp", newer(LAMP, 3))
    ready.set()
    await home.until(lambda: statuses(serving) == {"lamp.lamp": "running"} and version(serving) == 3)
    await home.pass_time(300)
    assert module("lamp").Lamp.RUNS == [3]


async def test_previous_version_that_cannot_start_again_at_once_keeps_its_timers(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = LAMP.replace("if self.READY is not None and not self.READY.is_set():", "if self.FAILS:").replace(
        "READY = None", "FAILS = False"
    )
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")}, first_retry_s=0.001)
    old = module("lamp").Lamp
    home.change("light.a", "on")
    await home.records(1)
    old.FAILS = True
    app_dir.write("lamp", newer(text, 2).replace("FAILS = False", "FAILS = True"))
    await service.reload_changed()
    assert statuses(service) == {"lamp.lamp": "retrying"}
    assert (await reloads(home))[-1][1].endswith(RETRIES)
    app_dir.write("lamp", "1 / 0")
    await service.reload_changed()
    assert (await reloads(home))[-1][1].endswith(RETRIES)
    old.FAILS = False
    await home.until(lambda: statuses(service) == {"lamp.lamp": "running"})
    await home.pass_time(299)
    assert old.RUNS == []
    await home.pass_time(1)
    assert old.RUNS == [1]


SLOW = """
import asyncio
BEGAN, GO = asyncio.Event(), asyncio.Event()
class Lamp(App[AppConfig]):
    VERSION = 1
    WAITS = False
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, "light.a")
        if self.VERSION == 3:
            raise ValueError
        if self.WAITS:
            BEGAN.set()
            await GO.wait()
    async def heard(self): ...
"""


async def begin_reload(
    home: Home, apps: AppRunner, app_dir: AppDirectory, version: int = 2
) -> tuple[AppService, asyncio.Task[None]]:
    """Begin a reload, and return while the start of a version waits for `GO`.

    The version 2 waits. The version 3 fails, so that the previous version starts again, and waits.
    """
    app_dir.write("lamp", SLOW)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    module("lamp").Lamp.WAITS = True
    app_dir.write("lamp", newer(SLOW, version).replace("WAITS = False", "WAITS = True"))
    request = asyncio.create_task(service.reload("lamp"))
    await home.until(lambda: module("lamp").BEGAN.is_set())
    return service, request


async def test_cancelled_request_does_not_leave_a_reload_half_done(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    service, request = await begin_reload(home, apps, app_dir)
    request.cancel()
    await asyncio.wait({request})
    home.change("light.a", "on")
    module("lamp").GO.set()
    await home.until(lambda: version(service) == 2)
    await home.records(1)


@pytest.mark.parametrize("version", [2, 3], ids=["newer", "previous"])
async def test_stop_while_a_version_starts_during_a_reload_leaves_no_running_app(
    home: Home, apps: AppRunner, app_dir: AppDirectory, version: int
) -> None:
    service, request = await begin_reload(home, apps, app_dir, version)
    await service.stop()
    module("lamp").GO.set()
    await asyncio.wait({request})
    assert list(service.running) == []
    assert statuses(service) == {"lamp.lamp": "stopped"}
    assert ("app_stopped", "lamp.lamp", "during a reload") in await home.lifecycle()
    assert home.bus_service.roster.entries() == home.scheduler_service.roster.entries() == []
    home.change("light.a", "on")
    await home.records(0)


DEPENDENT = """
class User(App[AppConfig]):
    async def on_initialize(self):
        self.kept = [self.apps.get(key) for key in self.NEEDS]
        self.bus.on_state_change(self.on, "light.a")
        STARTS.append(self.app_key)
    async def on(self):
        self.scheduler.run_in(self.off, 300)
    async def off(self):
        RUNS.append(self.app_key)
STARTS, RUNS = [], []
class First(User):
    depends_on = NEEDS = ["lamp"]
class Second(User):
    depends_on = NEEDS = ["first", "lamp"]
class Other(User):
    NEEDS = []
"""


@pytest.fixture
async def dependents(apps: AppRunner, app_dir: AppDirectory) -> AppService:
    app_dir.write("lamp", LAMP)
    app_dir.write("users", DEPENDENT)
    classes = {"second": "Second", "first": "First", "other": "Other"}
    entries = {"lamp": entry("lamp", "Lamp"), **{key: entry("users", name) for key, name in classes.items()}}
    service = await apps.start(entries, first_retry_s=0.001)
    module("users").STARTS.clear()
    return service


def assert_current(service: AppService) -> None:
    for key in ("first", "second"):
        app: Any = service.running.get(key)
        assert app.kept == [service.running.get(needed) for needed in app.NEEDS]


@pytest.mark.parametrize("how", ["code", "request", "settings", "refused", "stopped"])
async def test_dependents_restart_in_order_after_their_dependency_was_replaced(
    home: Home, app_dir: AppDirectory, dependents: AppService, how: str
) -> None:
    home.change("light.a", "on")
    await home.records(4)
    match how:
        case "code":
            app_dir.write("lamp", newer(LAMP, 2))
            await dependents.reload_changed()
        case "request":
            await dependents.reload("lamp")
        case "settings":
            tables = {"lamp": entry("lamp", "Lamp", log_level="debug")}
            classes = {"first": "First", "second": "Second", "other": "Other"}
            tables |= {key: entry("users", name) for key, name in classes.items()}
            await dependents.reload_changed(tables)
        case "refused":
            app_dir.write("lamp", LAMP.replace("await self.connect()", "raise ValueError"))
            await dependents.reload_changed()
        case _:
            await dependents.stop_app("lamp")
            await dependents.start_app("lamp")
    assert module("users").STARTS == ["first", "second"]
    assert_current(dependents)
    await home.pass_time(300)
    assert sorted(module("users").RUNS) == ["first", "other", "second"]
    await dependents.reload_changed()
    assert module("users").STARTS == ["first", "second"]


async def test_dependent_that_is_changed_too_restarts_once_and_after_its_dependency(
    app_dir: AppDirectory, dependents: AppService
) -> None:
    app_dir.write("lamp", newer(LAMP, 2))
    app_dir.write("users", DEPENDENT + "\n")
    await dependents.reload_changed()
    assert sorted(module("users").STARTS) == ["first", "other", "second"]
    assert module("users").STARTS.index("first") < module("users").STARTS.index("second")
    assert_current(dependents)


async def test_new_version_with_a_new_dependency_starts_after_it_or_not_at_all(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write("needed", LAMP.replace("await self.connect()", "raise ValueError"))
    tables = {"lamp": entry("lamp", "Lamp")}
    service = await apps.start(tables)
    app_dir.write("lamp", LAMP.replace("VERSION = 1", "VERSION = 2\n    depends_on = ['needed']"))
    tables["needed"] = entry("needed", "Lamp")
    await service.reload_changed(tables)
    assert version(service) == 1
    assert "it must wait for needed, which has failed" in (await reloads(home))[-1][1]
    app_dir.write("needed", LAMP)
    await service.reload_changed()
    assert version(service) == 2
    assert "needed" in service.running


async def test_new_dependency_in_the_table_applies_once_that_app_runs(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write("needed", LAMP.replace("await self.connect()", "raise ValueError"))
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    lamp = service.running.get("lamp")
    tables = {"lamp": entry("lamp", "Lamp", depends_on=["needed"]), "needed": entry("needed", "Lamp")}
    await service.reload_changed(tables)
    await service.reload_changed()
    assert service.running.get("lamp") is lamp
    assert [kind for kind, _ in await reloads(home)] == ["app_reload_failed"]
    app_dir.write("needed", LAMP)
    await service.reload_changed()
    assert service.running.get("lamp") is not lamp
    assert [kind for kind, _ in await reloads(home)] == ["app_reload_failed", "app_reloaded"]
