"""Persistent timers: describe a job by JSON values, so that the next start can register it again."""

import inspect
import json
from datetime import timedelta
from typing import Any

from hassette_core.errors import RegistrationError
from hassette_core.handlers import Handler, name_of
from hassette_core.scheduler.kept_jobs import KeptTimer
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.planned_job import PlannedJob, microseconds
from hassette_core.scheduler.schedules import Schedule

_KEPT_OPTIONS = ("name", "kwargs", "mode", "timeout", "misfire", "misfire_limit", "group")


def check_persistent(handler: Handler, schedule: Schedule, options: JobOptions) -> None:
    """Check that a job with the option ``persist`` can be registered again at the next start.

    Raises:
        RegistrationError: It cannot. The message explains how to fix it.
    """
    if schedule.recurring:
        raise RegistrationError(
            "persist must be left out for a recurring job, which the app registers again in on_initialize; only"
            " run_in and run_once take it"
        )
    if schedule.entities():
        raise RegistrationError(
            "persist must be left out for a job at the time of an entity: register it again in on_initialize"
        )
    owner = getattr(handler, "__self__", None)
    if not inspect.ismethod(handler) or getattr(owner, handler.__name__, None) != handler:
        raise RegistrationError(
            f"handler must be a method of the app for persist, such as self.turn_off, got {name_of(handler)}: the next"
            " start finds it by its name. Pass arguments with kwargs"
        )
    for option in ("where", "on_error"):
        if options.get(option) is not None:
            raise RegistrationError(f"{option} must be left out for persist: the next start does not know the function")
    kwargs: Any = dict(options.get("kwargs") or {})
    for name, value in kwargs.items():
        if not _survives_json(value):
            raise RegistrationError(f"kwargs must contain JSON values for persist, got {name}={value!r}")


def kept_timer(handler: Handler, job: PlannedJob, options: JobOptions) -> KeptTimer:
    """Return the description of a checked job.

    Raises:
        RegistrationError: The time of the run is not known yet.
    """
    if job.plan is None:
        raise RegistrationError("persist must be left out while the time of the run is unknown")
    given: dict[str, Any] = {option: options.get(option) for option in _KEPT_OPTIONS if options.get(option) is not None}
    for option, value in given.items():
        if isinstance(value, timedelta):
            given[option] = value.total_seconds()
    registration = job.registration
    return KeptTimer(
        app=registration.app,
        instance=registration.instance,
        method=handler.__name__,
        due_us=microseconds(job.plan.at),
        schedule=registration.schedule,
        options=given,
    )


def _survives_json(value: object) -> bool:
    try:
        return json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError, RecursionError):
        return False
