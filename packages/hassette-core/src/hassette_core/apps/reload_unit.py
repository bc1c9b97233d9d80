"""`ReloadUnit`: reload apps that share changed modules, all of them or none."""

import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from hassette_core.apps.app_calls import AppProblem
from hassette_core.apps.fleet import AppFleet
from hassette_core.apps.imports import forget_modules, restore_modules
from hassette_core.apps.instance import AppEnvironment, AppInstance
from hassette_core.apps.loading import LoadedInstance, LoadFailure, load_entries
from hassette_core.apps.module_changes import importers_of
from hassette_core.config import AppEntry
from hassette_core.containment import RecordEvent

logger = logging.getLogger(__name__)

GRACE_S = 5.0
"""Seconds that runs in progress have to end before a reload cancels them."""

_KEEPS = "The previous version keeps running"
_RETRIES = "The previous version does not run either, and its start will be tried again"


class ReloadLog:
    """Logs and records reloads, each failure once.

    Args:
        report: Records a lifecycle event.
    """

    def __init__(self, report: RecordEvent) -> None:
        self._report = report
        self._failures: dict[tuple[str, str], str] = {}

    def forget(self, *, keep: Collection[str] = ()) -> None:
        """Forget the reported failures, except those of some apps, so that they are reported again."""
        self._failures = {key: text for key, text in self._failures.items() if key[0] in keep}

    def failures_of(self, app_key: str) -> list[str]:
        """Return the reported failures of an app that have not been followed by a reload."""
        return [text for (key, _), text in self._failures.items() if key == app_key]

    def reloaded(self, instance: AppInstance, cause: str) -> None:
        """Log and record that a newer version runs."""
        app_key, subject = instance.loaded.app_key, instance.status.subject
        for name in (app_key, subject):
            self._failures.pop((app_key, name), None)
        logger.info("App reloaded", extra={"app": subject, "cause": cause})
        self._report("app_reloaded", subject, cause)

    def failed(self, app_key: str, subject: str, problem: AppProblem, outcome: str) -> None:
        """Log and record that a newer version could not be used, unless this failure is known.

        Args:
            app_key: The key of the app.
            subject: The app or the instance.
            problem: The problem of the newer version.
            outcome: One sentence about the previous version.
        """
        detail = f"{problem.text}{'' if problem.text.endswith('.') else '.'} {outcome}"
        if self._failures.get((app_key, subject)) == detail:
            return  # the same failure after a change of another file
        self._failures[app_key, subject] = detail
        logger.error("App could not be reloaded", extra={"app": subject, "detail": detail}, exc_info=problem.cause)
        self._report("app_reload_failed", subject, detail)


class _Switch(NamedTuple):
    """The replacement of an older version of an instance by a newer one."""

    old: AppInstance
    new: AppInstance


