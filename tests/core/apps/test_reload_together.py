"""Apps that share a changed module are reloaded together, so that there is never a second copy of a module."""

from typing import Any

import pytest

from hassette_core.apps import AppService
from support.app_runner import AppDirectory, AppRunner, entry, module, newer
from support.home import Home

APP = """
class Lamp(App[AppConfig]):
    VERSION = 1
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, "light.a")
        self.scheduler.run_in(self.heard, 100)
    async def heard(self): ...
"""
FAILS_ON_REQUEST = """
        import notifier
        if notifier.FAIL == "alarm":
            raise ValueError("no")
"""
BROKEN = APP.replace("async def on_initialize(self):", "async def on_initialize(self):\n        raise ValueError('no')")


def versions(service: AppService) -> dict[str, int]:
    return {
        f"{key}.{name}": type(app).VERSION  # type: ignore[attr-defined]
        for key in service.running
        for name, app in service.running.instances(key).items()
    }


async def failures(home: Home) -> dict[str, str]:
    return {subject: detail for kind, subject, detail in await home.lifecycle() if kind == "app_reload_failed"}


def assert_running_once(home: Home, service: AppService) -> None:
    """Each running instance has exactly the listener and the job of its class."""
    for roster in (home.bus_service.roster, home.scheduler_service.roster):
        owners = sorted(f"{each.registration.app}.{each.registration.instance}" for each in roster.entries())
        assert owners == sorted(versions(service))


@pytest.mark.parametrize(
    "statement",
    [
        "from notifier import DATA",
        "from .notifier import DATA",
        "import notifier\nDATA = notifier.DATA",
        "from between import DATA",
        "import importlib\nDATA = importlib.import_module('notifier').DATA",
    ],
)
@pytest.mark.parametrize("first", ["alarm", "notifier"])
@pytest.mark.parametrize("broken", ["alarm", "notifier"])
async def test_import_gives_the_module_of_the_running_app_after_a_failed_start(
    home: Home, apps: AppRunner, app_dir: AppDirectory, statement: str, first: str, broken: str
) -> None:
    app_dir.write("notifier", "DATA = {}\nFAIL = ''" + APP)
    app_dir.write("between", "from notifier import DATA, FAIL")
    alarm = (
        statement
        + APP.replace("on_initialize(self):\n", f"on_initialize(self):\n{FAILS_ON_REQUEST}")
        + "    def find(self):\n        from notifier import DATA\n        return DATA\n"
    )
    app_dir.write("alarm", alarm)
    keys = [first, *({"alarm", "notifier"} - {first})]
    service = await apps.start({key: entry(key, "Lamp") for key in keys})
    app_dir.write("notifier", f"DATA = {{}}\nFAIL = '{broken}'" + newer(BROKEN if broken == "notifier" else APP, 2))
    await service.reload_changed()
    running: Any = service.running.get("alarm")
    assert versions(service) == {"alarm.alarm": 1, "notifier.notifier": 1}
    assert running.find() is module("alarm").DATA is module("notifier").DATA
    assert type(service.running.get("notifier")) is module("notifier").Lamp
    assert type(running) is module("alarm").Lamp
    assert_running_once(home, service)
    details = await failures(home)
    assert details.keys() == {"alarm.alarm", "notifier.notifier"}
    other = "notifier" if broken == "alarm" else "alarm"
    assert details[f"{broken}.{broken}"] == "on_initialize failed: ValueError: no. The previous version keeps running"
    assert details[f"{other}.{other}"].startswith(f"{broken}.{broken} could not be reloaded, and it shares a changed")
    app_dir.write("notifier", "DATA = {}\nFAIL = ''" + newer(APP, 3))
    await service.reload_changed()
    assert versions(service) == {"alarm.alarm": 1, "notifier.notifier": 3}
    running = service.running.get("alarm")
    assert running.find() is module("alarm").DATA is module("notifier").DATA
    assert_running_once(home, service)


