"""An app directory, and the service that runs what is in it."""

import asyncio
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from hassette_core.api import Api
from hassette_core.apps import AppService
from hassette_core.config import AppEntry
from hassette_core.states import StateCache
from support.home import Home

HEAD = """
from hassette_core.apps import App, AppConfig
"""

Write = Callable[[str, str], Path]
Entry = Callable[..., AppEntry]


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "apps"
    directory.mkdir()
    return directory


@pytest.fixture
def write(app_dir: Path) -> Write:
    """Write a module of apps."""

    def write(name: str, text: str) -> Path:
        path = app_dir / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        return path

    return write


@pytest.fixture
def entry() -> Entry:
    """Make the entry of one app, as hassette.toml has it."""

    def entry(module: str, class_name: str, **more: Any) -> AppEntry:
        return AppEntry.model_validate({"module": module, "class": class_name, **more})

    return entry


class Running:
    """Starts app services and stops them at the end of the test."""

    def __init__(self, home: Home, app_dir: Path, stack: AsyncExitStack) -> None:
        self._home = home
        self._app_dir = app_dir
        self._stack = stack

    def make(self, entries: dict[str, AppEntry], *, ready: asyncio.Event | None = None, **times: float) -> AppService:
        return AppService(
            entries,
            self._app_dir,
            executor=self._home.executor,
            bus=self._home.bus_service,
            scheduler=self._home.scheduler_service,
            # The apps of these tests ask Home Assistant for nothing.
            api=cast("Api", None),
            states=StateCache().states,
            ready=ready,
            **times,
        )

    async def start(self, entries: dict[str, AppEntry], **options: Any) -> AppService:
        return await self._stack.enter_async_context(self.make(entries, **options))


@pytest.fixture
async def apps(home: Home, app_dir: Path) -> AsyncIterator[Running]:
    async with AsyncExitStack() as stack:
        yield Running(home, app_dir, stack)
