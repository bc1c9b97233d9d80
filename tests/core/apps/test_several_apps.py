"""Apps that depend on other apps, and find them with ``self.apps``."""

import asyncio
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from hassette_core.apps import AppService, load_apps
from hassette_core.apps.dependencies import stop_waves
from hassette_core.apps.folders import app_folder
from hassette_core.errors import AppLookupError
from support.app_runner import AppDirectory, AppRunner, entry, statuses
from support.home import Home

CHAIN = """
import asyncio
LOG = []
FAIL = set()
class Link(App[AppConfig]):
    async def on_initialize(self):
        await asyncio.sleep(0)
        if self.app_key in FAIL:
            raise ValueError(f"{self.app_key} is not ready")
        LOG.append(f"+{self.app_key}")
    async def on_shutdown(self):
        LOG.append(f"-{self.app_key}")
class Needy(Link):
    depends_on = ["a"]
"""


def details(service: AppService) -> dict[str, str]:
    return {status.app_key: status.detail for status in service.statuses}


def chain() -> Any:
    return sys.modules["hassette_apps.chain"]


async def test_apps_start_after_their_dependencies_and_stop_before_them(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("chain", CHAIN)
    service = await apps.start(
        {
            "d": entry("chain", "Link", depends_on=["c", "b"]),
            "c": entry("chain", "Link", depends_on=["b"]),
            "b": entry("chain", "Needy"),
            "a": entry("chain", "Link"),
        }
    )
    assert set(statuses(service).values()) == {"running"}
    await service.stop()
    assert chain().LOG == ["+a", "+b", "+c", "+d", "-d", "-c", "-b", "-a"]


async def test_dependencies_of_the_class_and_of_the_file_add_up(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("chain", CHAIN)
    await apps.start(
        {
            "c": entry("chain", "Needy", depends_on=["b"]),
            "b": entry("chain", "Link"),
            "a": entry("chain", "Link", instances=[{"name": "x"}, {"name": "y"}]),
        }
    )
    assert sorted(chain().LOG[:3]) == ["+a", "+a", "+b"]
    assert chain().LOG[3:] == ["+c"]


@pytest.mark.parametrize(
    ("depends_on", "problems"),
    [
        ({"x": ["lampp"], "lamp": []}, {"x": "must contain keys of apps, got 'lampp'; did you mean 'lamp'?"}),
        ({"x": ["heating"], "lamp": []}, {"x": "got 'heating'; other apps: lamp"}),
        ({"x": ["heating"]}, {"x": "got 'heating'; other apps: none"}),
        ({"x": ["x"], "lamp": []}, {"x": "must not form a cycle, got x → x"}),
        ({"x": ["y"], "y": ["x"]}, {"x": "got x → y → x", "y": "got y → x → y"}),
        ({"x": ["y"], "y": ["z"], "z": ["y"]}, {"y": "got y → z → y", "z": "got z → y → z"}),
        ({"x": ["off"]}, {"x": "contains 'off', which is disabled (enabled = false)"}),
    ],
)
def test_error_for_dependencies_that_cannot_be_met(
    app_dir: AppDirectory, depends_on: dict[str, list[str]], problems: dict[str, str]
) -> None:
    app_dir.write("chain", CHAIN)
    entries = {key: entry("chain", "Link", depends_on=keys) for key, keys in depends_on.items()}
    if "off" in depends_on.get("x", []):
        entries["off"] = entry("chain", "Link", enabled=False)
    loaded, failed = load_apps(entries, app_dir.path)
    assert {failure.app_key for failure in failed} == problems.keys()
    for failure in failed:
        assert str(failure.error).startswith(f"app {failure.app_key}: depends_on ")
        assert problems[failure.app_key] in str(failure.error)
    assert {app.app_key for app in loaded} == depends_on.keys() - problems.keys()


@pytest.mark.parametrize("value", ["'notifier'", "None", "[1]", "{'a': 1}"])
def test_error_for_a_wrong_class_attribute(app_dir: AppDirectory, value: str) -> None:
    app_dir.write("bad", f"class Bad(App[AppConfig]):\n    depends_on = {value}\n")
    _, (failure,) = load_apps({"x": entry("bad", "Bad")}, app_dir.path)
    assert "depends_on of Bad must " in str(failure.error)
    assert "got " in str(failure.error)


async def test_app_waits_for_a_dependency_that_fails_and_starts_when_it_starts(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("chain", CHAIN + "FAIL.add('a')\n")
    service = await apps.start(
        {
            "c": entry("chain", "Link", depends_on=["b"]),
            "b": entry("chain", "Needy"),
            "a": entry("chain", "Link"),
            "free": entry("chain", "Link"),
        },
        first_retry_s=0.001,
    )
    assert statuses(service) == {"c.c": "waiting", "b.b": "waiting", "a.a": "retrying", "free.free": "running"}
    assert details(service)["b"] == "waits for a, which has failed"
    assert details(service)["c"] == "waits for b"
    assert "a is not ready" in details(service)["a"]
    chain().FAIL.clear()
    await home.until(lambda: set(statuses(service).values()) == {"running"})
    assert chain().LOG == ["+free", "+a", "+b", "+c"]
    assert set(details(service).values()) == {""}


async def test_app_waits_for_a_dependency_that_cannot_be_loaded(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("chain", CHAIN)
    app_dir.write("broken", "1 / 0")
    service = await apps.start({"b": entry("chain", "Needy"), "a": entry("broken", "X")})
    assert statuses(service) == {"b.b": "waiting", "a": "failed"}
    await service.stop()
    assert statuses(service) == {"b.b": "stopped", "a": "failed"}


async def test_failed_start_is_repeated_without_traces_and_reported_once_for_each_cause(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    app_dir.write(
        "late",
        """
        PROBLEMS = ["first, 1 s", "first, 2 s", "second", "first, 3 s"]
        class Late(App[AppConfig]):
            async def on_initialize(self):
                self.bus.on_state_change(self.heard, "light.a")
                self.scheduler.run_every(self.heard, 10)
                if PROBLEMS:
                    raise ValueError(PROBLEMS.pop(0))
            async def heard(self): ...
        """,
    )
    service = await apps.start({"late": entry("late", "Late")}, first_retry_s=0.001)
    await home.until(lambda: statuses(service) == {"late.late": "running"})
    assert await home.lifecycle() == [
        ("app_failed", "late.late", "on_initialize failed: ValueError: first, 1 s"),
        ("app_failed", "late.late", "on_initialize failed: ValueError: second"),
        ("app_started", "late.late", "after 4 failed attempts"),
    ]
    assert [line.message for line in caplog.records].count("App failed") == 2
    assert len(home.bus_service.roster.entries()) == len(home.scheduler_service.roster.entries()) == 1
    home.change("light.a", "on")
    await home.records(1)


async def test_app_that_misses_an_entity_starts_as_soon_as_it_exists(
    home: Home, apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write(
        "late",
        """
        ATTEMPTS = []
        class Late(App[AppConfig]):
            async def on_initialize(self):
                ATTEMPTS.append(1)
                self.seen = self.states["sensor.late"].state
        """,
    )
    service = apps.make({"late": entry("late", "Late")}, first_retry_s=0.01)
    async with service:
        assert statuses(service) == {"late.late": "retrying"}
        assert "sensor.late" in details(service)["late"]
        home.set_state("sensor.late", "4")
        await home.until(lambda: statuses(service) == {"late.late": "running"})
        assert len(sys.modules["hassette_apps.late"].ATTEMPTS) < 10


ASKING = """
from chain import Link
class Asking(App[AppConfig]):
    depends_on = ("a",)
    async def on_initialize(self):
        self.other = self.apps.get("a", Link)
"""


async def test_app_gets_the_running_object_of_another_app(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("chain", CHAIN)
    app_dir.write("asking", ASKING)
    service = await apps.start({"asking": entry("asking", "Asking"), "a": entry("chain", "Link")})
    asking = service.running.get("asking")
    assert asking.other is service.running.get("a") is asking.apps.get("a", instance="a")
    assert isinstance(asking.other, chain().Link)
    assert list(asking.apps) == ["a", "asking"]
    assert len(asking.apps) == 2
    assert "a" in asking.apps
    assert "b" not in asking.apps
    assert asking.apps.instances("a") == {"a": asking.other}
    await service.stop()
    assert list(asking.apps) == []
    assert "a" not in asking.apps


@pytest.mark.parametrize(
    ("arguments", "instance", "message"),
    [
        (("on",), None, "there is no app 'on' in hassette.toml; did you mean 'one'? Apps: bad, one, two"),
        (
            ("bad",),
            None,
            "the app 'bad' is not running (bad.bad is retrying). To start an app after it, add",
        ),
        (("two",), None, "the app 'two' has several instances: set instance to one of x, y"),
        (("two",), "z", "the app 'two' has no instance 'z'. Instances: x, y"),
        (("one", dict), None, "the app 'one' must be a dict, got a Link"),
    ],
)
async def test_error_for_an_app_that_is_not_running_explains_the_fix(
    apps: AppRunner, app_dir: AppDirectory, arguments: tuple[Any, ...], instance: str | None, message: str
) -> None:
    app_dir.write("chain", CHAIN + "FAIL.add('bad')\n")
    service = await apps.start(
        {
            "one": entry("chain", "Link"),
            "two": entry("chain", "Link", instances=[{"name": "x"}, {"name": "y"}]),
            "bad": entry("chain", "Link"),
        }
    )
    with pytest.raises(AppLookupError) as caught:
        service.running.get(*arguments, instance=instance)
    assert str(caught.value).startswith(message)
    assert service.running.get("two", instance="y").instance == "y"


@pytest.mark.parametrize(
    ("name", "instances", "hint"),
    [
        ("pump", {"garden.pump": []}, "did you mean 'garden.pump'?"),
        ("garden", {"garden.pump": []}, "did you mean 'garden.pump'?"),
        ("garden.pum", {"garden.pump": []}, "did you mean 'garden.pump'?"),
        ("pump", {"garden": ["pump", "valve"]}, "the instance 'garden.pump', get('garden', instance='pump')?"),
        (
            "garden.valve",
            {"garden": ["pump", "valve"]},
            "the instance 'garden.valve', get('garden', instance='valve')?",
        ),
        ("lamp", {"garden": ["pump"]}, "in hassette.toml. Apps: garden"),
    ],
)
async def test_error_for_an_unknown_app_names_the_app_or_instance_that_may_be_meant(
    apps: AppRunner, app_dir: AppDirectory, name: str, instances: dict[str, list[str]], hint: str
) -> None:
    app_dir.write("chain", CHAIN)
    service = await apps.start(
        {key: entry("chain", "Link", instances=[{"name": each} for each in names]) for key, names in instances.items()}
    )
    with pytest.raises(AppLookupError) as caught:
        service.running.get(name)
    assert hint in str(caught.value)


@pytest.mark.parametrize("down", ["x", "y", "both", "unloaded"])
async def test_app_with_several_instances_is_never_found_without_the_name_of_the_instance(
    apps: AppRunner, app_dir: AppDirectory, down: str
) -> None:
    text = """
    class Config(AppConfig):
        number: int = 1
    class Lamp(App[Config]):
        async def on_initialize(self):
            if self.instance in DOWN:
                raise ValueError
    """
    app_dir.write("lamp", text + f"DOWN = {['x', 'y'] if down == 'both' else [down]}\n")
    x = {"name": "x", "number": "?"} if down == "unloaded" else {"name": "x"}
    service = await apps.start({"lamp": entry("lamp", "Lamp", instances=[x, {"name": "y"}])})
    with pytest.raises(
        AppLookupError, match=r"the app 'lamp' has several instances: set instance to one of [xy], [xy]"
    ):
        service.running.get("lamp")
    if down in ("x", "unloaded"):
        assert service.running.get("lamp", instance="y").instance == "y"
    with pytest.raises(AppLookupError, match=r"is not running \(lamp\.[xy] is (retrying|failed)\)"):
        service.running.get("lamp", instance="y" if down == "y" else "x")


async def test_hung_shutdown_of_a_dependent_app_leaves_time_for_the_others(
    apps: AppRunner, app_dir: AppDirectory
) -> None:
    app_dir.write("chain", CHAIN)
    app_dir.write(
        "hung",
        "import asyncio\nclass Hung(App[AppConfig]):\n    depends_on = ['b']\n"
        "    async def on_shutdown(self):\n        await asyncio.Event().wait()\n",
    )
    service = await apps.start(
        {"x": entry("hung", "Hung"), "b": entry("chain", "Needy"), "a": entry("chain", "Link")}, stop_timeout_s=0.05
    )
    await service.stop()
    assert chain().LOG == ["+a", "+b", "-b", "-a"]


async def test_waiting_app_is_not_started_by_a_stop(home: Home, apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("chain", CHAIN + "FAIL.add('a')\n")
    service = await apps.start({"b": entry("chain", "Needy"), "a": entry("chain", "Link")}, first_retry_s=0.001)
    await service.stop()
    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("start ")] == []
    assert chain().LOG == []
    assert statuses(service) == {"b.b": "stopped", "a.a": "stopped"}


def test_apps_that_depend_on_each_other_stop_too() -> None:
    assert stop_waves("abc", {"a": ["b"], "b": ["a"], "c": ["a", "gone"]}) == [{"c"}, {"a", "b"}]


async def test_data_dir_of_each_instance_is_created_on_use_for_the_owner_only(
    apps: AppRunner, app_dir: AppDirectory, tmp_path: Path
) -> None:
    app_dir.write("chain", CHAIN)
    service = await apps.start({"two": entry("chain", "Link", instances=[{"name": "x"}, {"name": "../y"}])})
    assert not (tmp_path / "data").exists()
    x, y = service.running.instances("two").values()
    assert x.data_dir == tmp_path / "data/apps/two/x"
    assert y.data_dir == tmp_path / "data/apps/two/..%2Fy"
    assert x.data_dir.is_dir()
    assert stat.S_IMODE(x.data_dir.stat().st_mode) == 0o700


def test_folder_of_an_instance_is_in_data_dir_and_different_for_each_name(tmp_path: Path) -> None:
    names = ["", ".", "..", "...", " ", "a/b", "a%2Fb", "a\\b", "a\0b", "ä", "x" * 300, "x" * 299 + "y", "\ud800", "%"]
    folders = [app_folder(tmp_path, name, name) for name in names]
    assert len(set(folders)) == len(names)
    for folder in folders:
        folder.mkdir(parents=True)
        assert folder.resolve().parent.parent == (tmp_path / "apps").resolve()