@pytest.mark.parametrize(
    "text", ["1 / 0", "def (", "", newer(APP, 2).replace("class Lamp", "class Renamed"), newer(BROKEN, 2)]
)
async def test_apps_that_share_a_broken_module_all_keep_running(
    home: Home, apps: AppRunner, app_dir: AppDirectory, text: str
) -> None:
    app_dir.write("garden/__init__", "")
    app_dir.write("garden/pump", APP)
    app_dir.write("garden/valve", "from .pump import Lamp as Base\nclass Valve(Base): ...\n")
    app_dir.write("lamp", "from garden import pump" + APP)
    app_dir.write("other", APP)
    classes = {"garden.pump": "Lamp", "garden.valve": "Valve", "lamp": "Lamp", "other": "Lamp"}
    service = await apps.start({name.replace(".", "_"): entry(name, each) for name, each in classes.items()})
    before = {key: service.running.instances(key) for key in service.running}
    app_dir.write("garden/pump", text)
    app_dir.write("other", newer(APP, 2))
    await service.reload_changed()
    assert versions(service) == {
        "garden_pump.garden_pump": 1,
        "garden_valve.garden_valve": 1,
        "lamp.lamp": 1,
        "other.other": 2,
    }
    assert module("lamp").pump is module("garden.pump") is module("garden").pump
    assert module("garden.valve").Base is module("garden.pump").Lamp
    assert_running_once(home, service)
    if text != newer(BROKEN, 2):
        assert {key: service.running.instances(key) for key in before if key != "other"} == {
            key: app for key, app in before.items() if key != "other"
        }, "a version that cannot be imported restarts no app"
    app_dir.write("garden/pump", newer(APP, 3))
    await service.reload_changed()
    assert versions(service)["garden_pump.garden_pump"] == versions(service)["garden_valve.garden_valve"] == 3
    assert module("lamp").pump is module("garden.pump")
    assert_running_once(home, service)


