"""`AppFleet`: all app instances, their starts, retries and stops, in the order of their dependencies."""

import asyncio
import contextvars
import itertools
import logging
from collections.abc import Collection, Iterable
from typing import Any
from weakref import WeakKeyDictionary

from hassette_core.apps.app import AnyApp
from hassette_core.apps.app_calls import AppProblem
from hassette_core.apps.dependencies import stop_waves
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadFailure
from hassette_core.apps.retries import Retries
from hassette_core.apps.status import AppStatus
from hassette_core.containment import GuardedTask

logger = logging.getLogger(__name__)


class AppFleet:
    """All app instances, with their status.

    Args:
        environment: The parts of the framework that the instances use.
        objects: The running objects, by app key and instance; the fleet keeps this mapping current.
        first_retry_s: Pause after the first failed start of an app, in seconds; see `Retries`.

    Attributes:
        started: Set once every app is running, has failed to start, or waits for a failed app.
        outdated: Set when an instance has started and `stale` contains instances that depend on it.
    """

    def __init__(
        self, environment: AppEnvironment, objects: dict[str, dict[str, AnyApp[Any]]], first_retry_s: float
    ) -> None:
        self.started = asyncio.Event()
        self.outdated = asyncio.Event()
        self._environment = environment
        self._objects = objects
        self._first_retry_s = first_retry_s
        self._instances: list[AppInstance] = []
        self._not_loaded: dict[tuple[str, str], AppStatus] = {}
        self._starts: dict[AppInstance, asyncio.Task[Any]] = {}
        # Each start of an instance has a number. With the numbers of its dependencies, the fleet finds apps that may
        # still use an object that has been replaced.
        self._started_number = itertools.count(1)
        self._numbers: dict[tuple[str, str], int] = {}
        self._dependencies: WeakKeyDictionary[AppInstance, list[tuple[str, str, int]]] = WeakKeyDictionary()
        # A task that starts an app must not have the context of the handler that has requested it.
        self._context = contextvars.copy_context()
        self._changed = asyncio.Event()
        self._open = False

    @property
    def statuses(self) -> list[AppStatus]:
        """The status of each instance. Apps that could not be loaded come last."""
        return [*(instance.status for instance in tuple(self._instances)), *tuple(self._not_loaded.values())]

    def open(self) -> None:
        """Forget all instances, and accept new ones."""
        self._instances.clear()
        self._not_loaded.clear()
        self._numbers.clear()
        self.started.clear()
        self._open = True

    def add(self, instance: AppInstance) -> None:
        """Add an instance. `start_all` starts it."""
        self._instances.append(instance)
        self._not_loaded.pop((instance.loaded.app_key, instance.loaded.instance), None)
        self._not_loaded.pop((instance.loaded.app_key, ""), None)

    def add_failure(self, failure: LoadFailure) -> None:
        """Add the failure to load an app or an instance. A known failure is not reported again."""
        status = AppStatus(app_key=failure.app_key, instance=failure.instance, status="failed")
        known = self._not_loaded.get((failure.app_key, failure.instance))
        self._not_loaded[failure.app_key, failure.instance] = status
        problem = AppProblem(str(failure.error), failure.error.__cause__)
        status.detail = problem.text
        if known is None or known.detail != problem.text:
            self._report_failure(status, problem)

    def forget_failures(self, app_key: str, keep: Collection[str] = ()) -> None:
        """Forget the failures to load an app, because it is loaded again or no longer configured.

        Args:
            app_key: The key of the app.
            keep: Names of instances whose failures remain; an empty name for the whole app.
        """
        for key in [key for key in self._not_loaded if key[0] == app_key and key[1] not in keep]:
            del self._not_loaded[key]

    def instances_of(self, app_key: str) -> dict[str, AppInstance]:
        """Return the instances of an app, by name."""
        return {each.loaded.instance: each for each in self._instances if each.loaded.app_key == app_key}

    def failed_apps(self) -> set[str]:
        """Return the keys of the apps that could not be loaded."""
        return {app_key for app_key, _ in self._not_loaded}

    async def start_all(self) -> None:
        """Start all instances, and wait until `started` is set."""
        try:
            for instance in tuple(self._instances):
                self._begin(instance)
                # Otherwise the event loop would run on_initialize of all apps in one turn, and read nothing meanwhile.
                await asyncio.sleep(0)
            self._notify()
            while self._open and not self.started.is_set():
                await self._changed.wait()
        except asyncio.CancelledError:
            await self._cancel_starts(self._instances)
            raise

    async def start(self, instance: AppInstance) -> None:
        """Add and start an instance. Wait until it is running, has failed to start, or waits for a failed app."""
        self.add(instance)
        self._begin(instance)
        while self._open and not self._is_settled(instance):
            await self._changed.wait()

    async def switch(self, old: AppInstance, new: AppInstance, grace_s: float, timeout_s: float) -> AppProblem | None:
        """Stop a version of an instance, and start another one in its place. Return the problem if that cannot start.

        After a problem, no version runs: call `switch` with another version, or `retry`. Until then, other apps get the
        object of the stopped version.

        Args:
            old: The version to stop.
            new: The version to start.
            grace_s: Time limit of runs in progress, in seconds.
            timeout_s: Time limit of ``on_shutdown``, in seconds.
        """
        await self._cancel_starts([old])
        problem = await new.take_over(old, grace_s, timeout_s)
        self._instances[self._instances.index(old)] = new
        if problem is None:
            self._add_object(new)
        self._notify()
        return problem

    def retry(self, instance: AppInstance, problem: AppProblem) -> None:
        """Start an instance again after a pause, because no version of it could start."""
        self._remove_object(instance)
        instance.release_events()
        instance.status.status, instance.status.detail = "retrying", problem.text
        self._begin(instance, problem)
        self._notify()

    def stale(self) -> list[AppInstance]:
        """Return the running instances that started with an object of a dependency that has been replaced since."""
        return [
            instance
            for instance in self._instances
            if instance.app is not None
            and any(
                self._numbers.get((app_key, name), number) != number
                for app_key, name, number in self._dependencies.get(instance, ())
            )
        ]

    async def remove(self, instance: AppInstance, grace_s: float, timeout_s: float) -> None:
        """Stop an instance, and forget it."""
        await self.halt(instance, grace_s, timeout_s)
        self._instances.remove(instance)
        self._numbers.pop((instance.loaded.app_key, instance.loaded.instance), None)
        self._notify()

    async def halt(self, instance: AppInstance, grace_s: float, timeout_s: float) -> None:
        """Stop an instance. Its status is then ``stopped``."""
        await self._cancel_starts([instance])
        instance.forget_unfinished()
        if instance.app is not None:
            detail = await instance.retire(grace_s, timeout_s)
            self._stopped(instance, detail)
        self._notify()

    async def stop_all(self, timeout_s: float) -> None:
        """Stop all instances, each before the instances on which it depends, within the time limit in seconds."""
        self._open = False
        await self._cancel_starts(self._instances)
        for instance in self._instances:
            # A reload was cancelled between the stop of one version and the start of the other.
            if instance.app is None and instance.loaded.instance in self._objects.get(instance.loaded.app_key, {}):
                self._stopped(instance, "during a reload")
        running = [instance for instance in self._instances if instance.app is not None]
        depends_on = {instance.loaded.app_key: instance.loaded.depends_on for instance in running}
        waves = stop_waves(depends_on, depends_on)
        loop = asyncio.get_running_loop()
        left_s = timeout_s
        for number, wave in enumerate(waves):
            began_s = loop.time()
            limit_s = left_s / (len(waves) - number)
            await asyncio.gather(
                *(self._stop(instance, limit_s) for instance in running if instance.loaded.app_key in wave)
            )
            left_s = max(0.0, left_s - (loop.time() - began_s))
        self._notify()

    def _begin(self, instance: AppInstance, problem: AppProblem | None = None) -> None:
        """Start an instance in a task, which repeats failed starts. With a problem, one start has failed already."""
        task = GuardedTask(
            self._start(instance, problem),
            loop=asyncio.get_running_loop(),
            name=f"start {instance.status.subject}",
            context=self._context.copy(),
        )
        self._starts[instance] = task
        task.add_done_callback(lambda _: self._starts.pop(instance, None))

    async def _start(self, instance: AppInstance, problem: AppProblem | None = None) -> None:
        retries = Retries(self._environment.states, self._first_retry_s)
        if problem is None:
            await self._wait_for_dependencies(instance)
            problem = await instance.start()
        while problem is not None:
            instance.status.status = "retrying"
            if retries.is_new(problem):
                self._report_failure(instance.status, problem)
            instance.status.detail = problem.text
            self._notify()
            await retries.pause(problem)
            await self._wait_for_dependencies(instance)
            problem = await instance.start()
        self._add_object(instance)
        detail = f"after {retries.failures} failed attempts" if retries.failures > 1 else ""
        self._environment.executor.report("app_started", instance.status.subject, detail)
        if self.stale():
            self.outdated.set()
        self._notify()

    async def _wait_for_dependencies(self, instance: AppInstance) -> None:
        while waiting := self.missing(instance):
            instance.status.status = "waiting"
            instance.status.detail = f"waits for {', '.join(waiting)}"
            self._notify()
            await self._changed.wait()

    def missing(self, instance: AppInstance) -> list[str]:
        """Return the dependencies of an instance that are not running, with their status."""
        missing: list[str] = []
        for app_key in instance.loaded.depends_on:
            statuses = {status.status for status in self.statuses if status.app_key == app_key}
            if statuses - {"running"} or not statuses:
                failed = statuses & {"failed", "retrying"}
                missing.append(f"{app_key}, which has failed" if failed else app_key)
        return missing

    def _notify(self) -> None:
        """Wake up the code that waits for a change of a status."""
        if self._open and all(map(self._is_settled, self._instances)):
            self.started.set()
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _is_settled(self, instance: AppInstance) -> bool:
        status = instance.status.status
        return status not in ("loaded", "starting") and (status != "waiting" or self._waits_for_failed(instance))

    def _waits_for_failed(self, instance: AppInstance) -> bool:
        """Return whether an app waits for a failed app, directly or through other apps."""
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

    async def _cancel_starts(self, instances: Iterable[AppInstance]) -> None:
        stopping = list(instances)
        tasks = [self._starts[instance] for instance in stopping if instance in self._starts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for instance in stopping:
            if instance.app is None:
                instance.status.status, instance.status.detail = "stopped", ""

    async def _stop(self, instance: AppInstance, timeout_s: float) -> None:
        self._stopped(instance, await instance.stop(timeout_s))

    def _add_object(self, instance: AppInstance) -> None:
        """Let other apps get the object of an instance that has started."""
        app, loaded = instance.app, instance.loaded
        assert app is not None  # its start has succeeded
        self._objects.setdefault(loaded.app_key, {})[loaded.instance] = app
        self._numbers[loaded.app_key, loaded.instance] = next(self._started_number)
        self._dependencies[instance] = [
            (*key, number) for key, number in self._numbers.items() if key[0] in loaded.depends_on
        ]

    def _remove_object(self, instance: AppInstance) -> None:
        self._objects.get(instance.loaded.app_key, {}).pop(instance.loaded.instance, None)

    def _stopped(self, instance: AppInstance, detail: str) -> None:
        self._remove_object(instance)
        self._environment.executor.report("app_stopped", instance.status.subject, detail)

    def _report_failure(self, status: AppStatus, problem: AppProblem) -> None:
        status.detail = problem.text
        logger.error("App failed", extra={"app": status.subject, "detail": problem.text}, exc_info=problem.cause)
        self._environment.executor.report("app_failed", status.subject, problem.text)
