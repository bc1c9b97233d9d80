"""Hot reload of a running framework: files on disk, the configuration and the secrets."""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, MemorySink, SimulatedHome, load_config
from hassette_core.apps.file_watch import FileWatch
from hassette_core.apps.module_changes import missing_files
from support.app_runner import HEAD, AppDirectory, AppRunner, entry
from support.home import Home
from support.waiting import eventually

LAMP = (
    HEAD
    + """
class Config(AppConfig):
    light: str = "light.hall"
    word: str = "none"
class Lamp(App[Config]):
    VERSION = 1
    async def on_initialize(self):
        self.bus.on_state_change(self.heard, self.config.light)
    async def heard(self):
        self.logger.debug("heard")
"""
)
CONFIG = """
[home_assistant]
url = "{url}"
token = "{token}"
[apps.lamp]
module = "lamp"
class = "Lamp"
"""


class Running:
    """A running framework whose files a test edits."""

    def __init__(self, hassette: Hassette, folder: Path, sink: MemorySink, config: str, home: SimulatedHome) -> None:
        self.home = home
        self.hassette = hassette
        self.folder = folder
        self.sink = sink
        self.config = config

    def lamp(self) -> Any:
        return self.hassette.apps.running.get("lamp")

    async def reload(self) -> None:
        """Reload at once, as after a notice of the watch."""
        assert self.hassette.hot_reload is not None
        await self.hassette.hot_reload.reload()

    async def events(self) -> list[tuple[str, str, str]]:
        await self.hassette.executor.force_flush()
        return [
            (event.kind, event.subject, event.detail)
            for batch in self.sink.batches
            for event in batch.lifecycle
            if "reload" in event.kind
        ]


