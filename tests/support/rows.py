"""Builders of records in the shapes that hassette-store accepts, for tests that do not use the executor."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from hassette_store.ids import first_id_at
from hassette_store.rows import FrameRow, RegistrationRow, TriggerRow

T0_US = 1_790_000_000_000_000
"""The time at which tests start: a Monday in September 2026, 15:06:40 UTC."""


class Source(NamedTuple):
    file: str = "apps/hall.py"
    line: int = 12
    snippet: str = "async def on_motion(self): ..."


class Listener:
    """A listener. Like the executor's registrations, it is equal only to itself."""

    def __init__(
        self,
        name: str = "on_motion",
        app: str = "hall",
        instance: str = "main",
        *,
        topic: str = "state_changed.binary_sensor.hall",
        settings: tuple[tuple[str, str], ...] = (("debounce", "2 s"),),
    ) -> None:
        self.app, self.instance, self.name = app, instance, name
        self.topic = topic
        self.handler = "Hall.on_motion"
        self.settings = settings
        self.source: Source | None = Source()
        self.runs_in = "async"
        self.timeout_s: float | None = None


class Job:
    """A job. Like the executor's registrations, it is equal only to itself."""

    def __init__(self, name: str = "tidy", app: str = "hall", instance: str = "main") -> None:
        self.app, self.instance, self.name = app, instance, name
        self.schedule = "every 30 s"
        self.handler = "Hall.tidy"
        self.settings: tuple[tuple[str, str], ...] = ()
        self.source: Source | None = None
        self.runs_in = "sync"
        self.timeout_s: float | None = 5.0


class Event(NamedTuple):
    event_type: str = "state_changed"
    entity_id: str | None = "binary_sensor.hall"
    old_state: str | None = "off"
    new_state: str | None = "on"
    context_id: str | None = "01HZX3ABCDEFGHJKMNPQRSTVWX"
    parent_id: str | None = None
    user_id: str | None = None
    missed: bool = False
    immediate: bool = False


class Due(NamedTuple):
    due_us: int = T0_US
    manual: bool = False


class Frame(NamedTuple):
    file: str
    line: int
    function: str
    code: str = 'self.brightness = 254 / state.attributes["dim"]'


class Failure(NamedTuple):
    kind: str = "exception"
    type: str = "ZeroDivisionError"
    message: str = "division by zero"
    frames: tuple[Frame, ...] = (Frame("/config/apps/hall.py", 12, "Hall.on_motion"),)
    group: "tuple[Failure, ...]" = ()

    def code_of(self, frame: FrameRow) -> str:
        return frame.code if isinstance(frame, Frame) else ""

    @property
    def traceback(self) -> str:
        calls = "".join(f'  File "{frame.file}", line {frame.line}, in {frame.function}\n' for frame in self.frames)
        return f"Traceback (most recent call last):\n{calls}{self.type}: {self.message}\n" if self.frames else ""


class LogLine(NamedTuple):
    at_us: int = T0_US
    level: int = 30
    logger: str = "hall.main"
    message: str = "the lamp did not answer"


class ServiceCall(NamedTuple):
    at_us: int = T0_US
    domain: str = "light"
    service: str = "turn_on"
    target: str = '{"entity_id":"light.hall"}'
    data: str = ""
    duration_us: int = 12_000
    context_id: str | None = "01HZX3CALLCALLCALLCALLCALL"
    error: str | None = None
    attempt: int = 1
    confirmed_us: int | None = None
    rehearsed: bool = False


class StateRead(NamedTuple):
    at_us: int = T0_US
    entity_id: str = "sensor.dark"
    state: str | None = "on"


class Effects(NamedTuple):
    log_lines: tuple[LogLine, ...] = ()
    service_calls: tuple[ServiceCall, ...] = ()
    dropped_log_lines: int = 0
    dropped_service_calls: int = 0
    state_reads: tuple[StateRead, ...] = ()
    dropped_state_reads: int = 0


class Run(NamedTuple):
    """A run of either kind; the trigger must fit the registration."""

    id: int
    registration: Any
    trigger: Any
    started_us: int
    duration_us: int
    waited_us: int
    status: str
    failure: Failure | None = None
    effects: Effects | None = None


class Running(NamedTuple):
    run: int
    registration: RegistrationRow
    trigger: TriggerRow
    started_us: int


