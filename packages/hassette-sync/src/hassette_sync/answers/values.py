"""Values that several answers share."""

# ruff: noqa: D102  `TriggerBase` documents the properties of the triggers
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from hassette_store.statuses import FAILED_STATUSES, STATUS_NAMES

Id = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]
"""An id: an `int` in Python, but a string in JSON, because JavaScript rounds numbers above 2**53."""


def _integer_as_bool(value: object) -> object:
    return bool(value) if isinstance(value, int) else value


Flag = Annotated[bool, BeforeValidator(_integer_as_bool)]

Kind = Literal["handler", "job"]
"""Kind of a registration and of its runs: an event handler or a scheduled job (`hassette_store.kinds`)."""


class Answer(BaseModel):
    """Base class of all answers: immutable.

    Fields that end in ``_us`` are microseconds: times since the Unix epoch, and durations.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class RegistrationRef(Answer):
    """Name of a handler or job, and the id for links to it."""

    id: Id
    kind: Kind
    app: str
    instance: str
    name: str

    @property
    def title(self) -> str:
        """Name for display: ``app.instance.name``, or ``app.name`` for an app with one instance."""
        return (
            f"{self.app}.{self.name}"
            if self.instance in ("", self.app, "default")
            else f"{self.app}.{self.instance}.{self.name}"
        )


class TriggerBase(Answer):
    """Properties that pages and questions use for triggers of any kind. A trigger overrides those that it has."""

    def title(self, moment: Callable[[int], str]) -> str:
        """Short description, for display. ``moment`` formats a time."""
        return ""

    @property
    def change(self) -> str | None:
        """Change of the entity's state, for display."""
        return None

    @property
    def origin(self) -> str:
        """Origin of the run, for display."""
        return ""

    @property
    def subject(self) -> str | None:
        """Entity of the event."""
        return None

    @property
    def planned_us(self) -> int | None:
        """Time at which the run was due."""
        return None

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """Labels and ids, for display."""
        return ()

    @property
    def own_context(self) -> str | None:
        """Id of the Home Assistant context of the event."""
        return None

    @property
    def contexts(self) -> tuple[str, ...]:
        """Ids of the Home Assistant contexts that lead back to the cause of the run."""
        return ()

    def is_same_event(self, other: "Trigger") -> bool:
        """Return whether the other trigger is the same event. One service call may cause events of many entities."""
        return False


class EventTrigger(TriggerBase):
    """Event that triggered a handler."""

    run_kind: ClassVar[Kind] = "handler"

    kind: Literal["event"] = "event"
    event_type: str
    entity_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None

    def title(self, moment: Callable[[int], str]) -> str:
        del moment
        return self.entity_id or self.event_type

    @property
    def change(self) -> str | None:
        if not self.entity_id or (self.old_state is None and self.new_state is None):
            return None
        return " → ".join("∅" if state is None else state for state in (self.old_state, self.new_state))

    @property
    def origin(self) -> str:
        return "Event"

    @property
    def subject(self) -> str | None:
        return self.entity_id

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        ids = (
            ("event", self.event_type),
            ("context", self.context_id),
            ("parent", self.parent_id),
            ("user", self.user_id),
        )
        return tuple((label, id_) for label, id_ in ids if id_)

    @property
    def own_context(self) -> str | None:
        return self.context_id or None

    @property
    def contexts(self) -> tuple[str, ...]:
        return tuple(id_ for id_ in (self.context_id, self.parent_id) if id_)

    def is_same_event(self, other: "Trigger") -> bool:
        return isinstance(other, EventTrigger) and (self.context_id, self.entity_id, self.new_state) == (
            other.context_id,
            other.entity_id,
            other.new_state,
        )


class DueTrigger(TriggerBase):
    """Time at which a job was due."""

    run_kind: ClassVar[Kind] = "job"

    kind: Literal["due"] = "due"
    due_us: int
    manual: Flag = False

    def title(self, moment: Callable[[int], str]) -> str:
        return "manual" if self.manual else f"due {moment(self.due_us)}"

    @property
    def origin(self) -> str:
        return "Started manually" if self.manual else "Schedule"

    @property
    def planned_us(self) -> int | None:
        return self.due_us


Trigger = EventTrigger | DueTrigger

TRIGGERS: dict[str, type[EventTrigger] | type[DueTrigger]] = {
    trigger.run_kind: trigger for trigger in (EventTrigger, DueTrigger)
}
"""Type of the trigger for each kind of run."""


class Counts(Answer):
    """Numbers of runs by status, including runs whose rows have been deleted."""

    success: int = 0
    error: int = 0
    cancelled: int = 0
    timed_out: int = 0
    interrupted: int = 0

    @property
    def total(self) -> int:
        """Number of all runs."""
        return sum(getattr(self, status) for status in STATUS_NAMES)

    @property
    def failed(self) -> int:
        """Number of failed runs."""
        return sum(getattr(self, status) for status in FAILED_STATUSES)

    @property
    def failure_share(self) -> float:
        """Failed runs as a share of all runs, from 0 to 1."""
        return self.failed / self.total if self.total else 0.0


class Percentiles(Answer):
    """Percentiles of run durations by nearest rank, within 1 %; None without runs."""

    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
