"""`AppService`: start and stop the apps. The failure of one app does not affect the others."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hassette_core.api import Api
from hassette_core.apps.app import AnyApp, App
from hassette_core.apps.app_calls import call_app
from hassette_core.apps.context import AppContext
from hassette_core.apps.loading import LoadedInstance, load_apps
from hassette_core.apps.sync_app import SyncApp
from hassette_core.bus import AppBus, BusService
from hassette_core.config import AppEntry
from hassette_core.handlers import check_hook
from hassette_core.moments import AppTime
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_core.states import States
from hassette_executor import CommandExecutor, LoopCalls, ThreadPool

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
THREADS = 100
"""Maximum number of instances of a `SyncApp` whose hooks run at the same time."""


@dataclass(slots=True, kw_only=True)
class AppStatus:
    """The status of one instance.

    Attributes:
        app_key: The key of the app in ``hassette.toml``.
        instance: The name of the instance. Empty if the app's class could not be loaded.
        status: ``loaded`` (waits for Home Assistant), ``running``, ``failed`` or ``stopped``.
        detail: The reason for the failure; empty if there is none.
    """

    app_key: str
    instance: str
    status: Literal["loaded", "running", "failed", "stopped"]
    detail: str = ""

    @property
    def subject(self) -> str:
        """``app_key.instance``, or only the app key if there is no instance."""
        return f"{self.app_key}.{self.instance}" if self.instance else self.app_key


class _RunningApp(NamedTuple):
    """A started instance.

    Its context is kept here, because code of the app may have replaced `app.bus` or `app.scheduler`.
    """

    app: AnyApp[Any]
    context: AppContext
    status: AppStatus


class AppService:
    """Runs the apps of ``hassette.toml``. It is a service (`start`, `serve`, `stop`) and an async context manager.

    Args:
        entries: The tables ``[apps.<key>]``, by app key.
        app_dir: The directory of the apps' modules.
        executor: Calls the ``on_error`` methods of the apps, and records that apps started, failed and stopped.
        bus: Passes events to the apps' listeners.
        scheduler: Runs the apps' jobs.
        api: Home Assistant's API, for the apps.
        states: The current states, for the apps.
        ready: Set while Home Assistant is connected and all states are known. `serve` waits for this event and then
            starts the apps, so that no app starts without states. If it is None, `start` starts the apps.
        start_timeout_s: Time limit of ``on_initialize``, in seconds.
        stop_timeout_s: Time limit of ``on_shutdown``, in seconds.

    Attributes:
        name: ``"apps"``.
        started: Set once every app is running or has failed to start.
        statuses: The status of each instance. Apps that could not be loaded come last.
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
        self._loaded: list[tuple[LoadedInstance, AppStatus]] = []
        self._running: list[_RunningApp] = []
        self._stopped = asyncio.Event()
        self._threads = ThreadPool(THREADS, "app")
        self.started = asyncio.Event()
        self.statuses: list[AppStatus] = []

    async def start(self) -> None:
        """Load the apps. If ``ready`` is None, also start them.

        The failure of an app is logged and recorded. It does not raise an exception.
        """
        self._stopped.clear()
        self.started.clear()
        self._threads.open()
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = True
        loaded, failed = load_apps(self._entries, self._app_dir)
        self._loaded = [(app, AppStatus(app_key=app.app_key, instance=app.instance, status="loaded")) for app in loaded]
        self.statuses = [status for _, status in self._loaded]
        for failure in failed:
            status = AppStatus(app_key=failure.app_key, instance=failure.instance, status="loaded")
            self.statuses.append(status)
            self._fail(status, str(failure.error), failure.error.__cause__)
        if self._ready is None:
            await self._start_apps()

    async def serve(self) -> None:
        """Start the apps once Home Assistant is ready, then wait for `stop`."""
        stopped = asyncio.ensure_future(self._stopped.wait())
        try:
            if self._ready is not None:
                ready = asyncio.ensure_future(self._ready.wait())
                await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
                if not stopped.done():
                    await self._start_apps()
            await stopped
        finally:
            stopped.cancel()

    async def stop(self) -> None:
        """End the listeners and jobs of every app, and call the app's ``on_shutdown``.

        This method does not wait for running handlers; the bus and the scheduler do, when they stop.

        The registrations are not reported as retired, because the next start registers most of these listeners and jobs
        again. A listener or job that the next start does not register then counts as ended, as after a crash.
        """
        self._loaded = []
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = False
        while self._running:  # an app may have finished its start while others shut down
            running, self._running = self._running, []
            await asyncio.gather(*(self._stop_app(app) for app in running))
        self._threads.close()
        self._stopped.set()

    async def add(self, app: LoadedInstance) -> AppStatus:
        """Start one more instance, which is not in ``hassette.toml``. It is stopped together with the other apps.

        Call this method when Home Assistant is ready, because the app may read states when it starts.

        Returns:
            The status: ``running``, or ``failed`` with the reason.
        """
        status = AppStatus(app_key=app.app_key, instance=app.instance, status="loaded")
        self.statuses.append(status)
        await self._start_app(app, status)
        return status

    async def __aenter__(self) -> "AppService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _start_apps(self) -> None:
        loaded, self._loaded = self._loaded, []
        await asyncio.gather(*(self._start_app(app, status) for app, status in loaded))
        self.started.set()
        if loaded:
            now = Counter(status.status for status in self.statuses)
            logger.info("Apps started", extra={"running": now["running"], "failed": now["failed"]})

    async def _start_app(self, loaded: LoadedInstance, status: AppStatus) -> None:
        actor = (loaded.app_key, loaded.instance)
        created: list[AnyApp[Any]] = []
        context = AppContext(
            app_key=loaded.app_key,
            instance=loaded.instance,
            bus=AppBus(self._bus, *actor),
            scheduler=AppScheduler(self._scheduler, *actor),
            api=self._api,
            states=self._states,
            time=AppTime(self._scheduler.clock, lambda: self._scheduler.place, self._states),
            loop_calls=LoopCalls(),
        )
        context.loop_calls.open()
        threads = self._threads_of(loaded.app_class)

        def create() -> None:
            created.append(loaded.app_class(loaded.config, context))

        def initialize() -> Awaitable[None] | None:
            (app,) = created
            if type(app).on_error not in (App[Any].on_error, SyncApp[Any].on_error):
                check_hook("on_error", app.on_error)
                self._executor.hooks.set(app.on_error, app=actor)
            return app.on_initialize()

        method = "__init__"
        try:
            problem = await call_app(actor, method, create, self._start_timeout_s, threads=threads)
            if problem is None:
                method = "on_initialize"
                problem = await call_app(actor, method, initialize, self._start_timeout_s, threads=threads)
                if problem is None:
                    status.status = "running"
                    self._running.append(_RunningApp(created[0], context, status))
                    self._executor.report("app_started", status.subject)
                    return
        except asyncio.CancelledError:
            self._unregister(context)
            raise
        self._unregister(context)
        self._fail(status, f"{method} failed: {problem.text}", problem.cause)

    async def _stop_app(self, running: _RunningApp) -> None:
        app, context, status = running
        actor = (status.app_key, status.instance)
        # End listeners and jobs first, so that no run starts while on_shutdown releases resources of the handlers.
        context.bus.cancel_all()
        context.scheduler.cancel_all()
        problem = await call_app(
            actor, "on_shutdown", lambda: app.on_shutdown(), self._stop_timeout_s, threads=self._threads_of(type(app))
        )
        status.status = "stopped"
        self._unregister(context)
        detail = ""
        if problem is not None:
            detail = f"on_shutdown failed: {problem.text}"
            logger.error(
                "App failed to shut down", extra={"app": status.subject, "problem": detail}, exc_info=problem.cause
            )
        self._executor.report("app_stopped", status.subject, detail)

    def _threads_of(self, app_class: type[AnyApp[Any]]) -> ThreadPool | None:
        """Return the threads for the hooks of an app. None for an `App`, whose hooks run on the event loop."""
        return self._threads if issubclass(app_class, SyncApp) else None

    def _unregister(self, context: AppContext) -> None:
        context.bus.end()
        context.scheduler.end()
        context.loop_calls.close()
        self._executor.hooks.set(None, app=(context.app_key, context.instance))

    def _fail(self, status: AppStatus, detail: str, cause: BaseException | None) -> None:
        status.status, status.detail = "failed", detail
        logger.error("App failed", extra={"app": status.subject, "detail": detail}, exc_info=cause)
        self._executor.report("app_failed", status.subject, detail)
