"""`Reloader`: load the changed apps again, and replace their instances one after the other."""

import logging
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType

from hassette_core.apps.fleet import AppFleet
from hassette_core.apps.imports import PACKAGE, forget_modules, restore_modules
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadedInstance, LoadFailure, load_entries
from hassette_core.apps.module_changes import ModuleChanges
from hassette_core.config import AppEntry

logger = logging.getLogger(__name__)

GRACE_S = 5.0
"""Seconds that runs in progress have to end before a reload cancels them."""


class Reloader:
    """Brings the running apps up to date with their code and their tables.

    A newer version is imported, and its settings are validated, before the older version stops. If it cannot be
    loaded or started, the older version keeps running.

    Args:
        fleet: The app instances.
        environment: The parts of the framework that new instances use.
        app_dir: The directory of the apps' modules.
        timeout_s: Time limit of ``on_shutdown``, in seconds.
    """

    def __init__(self, fleet: AppFleet, environment: AppEnvironment, app_dir: Path, timeout_s: float) -> None:
        self._fleet = fleet
        self._environment = environment
        self._app_dir = app_dir
        self._timeout_s = timeout_s
        self._changes = ModuleChanges()
        self._refused: dict[str, str] = {}

    async def apply(
        self,
        old: Mapping[str, AppEntry],
        new: Mapping[str, AppEntry],
        configured: Mapping[str, AppEntry],
        *,
        restart: Collection[str] = (),
    ) -> None:
        """Load the changed apps again.

        Args:
            old: The tables ``[apps.<key>]`` of the running apps.
            new: The tables of the apps that run from now on.
            configured: All tables, also those of apps that `AppService.stop_app` has stopped.
            restart: Keys of apps that are restarted even if nothing has changed.
        """
        for app_key in restart:
            if app_key in new:
                self._changes.accept(f"{PACKAGE}.{new[app_key].module}")
        affected = self._changes.affected()
        active = {app_key: entry for app_key, entry in new.items() if entry.enabled}
        for app_key in [key for key in old if key not in active]:
            await self._remove(app_key)
        causes = {
            app_key: cause
            for app_key, entry in active.items()
            if (cause := self._cause(app_key, entry, old.get(app_key), affected, restart))
        }
        if not causes and not affected:
            return
        forget_modules(affected)
        loaded, failed = load_entries({app_key: active[app_key] for app_key in causes}, configured, self._app_dir)
        if failed:
            # The older versions still use these modules.
            restore_modules({name: module for name, module in affected.items() if name not in sys.modules})
        for app_key in self._in_order(list(causes), loaded):
            await self._update(
                app_key,
                causes[app_key],
                [app for app in loaded if app.app_key == app_key],
                [failure for failure in failed if failure.app_key == app_key],
                affected,
                restart=app_key in restart,
            )

    def _cause(
        self,
        app_key: str,
        entry: AppEntry,
        before: AppEntry | None,
        affected: Mapping[str, ModuleType],
        restart: Collection[str],
    ) -> str:
        """Return the reason to load an app again. Empty if there is none."""
        if f"{PACKAGE}.{entry.module}" in affected:
            return "its code has changed"
        if before is None or not before.enabled:
            return "it is new"
        if entry != before:
            return "its settings have changed"
        if app_key in restart:
            return "on request"
        # A file that was missing may exist now.
        return "it could not be loaded before" if app_key in self._fleet.failed_apps() else ""

    def _in_order(self, app_keys: list[str], loaded: list[LoadedInstance]) -> list[str]:
        """Return the apps in an order in which each comes after the apps on which it depends."""
        depends_on = {app.app_key: app.depends_on for app in loaded}
        ordered: dict[str, None] = {}

        def add(app_key: str) -> None:
            if app_key in app_keys and app_key not in ordered:
                for other in depends_on.get(app_key, ()):
                    if other != app_key:
                        add(other)
                ordered[app_key] = None

        for app_key in app_keys:
            add(app_key)
        return list(ordered)

    async def _remove(self, app_key: str) -> None:
        self._fleet.forget_failures(app_key)
        for instance in self._fleet.instances_of(app_key).values():
            await self._fleet.remove(instance, GRACE_S, self._timeout_s)

    async def _update(
        self,
        app_key: str,
        cause: str,
        loaded: list[LoadedInstance],
        failed: list[LoadFailure],
        affected: Mapping[str, ModuleType],
        *,
        restart: bool,
    ) -> None:
        running = self._fleet.instances_of(app_key)
        failures = {failure.instance: failure for failure in failed}
        if "" in failures and running:
            self._refuse(app_key, str(failures[""].error), failures[""].error.__cause__)
            self._restore(running.values(), affected)
            return
        self._refused.pop(app_key, None)
        self._fleet.forget_failures(app_key)
        for name, failure in failures.items():
            if name in running:
                self._refuse(running[name].status.subject, str(failure.error), failure.error.__cause__)
                self._restore([running[name]], affected)
            else:
                self._fleet.add_failure(failure)
        for app in loaded:
            instance = AppInstance(app, self._environment)
            old = running.get(app.instance)
            if old is None:
                await self._fleet.start(instance)
            elif old.app is None:  # it waits or retries
                await self._fleet.remove(old, GRACE_S, self._timeout_s)
                await self._fleet.start(instance)
            elif restart or old.loaded != app:
                await self._replace(old, instance, cause, affected)
        names = {app.instance for app in loaded} | failures.keys()
        for name in running.keys() - names:
            await self._fleet.remove(running[name], GRACE_S, self._timeout_s)

    async def _replace(
        self, old: AppInstance, new: AppInstance, cause: str, affected: Mapping[str, ModuleType]
    ) -> None:
        problem = await self._fleet.replace(old, new, GRACE_S, self._timeout_s)
        if problem is not None:
            self._refuse(new.status.subject, problem.text, problem.cause)
            self._restore([old], affected)
            for name in {old.loaded.app_class.__module__} & affected.keys():
                self._changes.refuse(name, affected[name])
            return
        self._refused.pop(new.status.subject, None)
        logger.info("App reloaded", extra={"app": new.status.subject, "cause": cause})
        self._environment.executor.report("app_reloaded", new.status.subject, cause)

    def _refuse(self, subject: str, problem: str, cause: BaseException | None) -> None:
        if self._refused.get(subject) == problem:
            return  # the same failure after a change of another file
        self._refused[subject] = problem
        detail = f"{problem}{'' if problem.endswith('.') else '.'} The previous version keeps running"
        logger.error("App could not be reloaded", extra={"app": subject, "detail": detail}, exc_info=cause)
        self._environment.executor.report("app_reload_failed", subject, detail)

    def _restore(self, instances: Collection[AppInstance], affected: Mapping[str, ModuleType]) -> None:
        """Give the modules of running classes their names again."""
        names = {instance.loaded.app_class.__module__ for instance in instances} & affected.keys()
        restore_modules({name: affected[name] for name in names})
