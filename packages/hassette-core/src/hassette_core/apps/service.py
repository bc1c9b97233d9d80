"""`AppService`: start and stop the apps. The failure of one app does not affect the others."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hassette_core.api import Api
from hassette_core.apps.app import AnyApp
from hassette_core.apps.deploy_marks import DeployMarks
from hassette_core.apps.fleet import AppFleet
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadedInstance, load_apps
from hassette_core.apps.log_levels import AppLogLevels
from hassette_core.apps.reload_unit import GRACE_S
from hassette_core.apps.reloading import Reloader
from hassette_core.apps.retries import FIRST_PAUSE_S
from hassette_core.apps.running_apps import RunningApps, unknown_app
from hassette_core.apps.status import AppStatus
from hassette_core.apps.storage_writer import StorageWriter
from hassette_core.bus import BusService
from hassette_core.config import AppEntry
from hassette_core.containment import GuardedTask
from hassette_core.errors import AppLookupError
from hassette_core.home import HomeRegistry
from hassette_core.lifecycle import first_set
from hassette_core.scheduler import SchedulerService
from hassette_core.states import States
from hassette_executor import CommandExecutor, MakeThreads, ThreadPool

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
THREADS = 100
"""Maximum number of instances of a `SyncApp` whose hooks run at the same time, without hung hooks of other apps."""


class AppService:
    """Runs the apps of ``hassette.toml``. It is a service (`start`, `serve`, `stop`) and an async context manager.

    An app starts when the apps in its ``depends_on`` are running, and stops before them. If its start fails, the
    service tries again, with growing pauses.

    Args:
        entries: The tables ``[apps.<key>]``, by app key.
        app_dir: The directory of the apps' modules.
        data_dir: The directory of the history and of the apps' files.
        executor: Calls the ``on_error`` methods of the apps, and records that apps started, failed and stopped.
        bus: Passes events to the apps' listeners.
        scheduler: Runs the apps' jobs.
        api: Home Assistant's API, for the apps.
        states: The current states, for the apps.
        home: The areas, devices and labels of the home, for the apps.
        ready: Set while Home Assistant is connected and all states are known. `serve` waits for this event and then
            starts the apps, so that no app starts without states. If it is None, `start` starts the apps.
        start_timeout_s: Time limit of ``on_initialize``, in seconds.
        stop_timeout_s: Time limit of the ``on_shutdown`` methods of all apps, in seconds.
        first_retry_s: Pause after the first failed start of an app, in seconds; see `Retries`.
        make_threads: Creates the threads of the hooks of sync apps.
        redact: Masks secrets in the settings of apps, before a version is computed from them.

    Attributes:
        name: ``"apps"``.
        running: The running apps.
    """

    name = "apps"

    def __init__(
        self,
        entries: Mapping[str, AppEntry],
        app_dir: Path,
        *,
        data_dir: Path,
        executor: CommandExecutor,
        bus: BusService,
        scheduler: SchedulerService,
        api: Api,
        states: States,
        home: HomeRegistry,
        ready: asyncio.Event | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_timeout_s: float = STOP_TIMEOUT_S,
        first_retry_s: float = FIRST_PAUSE_S,
        make_threads: MakeThreads = ThreadPool,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._entries = entries
        self._app_dir = app_dir
        self._executor = executor
        self._bus = bus
        self._scheduler = scheduler
        self._ready = ready
        self._stop_timeout_s = stop_timeout_s
        self._threads = make_threads(THREADS, "app", None)
        self._storages = StorageWriter(data_dir, executor.report)
        objects: dict[str, dict[str, AnyApp[Any]]] = {}
        self.running = RunningApps(objects, lambda: self.statuses)
        environment = AppEnvironment(
            executor=executor,
            bus=bus,
            scheduler=scheduler,
            api=api,
            states=states,
            home=home,
            apps=self.running,
            data_dir=data_dir,
            storages=self._storages,
            threads=self._threads,
            log_levels=AppLogLevels(),
            start_timeout_s=start_timeout_s,
        )
        self._environment = environment
        self._fleet = AppFleet(environment, objects, first_retry_s)
        self._marks = DeployMarks(executor.note, app_dir, redact)
        self._reloader = Reloader(self._fleet, environment, app_dir, stop_timeout_s, self._marks, ready)
        self._changing = asyncio.Lock()
        self._halted: set[str] = set()
        self._rehearsals: dict[str, bool] = {}
        self._restart: set[str] = set()
        self._deferred = asyncio.Event()
        self._reloads: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()

    @property
    def started(self) -> asyncio.Event:
        """Set once every app is running, has failed to start, or waits for a failed app."""
        return self._fleet.started

    @property
    def entries(self) -> dict[str, AppEntry]:
        """The tables ``[apps.<key>]`` that apply now, with the rehearsals that `set_rehearsal` has changed."""
        return {key: _with_rehearsal(entry, self._rehearsals.get(key)) for key, entry in self._entries.items()}

    @property
    def statuses(self) -> list[AppStatus]:
        """The status of each instance. Apps that could not be loaded come last."""
        return self._fleet.statuses

    async def start(self) -> None:
        """Load the apps. If ``ready`` is None, also start them.

        The failure of an app is logged and recorded. It does not raise an exception.
        """
        self._stopped.clear()
        self._deferred.clear()
        self._restart.clear()
        self._threads.open()
        self._fleet.open()
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = True
        # After a crash of this service, an app that was stopped or rehearses must not act.
        entries = {key: entry for key, entry in self.entries.items() if key not in self._halted}
        self._reloader.open(entries)
        loaded, failed = load_apps(entries, self._app_dir)
        for app in loaded:
            self._fleet.add(AppInstance(app, self._environment))
        self._marks.started(entries, {app.app_key for app in loaded})
        for failure in failed:
            self._fleet.add_failure(failure)
        if self._ready is None:
            await self._start_apps()

    async def serve(self) -> None:
        """Start the apps once Home Assistant is ready. Then carry out reloads that had to wait for it, until `stop`."""
        if self._ready is not None and await first_set(self._stopped, self._ready) is self._ready:
            await self._start_apps()
        while await first_set(self._stopped, self._deferred, self._fleet.outdated) is not self._stopped:
            if self._ready is not None and await first_set(self._stopped, self._ready) is self._stopped:
                return
            self._deferred.clear()
            await self.reload_changed()

    async def stop(self) -> None:
        """End the listeners and jobs of every app, and call the app's ``on_shutdown``.

        An app stops before the apps on which it depends. This method does not wait for running handlers; the bus and
        the scheduler do, when they stop.

        The registrations are not reported as retired, because the next start registers most of these listeners and jobs
        again. A listener or job that the next start does not register then counts as ended, as after a crash.
        """
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = False
        self._stopped.set()
        for task in self._reloads:
            task.cancel()
        await asyncio.gather(*self._reloads, return_exceptions=True)
        await self._fleet.stop_all(self._stop_timeout_s)
        if not await self._storages.stop(self._stop_timeout_s):
            logger.error("Storages of apps could not be written in time")
        self._threads.close()

    async def add(self, app: LoadedInstance) -> AppStatus:
        """Start one more instance, which is not in ``hassette.toml``. It is stopped together with the other apps.

        Call this method when Home Assistant is ready, because the app may read states when it starts.

        Returns:
            The status after the first attempt: ``running``, ``waiting`` or ``retrying``, with the reason.
        """
        instance = AppInstance(app, self._environment)
        await self._fleet.start(instance)
        return instance.status

    async def reload_changed(self, entries: Mapping[str, AppEntry] | None = None) -> None:
        """Replace the apps whose code or table has changed, one after the other.

        A newer version that cannot be loaded or started is logged and recorded, and the older version keeps running.
        An app that `stop_app` has stopped stays stopped. While Home Assistant is not connected, all apps keep running
        as they are, and `serve` reloads them afterwards, because most apps cannot start without it.

        Args:
            entries: The tables ``[apps.<key>]`` that apply from now on. None keeps the current tables.
        """
        if entries is not None:
            self._entries = entries
        await self._apply()

    async def reload(self, app_key: str) -> None:
        """Restart an app with its current code and table, even if nothing has changed.

        Raises:
            AppLookupError: There is no such app.
        """
        self._check(app_key)
        self._restart.add(app_key)
        await self._apply()

    async def stop_app(self, app_key: str) -> None:
        """Stop all instances of an app until `start_app` or a restart of the framework.

        Raises:
            AppLookupError: There is no such app.
        """
        self._check(app_key)
        async with self._changing:
            self._halted.add(app_key)
            for instance in self._fleet.instances_of(app_key).values():
                await self._fleet.halt(instance, GRACE_S, self._stop_timeout_s)

    async def start_app(self, app_key: str) -> None:
        """Start an app that `stop_app` has stopped, with its current code.

        Raises:
            AppLookupError: There is no such app.
        """
        self._check(app_key)
        self._halted.discard(app_key)
        if all(each.app is None for each in self._fleet.instances_of(app_key).values()):
            self._restart.add(app_key)
            await self._apply()

    async def set_rehearsal(self, app_key: str, *, on: bool) -> None:
        """Begin or end the rehearsal of all instances of an app, until a restart of the framework. Reload the app.

        If the app cannot be reloaded, its rehearsal does not change; see `problems_of`.

        Raises:
            AppLookupError: There is no such app.
        """
        self._check(app_key)
        before = self._rehearsals.get(app_key)
        self._rehearsals[app_key] = on
        await self._apply()
        if self.problems_of(app_key) and not self.is_deferred:
            if before is None:
                del self._rehearsals[app_key]
            else:
                self._rehearsals[app_key] = before

    def is_halted(self, app_key: str) -> bool:
        """Return whether `stop_app` has stopped an app."""
        return app_key in self._halted

    @property
    def is_deferred(self) -> bool:
        """Whether a reload waits until Home Assistant is connected."""
        return self._deferred.is_set()

    def problems_of(self, app_key: str) -> list[str]:
        """Return the problems of the newest version of an app that could not be loaded or started."""
        failed = [status.detail for status in self.statuses if status.app_key == app_key and status.has_failed]
        return self._reloader.problems_of(app_key) or failed

    async def __aenter__(self) -> "AppService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _start_apps(self) -> None:
        await self._fleet.start_all()
        if self.statuses and not self._stopped.is_set():
            now = Counter(status.status for status in self.statuses)
            facts = {name: now[name] for name in ("running", "retrying", "waiting", "failed") if now[name]}
            logger.info("Apps started", extra=facts)

    async def _apply(self) -> None:
        await first_set(self.started, self._stopped)
        # A reload that is cancelled halfway, with its caller, would leave an app that does not run.
        task = GuardedTask(self._reload(), loop=asyncio.get_running_loop(), name="reload apps")
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)
        await asyncio.shield(task)

    async def _reload(self) -> None:
        async with self._changing:
            if self._stopped.is_set():
                return
            if self._ready is not None and not self._ready.is_set():
                logger.info("Reload of apps waits until Home Assistant is connected")
                self._deferred.set()
                return
            self._fleet.outdated.clear()
            restart = self._restart.copy()
            self._restart.clear()
            await self._reloader.apply(self.entries, halted=self._halted, restart=restart)
            if self._reloader.interrupted:
                self._deferred.set()

    def _check(self, app_key: str) -> None:
        if app_key not in self._entries:
            raise AppLookupError(unknown_app(app_key, [(key, "") for key in self._entries]))


def _with_rehearsal(entry: AppEntry, on: bool | None) -> AppEntry:
    if on is None:
        return entry
    instances = [{**values, "rehearse": on} if "rehearse" in values else values for values in entry.instances]
    return entry.model_copy(update={"rehearse": on, "instances": instances})
