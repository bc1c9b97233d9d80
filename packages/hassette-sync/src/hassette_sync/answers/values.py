"""What the answers are made of."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

Id = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]
"""An id: an `int` in Python, a string in JSON, where numbers above 2**53 lose their last digits."""


def _reads_as_bool(value: object) -> object:
    return bool(value) if isinstance(value, int) else value


Flag = Annotated[bool, BeforeValidator(_reads_as_bool)]

Kind = Literal["handler", "job"]
"""A handler that listens to events, or a job on a schedule."""

STATUSES = ("success", "error", "cancelled", "timed_out", "interrupted")
"""How a run can end; ``interrupted`` means that the process ended under it."""

FAILED = ("error", "timed_out", "interrupted")
"""The statuses that somebody should look at."""


class Answer(BaseModel):
    """Root of all answers: immutable. Times end in ``_us``: microseconds since the Unix epoch; durations, too."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class RegistrationRef(Answer):
    """Whose run: enough to name it and to link to it."""

    id: Id
    kind: Kind
    app: str
    instance: str
    name: str

    @property
    def title(self) -> str:
        """The name as a person would say it: the instance is left out when it says nothing."""
        return (
            f"{self.app}.{self.name}"
            if self.instance in ("", self.app, "default")
            else f"{self.app}.{self.instance}.{self.name}"
        )


class EventTrigger(Answer):
    """The event that a handler heard."""

    kind: Literal["event"] = "event"
    event_type: str
    entity_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    context_id: str | None = None
    parent_id: str | None = None
    user_id: str | None = None


class DueTrigger(Answer):
    """The moment at which a job was due."""

    kind: Literal["due"] = "due"
    due_us: int
    manual: Flag = False


Trigger = EventTrigger | DueTrigger


class Counts(Answer):
    """Runs by how they ended, those included whose rows have gone."""

    success: int = 0
    error: int = 0
    cancelled: int = 0
    timed_out: int = 0
    interrupted: int = 0

    @property
    def total(self) -> int:
        """All runs."""
        return self.success + self.error + self.cancelled + self.timed_out + self.interrupted

    @property
    def failed(self) -> int:
        """Runs that somebody should look at."""
        return self.error + self.timed_out + self.interrupted

    @property
    def failure_share(self) -> float:
        """Failed runs per run, from 0 to 1."""
        return self.failed / self.total if self.total else 0.0


class Percentiles(Answer):
    """Durations below which half, 95 % and 99 % of the runs stay; within 1 %. None without runs."""

    p50_us: int | None = None
    p95_us: int | None = None
    p99_us: int | None = None