@pytest.fixture
async def running(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.delenv("HASSETTE__HOME_ASSISTANT__TOKEN")
    async with _running(config_dir) as found:
        yield found


@asynccontextmanager
async def _running(folder: Path) -> AsyncIterator[Running]:
    (folder / "apps/lamp.py").write_text(LAMP)
    file, sink = folder / "hassette.toml", MemorySink()
    async with SimulatedHome(speed=0) as home:
        config = CONFIG.format(url=home.url, token=home.token)
        file.write_text(config)
        hassette = Hassette(load_config(file), sinks=[sink], plugins=False, reload=lambda: load_config(file))
        async with hassette:
            await hassette.wait_ready()
            yield Running(hassette, folder, sink, config, home)


async def test_saved_file_is_reloaded(running: Running) -> None:
    for version, save in enumerate((Path.write_text, _replace, _like_vim), start=2):
        save(running.folder / "apps/lamp.py", LAMP.replace("VERSION = 1", f"VERSION = {version}"))
        await eventually(lambda wanted=version: wanted == type(running.lamp()).VERSION, within_s=20)


async def test_app_keeps_running_while_home_assistant_is_away_and_is_reloaded_afterwards(running: Running) -> None:
    lamp = running.lamp()
    home = running.home
    await home.stop()
    await eventually(lambda: not running.hassette.link.ready.is_set(), within_s=20)
    (running.folder / "apps/lamp.py").write_text(LAMP.replace("VERSION = 1", "VERSION = 2"))
    await running.reload()
    assert running.lamp() is lamp
    assert await running.events() == []
    await home.start()
    await eventually(lambda: running.lamp().VERSION == 2, within_s=20)
    assert [kind for kind, _, _ in await running.events()] == ["app_reloaded"]


def _replace(path: Path, text: str) -> None:
    new = path.with_name(".lamp.py.x1y2z3")
    new.write_text(text)
    new.replace(path)


def _like_vim(path: Path, text: str) -> None:
    path.rename(path.with_name("lamp.py~"))
    path.write_text("")
    path.write_text(text[:40])
    path.write_text(text)
    path.with_name("lamp.py~").unlink()


async def test_changes_behind_links_and_of_whole_folders_are_reloaded(tmp_path: Path) -> None:
    folder, other = tmp_path / "apps", tmp_path / "other"
    for each in (folder / "garden", other / "first", other / "second", other / "third"):
        each.mkdir(parents=True)
        (each / "pump.py").write_text("")
    (other / "current").symlink_to(other / "first")
    (folder / "linked.py").symlink_to(other / "first" / "pump.py")
    (folder / "through.py").symlink_to(other / "current" / "pump.py")
    (folder / "pack").symlink_to(other / "second")

    def point(link: Path, target: Path) -> None:
        (tmp_path / "new").symlink_to(target)
        (tmp_path / "new").replace(link)

    def replace_folder() -> None:
        (folder / "garden").rename(tmp_path / "before")
        shutil.copytree(tmp_path / "before", folder / "garden")

    def back() -> None:
        (folder / "garden").rename(tmp_path / "garden")
        (tmp_path / "before").rename(folder / "garden")

    changes: list[Callable[[], object]] = [
        lambda: (other / "first" / "pump.py").write_text("1"),
        lambda: _replace(other / "first" / "pump.py", "2"),
        lambda: point(other / "current", other / "third"),
        lambda: (other / "second" / "pump.py").write_text("1"),
        lambda: (other / "second" / "late.py").write_text("1"),
        lambda: point(folder / "pack", other / "third"),
        lambda: (other / "third" / "pump.py").write_text("2"),
        lambda: (other / "third" / "late.py").write_text("2"),
        replace_folder,
        lambda: (folder / "garden" / "pump.py").write_text("3"),
        back,
        lambda: (folder / "garden" / "pump.py").write_text("4"),
        lambda: (folder / "garden" / "pump.py").unlink(),
        lambda: (folder / "garden" / "pump.py").write_text("4"),
    ]
    notices: list[int] = []
    watch = FileWatch(folder, [], lambda: notices.append(1), step_s=0.05)
    watch.start()
    try:
        await eventually(lambda: notices)  # the watch looks once when it begins
        for number, change in enumerate(changes):
            notices.clear()
            change()
            await eventually(lambda: notices, within_s=20, what=f"a notice of change {number}")
    finally:
        watch.stop()


async def test_empty_module_does_not_delay_a_reload(apps: AppRunner, app_dir: AppDirectory) -> None:
    (app_dir.path / "garden").mkdir()
    (app_dir.path / "garden/__init__.py").write_text("")
    app_dir.write("garden/pump", "class Pump(App[AppConfig]): ...")
    await apps.start({"pump": entry("garden.pump", "Pump")})
    assert not missing_files()
    (app_dir.path / "garden/pump.py").write_text("")
    assert missing_files(), "an editor may be writing the file"
    (app_dir.path / "garden/pump.py").write_text("x = 1")
    (app_dir.path / "garden/__init__.py").unlink()
    assert not missing_files()


async def test_configuration_changes_apply_to_their_apps_only(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    lamp = running.lamp()
    file = running.folder / "hassette.toml"
    file.write_text(running.config + '[apps.lamp.config]\nword = "new"\n[apps.two]\nmodule = "lamp"\nclass = "Lamp"\n')
    await running.reload()
    assert running.lamp() is not lamp
    assert running.lamp().config.word == "new"
    assert "two" in running.hassette.apps.running
    lamp = running.lamp()
    file.write_text("[apps.lamp\n")
    await running.reload()
    await running.reload()
    assert running.lamp() is lamp
    ((_, _, detail),) = [event for event in await running.events() if event[0] == "config_reload_failed"]
    assert "is not valid TOML" in detail
    file.write_text(running.config + '[apps.lamp.config]\nword = "new"\n[executor]\nthreads = 7\n[store]\nx = 1\n')
    await running.reload()
    await running.reload()
    assert running.lamp() is lamp
    assert "two" not in running.hassette.apps.running
    lines = [vars(line)["tables"] for line in caplog.records if line.message.startswith("A change of the conf")]
    assert lines == ["[executor], [store]"]


@pytest.mark.parametrize(
    ("before", "after", "tables"),
    [
        ("[home_assistant]", '[hassette]\nlog_level = "debug"\n[home_assistant]', "[hassette]"),
        ("token =", "verify_ssl = false\ntoken =", "[home_assistant]"),
        ("[home_assistant]", "[executor]\nthreads = 7\n[home_assistant]", "[executor]"),
        ("[home_assistant]", "[watchdogs]\nblocked_s = 7\n[home_assistant]", "[watchdogs]"),
        ("[home_assistant]", "[store]\nx = 1\n[home_assistant]", "[store]"),
    ],
)
async def test_change_of_any_table_but_apps_is_logged_because_it_needs_a_restart(
    running: Running, caplog: pytest.LogCaptureFixture, before: str, after: str, tables: str
) -> None:
    (running.folder / "hassette.toml").write_text(running.config.replace(before, after))
    await running.reload()
    lines = [vars(line)["tables"] for line in caplog.records if line.message.startswith("A change of the conf")]
    assert lines == [tables]


async def test_changed_secret_restarts_the_app_that_uses_it_and_is_masked(
    running: Running,
) -> None:
    (running.folder / "secrets.toml").write_text('word = "first-secret"\n')
    file = running.folder / "hassette.toml"
    file.write_text(running.config + "[apps.lamp.config]\nword = '!secret word'\n")
    await running.reload()
    (running.folder / "secrets.toml").write_text('word = "second-secret"\n')
    await running.reload()
    assert running.lamp().config.word == "second-secret"
    running.hassette.executor.report("test_reload", "x", "the second-secret and the first-secret")
    assert ("test_reload", "x", "the ••• and the •••") in await running.events()


TALKER = """
import logging
from hassette_core import SyncApp
log = logging.getLogger(__name__)
class Talker(App[AppConfig]):
    async def on_initialize(self):
        self.bus.on_event(self.talk, "talk")
    def talk(self):
        for level in ("debug", "info", "warning", "error"):
            getattr(log, level)(self.instance)
            getattr(self.logger, level)(self.instance)
"""


@pytest.mark.parametrize("general", ["INFO", "WARNING"])
async def test_log_level_of_an_app_applies_to_the_logger_of_its_module(
    home: Home, apps: AppRunner, app_dir: AppDirectory, caplog: pytest.LogCaptureFixture, general: str
) -> None:
    app_dir.write("garden/talker", TALKER)
    app_dir.write("heir", "from garden.talker import Talker\nclass Heir(Talker): ...")
    caplog.set_level(general)
    caplog.handler.setLevel(logging.NOTSET)
    levels = {"x": "debug", "y": "error", "z": None}
    instances = [{"name": name, "log_level": level} if level else {"name": name} for name, level in levels.items()]
    tables = {
        "a": entry("garden.talker", "Talker", instances=instances),
        "b": entry("heir", "Heir", log_level="debug"),
        "c": entry("garden.talker", "Talker", log_level="warning"),
    }

    async def lines(count: int) -> dict[tuple[str, str], list[str]]:
        before = len(await home.records())
        caplog.clear()
        home.fire("talk")
        await home.records(before + count)
        found: dict[tuple[str, str], list[str]] = {}
        for line in caplog.records:
            if line.name.startswith(("hassette_apps", "hassette.apps")):
                kind = "module" if line.name.startswith("hassette_apps") else "own"
                found.setdefault((line.message, kind), []).append(line.levelname.lower())
        return found

    names = ["debug", "info", "warning", "error"]
    expected = {"x": names, "y": names[3:], "z": names[names.index(general.lower()) :], "b": names, "c": names[2:]}
    service = await apps.start(tables)
    talked = await lines(5)
    assert talked == {(name, kind): found for name, found in expected.items() for kind in ("module", "own")}
    del tables["b"]
    await service.reload_changed({**tables, "a": entry("garden.talker", "Talker", instances=[{"name": "x"}])})
    talked = await lines(2)
    assert talked[("x", "module")] == talked[("x", "own")] == expected["z"]
    assert talked[("c", "module")] == talked[("c", "own")] == expected["c"]
    await service.stop()
    loggers = [logging.getLogger(name) for name in ("hassette_apps.garden.talker", "hassette_apps.heir")]
    assert [(each.level, each.filters) for each in loggers] == [(logging.NOTSET, [])] * 2


async def test_log_level_of_an_app_and_an_instance(apps: AppRunner, app_dir: AppDirectory) -> None:
    app_dir.write("lamp", LAMP.removeprefix(HEAD))
    instances = [{"name": "x", "log_level": "debug"}, {"name": "y"}, {"name": "z", "log_level": "loud"}]
    service = await apps.start({"a": entry("lamp", "Lamp", log_level="error", instances=instances)})
    levels = [logging.getLogger(f"hassette.apps.a.{name}").level for name in "xy"]
    assert levels == [logging.DEBUG, logging.ERROR]
    (failed,) = [status for status in service.statuses if status.status == "failed"]
    assert "log_level of the instance 'z' must be one of debug, info, warning, error, got 'loud'" in failed.detail
    await service.reload_changed({"a": entry("lamp", "Lamp", instances=[{"name": "x"}])})
    assert logging.getLogger("hassette.apps.a.x").level == logging.NOTSET


async def test_watch_notices_a_folder_that_is_removed_and_created_again(tmp_path: Path) -> None:
    folder, file = tmp_path / "apps", tmp_path / "hassette.toml"
    loop = asyncio.get_running_loop()

    def contents() -> dict[str, object]:
        return {str(path): path.is_dir() or (path.read_text(), path.stat().st_mtime) for path in tmp_path.rglob("*")}

    seen: list[dict[str, object]] = []
    watch = FileWatch(
        folder, [file], lambda: loop.call_soon_threadsafe(lambda: seen.append(contents())) and None, step_s=0.02
    )
    watch.start()
    try:
        for change in (
            lambda: folder.mkdir(),
            lambda: (folder / "a.py").write_text("1"),
            lambda: file.write_text("x"),
            lambda: os.utime(file, (1, 1)),
            lambda: shutil.rmtree(folder),
            lambda: (folder / "deep").mkdir(parents=True),
            lambda: (folder / "deep/b.py").write_text("2"),
        ):
            change()
            changed = contents()
            await eventually(lambda changed=changed: changed in seen)
    finally:
        watch.stop()


@pytest.mark.parametrize("name", ["apps", "apps.d"])
async def test_watch_notices_a_change_in_a_folder_that_is_created_again_at_once(tmp_path: Path, name: str) -> None:
    # The new folder often gets the inode of the removed one. The thread of the watch creates it, so no time passes.
    folder = tmp_path / name
    folder.mkdir()
    reports: list[bool] = []

    def notify() -> None:
        reports.append(folder.exists() and any(folder.iterdir()))
        folder.mkdir(exist_ok=True)

    watch = FileWatch(folder, [], notify, step_s=0.02)
    watch.start()
    try:
        for _ in range(3):
            await eventually(lambda: folder.exists())
            (folder / "a.py").write_text("1")
            reports.clear()
            await eventually(lambda: any(reports))
            shutil.rmtree(folder)
            await eventually(lambda: False in reports)
    finally:
        watch.stop()
