"""Values that a test reads about the home: `SeenRun`, `SeenNotRun`, `NotRunSample` and `SeenCall`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

SeenOutcome = Literal["accepted", "refused", "rehearsed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRun:
    """One run of a handler or job.

    Attributes:
        app: The key of the app.
        instance: The name of the instance.
        handler: The name of the listener or job, by default the name of the method.
        kind: ``handler`` for a listener, ``job`` for a job of the scheduler.
        status: ``success``, ``error``, ``cancelled`` or ``timed_out``.
        started: The start, in the home's time zone.
        duration_s: The duration in seconds of the home's time.
        trigger: The reason for the run, such as ``binary_sensor.hall_motion: off → on``.
        error: Type and message of the failure; None if the run did not fail.
        traceback: The traceback of the failure; empty if there is none.
        logs: The messages that the run logged, from level info.
        calls: The services that the run called, such as ``light.turn_on``.
    """

    app: str
    instance: str
    handler: str
    kind: Literal["handler", "job"]
    status: Literal["success", "error", "cancelled", "timed_out"]
    started: datetime
    duration_s: float
    trigger: str
    error: str | None
    traceback: str
    logs: tuple[str, ...]
    calls: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether the run raised an exception or exceeded its deadline."""
        return self.error is not None

    @property
    def name(self) -> str:
        """App, instance and handler: ``motion_light.hall.turn_on``. An instance named like the app is left out."""
        return qualified(self.app, self.instance, self.handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRunSample:
    """One trigger of a handler or job that led to no run.

    Attributes:
        time: The time of the decision that the trigger leads to no run, in the home's time zone.
        detail: One sentence, for example which condition did not hold; may be empty.
        trigger: The event or the due time, such as ``binary_sensor.hall_motion: off → on``; empty if it is not known.
    """

    time: datetime
    detail: str
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenNotRun:
    """Triggers of a handler or job that led to no run, for one reason within one hour.

    Attributes:
        app: The key of the app.
        instance: The name of the instance.
        handler: The name of the listener or job.
        reason: ``condition``, ``rate_limited``, ``overlap``, ``back_pressure``, ``misfire``, ``predicate_failed``
            or ``disabled``.
        count: The number of triggers.
        hour: The start of the hour, in the home's time zone.
        samples: The triggers, oldest first. If there are many at once, only the newest 20 of the handler are kept.
    """

    app: str
    instance: str
    handler: str
    reason: str
    count: int
    hour: datetime
    samples: tuple[NotRunSample, ...] = ()

    @property
    def name(self) -> str:
        """App, instance and handler, as in `SeenRun.name`."""
        return qualified(self.app, self.instance, self.handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """One service call of an app.

    Attributes:
        service: For example ``light.turn_on``.
        entities: The entity ids of the target.
        data: The fields of the call, and the other keys of the target, such as ``area_id``.
        time: The time of the call, in the home's time zone.
        context_id: The context of the changes that the call causes; empty for a call that was not sent.
        outcome: ``accepted``; ``refused`` if the home refused the call or the service failed; ``rehearsed`` if the app
            rehearses, so that the call was not sent.
        error: The cause of the failure; None if the call did not fail.
    """

    service: str
    entities: tuple[str, ...]
    data: Mapping[str, Any]
    time: datetime
    context_id: str
    outcome: SeenOutcome = "accepted"
    error: str | None = None

    def __str__(self) -> str:
        fields = [f"{key}={value!r}" for key, value in self.data.items()]
        return " ".join([self.service, ", ".join(self.entities), *fields]).replace("  ", " ").rstrip()


def qualified(app: str, instance: str, handler: str) -> str:
    """Return the full name of a listener or job."""
    return f"{app}.{handler}" if instance in ("", app) else f"{app}.{instance}.{handler}"
