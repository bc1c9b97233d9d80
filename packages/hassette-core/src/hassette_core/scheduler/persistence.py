"""Persistent timers: describe a job by JSON values, so that the next start can register it again."""

import inspect
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hassette_core.errors import RegistrationError
from hassette_core.handlers import Handler, is_plain_text, name_of
from hassette_core.moments import DateTime, Place, TimeOfDay
from hassette_core.scheduler.carried_jobs import equal_arguments
from hassette_core.scheduler.kept_jobs import KEPT_OPTIONS, KeptTimer
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.planned_job import PlannedJob, microseconds
from hassette_core.scheduler.schedules import Once, Schedule

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DEPTH = 100
_MAX_BITS = 10_000
"""Python does not convert larger numbers to text."""


def check_persistent(handler: Handler, schedule: Schedule, options: JobOptions) -> JobOptions:
    """Check that a job with the option ``persist`` can be registered again at the next start.

    Returns:
        The options with a copy of ``kwargs``. The copy has the values that the next start would read, and a change of
        the original has no effect on it.

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
    kwargs = options.get("kwargs")
    if kwargs is None:
        return options
    for name, value in kwargs.items():
        _check_json(name, value)
    return {**options, "kwargs": json.loads(json.dumps(dict(kwargs)))}


def kept_timer(handler: Handler, job: PlannedJob, options: JobOptions, place: Place) -> KeptTimer:
    """Return the description of a checked job.

    Raises:
        RegistrationError: The time of the run is not known yet.
    """
    if job.plan is None:
        raise RegistrationError("persist must be left out while the time of the run is unknown")
    given = {option: _json_form(options.get(option)) for option in KEPT_OPTIONS if options.get(option) is not None}
    registration = job.registration
    return KeptTimer(
        app=registration.app,
        instance=registration.instance,
        method=handler.__name__,
        due_us=microseconds(job.plan.at),
        local=_local_time(job.schedule, job.plan.at, place),
        schedule=registration.schedule,
        options=json.loads(json.dumps(given)),
    )


def restored_schedule(timer: KeptTimer) -> Once:
    """Return the schedule of a timer that an earlier start has kept: one run, at its point in time."""
    at = datetime.fromisoformat(timer.local) if timer.local else _EPOCH + timedelta(microseconds=timer.due_us)
    return Once(DateTime(at), timer.schedule)


def restored_options(timer: KeptTimer) -> JobOptions:
    """Return the options of a timer that an earlier start has kept. The handler may change its arguments."""
    return cast("JobOptions", {**json.loads(json.dumps(timer.options)), "persist": True})


def is_replaced(timer: KeptTimer, name: str, jobs: Sequence[PlannedJob]) -> bool:
    """Return whether one of the jobs that the app has registered since its start takes the place of a kept timer.

    Args:
        timer: The timer.
        name: The name of its registration.
        jobs: The jobs, also if they have ended.
    """
    kwargs = timer.options.get("kwargs")

    def replaces(job: PlannedJob) -> bool:
        # Without arguments, a timer that each start registers would be one more timer after each start.
        if job.arguments is None or not job.shared:
            return True
        return job.options.get("replace", False) and equal_arguments(job.arguments, kwargs)

    return any(job.registration.name == name and replaces(job) for job in jobs)


def _local_time(schedule: Schedule, at: datetime, place: Place) -> str:
    """Return the local time of the run, if the schedule is a local time, so that the run follows the time zone."""
    moment = schedule.moment if isinstance(schedule, Once) else None
    if isinstance(moment, TimeOfDay) or (isinstance(moment, DateTime) and moment.at.tzinfo is None):
        local = at.astimezone(place.zone).replace(tzinfo=None)
        if place.moment(local) == at:  # false for the second pass of an hour that the clocks show twice
            return local.isoformat()
    return ""


def _json_form(value: object) -> object:
    if isinstance(value, tuple):  # a jitter
        return [_json_form(each) for each in cast("tuple[object, ...]", value)]
    return value.total_seconds() if isinstance(value, timedelta) else value


def _check_json(place: str, value: object, depth: int = 0) -> None:
    """Check that a value is the same after it was written as JSON and read again."""
    problem = ""
    match value:
        case None | bool():
            pass
        case str():
            problem = "" if is_plain_text(value) else "a text must not contain half of a surrogate pair"
        case int():
            problem = "" if value.bit_length() <= _MAX_BITS else f"a number must have at most {_MAX_BITS} bits"
            value = value if not problem else f"one of {value.bit_length()} bits"
        case float():
            problem = "" if math.isfinite(value) else "a number must be finite"
        case list() | dict() if depth >= _MAX_DEPTH:
            problem, value = f"lists and tables must not be nested deeper than {_MAX_DEPTH}", "a deeper one"
        case list():
            for number, each in enumerate(cast("list[object]", value)):
                _check_json(f"{place}[{number}]", each, depth + 1)
        case dict():
            for key, each in cast("dict[object, object]", value).items():
                if not isinstance(key, str) or not is_plain_text(key):
                    problem, value = "the keys of a table must be texts", {key: each}
                    break
                _check_json(f"{place}[{key!r}]", each, depth + 1)
        case _:
            problem = "such as texts, numbers, lists and tables"
    if problem:
        raise RegistrationError(
            f"kwargs must contain JSON values for persist, got {place}={_shortened(value)}: {problem}"
        )


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