@pytest.mark.parametrize("broken", ["def (", "", "1 / 0", "from shared import Nothing"])
async def test_module_is_not_replaced_while_the_file_of_an_app_that_imports_it_is_broken(
    home: Home, apps: AppRunner, app_dir: AppDirectory, broken: str
) -> None:
    app_dir.write("shared", "X = 1")
    app_dir.write("lamp", "from shared import X" + APP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    app_dir.write("shared", "X = 2")
    app_dir.write("lamp", broken)
    await service.reload_changed()
    assert (module("lamp").X, module("shared").X) == (1, 1)
    assert type(service.running.get("lamp")) is module("lamp").Lamp
    app_dir.write("lamp", "from shared import X" + newer(APP, 2))
    await service.reload_changed()
    assert (module("lamp").X, module("shared").X, versions(service)) == (2, 2, {"lamp.lamp": 2})
    assert_running_once(home, service)


PICKY = """
class Config(AppConfig):
    fails_from: int = 100
class Lamp(App[Config]):
    VERSION = 1
    async def on_initialize(self):
        if self.VERSION >= self.config.fails_from:
            raise ValueError("too new")
        self.bus.on_state_change(self.heard, "light.a")
        self.scheduler.run_in(self.heard, 100)
    async def heard(self): ...
"""


@pytest.mark.parametrize("refusing", [0, 1])
async def test_reverted_file_is_what_all_instances_run_after_one_of_them_refused_the_edit(
    home: Home, apps: AppRunner, app_dir: AppDirectory, refusing: int
) -> None:
    app_dir.write("lamp", PICKY)
    instances: list[dict[str, object]] = [{"name": "x"}, {"name": "y"}]
    instances[refusing]["fails_from"] = 2
    service = await apps.start({"lamp": entry("lamp", "Lamp", instances=instances)})
    app_dir.write("lamp", newer(PICKY, 2))
    await service.reload_changed()
    assert len({type(app) for app in service.running.instances("lamp").values()}) == 1
    app_dir.write("lamp", PICKY)
    await service.reload_changed()
    assert versions(service) == {"lamp.x": 1, "lamp.y": 1}
    assert_running_once(home, service)


async def test_reverted_code_applies_the_settings_that_were_changed_with_it(
    apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", PICKY)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    app_dir.write("lamp", newer(PICKY, 60))
    changed = {"lamp": entry("lamp", "Lamp", config={"fails_from": 50})}
    await service.reload_changed(changed)
    assert versions(service) == {"lamp.lamp": 1}
    app_dir.write("lamp", PICKY)
    await service.reload_changed(changed)
    lamp: Any = service.running.get("lamp")
    assert lamp.config.fails_from == 50


async def test_settings_that_one_instance_refused_are_reverted_for_the_others(
    apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", PICKY)

    def table(x: object, y: object) -> dict[str, Any]:
        instances = [{"name": "x", "fails_from": x}, {"name": "y", "fails_from": y}]
        return {"lamp": entry("lamp", "Lamp", instances=instances)}

    service = await apps.start(table(10, 10))
    for x, y, expected in ((1, 20, (10, 20)), (10, 10, (10, 10)), ("?", 30, (10, 30)), (10, 10, (10, 10))):
        await service.reload_changed(table(x, y))
        configs: Any = [app.config for app in service.running.instances("lamp").values()]
        assert tuple(config.fails_from for config in configs) == expected


@pytest.mark.parametrize("repair", ["lamp", "late", "shared"])
async def test_repair_of_any_file_on_which_a_failed_version_depends_is_tried(
    apps: AppRunner, app_dir: AppDirectory, repair: str
) -> None:
    app_dir.write("shared", "X = 1")
    app_dir.write("lamp", "from shared import X" + APP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    text = newer(APP, 2).replace(
        "async def on_initialize(self):",
        "async def on_initialize(self):\n        import late\n        if X == 2: raise ValueError",
    )
    app_dir.write("shared", "X = 2" if repair == "shared" else "X = 1")
    if repair == "shared":
        app_dir.write("late", "")
    app_dir.write("lamp", "from shared import X" + text)
    await service.reload_changed()
    assert versions(service) == {"lamp.lamp": 1}
    lamp = service.running.get("lamp")
    await service.reload_changed()
    assert service.running.get("lamp") is lamp, "nothing has changed"
    match repair:
        case "lamp":
            app_dir.write("lamp", newer(APP, 2))
        case "late":
            app_dir.write("late", "")
        case _:
            app_dir.write("shared", "X = 3")
    await service.reload_changed()
    assert versions(service) == {"lamp.lamp": 2}


async def test_fix_that_is_saved_while_the_broken_version_starts_is_loaded(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    path = app_dir.write("lamp", APP)
    service = await apps.start({"lamp": entry("lamp", "Lamp")})
    fixed = newer(APP, 3).replace("\n", "\\n")
    save = f"__import__('pathlib').Path({str(path)!r}).write_text('from hassette_core import App, AppConfig\\n{fixed}')"
    app_dir.write("lamp", newer(BROKEN, 2).replace("raise ValueError", save + "\n        raise ValueError"))
    await service.reload_changed()
    assert versions(service) == {"lamp.lamp": 1}
    await service.reload_changed()
    assert versions(service) == {"lamp.lamp": 3}
    assert_running_once(home, service)


async def test_timers_of_all_apps_survive_a_reload_that_one_of_them_refuses(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    text = """
class Lamp(App[AppConfig]):
    VERSION = 1
    RUNS = []
    async def on_initialize(self):
        self.bus.on_state_change(self.on, "light.a")
        self.bus.on_state_change(self.held, "light.b", duration=10)
        if self.VERSION > 1 and self.instance == "b":
            raise ValueError
    async def on(self):
        self.scheduler.run_in(self.off, 300)
    async def off(self):
        self.RUNS.append(f"off {self.instance}")
    async def held(self):
        self.RUNS.append(f"held {self.instance}")
"""
    app_dir.write("lamp", text)
    service = await apps.start({key: entry("lamp", "Lamp") for key in "ab"})
    home.change("light.a", "on")
    home.change("light.b", "on")
    await home.pass_time(5)
    app_dir.write("lamp", newer(text, 2))
    await service.reload_changed()
    await home.pass_time(6)
    await home.records(4)
    await home.pass_time(290)
    assert module("lamp").Lamp.RUNS == ["held a", "held b", "off a", "off b"]


async def test_new_app_starts_with_the_previous_module_if_a_running_app_refuses_the_newer_one(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("lamp", PICKY)
    picky = entry("lamp", "Lamp", config={"fails_from": 2})
    service = await apps.start({"picky": picky})
    app_dir.write("lamp", newer(PICKY, 2))
    await service.reload_changed({"new": entry("lamp", "Lamp"), "picky": picky})
    assert versions(service) == {"new.new": 1, "picky.picky": 1}
    assert type(service.running.get("new")) is type(service.running.get("picky")) is module("lamp").Lamp
    assert_running_once(home, service)


async def test_module_that_imported_a_refused_version_is_read_again(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("notifier", "DATA = {}" + APP)
    service = await apps.start({"notifier": entry("notifier", "Lamp")})
    app_dir.write("late", "from notifier import DATA" + APP)
    app_dir.write("notifier", "DATA = {}\nimport late" + newer(BROKEN, 2))
    await service.reload_changed()
    await service.reload_changed({"late": entry("late", "Lamp"), "notifier": entry("notifier", "Lamp")})
    assert module("late").DATA is module("notifier").DATA
