"""`AppInstance`: start and stop one instance of an app."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hassette_core.api import Api
from hassette_core.apps.app import AnyApp, App, AppConfig
from hassette_core.apps.app_calls import CANCEL_S, AppProblem, call_app
from hassette_core.apps.context import AppContext
from hassette_core.apps.folders import app_folder
from hassette_core.apps.imports import PACKAGE
from hassette_core.apps.loading import LoadedInstance
from hassette_core.apps.log_levels import AppLogLevels
from hassette_core.apps.running_apps import RunningApps
from hassette_core.apps.status import AppStatus
from hassette_core.apps.storage_writer import StorageWriter
from hassette_core.apps.sync_app import SyncApp
from hassette_core.bus import AppBus, BusService
from hassette_core.bus.gates import HeldDelivery
from hassette_core.containment import Actor, GuardedTask, app_actor, set_rehearsal, subject_of
from hassette_core.errors import CoreError, describe_error
from hassette_core.handlers import Handler, check_hook
from hassette_core.home import HomeRegistry
from hassette_core.moments import AppTime
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_core.scheduler.carried_jobs import SuspendedJob
from hassette_core.states import States
from hassette_executor import CommandExecutor, LoopCalls, ThreadPool

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEnvironment:
    """The parts of the framework that all app instances use.

    Attributes:
        executor: Calls the ``on_error`` methods of the apps, and records that apps started, failed and stopped.
        bus: Passes events to the apps' listeners.
        scheduler: Runs the apps' jobs.
        api: Home Assistant's API.
        states: The current states.
        home: The areas, devices and labels of the home.
        apps: The running apps.
        data_dir: The directory of the history and of the apps' files.
        storages: The storages of the apps.
        threads: Threads for the hooks of each `SyncApp`.
        log_levels: The log levels of the apps.
        start_timeout_s: Time limit of ``on_initialize``, in seconds.
    """

    executor: CommandExecutor
    bus: BusService
    scheduler: SchedulerService
    api: Api
    states: States
    home: HomeRegistry
    apps: RunningApps
    data_dir: Path
    storages: StorageWriter
    threads: ThreadPool
    log_levels: AppLogLevels
    start_timeout_s: float


class _UnfinishedWork(NamedTuple):
    """The work of a stopped version that the next version continues.

    Attributes:
        app: The object of the stopped version.
        held: The events that its listeners held, with the keys of the listeners.
        jobs: The jobs with a planned run.
    """

    app: AnyApp[Any]
    held: list[tuple[tuple[str, str, str, str], HeldDelivery]]
    jobs: list[SuspendedJob]


class AppInstance:
    """One instance of an app.

    Args:
        loaded: The class and the settings.
        environment: The parts of the framework that the instance uses.

    Attributes:
        loaded: The class and the settings.
        status: The status of the instance.
        app: The running object; None while the instance is not running.
    """

    def __init__(self, loaded: LoadedInstance, environment: AppEnvironment) -> None:
        self.loaded = loaded
        self.status = AppStatus(app_key=loaded.app_key, instance=loaded.instance, status="loaded")
        self.app: AnyApp[Any] | None = None
        self._actor = (loaded.app_key, loaded.instance)
        self._version: Actor = self._actor
        self._environment = environment
        # The hooks of an `App` run on the event loop.
        self._threads = environment.threads if issubclass(loaded.app_class, SyncApp) else None
        self._unfinished: _UnfinishedWork | None = None
        self._starting: list[str] = []  # the methods of a start that are being called
        self._context: AppContext | None = None  # of the latest start

    @property
    def in_service(self) -> bool:
        """Whether this version runs, or will run again because a newer version could not start."""
        return self.app is not None or self._unfinished is not None

    async def start(self) -> AppProblem | None:
        """Create the object, and call its ``on_initialize``. Return the problem if this fails.

        After a failure, the instance has no listener and no job. While the thread of an earlier start hangs, the start
        fails at once. Otherwise each attempt would use one more thread.
        """
        if self._starting:
            return AppProblem(f"{self._starting[0]} of an earlier start has not ended, and its thread cannot be ended")
        environment = self._environment
        if self._context is None:  # the first start of this version
            environment.executor.renew_threads(self.loaded.app_key)
            environment.threads.renew(self.loaded.app_key)
        set_rehearsal(self._actor, on=self.loaded.rehearse)
        self._version = app_actor(self._actor)
        context = self._context = AppContext(
            app_key=self.loaded.app_key,
            instance=self.loaded.instance,
            bus=AppBus(environment.bus, *self._actor),
            scheduler=AppScheduler(environment.scheduler, *self._actor),
            api=environment.api,
            states=environment.states,
            home=environment.home,
            time=AppTime(environment.scheduler.clock, lambda: environment.scheduler.place, environment.states),
            apps=environment.apps,
            storage=environment.storages.storage_of(*self._actor),
            data_dir=app_folder(environment.data_dir, *self._actor),
            loop_calls=LoopCalls(),
        )
        context.loop_calls.open()
        created: list[AnyApp[Any]] = []

        def create() -> None:
            created.append(self.loaded.app_class(_copy_of(self.loaded.config), context))

        def initialize() -> Awaitable[None] | None:
            (app,) = created
            if type(app).on_error not in (App[Any].on_error, SyncApp[Any].on_error):
                check_hook("on_error", app.on_error)
                environment.executor.hooks.set(app.on_error, app=self._actor)
            return app.on_initialize()

        classes = self.loaded.app_class.__mro__
        modules = {each.__module__ for each in classes if each.__module__.startswith(f"{PACKAGE}.")}
        environment.log_levels.set(self._actor, modules, self.loaded.log_level)
        self.status.status, self.status.detail = "starting", ""
        method = "__init__"
        try:
            problem = await self._call(method, self._tracked(method, create), environment.start_timeout_s)
            if problem is None:
                method = "on_initialize"
                problem = await self._call(method, self._tracked(method, initialize), environment.start_timeout_s)
                if problem is None:
                    context.scheduler.restore(created[0])
                    self.app = created[0]
                    self.status.status = "running"
                    self._continue(created[0])
                    return None
        except asyncio.CancelledError:
            self._unregister()
            raise
        self._unregister()
        return AppProblem(f"{method} failed: {problem.text}", problem.cause)

    async def retire(self, grace_s: float, timeout_s: float) -> str:
        """Stop one instance while the framework keeps running. Return the problem of ``on_shutdown``, or an empty text.

        The runs end first, within the limit. After ``on_shutdown``, the tasks that the app has created are cancelled.

        Args:
            grace_s: Time limit for runs in progress, in seconds. The remaining runs are cancelled.
            timeout_s: Time limit of ``on_shutdown``, in seconds.
        """
        await self._drain(grace_s)
        return await self._end(timeout_s)

    async def _drain(self, grace_s: float) -> None:
        for roster in (self._environment.bus.roster, self._environment.scheduler.roster):
            await roster.drain(*self._actor, grace_s)

    async def _end(self, timeout_s: float) -> str:
        detail = await self.stop(timeout_s)
        await cancel_tasks_of(self._actor)
        return detail

    async def take_over(self, old: "AppInstance", grace_s: float, timeout_s: float) -> AppProblem | None:
        """Stop another version of this instance and start this one. Return the problem if that fails.

        No event is lost: the events that arrive meanwhile are passed to the listeners of the version that runs
        afterwards. After a failure, another version must take over, or `release_events` must be called.

        Args:
            old: The other version.
            grace_s: As in `retire`.
            timeout_s: As in `retire`.
        """
        self._unfinished = await old._hand_over(grace_s, timeout_s)
        return await self.start()

    async def _hand_over(self, grace_s: float, timeout_s: float) -> _UnfinishedWork | None:
        """Stop this version if it is running. Return the work that the next version continues."""
        bus, scheduler, app = self._environment.bus, self._environment.scheduler, self.app
        if app is None:
            unfinished, self._unfinished = self._unfinished, None
            return unfinished
        bus.keep_events(*self._actor)
        held = [
            (listener.registration.key, event)
            for listener in bus.roster.entries_of(*self._actor)
            for event in listener.take_held()
        ]
        scheduler.take_plans(*self._actor)
        await self._drain(grace_s)
        # Again, because the last runs may have set timers, or cancelled some.
        jobs = scheduler.take_plans(*self._actor)
        await self._end(timeout_s)
        return _UnfinishedWork(app, held, jobs)

    def _continue(self, app: AnyApp[Any]) -> None:
        """Continue the work of the previous version."""
        bus, unfinished = self._environment.bus, self._unfinished
        self._unfinished = None
        try:
            if unfinished is not None:
                listeners = {listener.registration.key: listener for listener in bus.roster.entries_of(*self._actor)}
                for key, event in unfinished.held:
                    if key in listeners:
                        listeners[key].give_held(event)
                old = unfinished.app
                self._environment.scheduler.carry_over(unfinished.jobs, lambda handler: _method_of(app, handler, old))
        finally:
            self.release_events()

    def release_events(self) -> None:
        """Pass on the events that arrived during a replacement. Without a running version, they are dropped."""
        self._environment.bus.pass_kept_events(*self._actor)

    def forget_unfinished(self) -> None:
        """Forget the work of the previous version, because the instance stops."""
        self._unfinished = None

    async def stop(self, timeout_s: float) -> str:
        """End listeners and jobs, and call ``on_shutdown``. Return the problem of ``on_shutdown``, or an empty text.

        Args:
            timeout_s: Time limit of ``on_shutdown``, in seconds.
        """
        app, self.app = self.app, None
        detail = ""
        if app is not None and self._context is not None:
            # End listeners and jobs first, so that no run starts while on_shutdown releases resources of the handlers.
            self._context.bus.cancel_all()
            self._context.scheduler.suspend()
            problem = await self._call("on_shutdown", lambda: app.on_shutdown(), timeout_s)
            if problem is not None:
                detail = f"on_shutdown failed: {problem.text}"
                logger.error(
                    "App failed to shut down",
                    extra={"app": self.status.subject, "problem": detail},
                    exc_info=problem.cause,
                )
        self.status.status, self.status.detail = "stopped", ""
        self._unregister()
        for roster in (self._environment.bus.roster, self._environment.scheduler.roster):
            await roster.settle()
        return detail

    def _tracked(self, method: str, call: Callable[[], Awaitable[None] | None]) -> Callable[[], Awaitable[None] | None]:
        """Return a function that makes a call, and lists the method in `_starting` until the call returns."""

        def tracked() -> Awaitable[None] | None:
            self._starting.append(method)
            try:
                return call()
            finally:
                self._starting.remove(method)

        return tracked

    async def _call(self, name: str, call: Callable[[], Awaitable[None] | None], timeout_s: float) -> AppProblem | None:
        return await call_app(self._version, name, call, timeout_s, threads=self._threads)

    def _unregister(self) -> None:
        if self._context is not None:
            self._context.bus.end()
            self._context.scheduler.end()
            self._context.loop_calls.close()
        self._environment.executor.hooks.set(None, app=self._actor)
        self._environment.log_levels.forget(self._actor)


def _copy_of(config: AppConfig) -> AppConfig:
    """Return a copy of the settings. An app may change a list in its settings, and the next start needs the original.

    Raises:
        CoreError: The settings contain an object that cannot be copied, such as a lock.
    """
    try:
        return config.model_copy(deep=True)
    except Exception as error:
        raise CoreError(
            f"the settings must be values that can be copied: {describe_error(error)}; create other objects in"
            " on_initialize"
        ) from error


def _method_of(new: AnyApp[Any], handler: Handler, old: AnyApp[Any]) -> Handler | None:
    """Return the method of a new object that has the name of a method of the old object; None if there is none."""
    if getattr(handler, "__self__", None) is not old:
        return None
    found: Any = getattr(new, handler.__name__, None)
    return found if callable(found) else None


async def cancel_tasks_of(actor: Actor, cancel_s: float = CANCEL_S) -> None:
    """Cancel the tasks that code of an app instance has created, and wait for their end for ``cancel_s`` seconds."""
    current = asyncio.current_task()
    tasks = [
        task
        for task in asyncio.all_tasks()
        if isinstance(task, GuardedTask) and task.actor[:2] == actor and task is not current
    ]
    for task in tasks:
        task.cancel()
    if tasks:
        _, stuck = await asyncio.wait(tasks, timeout=cancel_s)
        for task in stuck:
            logger.error(
                "Task of an app ignores its cancellation and is still running",
                extra={"app": subject_of(actor), "task": task.get_name()},
            )
