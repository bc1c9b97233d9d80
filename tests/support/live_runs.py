"""Runs as a live feed delivers them: values of the shapes in `hassette_store.rows`, without the executor."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Listener:
    app: str = "hall"
    instance: str = "main"
    name: str = "on_motion"
    topic: str = "state_changed.binary_sensor.hall"
    handler: str = "Hall.on_motion"
    settings: Sequence[tuple[str, str]] = ()
    source: None = None
    runs_in: str = "async"
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Job:
    app: str = "energy"
    instance: str = "main"
    name: str = "report"
    schedule: str = "every 5 min"
    handler: str = "Energy.report"
    settings: Sequence[tuple[str, str]] = ()
    source: None = None
    runs_in: str = "async"
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Event:
    event_type: str = "state_changed"
    entity_id: str | None = "binary_sensor.hall"
    old_state: str | None = "off"
    new_state: str | None = "on"
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None
    missed: bool = False
    immediate: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    due_us: int = 1
    manual: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    type: str = "ValueError"
    message: str = "boom"
    kind: str = "exception"
    frames: tuple[()] = ()
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A run of a handler that has just ended."""

    id: int
    registration: Listener = field(default_factory=Listener)
    trigger: Event = field(default_factory=Event)
    started_us: int = 1
    duration_us: int = 2
    waited_us: int = 3
    status: str = "success"
    failure: Failure | None = None
    effects: None = None


@dataclass(frozen=True, slots=True)
class Execution:
    """A run of a job that has just ended."""

    id: int
    registration: Job = field(default_factory=Job)
    trigger: Due = field(default_factory=Due)
    started_us: int = 1
    duration_us: int = 2
    waited_us: int = 3
    status: str = "success"
    failure: Failure | None = None
    effects: None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A run in progress."""

    registration: Listener | Job
    trigger: Event | Due
    started_us: int = 1
    run: int = 1


@dataclass(frozen=True, slots=True)
class Upcoming:
    """Next run of a job."""

    app: str
    name: str
    due_us: int
    instance: str = ""


@dataclass(frozen=True, slots=True)
class TriggerState:
    """Home Assistant's answer to the triggers of a handler."""

    app: str
    instance: str
    name: str
    topic: str
    status: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """Status of one service of the framework."""

    name: str
    status: str
    detail: str = ""
