"""`AppService`: start and stop the apps. The failure of one app does not affect the others."""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hassette_core.api import Api
from hassette_core.apps.app import AnyApp
from hassette_core.apps.app_calls import AppProblem
from hassette_core.apps.dependencies import stop_waves
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadedInstance, load_apps
from hassette_core.apps.retries import FIRST_PAUSE_S, Retries
from hassette_core.apps.running_apps import RunningApps
from hassette_core.apps.status import AppStatus
from hassette_core.apps.storage_writer import StorageWriter
from hassette_core.bus import BusService
from hassette_core.config import AppEntry
from hassette_core.containment import GuardedTask
from hassette_core.home import HomeRegistry
from hassette_core.scheduler import SchedulerService
from hassette_core.states import States
from hassette_executor import CommandExecutor, MakeThreads, ThreadPool

logger = logging.getLogger(__name__)

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
THREADS = 100
"""Maximum number of instances of a `SyncApp` whose hooks run at the same time."""


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

    Attributes:
        name: ``"apps"``.
        started: Set once every app is running, has failed to start, or waits for an app that has failed.
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
    ) -> None:
        self._entries = entries
        self._app_dir = app_dir
        self._executor = executor
        self._bus = bus
        self._scheduler = scheduler
        self._states = states
        self._ready = ready
        self._stop_timeout_s = stop_timeout_s
        self._first_retry_s = first_retry_s
        self._instances: list[AppInstance] = []
        self._not_loaded: list[AppStatus] = []
        self._objects: dict[str, dict[str, AnyApp[Any]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        # A task that starts an app must not have the context of the handler that has requested it.
        self._context = contextvars.copy_context()
        self._changed = asyncio.Event()
        self._storages = StorageWriter(data_dir, executor.report)
        self._stopped = asyncio.Event()
        self._threads = make_threads(THREADS, "app", None)
        self.started = asyncio.Event()
        self.running = RunningApps(self._objects, lambda: self.statuses)
        self._environment = AppEnvironment(
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
            start_timeout_s=start_timeout_s,
        )

    @property
    def statuses(self) -> list[AppStatus]:
        """The status of each instance. Apps that could not be loaded come last."""
        return [*(instance.status for instance in self._instances), *self._not_loaded]

    async def start(self) -> None:
        """Load the apps. If ``ready`` is None, also start them.

        The failure of an app is logged and recorded. It does not raise an exception.
        """
        self._stopped.clear()
        self.started.clear()
        self._threads.open()
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = True
        loaded, failed = load_apps(self._entries, self._app_dir)
        self._instances = [AppInstance(app, self._environment) for app in loaded]
        self._not_loaded = []
        for failure in failed:
            status = AppStatus(app_key=failure.app_key, instance=failure.instance, status="loaded")
            self._not_loaded.append(status)
            status.status = "failed"
            self._report_failure(status, AppProblem(str(failure.error), failure.error.__cause__))
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

        An app stops before the apps on which it depends. This method does not wait for running handlers; the bus and
        the scheduler do, when they stop.

        The registrations are not reported as retired, because the next start registers most of these listeners and jobs
        again. A listener or job that the next start does not register then counts as ended, as after a crash.
        """
        self._bus.roster.retire_ended = self._scheduler.roster.retire_ended = False
        self._stopped.set()
        await self._cancel_starts()
        running = [instance for instance in self._instances if instance.app is not None]
        depends_on = {instance.loaded.app_key: instance.loaded.depends_on for instance in running}
        waves = stop_waves(depends_on, depends_on)
        loop = asyncio.get_running_loop()
        left_s = self._stop_timeout_s
        for number, wave in enumerate(waves):
            began_s = loop.time()
            limit_s = left_s / (len(waves) - number)
            await asyncio.gather(
                *(self._stop_instance(instance, limit_s) for instance in running if instance.loaded.app_key in wave)
            )
            left_s = max(0.0, left_s - (loop.time() - began_s))
        if not await self._storages.stop(self._stop_timeout_s):
            logger.error("Storages of apps could not be written in time")
        self._threads.close()
        self._notify()

    async def add(self, app: LoadedInstance) -> AppStatus:
        """Start one more instance, which is not in ``hassette.toml``. It is stopped together with the other apps.

        Call this method when Home Assistant is ready, because the app may read states when it starts.

        Returns:
            The status after the first attempt: ``running``, ``waiting`` or ``retrying``, with the reason.
        """
        instance = AppInstance(app, self._environment)
        self._instances.append(instance)
        self._begin(instance)
        while not self._is_settled(instance):
            await self._next_change()
        return instance.status

    async def __aenter__(self) -> "AppService":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def _start_apps(self) -> None:
        for instance in self._instances:
            self._begin(instance)
        self._set_started()
        try:
            while not (self.started.is_set() or self._stopped.is_set()):
                await self._next_change()
        except asyncio.CancelledError:
            await self._cancel_starts()
            raise
        if self._instances and not self._stopped.is_set():
            now = Counter(status.status for status in self.statuses)
            facts = {name: now[name] for name in ("running", "retrying", "waiting", "failed") if now[name]}
            logger.info("Apps started", extra=facts)

    def _begin(self, instance: AppInstance) -> None:
        """Start an instance in a task."""
        task = GuardedTask(
            self._start_instance(instance),
            loop=asyncio.get_running_loop(),
            name=f"start {instance.status.subject}",
            context=self._context.copy(),
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start_instance(self, instance: AppInstance) -> None:
        retries = Retries(self._states, self._first_retry_s)
        await self._wait_for_dependencies(instance)
        while (problem := await instance.start()) is not None:
            instance.status.status = "retrying"
            if retries.is_new(problem):
                self._report_failure(instance.status, problem)
            instance.status.detail = problem.text
            self._notify()
            await retries.pause(problem)
            await self._wait_for_dependencies(instance)
        assert instance.app is not None  # its start has succeeded
        self._objects.setdefault(instance.loaded.app_key, {})[instance.loaded.instance] = instance.app
        detail = f"after {retries.failures} failed attempts" if retries.failures > 1 else ""
        self._executor.report("app_started", instance.status.subject, detail)
        self._notify()

    async def _wait_for_dependencies(self, instance: AppInstance) -> None:
        while waiting := self._missing(instance):
            instance.status.status = "waiting"
            instance.status.detail = f"waits for {', '.join(waiting)}"
            self._notify()
            await self._next_change()

    def _missing(self, instance: AppInstance) -> list[str]:
        """Return the dependencies of an instance that are not running, with their status."""
        missing: list[str] = []
        for app_key in instance.loaded.depends_on:
            statuses = {status.status for status in self.statuses if status.app_key == app_key}
            if statuses - {"running"} or not statuses:
                failed = statuses & {"failed", "retrying"}
                missing.append(f"{app_key}, which has failed" if failed else app_key)
        return missing

    def _notify(self) -> None:
        """Wake up the apps that wait for this change."""
        self._set_started()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _next_change(self) -> None:
        await self._changed.wait()

    def _set_started(self) -> None:
        if not self._stopped.is_set() and all(map(self._is_settled, self._instances)):
            self.started.set()

    def _is_settled(self, instance: AppInstance) -> bool:
        """Return whether an instance has started, has failed to start, or waits for an app that has failed."""
        status = instance.status.status
        return status not in ("loaded", "starting") and (status != "waiting" or self._waits_for_failed(instance))

    def _waits_for_failed(self, instance: AppInstance) -> bool:
        """Return whether an app waits for a failed app, at one or several removes."""
        waiting, seen = [instance.loaded.app_key], set[str]()
        depends_on = {each.loaded.app_key: each.loaded.depends_on for each in self._instances}
        failed = {status.app_key for status in self.statuses if status.has_failed or status.status == "stopped"}
        while waiting:
            app_key = waiting.pop()
            if app_key in failed:
                return True
            seen.add(app_key)
            waiting += [other for other in depends_on.get(app_key, ()) if other not in seen]
        return False

    async def _cancel_starts(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for instance in self._instances:
            if instance.app is None:
                instance.status.status, instance.status.detail = "stopped", ""

    async def _stop_instance(self, instance: AppInstance, timeout_s: float) -> None:
        detail = await instance.stop(timeout_s)
        self._objects.get(instance.loaded.app_key, {}).pop(instance.loaded.instance, None)
        self._executor.report("app_stopped", instance.status.subject, detail)

    def _report_failure(self, status: AppStatus, problem: AppProblem) -> None:
        status.detail = problem.text
        logger.error("App failed", extra={"app": status.subject, "detail": problem.text}, exc_info=problem.cause)
        self._executor.report("app_failed", status.subject, problem.text)
