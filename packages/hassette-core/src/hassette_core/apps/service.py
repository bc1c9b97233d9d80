"""`AppService`: starts the apps, keeps one's failure from the others, and clears up after each."""

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hassette_core.api import Api
from hassette_core.apps.app import App, AppParts
from hassette_core.apps.loading import AppEntry, LoadedApp, load_apps
from hassette_core.bus import AppBus, BusService
from hassette_core.handlers import check_hook
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_core.states import States
from hassette_executor import CommandExecutor

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


@dataclass(slots=True, kw_only=True)
class AppStatus:
    """How one instance is.

    Attributes:
        app: The app's key.
        instance: The instance's name; empty for an app that could not be loaded at all.
        status: ``loaded`` (waits for Home Assistant), ``running``, ``failed``, ``stopped``.
        detail: Why it failed; else empty.
    """

    app: str
    instance: str
    status: Literal["loaded", "running", "failed", "stopped"]
    detail: str = ""

    @property
    def subject(self) -> str:
        """``app.instance``, or the app alone."""
        return f"{self.app}.{self.instance}" if self.instance else self.app


class _Running(NamedTuple):
    app: App[Any]
    parts: AppParts
    status: AppStatus


class AppService:
    """The apps of ``hassette.toml``. A Service by shape: `start`, `serve`, `stop`; also ``async with``.

    Args:
        entries: ``[apps]``, by key.
        app_dir: Where their modules are.
        executor: Told what happens to apps, and whose error hooks are set.
        bus: Where apps listen.
        scheduler: Where apps plan.
        api: Home Assistant, for apps.
        states: What all entities are now, for apps.
        ready: Set while Home Assistant is connected and its states are known. With it, the apps are started by `serve`,
            the first time that it is set, so that no app begins in an empty house; without it, by `start`.
        start_timeout_s: Time limit of ``on_initialize``, in seconds.
        stop_timeout_s: Time limit of ``on_shutdown``, in seconds.

    Attributes:
        name: ``"apps"``.
        statuses: How each instance is, in the order of the file.
    """

    name = "apps"

    def __init__(
        self,
        entries: Mapping[str, AppEntry],
        app_dir: Path,
        *,
        executor: CommandExecutor,
        bus: BusService,
        scheduler: SchedulerService,
        api: Api,
        states: States,
        ready: asyncio.Event | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
    ) -> None:
        self._entries = entries
        self._app_dir = app_dir
        self._executor = executor
        self._bus = bus
        self._scheduler = scheduler
        self._api = api
        self._states = states
        self._ready = ready
        self._start_timeout_s = start_timeout_s
        self._stop_timeout_s = stop_timeout_s
        self._loaded: list[tuple[LoadedApp, AppStatus]] = []
        self._running: list[_Running] = []
        self._stopped = asyncio.Event()
        self.statuses: list[AppStatus] = []

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the apps and, unless they wait for Home Assistant, start them. No app's failure is raised."""
        self._stopped.clear()
        self._bus.retires = self._scheduler.retires = True
        loaded, failed = load_apps(self._entries, self._app_dir)
        self._loaded = [(app, AppStatus(app=app.key, instance=app.instance, status="loaded")) for app in loaded]
        self.statuses = [status for _, status in self._loaded]
        for failure in failed:
            status = AppStatus(app=failure.key, instance=failure.instance, status="loaded")
            self.statuses.append(status)
            self._fail(status, str(failure.error), failure.error.__cause__)
        if self._ready is None:
            await self._start_apps()

    async def serve(self) -> None:
        """Start the apps when Home Assistant is ready, if they wait for it; then wait until stopped."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            if self._ready is not None and self._loaded:
                ready = asyncio.ensure_future(self._ready.wait())
                await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if not stopped.done():
                    await self._start_apps()
            await stopped
        finally:
            stopped.cancel()

    async def stop(self) -> None:
        """Call every app's ``on_shutdown`` and end its listeners and jobs. Handlers that run are left to the bus.

        What all apps had registered is not retired: it is there again after the next start, and what is not is found
        missing then, as after a crash.
        """
        self._loaded = []
        self._bus.retires = self._scheduler.retires = False
        while self._running:  # again for an app that has just become ready while others shut down
            running, self._running = self._running, []
            await asyncio.gather(*(self._stop_app(app) for app in running))
        self._stopped.set()

    async def __aenter__(self) -> "AppService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    # ---- apps -------------------------------------------------------------------------------------------------

    async def _start_apps(self) -> None:
        loaded, self._loaded = self._loaded, []
        await asyncio.gather(*(self._start_app(app, status) for app, status in loaded))
        # Without a page, this line is all that tells a person that anything listens.
        now = Counter(status.status for status in self.statuses)
        logger.info("Apps started", extra={"running": now["running"], "failed": now["failed"]})

    async def _start_app(self, loaded: LoadedApp, status: AppStatus) -> None:
        parts = AppParts(
            loaded.key,
            loaded.instance,
            AppBus(self._bus, loaded.key, loaded.instance),
            AppScheduler(self._scheduler, loaded.key, loaded.instance),
            self._api,
            self._states,
        )
        try:
            app = loaded.app_class(loaded.config, parts)
            if type(app).on_error is not App[Any].on_error:
                check_hook(app.on_error)
                self._executor.hooks.set(app.on_error, app=(loaded.key, loaded.instance))
            problem = await self._call(app.on_initialize, self._start_timeout_s)
        except asyncio.CancelledError:
            self._clear(parts)
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  an app is somebody's code, and may end in any way
            problem, cause = f"{type(error).__name__}: {error}", error
        else:
            cause = None
            if problem is None:
                status.status = "running"
                self._running.append(_Running(app, parts, status))
                self._executor.report("app_started", status.subject)
                return
        self._clear(parts)
        self._fail(status, f"on_initialize failed: {problem}", cause)

    async def _stop_app(self, running: _Running) -> None:
        app, parts, status = running
        # No new run begins while the app lets go of what its handlers use.
        parts.bus.cancel_all()
        parts.scheduler.cancel_all()
        try:
            problem = await self._call(app.on_shutdown, self._stop_timeout_s)
        except (Exception, SystemExit) as error:  # as in _start_app: the others must still be stopped
            problem = f"{type(error).__name__}: {error}"
            logger.exception("An app failed to shut down", extra={"app": status.subject})
        status.status = "stopped"
        self._clear(parts)
        self._executor.report("app_stopped", status.subject, f"on_shutdown failed: {problem}" if problem else "")

    async def _call(self, method: Callable[[], Awaitable[None] | None], timeout_s: float) -> str | None:
        """Call one of an app's own methods. Return what is wrong if it takes too long or cancels itself."""
        task = asyncio.current_task()
        assert task is not None  # a coroutine runs in one
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                outcome = method()
                if inspect.isawaitable(outcome):  # a plain function is fine, too
                    await outcome
        except TimeoutError:
            if not limit.expired():
                raise
            return f"it took longer than {timeout_s:g} s"
        except asyncio.CancelledError:
            if task.cancelling():
                raise
            return "it was cancelled by something of its own"
        return None

    def _clear(self, parts: AppParts) -> None:
        parts.bus.cancel_all()
        parts.scheduler.cancel_all()
        self._executor.hooks.set(None, app=(parts.key, parts.instance))

    def _fail(self, status: AppStatus, detail: str, cause: BaseException | None) -> None:
        status.status, status.detail = "failed", detail
        logger.error("An app failed", extra={"app": status.subject, "detail": detail}, exc_info=cause)
        self._executor.report("app_failed", status.subject, detail)
