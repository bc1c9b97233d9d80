"""Hot reload: a newer version of an app replaces the older one, and a broken version never stops it."""

import asyncio
import gc
import typing
import weakref
from typing import Any

import pytest

from hassette_core.config import AppEntry
from hassette_core.errors import AppLookupError
from hassette_executor import Status
from support.app_runner import AppDirectory, AppRunner, entry, module, newer, statuses
from support.home import Home

LAMP = """
class Config(AppConfig):
    light: str = "light.a"

class Lamp(App[Config]):
    VERSION = 1
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, self.config.light)
        self.scheduler.run_every(self.tick, 10)
    async def heard(self): ...
    async def tick(self): ...
"""


async def reloads(home: Home) -> list[tuple[str, str]]:
    return [(kind, subject) for kind, subject, _ in await home.lifecycle() if "reload" in kind]


async def test_changed_app_is_replaced_and_keeps_its_registrations(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    app_dir.write("other", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp"), "other": entry("other", "Lamp")})
    other = service.running.get("other")
    app_dir.write("lamp", newer(LAMP, 2))
    await service.reload_changed()
    lamp = service.running.get("lamp")
    assert type(lamp).VERSION == 2
    assert type(lamp) is module("lamp").Lamp
    assert service.running.get("other") is other
    assert await reloads(home) == [("app_reloaded", "lamp.lamp")]
    home.change("light.a", "on")
    records = await home.records(2)
    assert {record.registration.key for record in records} == {
        (key, key, "heard", "state_changed.light.a") for key in ("lamp", "other")
    }
    await service.reload_changed()
    assert service.running.get("lamp") is lamp, "nothing has changed"
    assert len(home.bus_service.roster.entries()) == len(home.scheduler_service.roster.entries()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:", "SyntaxError"),
        ("", "has no class 'Lamp'"),
        ("1 / 0", "ZeroDivisionError"),
        ("import nothing_of_this_name", "No module named"),
        (LAMP.replace("App[Config]", "App"), "does not name the class of its settings"),
        (LAMP.replace('light: str = "light.a"', "light: int"), "light is missing"),
        (
            LAMP.replace("self.scheduler.run_every", "self.bus.on_state_change(3, 'light.x'); self.x"),
            "handler must be callable",
        ),
        (
            LAMP.replace("async def on_initialize(self):", "async def on_initialize(self):\n        raise SystemExit"),
            "SystemExit",
        ),
        (LAMP.replace("    VERSION = 1", "    depends_on = ['gone']"), "depends_on must contain keys"),
    ],
)
async def test_broken_version_does_not_stop_the_running_one(
    home: Home, apps: AppRunner, app_dir: AppDirectory, text: str, message: str
) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    app_dir.write("lamp", text)
    await service.reload_changed()
    await service.reload_changed()
    assert statuses(service) == {"lamp.lamp": "running"}
    assert type(service.running.get("lamp")).VERSION == 1
    assert type(service.running.get("lamp")) is module("lamp").Lamp
    (failure,) = [detail for kind, _, detail in await home.lifecycle() if kind == "app_reload_failed"]
    assert message in failure
    assert failure.endswith("The previous version keeps running")
    home.change("light.a", "on")
    await home.records(1)
    app_dir.write("lamp", newer(LAMP, 3))
    await service.reload_changed()
    assert type(service.running.get("lamp")).VERSION == 3
    home.change("light.a", "off")
    await home.records(2)


async def test_settings_that_an_app_has_changed_are_the_original_ones_at_each_start(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = """
class Config(AppConfig):
    lights: list[str]
    extra: dict[str, list[int]]

class Lamp(App[Config]):
    async def on_initialize(self):
        self.config.lights.append("light.b")
        self.config.extra["deep"].append(2)
"""
    app_dir.write("lamp", text)
    table = entry("lamp", "Lamp", config={"extra": {"deep": [1]}}, instances=[{"name": "x", "lights": ["light.a"]}])
    service = await apps.start({"lamp": table})
    for broken in (f"{text}        raise ValueError\n", text):
        app_dir.write("lamp", broken)
        await service.reload_changed()
        config = service.running.get("lamp").config
        assert (config.lights, config.extra) == (["light.a", "light.b"], {"deep": [1, 2]})
    assert table.config == {"extra": {"deep": [1]}}


async def test_settings_that_cannot_be_copied_are_an_error(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write(
        "lamp",
        """
import threading
from pydantic import PrivateAttr

class Config(AppConfig):
    _lock: object = PrivateAttr(default_factory=threading.Lock)

class Lamp(App[Config]): ...
""",
    )
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    (status,) = service.statuses
    assert "the settings must be values that can be copied: TypeError" in status.detail


@pytest.mark.parametrize("statement", ["from shared import f", "import shared", "from .shared import f"])
async def test_change_of_a_shared_module_reloads_exactly_the_apps_that_import_it(
    home: Home, apps: AppRunner, app_dir: AppDirectory, statement: str
) -> None:
    app_dir.write("shared", "def f(): return 1")
    app_dir.write("between", statement)
    app_dir.write("a", "def use():\n    import between\n" + LAMP)
    app_dir.write("b", statement + LAMP)
    app_dir.write("c", LAMP)
    service = await apps.start({key: entry(key, "Lamp") for key in "abc"})
    module("a").use()
    app_dir.write("shared", "def f(): return 2")
    await service.reload_changed()
    assert sorted(await reloads(home)) == [("app_reloaded", "a.a"), ("app_reloaded", "b.b")]
    assert module("shared").f() == 2
    if statement != "import shared":
        assert module("b").f is module("shared").f


async def test_module_in_a_package_is_reloaded_with_the_apps_of_the_package(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("garden/__init__", "NAME = 1")
    app_dir.write("garden/pump", "from .parts import VALVE" + LAMP)
    app_dir.write("garden/parts", "VALVE = 1")
    app_dir.write("lamp", "from garden.parts import VALVE" + LAMP)
    service = await apps.start({"pump": entry("garden.pump", "Lamp"), "lamp": entry("lamp", "Lamp")})
    app_dir.write("garden/parts", "VALVE = 2")
    await service.reload_changed()
    assert module("garden.pump").VALVE == module("lamp").VALVE == 2
    app_dir.write("garden/__init__", "NAME = 2")
    await service.reload_changed()
    assert module("garden").pump is module("garden.pump")
    assert sorted(await reloads(home)) == [("app_reloaded", key) for key in ("lamp.lamp",) * 2 + ("pump.pump",) * 2]


async def test_broken_shared_module_stops_no_app_and_is_used_when_it_is_repaired(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("shared", "VALUE = 1")
    app_dir.write("a", "import shared" + LAMP)
    service = await apps.start({"a": entry("a", "Lamp")})
    app_dir.write("shared", "VALUE = (")
    await service.reload_changed()
    assert statuses(service) == {"a.a": "running"}
    assert module("shared").VALUE == module("a").shared.VALUE == 1
    app_dir.write("shared", "VALUE = 3")
    await service.reload_changed()
    assert module("a").shared.VALUE == 3


async def test_app_whose_new_import_is_missing_is_reloaded_when_the_file_appears(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("a", LAMP)
    service = await apps.start({"a": entry("a", "Lamp"), "b": entry("b", "Lamp")})
    assert statuses(service) == {"a.a": "running", "b": "failed"}
    app_dir.write("a", newer("import late" + LAMP, 2))
    await service.reload_changed()
    app_dir.write("late", "")
    app_dir.write("b", LAMP)
    await service.reload_changed()
    assert type(service.running.get("a")).VERSION == 2
    assert statuses(service) == {"a.a": "running", "b.b": "running"}


async def test_only_changed_instances_and_apps_of_the_configuration_are_restarted(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", LAMP)
    entries: dict[str, AppEntry] = {
        "many": entry("lamp", "Lamp", instances=[{"name": "x"}, {"name": "y"}, {"name": "gone"}]),
        "same": entry("lamp", "Lamp"),
        "off": entry("lamp", "Lamp"),
        "removed": entry("lamp", "Lamp"),
    }
    service = await apps.start(entries)
    before = {key: service.running.instances(key) for key in entries}
    await service.reload_changed(
        {
            "many": entry("lamp", "Lamp", instances=[{"name": "x"}, {"name": "y", "light": "light.b"}, {"name": "z"}]),
            "same": entry("lamp", "Lamp"),
            "off": entry("lamp", "Lamp", enabled=False),
            "added": entry("lamp", "Lamp", config={"light": "light.c"}),
        }
    )
    assert statuses(service) == {
        "many.x": "running",
        "many.y": "running",
        "many.z": "running",
        "same.same": "running",
        "added.added": "running",
    }
    many = service.running.instances("many")
    assert many["x"] is before["many"]["x"]
    assert many["y"].config.light == "light.b"
    assert service.running.get("same") is before["same"]["same"]
    assert [key for key in service.running if key in ("off", "removed")] == []
    assert {listener.registration.app for listener in home.bus_service.roster.entries()} == {"many", "same", "added"}
    await service.reload_changed({**service_entries(many=["x"]), "same": entry("lamp", "Lamp", config={"lite": 1})})
    assert service.running.get("same") is before["same"]["same"], "wrong settings stop no app"
    (failure,) = [detail for kind, _, detail in await home.lifecycle() if kind == "app_reload_failed"]
    assert "lite is not a known key; did you mean 'light'?" in failure


def service_entries(**instances: list[str]) -> dict[str, AppEntry]:
    return {
        key: entry("lamp", "Lamp", instances=[{"name": name} for name in names]) for key, names in instances.items()
    }


SLOW = """
import asyncio
GO, STARTING = asyncio.Event(), asyncio.Event()
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, "light.a")
        if self.VERSION > 1:
            STARTING.set()
            await GO.wait()
            if self.VERSION == 3:
                raise ValueError("broken")
    async def heard(self):
        self.logger.debug("heard")
"""


@pytest.mark.parametrize("version", [2, 3], ids=["starts", "fails"])
async def test_event_during_a_reload_runs_exactly_one_handler(
    home: Home, apps: AppRunner, app_dir: AppDirectory, version: int
) -> None:
    app_dir.write("lamp", SLOW)
    app_dir.write("other", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp"), "other": entry("other", "Lamp")})
    app_dir.write("lamp", newer(SLOW, version))
    reloading = asyncio.create_task(service.reload_changed())
    await home.until(lambda: version == module("lamp").Lamp.VERSION)
    new = module("lamp")
    await asyncio.wait_for(new.STARTING.wait(), 10)
    for state in ("on", "off", "on"):
        home.change("light.a", state)
    await home.settle()
    assert len(await home.records()) == 3, "the other app is not affected"
    new.GO.set()
    await reloading
    records = await home.records(6)
    triggers = [record.trigger.new_state for record in records if record.registration.app == "lamp"]
    assert triggers == ["on", "off", "on"]
    assert (2 if version == 2 else 1) == type(service.running.get("lamp")).VERSION


async def test_run_in_progress_ends_before_the_new_version_starts(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = """
import asyncio
GO = asyncio.Event()
LOG = []
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        LOG.append("start")
        self.bus.on_state_change(self.heard, "light.a", mode="queued")
    async def heard(self):
        await GO.wait()
        LOG.append("run")
    async def on_shutdown(self):
        LOG.append("stop")
"""
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    old = module("lamp")
    home.change("light.a", "on")
    home.change("light.a", "off")
    await home.settle()
    app_dir.write("lamp", newer(text, 2))
    reloading = asyncio.create_task(service.reload_changed())
    await home.settle()
    home.change("light.a", "on")
    old.GO.set()
    await home.until(lambda: module("lamp") is not old)
    module("lamp").GO.set()
    await reloading
    assert old.LOG == ["start", "run", "run", "stop"]
    records = await home.records(3)
    assert {record.status for record in records} == {Status.SUCCESS}
    assert module("lamp").LOG == ["start", "run"]
    assert await home.skipped() == {}


async def test_timers_and_intervals_continue_after_a_reload(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    text = """
class Lamp(App[AppConfig]):
    VERSION = 1
    runs = []
    async def on_initialize(self):
        self.scheduler.run_every(self.tick, 100)
        self.bus.on_state_change(self.on, "light.a", changed_to="on")
    async def on(self):
        self.scheduler.run_in(self.off, 300)
        self.scheduler.run_in(self.room, 300, kwargs={"room": "hall"})
        self.scheduler.run_in(self.room, 310, kwargs={"room": "bath"})
        self.scheduler.run_in(lambda: 1, 300, name="lambda")
    async def off(self):
        self.runs.append((self.VERSION, "off"))
    async def room(self, room):
        self.runs.append((self.VERSION, room))
    async def tick(self):
        self.runs.append((self.VERSION, "tick"))
"""
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.records(1)
    await home.pass_time(60)
    app_dir.write("lamp", newer(text, 2))
    await service.reload_changed()
    await home.pass_time(39)
    assert module("lamp").Lamp.runs == []
    await home.pass_time(1)
    assert module("lamp").Lamp.runs == [(2, "tick")]
    await home.pass_time(199)
    assert module("lamp").Lamp.runs == [(2, "tick")] * 2
    await home.pass_time(1)
    assert sorted(module("lamp").Lamp.runs[2:]) == [(2, "hall"), (2, "off"), (2, "tick")]
    await home.pass_time(10)
    assert module("lamp").Lamp.runs[-1] == (2, "bath")
    assert len(module("lamp").Lamp.runs) == 6


async def test_timer_that_continues_after_a_reload_keeps_its_error_hook(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = """
from functools import partial
class Lamp(App[AppConfig]):
    VERSION = 1
    failures = []
    async def on_initialize(self):
        self.bus.on_state_change(self.on, "light.a", changed_to="on")
    async def on(self):
        self.scheduler.run_in(self.off, 300, on_error=self.failed)
        self.scheduler.run_in(self.off, 300, on_error=partial(self.failed), name="second")
    async def off(self):
        raise ValueError("no")
    async def failed(self, context):
        self.failures.append((self.VERSION, str(context.exception)))
    async def on_error(self, context):
        self.failures.append("hook of the app")
"""
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.records(1)
    app_dir.write("lamp", newer(text, 2))
    await service.reload_changed()
    await home.pass_time(300)
    await home.records(3)
    await home.until(lambda: len(module("lamp").Lamp.failures) == 2)
    assert module("lamp").Lamp.failures == [(2, "no")] * 2


async def test_timer_of_the_older_version_ends_when_the_app_sets_it_again(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = """
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        self.off = None
        self.bus.on_state_change(self.on, "light.a", changed_to="on")
    async def on(self):
        if self.off:
            self.off.cancel()
        self.off = self.scheduler.run_in(self.turn_off, 300)
    async def turn_off(self): ...
"""
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.records(1)
    app_dir.write("lamp", newer(text, 2))
    await service.reload_changed()
    await home.pass_time(200)
    home.change("light.a", "off")
    home.change("light.a", "on")
    await home.records(2)
    await home.pass_time(299)
    assert {record.status for record in await home.records(2)} == {Status.SUCCESS}
    await home.pass_time(1)
    await home.records(3)


@pytest.mark.parametrize("during", [None, "off", "on"])
async def test_duration_counts_the_time_before_the_reload(
    home: Home, apps: AppRunner, app_dir: AppDirectory, during: str | None
) -> None:
    text = LAMP.replace(
        "self.bus.on_state_change(self.heard, self.config.light)",
        """self.bus.on_state_change(
            self.heard, self.config.light, changed_to="on", duration=300)""",
    )
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    await home.pass_time(4)
    home.clock.advance(0)
    app_dir.write("lamp", newer(text, 2))
    reloading = asyncio.create_task(service.reload_changed())
    await asyncio.sleep(0)
    if during == "off":
        home.change("light.a", "off")
    elif during == "on":
        home.change("light.a", "on", brightness=3)
    await reloading
    home.scheduler_service.cancel_all("lamp", "lamp")
    await home.pass_time(295, step=5)
    await home.records(0)
    await home.pass_time(1)
    await home.records(0 if during == "off" else 1)


async def test_debounced_event_runs_after_the_reload(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    text = LAMP.replace("self.config.light)", "self.config.light, debounce=5)")
    app_dir.write("lamp", text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    home.change("light.a", "on")
    app_dir.write("lamp", newer(text, 2))
    await service.reload_changed()
    await home.pass_time(5)
    await home.records(1)
    assert await home.skipped() == {}


async def test_other_app_gets_an_object_at_every_moment_of_a_reload(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", SLOW)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    old = service.running.get("lamp")
    app_dir.write("lamp", newer(SLOW, 2))
    reloading = asyncio.create_task(service.reload_changed())
    await home.until(lambda: module("lamp").Lamp.VERSION == 2)
    await asyncio.wait_for(module("lamp").STARTING.wait(), 10)
    assert service.running.get("lamp", type(old)) is old
    module("lamp").GO.set()
    await reloading
    assert service.running.get("lamp", type(old)) is not old


async def test_background_task_of_the_older_version_ends(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    from hassette_core.containment import containing_tasks

    text = """
import asyncio
ENDED = []
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        self.task = asyncio.create_task(self.loop())
    async def loop(self):
        try:
            await asyncio.Event().wait()
        finally:
            ENDED.append(self.VERSION)
"""
    app_dir.write("lamp", text)
    with containing_tasks(home.executor.report):
        service = await apps.start({"lamp": entry("lamp", "Lamp")})
        old = module("lamp")
        app_dir.write("lamp", newer(text, 2))
        await service.reload_changed()
        assert old.ENDED == [1]
        assert module("lamp").ENDED == []
        await service.stop_app("lamp")
        assert module("lamp").ENDED == [2]


async def test_app_is_stopped_started_and_reloaded_by_name(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("lamp", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp"), "b": entry("lamp", "Lamp", depends_on=["lamp"])})
    await service.stop_app("lamp")
    assert statuses(service) == {"lamp.lamp": "stopped", "b.b": "running"}
    app_dir.write("lamp", newer(LAMP, 2))
    await service.reload_changed()
    assert statuses(service) == {"lamp.lamp": "stopped", "b.b": "running"}
    await service.start_app("lamp")
    assert statuses(service) == {"b.b": "running", "lamp.lamp": "running"}
    lamp = service.running.get("lamp")
    assert type(lamp).VERSION == 2
    await service.start_app("lamp")
    assert service.running.get("lamp") is lamp
    await service.reload("lamp")
    assert service.running.get("lamp") is not lamp
    assert type(service.running.get("lamp")) is type(lamp), "the module has not changed"
    for call in (service.reload, service.start_app, service.stop_app):
        with pytest.raises(AppLookupError, match="there is no app 'gone'"):
            await call("gone")


async def test_version_that_fails_to_start_is_not_tried_again_after_another_change(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = LAMP + "\n    async def on_shutdown(self):\n        DOWN.append(1)\nDOWN = []\n"
    app_dir.write("lamp", text)
    app_dir.write("other", LAMP)
    service = await apps.start({"lamp": entry("lamp", "Lamp"), "other": entry("other", "Lamp")})
    app_dir.write("lamp", text.replace("self.scheduler.run_every", "1 / 0; self.x"))
    await service.reload_changed()
    assert module("lamp").DOWN == [1]
    app_dir.write("other", newer(LAMP, 2))
    await service.reload_changed()
    assert module("lamp").DOWN == [1]
    assert type(service.running.get("other")).VERSION == 2


async def test_reloads_under_load_lose_no_run_and_leave_nothing(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    text = LAMP.replace(
        "async def heard(self): ...", "async def heard(self):\n        await __import__('asyncio').sleep(0)"
    )
    caplog.set_level("CRITICAL", "hassette_core.apps")  # pytest keeps the traceback of each logged failure
    app_dir.write("shared", "X = 1")
    app_dir.write("lamp", "import shared\n" + text)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    old: list[weakref.ref[Any]] = []
    changes = 0

    async def load() -> None:
        nonlocal changes
        while not ended.is_set():
            changes += 1
            home.change("light.a", str(changes))
            await asyncio.sleep(0)

    ended = asyncio.Event()
    loading = asyncio.create_task(load())
    counts: list[int] = []
    for number in range(2, 32):
        old += [weakref.ref(service.running.get("lamp")), weakref.ref(module("lamp")), weakref.ref(module("lamp").Lamp)]
        app_dir.write("lamp", newer("import shared\n" + text, number))
        if number % 5 == 0:
            app_dir.write("shared", f"X = {number}")
        if number % 7 == 0:
            app_dir.write("lamp", "1 / 0")
            await service.reload_changed()
            app_dir.write("lamp", newer("import shared\n" + text, number))
        await service.reload_changed()
        if number in (11, 31):
            for clear in typing._cleanups:  # type: ignore[attr-defined]  caches of 128 entries for each generic class
                clear()
            gc.collect()
            counts.append(len(gc.get_objects()))
    ended.set()
    await loading
    records = await home.records(changes)
    assert [record.trigger.new_state for record in records] == [str(number) for number in range(1, changes + 1)]
    assert len(await reloads(home)) == 30 + 4
    assert type(service.running.get("lamp")).VERSION == 31
    assert len(home.bus_service.roster.entries()) == len(home.scheduler_service.roster.entries()) == 1
    gc.collect()
    assert [ref() for ref in old if ref() is not None and ref() is not module("lamp")] == []