@dataclass(frozen=True, slots=True)
class Skip:
    registration: RegistrationRow
    hour_us: int
    reason: str
    count: int


class NotRun(NamedTuple):
    registration: RegistrationRow
    at_us: int = T0_US
    reason: str = "condition"
    detail: str = ""
    trigger: TriggerRow | None = None


class Summary(NamedTuple):
    registration: RegistrationRow
    hour_us: int
    counts: tuple[tuple[str, int], ...]
    total_us: int
    max_us: int
    waited_us: int
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class LifecycleEvent(NamedTuple):
    id: int
    at_us: int
    kind: str
    subject: str
    detail: str


class Silence(NamedTuple):
    fingerprint: str
    until_us: int | None


class HomeChange(NamedTuple):
    id: int
    entity_id: str = "light.hall"
    old_state: str | None = "off"
    new_state: str | None = "on"
    context_id: str = "01HZX3CHANGE"
    parent_id: str | None = "01HZX3PARENT"
    user_id: str | None = "01HZX3USER"


class HomeCause(NamedTuple):
    id: int
    kind: str = "automation"
    entity_id: str | None = "automation.evening"
    service: str | None = None
    target: str = ""
    detail: str = "state of sun.sun"
    context_id: str = "01HZX3CHANGE"
    parent_id: str | None = "01HZX3PARENT"
    user_id: str | None = None
    item_id: str | None = "evening"
    trace_id: str | None = "0123456789abcdef"


class HomeName(NamedTuple):
    kind: str = "entity"
    key: str = "light.hall"
    name: str = "Hall light"
    area: str | None = "Hall"


class Deploy(NamedTuple):
    id: int
    app: str = "hall"
    version: str = "a1b2c3d4"
    code_hash: str = "c0de"
    settings_hash: str = "5e77"
    git_commit: str | None = "0123abc"
    at_start: bool = True


class FrameworkLogLine(NamedTuple):
    id: int
    level: int = 30
    logger: str = "hassette_core.link"
    message: str = "Connection to Home Assistant was lost"
    app: str | None = None


class Batch(NamedTuple):
    sequence: int
    at_us: int = T0_US
    invocations: tuple[Run, ...] = ()
    executions: tuple[Run, ...] = ()
    registered: tuple[RegistrationRow, ...] = ()
    retired: tuple[RegistrationRow, ...] = ()
    lifecycle: tuple[LifecycleEvent, ...] = ()
    skipped: tuple[Skip, ...] = ()
    not_runs: tuple[NotRun, ...] = ()
    summaries: tuple[Summary, ...] = ()
    losses: tuple[Loss, ...] = ()
    running: tuple[Running, ...] | None = None
    silences: tuple[Silence, ...] = ()
    home_changes: tuple[HomeChange, ...] = ()
    home_causes: tuple[HomeCause, ...] = ()
    home_names: tuple[HomeName, ...] = ()
    deploys: tuple[Deploy, ...] = ()
    framework_log: tuple[FrameworkLogLine, ...] = ()
    session_facts: tuple[tuple[str, str], ...] = ()


def run_id(after_us: int = 0, counter: int = 0) -> int:
    """Return an id whose time is ``after_us`` microseconds after `T0_US`."""
    return first_id_at(T0_US + after_us) + counter


def invocation(number: int = 0, registration: Listener | None = None, status: str = "success", **changes: Any) -> Run:
    """Return a run of a listener that ended ``number`` ms after `T0_US`. With status ``error``, it has a failure."""
    return _run(number, registration or Listener(), status, changes.pop("trigger", Event()), changes)


def execution(number: int = 0, registration: Job | None = None, status: str = "success", **changes: Any) -> Run:
    """Return a run of a job that ended ``number`` ms after `T0_US`. With status ``error``, it has a failure."""
    return _run(number, registration or Job(), status, changes.pop("trigger", Due()), changes)


def _run(number: int, registration: RegistrationRow, status: str, trigger: TriggerRow, changes: dict[str, Any]) -> Run:
    duration_us = changes.pop("duration_us", 3_000)
    fields: dict[str, Any] = {
        "id": run_id(number * 1000),
        "started_us": T0_US + number * 1000 - duration_us,
        "duration_us": duration_us,
        "waited_us": 250,
        "failure": Failure() if status == "error" else None,
        "effects": None,
        **changes,
    }
    return Run(registration=registration, trigger=trigger, status=status, **fields)
