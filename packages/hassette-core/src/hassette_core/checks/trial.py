"""Start the apps in a simulated home, to find faults that show only at the start."""

import gc
import logging
import os
import shutil
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from pydantic import SecretStr

from hassette_core.apps.storage import FILE as STORAGE_FILE
from hassette_core.checks.findings import Finding, Level
from hassette_core.checks.home import HomeSnapshot
from hassette_core.checks.source import AppSource
from hassette_core.config import HassetteConfig
from hassette_core.config.model import HomeAssistantSettings
from hassette_core.containment import CONTAINMENT_LOGGER, run_contained
from hassette_core.errors import RegistrationError, UnknownEntityError, describe_error, line_in
from hassette_core.framework import Hassette
from hassette_core.simulation.home import SimulatedHome
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.services import PreparedCall, ServiceRegistry
from hassette_core.unawaited import UNAWAITED_LOGGER

LIMIT_S = 45.0
"""Seconds for the start and the stop of all apps. ``on_initialize`` has a shorter time limit, but that limit
has no effect while the method blocks the event loop."""


class Trial(NamedTuple):
    """The result of starting the apps in a simulated home.

    Attributes:
        findings: The failures of the apps, and warnings.
        topics: The entity ids and globs of all listeners and of their conditions, each with its instance.
        triggers: The triggers of Home Assistant to which the apps listen: the instance, the configuration and its
            integrations.
        entities: The entities in the simulated home after the start, including the entities that the apps created.
    """

    findings: tuple[Finding, ...] = ()
    topics: tuple[tuple[str, str], ...] = ()
    triggers: tuple[tuple[str, Any, tuple[str, ...]], ...] = ()
    entities: frozenset[str] = frozenset()


def start_apps(
    config: HassetteConfig,
    sources: Mapping[str, AppSource],
    home: HomeSnapshot | None,
    *,
    limit_s: float = LIMIT_S,
) -> Trial:
    """Start all apps in a simulated home, stop them, and return the result.

    The simulated home accepts each service call and carries out none, and it contains the entities of the real home if
    they are known. So the apps cannot change the real home. All other code of the apps runs as usual, such
    as code that writes a file.

    The apps run in a thread, because an app may block the event loop.

    Args:
        config: The configuration of the apps.
        sources: The code of the apps, by app key.
        home: The real home. None if it is not known.
        limit_s: Time limit, in seconds.
    """
    results: list[Trial] = []

    def run() -> None:
        try:
            results.append(run_contained(_start(config, sources, home)))
        except BaseException as error:  # noqa: BLE001  code of an app may end the event loop with any exception
            results.append(_broken(error, config.app_dir))

    thread = threading.Thread(target=run, name="trial start of the apps", daemon=True)
    thread.start()
    thread.join(limit_s)
    if results:
        return results[0]
    frame = sys._current_frames().get(thread.ident or 0)  # pyright: ignore[reportPrivateUsage]
    return Trial((_stuck(frame, config.app_dir, limit_s),))


class _AcceptingServices(ServiceRegistry):
    """Services that accept each call and do nothing."""

    def __init__(self, model: HomeModel, descriptions: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(model, {})
        self._descriptions = descriptions

    def has(self, domain: str, service: str) -> bool:
        return True

    def describe(self) -> dict[str, Json]:
        return {domain: dict(services) for domain, services in self._descriptions.items()}

    def prepare(
        self, domain: str, service: str, data: Json, context: HomeContext, *, return_response: bool = False
    ) -> PreparedCall:
        response: Json | None = {} if return_response else None
        return PreparedCall(lambda: response)


class _Collector(logging.Handler):
    """Keeps the exceptions that the framework and asyncio log."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.causes: dict[str, BaseException] = {}
        self.unnoticed: list[tuple[str, BaseException]] = []
        self.unawaited: list[Finding] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == UNAWAITED_LOGGER:
            facts = vars(record)
            app = str(facts.get("app", "apps"))
            self.unawaited.append(Finding(Level.FAILED, app, f"app {app}: {facts['problem']}"))
            return
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        if record.name in ("asyncio", CONTAINMENT_LOGGER):
            self.unnoticed.append((str(vars(record).get("app", "")), error))
        elif isinstance(app := vars(record).get("app"), str):
            self.causes[app] = error


def _copy_storages(config: HassetteConfig, folder: Path) -> HassetteConfig:
    """Return the configuration with another directory for the apps' files. It contains copies of their storages."""
    for place, _, files in os.walk(config.data_dir / "apps"):
        if STORAGE_FILE in files:
            copied = folder / Path(place).relative_to(config.data_dir) / STORAGE_FILE
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(place) / STORAGE_FILE, copied)
    return config.model_copy(update={"hassette": config.hassette.model_copy(update={"data_dir": folder})})


