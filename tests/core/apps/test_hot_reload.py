"""Hot reload of a running framework: files on disk, the configuration and the secrets."""

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hassette_core import Hassette, MemorySink, SimulatedHome, load_config
from hassette_core.apps.file_watch import FileWatch
from support.app_runner import HEAD, AppDirectory, AppRunner, entry
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

    def __init__(self, hassette: Hassette, folder: Path, sink: MemorySink, config: str) -> None:
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
            yield Running(hassette, folder, sink, config)


async def test_saved_file_is_reloaded(running: Running) -> None:
    for version, save in enumerate((Path.write_text, _replace, _like_vim), start=2):
        save(running.folder / "apps/lamp.py", LAMP.replace("VERSION = 1", f"VERSION = {version}"))
        await eventually(lambda wanted=version: wanted == type(running.lamp()).VERSION, within_s=20)


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
