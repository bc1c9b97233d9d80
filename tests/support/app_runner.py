"""Run the apps of a test: write their modules, and start and stop an `AppService`."""

import asyncio
import sys
import textwrap
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

from hassette_core.api import Api
from hassette_core.apps import PACKAGE, AppService
from hassette_core.config import AppEntry
from hassette_core.home import HomeData, HomeRegistry
from hassette_core.states import States
from support.home import Home

HEAD = "from hassette_core import App, AppConfig\n"


class AppDirectory:
    """A directory of app modules.

    Attributes:
        path: The directory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, module: str, text: str) -> Path:
        """Write a module. `App` and `AppConfig` are imported in its first line."""
        path = self.path / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        return path


def entry(module: str, class_name: str, **more: object) -> AppEntry:
    """Return the table ``[apps.<key>]`` of an app."""
    return AppEntry.model_validate({"module": module, "class": class_name, **more})


def newer(text: str, version: int) -> str:
    """Return the code of an app with another number of its `VERSION`."""
    return text.replace("VERSION = 1", f"VERSION = {version}")


def module(name: str) -> Any:
    """Return an imported module of the apps."""
    return sys.modules[f"{PACKAGE}.{name}"]


def statuses(service: AppService) -> dict[str, str]:
    """Return the status of each app instance."""
    return {status.subject: status.status for status in service.statuses}


class AppRunner:
    """Makes app services, and stops the running services at the end of the test."""

    def __init__(self, home: Home, app_dir: Path, stack: AsyncExitStack) -> None:
        self._home = home
        self.states = States(home.states, {})
        self._app_dir = app_dir
        self._stack = stack

    def make(
        self,
        entries: Mapping[str, AppEntry],
        *,
        ready: asyncio.Event | None = None,
        start_timeout_s: float = 30,
        stop_timeout_s: float = 5,
        first_retry_s: float = 1,
    ) -> AppService:
        return AppService(
            entries,
            self._app_dir,
            data_dir=self._app_dir.parent / "data",
            executor=self._home.executor,
            bus=self._home.bus_service,
            scheduler=self._home.scheduler_service,
            api=cast("Api", None),  # no app of these tests uses it
            states=self.states,
            home=HomeRegistry(HomeData(self.states)),
            ready=ready,
            start_timeout_s=start_timeout_s,
            stop_timeout_s=stop_timeout_s,
            first_retry_s=first_retry_s,
        )

    async def start(
        self,
        entries: Mapping[str, AppEntry],
        *,
        ready: asyncio.Event | None = None,
        start_timeout_s: float = 30,
        stop_timeout_s: float = 5,
        first_retry_s: float = 1,
    ) -> AppService:
        service = self.make(
            entries,
            ready=ready,
            start_timeout_s=start_timeout_s,
            stop_timeout_s=stop_timeout_s,
            first_retry_s=first_retry_s,
        )
        return await self._stack.enter_async_context(service)