async def _start(config: HassetteConfig, sources: Mapping[str, AppSource], home: HomeSnapshot | None) -> Trial:
    collector = _Collector()
    root = logging.getLogger()
    root.addHandler(collector)
    services: Mapping[str, Mapping[str, Any]] = {} if home is None else home.services
    try:
        with ExitStack() as stack, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", RuntimeWarning)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            # model_copy does not read the environment, which could contain the address of the real home.
            trial_config = _copy_storages(config, folder)
            async with SimulatedHome(speed=0, make_services=lambda model: _AcceptingServices(model, services)) as place:
                place.model.accepts_all_triggers = True  # the real home may have other integrations and devices
                place.core.states.clear()
                if home is not None:
                    place.core.states.update({entity_id: dict(state) for entity_id, state in home.states.items()})
                settings = HomeAssistantSettings(url=place.url, token=SecretStr(place.token))
                trial_config = trial_config.model_copy(update={"home_assistant": settings})
                async with Hassette(trial_config, plugins=False) as hassette:
                    await hassette.wait_ready()
                    findings = _failures(hassette, config, sources, collector, known_home=home is not None)
                    topics, triggers = _topics(hassette), _triggers(hassette)
                    entities = frozenset(place.core.states)
            gc.collect()  # asyncio reports the unread exception of a task only when Python deletes the task
            for app, error in collector.unnoticed:
                findings.append(_background_failure(app, error, config.app_dir))
            findings += collector.unawaited
            findings += [
                Finding(Level.FAILED, "apps", f"{warning.message}; write await before the call")
                for warning in caught
                if "was never awaited" in str(warning.message)
            ]
    finally:
        root.removeHandler(collector)
    return Trial(tuple(findings), topics, triggers, entities)


def _failures(
    hassette: Hassette,
    config: HassetteConfig,
    sources: Mapping[str, AppSource],
    collector: _Collector,
    *,
    known_home: bool,
) -> list[Finding]:
    busy = {registration.registration.app for registration in _registered(hassette)}
    findings: list[Finding] = []
    for status in hassette.apps.statuses:
        source = sources.get(status.app_key)
        if source is None:
            continue  # the app could not be loaded; the caller has reported this
        if status.has_failed:
            cause = collector.causes.get(status.subject)
            file, line = line_in(config.app_dir, cause) if cause is not None else ("", 0)
            if not known_home and _may_need_states(cause, source):
                text = (
                    f"app {status.subject}: {status.detail}. Use --online to start the app with the states of the home"
                )
                findings.append(Finding(Level.WARNING, status.subject, text, file, line))
            else:
                findings.append(
                    Finding(Level.FAILED, status.subject, f"app {status.subject}: {status.detail}", file, line)
                )
        elif status.status == "running" and status.app_key not in busy and source.has_methods and not source.findings:
            text = f"app {status.subject}: it has methods, but its on_initialize registers no listener and no job"
            findings.append(Finding(Level.WARNING, status.subject, text, source.file))
    return findings


def _registered(hassette: Hassette) -> list[Any]:
    return [*hassette.bus.roster.entries(), *hassette.scheduler.roster.entries()]


def _topics(hassette: Hassette) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    for listener in hassette.bus.roster.entries():
        registration = listener.registration
        topics = () if listener.entities is None else listener.entities.topics
        if listener.where is not None:
            topics += tuple(listener.where.reads)
        found += [(f"{registration.app}.{registration.instance}", topic) for topic in topics]
    return tuple(dict.fromkeys(found))


def _triggers(hassette: Hassette) -> tuple[tuple[str, Any, tuple[str, ...]], ...]:
    return tuple(
        (".".join(listener.owner), trigger.config.value, trigger.config.integrations)
        for trigger in hassette.bus.triggers.wanted.values()
        for listener in trigger.listeners
    )


def _may_need_states(cause: BaseException | None, source: AppSource) -> bool:
    """Return whether the failure may come from the missing states of the home."""
    if isinstance(cause, UnknownEntityError):
        return True
    if not source.reads_states or isinstance(cause, RegistrationError):
        return False
    if isinstance(cause, AttributeError):
        return cause.obj is None  # for example states.get("light.hall").state
    return isinstance(cause, TypeError | ValueError | LookupError)


def _background_failure(app: str, error: BaseException, app_dir: Path) -> Finding:
    subject = f"app {app}" if app else "apps"
    text = f"{subject}: a task failed, and no code read its exception: {describe_error(error)}"
    return Finding(Level.FAILED, app or "apps", text, *line_in(app_dir, error))


def _broken(error: BaseException, app_dir: Path) -> Trial:
    text = f"apps: their start ended with {describe_error(error)}"
    return Trial((Finding(Level.FAILED, "apps", text, *line_in(app_dir, error)),))


def _stuck(frame: FrameType | None, app_dir: Path, limit_s: float) -> Finding:
    file, line = "", 0
    for each, number in traceback.walk_stack(frame):  # innermost call first
        if app_dir in Path(each.f_code.co_filename).parents:
            file, line = each.f_code.co_filename, number
            break
    text = f"apps: their start did not end within {limit_s:g} s; this code blocks the event loop"
    return Finding(Level.FAILED, "apps", text, file, line)
