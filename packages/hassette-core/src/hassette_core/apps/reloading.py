"""`Reloader`: find the apps that differ from their code and tables, and reload them."""

import asyncio
from collections.abc import Collection, Mapping
from pathlib import Path
from types import ModuleType

from hassette_core.apps.deploy_marks import DeployMarks
from hassette_core.apps.fleet import AppFleet
from hassette_core.apps.imports import PACKAGE, forget_modules, loaded_modules
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadedInstance, load_entries
from hassette_core.apps.module_changes import changed_groups, files_behind
from hassette_core.apps.reload_unit import GRACE_S, ReloadLog, ReloadUnit
from hassette_core.config import AppEntry

_Attempt = tuple[AppEntry, frozenset[tuple[str, bytes]]]


class Reloader:
    """Brings the running apps up to date with their code and their tables.

    A newer version is imported, and its settings are validated, before the older version stops. If it cannot be
    loaded or started, the older version keeps running. All running apps use the modules in `sys.modules`, so there is
    never a second copy of a module.

    Args:
        fleet: The app instances.
        environment: The parts of the framework that new instances use.
        app_dir: The directory of the apps' modules.
        timeout_s: Time limit of ``on_shutdown``, in seconds.
        marks: Records the versions of reloaded apps.
        ready: Set while Home Assistant is connected; None if there is no connection.

    Attributes:
        interrupted: Whether, in the last `apply`, a version could not start while Home Assistant was not connected.
    """

    def __init__(
        self,
        fleet: AppFleet,
        environment: AppEnvironment,
        app_dir: Path,
        timeout_s: float,
        marks: DeployMarks,
        ready: asyncio.Event | None = None,
    ) -> None:
        self.interrupted = False
        self._fleet = fleet
        self._environment = environment
        self._app_dir = app_dir
        self._timeout_s = timeout_s
        self._marks = marks
        self._ready = ready
        self._applied: dict[str, AppEntry] = {}
        self._refused: dict[str, _Attempt] = {}
        self._log = ReloadLog(environment.executor.report)

    def open(self, entries: Mapping[str, AppEntry]) -> None:
        """Take the tables with which the apps have been loaded."""
        self._applied = {app_key: entry for app_key, entry in entries.items() if entry.enabled}
        self._refused.clear()
        self._log.forget()

    async def apply(
        self, entries: Mapping[str, AppEntry], *, halted: Collection[str] = (), restart: Collection[str] = ()
    ) -> None:
        """Load the changed apps again.

        Args:
            entries: The tables ``[apps.<key>]``.
            halted: Keys of apps that `AppService.stop_app` has stopped. They stay stopped.
            restart: Keys of apps that are restarted even if nothing has changed.
        """
        self.interrupted = False
        enabled = {app_key: entry for app_key, entry in entries.items() if entry.enabled}
        for app_key in [key for key in self._applied if key not in enabled]:
            await self._remove(app_key)
        active = {app_key: entry for app_key, entry in enabled.items() if app_key not in halted}
        units, attempts = self._units(active, restart)
        self._log.forget(keep=attempts)
        before = loaded_modules()
        forget_modules([name for unit in units for name in unit.modules])
        loading = {app_key: active[app_key] for unit in units for app_key in unit.causes}
        loaded, failed = load_entries(loading, entries, self._app_dir)
        order = _in_order(loading, loaded)
        for unit in sorted(units, key=lambda unit: min(map(order.index, unit.causes), default=0)):
            unit.causes = {app_key: unit.causes[app_key] for app_key in order if app_key in unit.causes}
            of_unit = {app_key: active[app_key] for app_key in unit.causes}
            await unit.apply(of_unit, entries, loaded, failed, before)
            self._note(unit, of_unit, attempts)
        await self._restart_dependents()

    def problems_of(self, app_key: str) -> list[str]:
        """Return the problems of the newest version of an app, if an older version keeps running."""
        return self._log.failures_of(app_key)

    def _units(
        self, active: Mapping[str, AppEntry], restart: Collection[str]
    ) -> tuple[list[ReloadUnit], dict[str, _Attempt]]:
        """Return the apps to load again, in units, and the attempt of each app: its table and its files."""
        groups = changed_groups()
        affected = {name for group in groups for name in group}
        causes = {
            app_key: cause
            for app_key, entry in active.items()
            if (cause := self._cause(app_key, entry, affected, restart))
        }
        # Read the files before the import. If a file changes in between, the next call finds another attempt.
        attempts = {key: (active[key], files_behind(active[key].module, self._app_dir)) for key in causes}
        units: list[ReloadUnit] = []
        for group in groups:
            of_group = {key: cause for key, cause in causes.items() if f"{PACKAGE}.{active[key].module}" in group}
            units.append(self._unit(of_group, group, restart))
        shared = {key for unit in units for key in unit.causes}
        units += [self._unit({key: causes[key]}, {}, restart) for key in causes if key not in shared]
        return [
            unit
            for unit in units
            if not unit.causes or any(key in restart or self._refused.get(key) != attempts[key] for key in unit.causes)
        ], attempts

    def _unit(self, causes: dict[str, str], modules: dict[str, ModuleType], restart: Collection[str]) -> ReloadUnit:
        return ReloadUnit(
            causes, modules, restart, self._fleet, self._environment, self._app_dir, self._timeout_s, self._log
        )

    def _cause(self, app_key: str, entry: AppEntry, affected: Collection[str], restart: Collection[str]) -> str:
        """Return the reason to load an app again. Empty if there is none."""
        before = self._applied.get(app_key)
        if f"{PACKAGE}.{entry.module}" in affected:
            return "its code has changed"
        if before is None:
            return "it is new"
        if entry != before:
            return "its settings have changed"
        if app_key in restart:
            return "on request"
        # A file that was missing may exist now.
        return "it could not be loaded before" if app_key in self._fleet.failed_apps() else ""

    def _note(self, unit: ReloadUnit, entries: Mapping[str, AppEntry], attempts: Mapping[str, _Attempt]) -> None:
        """Remember the applied versions, and the failed attempts that must not be repeated."""
        interrupted = unit.failed_to_start and self._ready is not None and not self._ready.is_set()
        self.interrupted = self.interrupted or interrupted
        for app_key in unit.causes:
            if unit.accepted:
                self._applied[app_key] = entries[app_key]
                if app_key not in self._fleet.failed_apps():
                    self._marks.reloaded(app_key, entries[app_key])
            if unit.failed_to_start and not interrupted:
                self._refused[app_key] = attempts[app_key]
            else:
                self._refused.pop(app_key, None)

    async def _remove(self, app_key: str) -> None:
        self._applied.pop(app_key)
        self._refused.pop(app_key, None)
        self._fleet.forget_failures(app_key)
        for instance in self._fleet.instances_of(app_key).values():
            await self._fleet.remove(instance, GRACE_S, self._timeout_s)

    async def _restart_dependents(self) -> None:
        """Restart the apps that depend on a reloaded app, because they may have kept its older object."""
        while stale := self._fleet.stale():
            app_keys = {instance.loaded.app_key for instance in stale}
            old = next((each for each in stale if app_keys.isdisjoint(each.loaded.depends_on)), stale[0])
            new = AppInstance(old.loaded, self._environment)
            problem = await self._fleet.switch(old, new, GRACE_S, self._timeout_s)
            if problem is None:
                self._log.reloaded(new, "an app on which it depends was reloaded")
            else:
                self._fleet.retry(new, problem)


def _in_order(app_keys: Collection[str], loaded: list[LoadedInstance]) -> list[str]:
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
