"""`HotReload`: reload the apps whose code or settings have changed, while the framework runs."""

import asyncio
import logging
from collections.abc import Callable

from hassette_core.apps.file_watch import STEP_S, FileWatch
from hassette_core.apps.service import AppService
from hassette_core.config import HassetteConfig
from hassette_core.config.loading import TABLES
from hassette_core.containment import RecordEvent
from hassette_core.errors import ConfigError
from hassette_core.lifecycle import AsyncWithService, first_set

logger = logging.getLogger(__name__)

_OTHER_TABLES = tuple(table for table in TABLES if table != "apps")


class HotReload(AsyncWithService):
    """Service that watches the modules of the apps and the configuration, and reloads the changed apps.

    Args:
        apps: The apps.
        config: The configuration with which the framework has started.
        load: Loads the configuration again.
        report: Records that the configuration could not be loaded.
        mask: Called with each newer configuration before the apps receive it, to mask its secrets.
        step_s: See `hassette_core.apps.file_watch.STEP_S`.
    """

    name = "hot reload"

    def __init__(
        self,
        apps: AppService,
        config: HassetteConfig,
        load: Callable[[], HassetteConfig],
        report: RecordEvent,
        mask: Callable[[HassetteConfig], None],
        *,
        step_s: float = STEP_S,
    ) -> None:
        self._apps = apps
        self._config = config
        self._load = load
        self._report = report
        self._mask = mask
        self._step_s = step_s
        self._changed = asyncio.Event()
        self._stopped = asyncio.Event()
        self._watch: FileWatch | None = None
        self._problem = ""
        self._waiting: tuple[str, ...] = ()

    async def start(self) -> None:
        """Start watching."""
        loop = asyncio.get_running_loop()
        self._stopped.clear()
        self._changed.clear()

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(self._changed.set)
            except RuntimeError:
                return  # the loop has ended before the thread

        files = [file for file in (self._config.file, self._config.secrets_file) if file is not None]
        self._watch = FileWatch(self._config.app_dir, files, notify, step_s=self._step_s)
        self._watch.start()

    async def serve(self) -> None:
        """Reload after each change, until stopped."""
        while await first_set(self._stopped, self._changed) is self._changed:
            self._changed.clear()
            await self.reload()

    async def stop(self) -> None:
        """Stop watching. A reload in progress is cancelled with `serve`."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        self._stopped.set()

    async def reload(self) -> None:
        """Load the configuration, and reload the changed apps. If it has problems, only changed code is reloaded."""
        entries = None
        if self._config.file is not None:
            try:
                config = self._load()
            except ConfigError as error:
                self._refuse(str(error))
            else:
                self._problem = ""
                self._mask(config)
                self._compare(config)
                entries = config.apps
        await self._apps.reload_changed(entries)

    def _refuse(self, problem: str) -> None:
        if problem == self._problem:
            return
        self._problem = problem
        logger.error(
            "Configuration has problems; the apps keep running with the previous one", extra={"problem": problem}
        )
        self._report("config_reload_failed", str(self._config.file), problem)

    def _compare(self, config: HassetteConfig) -> None:
        """Log the tables whose change needs a restart."""
        changed = [name for name in _OTHER_TABLES if getattr(config, name) != getattr(self._config, name)]
        plugins = config.plugins.keys() | self._config.plugins.keys()
        changed += sorted(name for name in plugins if config.plugins.get(name) != self._config.plugins.get(name))
        if changed and tuple(changed) != self._waiting:
            logger.warning(
                "A change of the configuration needs a restart of Hassette; only changes of apps apply at once",
                extra={"tables": ", ".join(f"[{name}]" for name in changed)},
            )
        self._waiting = tuple(changed)
