"""Values that several answers share."""

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


class EventTrigger(Answer):
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

    @property
    def subject(self) -> str | None:
        """Entity of the event."""
        return self.entity_id

    @property
    def planned_us(self) -> None:
        """None: an event has no planned time."""
        return

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """Labels and ids of the event, for display."""
        ids = (
            ("event", self.event_type),
            ("context", self.context_id),
            ("parent", self.parent_id),
            ("user", self.user_id),
        )
        return tuple((label, id_) for label, id_ in ids if id_)

    @property
    def own_context(self) -> str | None:
        """Id of the Home Assistant context of the event."""
        return self.context_id or None

    @property
    def contexts(self) -> tuple[str, ...]:
        """Ids of the Home Assistant contexts that lead back to the cause of the event."""
        return tuple(id_ for id_ in (self.context_id, self.parent_id) if id_)

    def is_same_event(self, other: "Trigger") -> bool:
        """Return whether the other trigger is the same event: one service call may cause events of many entities."""
        return isinstance(other, EventTrigger) and (self.context_id, self.entity_id, self.new_state) == (
            other.context_id,
            other.entity_id,
            other.new_state,
        )


class DueTrigger(Answer):
    """Time at which a job was due."""

    run_kind: ClassVar[Kind] = "job"

    kind: Literal["due"] = "due"
    due_us: int
    manual: Flag = False

    @property
    def subject(self) -> None:
        """None: a schedule has no entity."""
        return

    @property
    def planned_us(self) -> int:
        """Time at which the job was due."""
        return self.due_us

    @property
    def details(self) -> tuple[tuple[str, str], ...]:
        """No ids: the due time identifies the trigger."""
        return ()

    @property
    def own_context(self) -> None:
        """None: a schedule has no Home Assistant context."""
        return

    @property
    def contexts(self) -> tuple[str, ...]:
        """No ids: a schedule has no Home Assistant context."""
        return ()

    def is_same_event(self, other: "Trigger") -> bool:
        """Return False: two jobs that are due at the same time have nothing in common."""
        return False


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