class ReloadUnit:
    """Apps that are reloaded together, because they share changed modules.

    If one of them cannot use the newer modules, all running apps of the unit keep the previous ones. Otherwise two
    apps could import different versions of one module. A unit without changed modules is one app whose settings have
    changed; each of its instances is replaced on its own.

    Args:
        causes: The reason for the reload of each app, by app key.
        modules: The previous versions of the changed modules.
        restart: Keys of apps that are restarted even if nothing has changed.
        fleet: The app instances.
        environment: The parts of the framework that new instances use.
        app_dir: The directory of the apps' modules.
        timeout_s: Time limit of ``on_shutdown``, in seconds.
        log: Logs and records the result.

    Attributes:
        causes: See above, in the order in which the apps are reloaded.
        modules: See above.
        accepted: Whether the newer versions and tables apply now.
        failed_to_start: Whether the start of a newer version has failed.
    """

    def __init__(
        self,
        causes: dict[str, str],
        modules: dict[str, ModuleType],
        restart: Collection[str],
        fleet: AppFleet,
        environment: AppEnvironment,
        app_dir: Path,
        timeout_s: float,
        log: ReloadLog,
    ) -> None:
        self.causes = causes
        self.modules = modules
        self.accepted = True
        self.failed_to_start = False
        self._restart = restart
        self._fleet = fleet
        self._environment = environment
        self._app_dir = app_dir
        self._timeout_s = timeout_s
        self._log = log
        self._refused: set[str] = set()

    async def apply(
        self,
        entries: Mapping[str, AppEntry],
        all_entries: Mapping[str, AppEntry],
        loaded: Iterable[LoadedInstance],
        failed: Iterable[LoadFailure],
        before: Mapping[str, ModuleType],
    ) -> None:
        """Replace the instances by newer versions, which have been loaded.

        Args:
            entries: The tables of the apps of the unit.
            all_entries: The tables of all apps.
            loaded: The newer versions, also of other units.
            failed: The failures to load newer versions, also of other units.
            before: The modules before the newer versions were loaded.
        """
        newer = [app for app_key in self.causes for app in loaded if app.app_key == app_key]
        failures = [failure for failure in failed if failure.app_key in self.causes]
        refused = [failure for failure in failures if self._serving(failure)]
        if refused and self.modules:
            self._restore_modules(before)
            for failure in refused:
                await self._note_failure(failure)
            await self._keep_previous(entries, all_entries, _subject_of(refused[0]))
            return
        for failure in failures:
            await self._note_failure(failure)
        for app_key in self.causes:
            await self._remove_others(app_key, newer, failures)
        switches: list[_Switch] = []
        added: list[AppInstance] = []
        for app in newer:
            new = AppInstance(app, self._environment)
            old = self._fleet.instances_of(app.app_key).get(app.instance)
            if old is None or not old.in_service:
                if old is not None:  # it waits, retries or is stopped
                    await self._fleet.remove(old, GRACE_S, self._timeout_s)
                await self._fleet.start(new)
                added.append(new)
            elif old.loaded != app or app.app_key in self._restart:
                problem = await self._switch(old, new)
                if problem is None:
                    switches.append(_Switch(old, new))
                elif self.modules:
                    self._restore_modules(before)
                    for instance in added:
                        await self._fleet.remove(instance, GRACE_S, self._timeout_s)
                    await self._switch_back([*switches, _Switch(old, new)], problem)
                    await self._keep_previous(entries, all_entries, new.status.subject)
                    return
                else:
                    await self._switch_back([_Switch(old, new)], problem)
        for switch in switches:
            self._log.reloaded(switch.new, self.causes[switch.new.loaded.app_key])

    async def _switch(self, old: AppInstance, new: AppInstance) -> AppProblem | None:
        if set(new.loaded.depends_on) - set(old.loaded.depends_on) and (missing := self._fleet.missing(new)):
            self.accepted = False  # the next reload tries again, because the apps may run then
            return AppProblem(f"it must wait for {', '.join(missing)}")
        problem = await self._fleet.switch(old, new, GRACE_S, self._timeout_s)
        self.failed_to_start = self.failed_to_start or problem is not None
        return problem

    async def _switch_back(self, switches: list[_Switch], problem: AppProblem) -> None:
        """Start the older versions again.

        Args:
            switches: The replaced instances. The newer version of the last one has the problem.
            problem: The problem.
        """
        failing = switches[-1].new.status.subject
        for old, new in switches:
            if old.app is None:
                again = await self._fleet.switch(new, old, GRACE_S, self._timeout_s)
                if again is not None:
                    self._fleet.retry(old, again)
            reason = problem if new is switches[-1].new else _shared_with(failing)
            self._refuse(new.status.subject, reason, old)

    async def _keep_previous(
        self, entries: Mapping[str, AppEntry], all_entries: Mapping[str, AppEntry], failing: str
    ) -> None:
        """Record that the other apps keep their versions, and start the apps that did not run with these versions."""
        self.accepted = False
        for instance in [each for app_key in self.causes for each in self._fleet.instances_of(app_key).values()]:
            subject = instance.status.subject
            if instance.in_service and not {subject, instance.loaded.app_key} & self._refused:
                self._refuse(subject, _shared_with(failing), instance)
        loaded, failed = load_entries(entries, all_entries, self._app_dir)
        for app in loaded:
            if app.instance not in self._fleet.instances_of(app.app_key):
                await self._fleet.start(AppInstance(app, self._environment))
        for failure in failed:
            if not self._serving(failure):
                await self._note_failure(failure)

    def _refuse(self, subject: str, problem: AppProblem, old: AppInstance) -> None:
        self._refused.add(subject)
        outcome = _KEEPS if old.status.status == "running" else _RETRIES
        self._log.failed(old.loaded.app_key, subject, problem, outcome)

    def _serving(self, failure: LoadFailure) -> list[AppInstance]:
        """Return the instances that a failure concerns and that run, or will run again."""
        instances = self._fleet.instances_of(failure.app_key)
        return [each for name, each in instances.items() if failure.instance in ("", name) and each.in_service]

    async def _note_failure(self, failure: LoadFailure) -> None:
        """Record a failure to load. An instance that runs keeps its version."""
        if serving := self._serving(failure):
            problem = AppProblem(str(failure.error), failure.error.__cause__)
            self._refuse(_subject_of(failure), problem, serving[0])
            return
        for name, instance in self._fleet.instances_of(failure.app_key).items():
            if failure.instance in ("", name):
                await self._fleet.remove(instance, GRACE_S, self._timeout_s)
        self._fleet.add_failure(failure)

    async def _remove_others(
        self, app_key: str, newer: Iterable[LoadedInstance], failures: Iterable[LoadFailure]
    ) -> None:
        """Stop the instances of an app that its table no longer contains."""
        names = {app.instance for app in newer if app.app_key == app_key}
        names |= {failure.instance for failure in failures if failure.app_key == app_key}
        self._fleet.forget_failures(app_key, names)
        if "" not in names:  # the whole app could not be loaded, so its instances are not known
            for name, instance in self._fleet.instances_of(app_key).items():
                if name not in names:
                    await self._fleet.remove(instance, GRACE_S, self._timeout_s)

    def _restore_modules(self, before: Mapping[str, ModuleType]) -> None:
        """Use the previous versions of the modules again, and forget new modules that have imported the newer ones."""
        forget_modules(importers_of(self.modules) - (before.keys() - self.modules.keys()))
        restore_modules(self.modules)


def _shared_with(failing: str) -> AppProblem:
    return AppProblem(f"{failing} could not be reloaded, and it shares a changed module with this app")


def _subject_of(failure: LoadFailure) -> str:
    return f"{failure.app_key}.{failure.instance}" if failure.instance else failure.app_key
