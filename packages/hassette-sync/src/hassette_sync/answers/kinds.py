"""Kinds of registrations and of their runs: names, triggers, and words for display.

`hassette_store.kinds` lists the kinds. This module contains the types of their triggers, and words for the pages and
the terminal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field

from hassette_store import kinds
from hassette_sync.answers.values import Answer, Id
from hassette_sync.formatting import registration_title


def _integer_as_bool(value: object) -> object:
    return bool(value) if isinstance(value, int) else value


Flag = Annotated[bool, BeforeValidator(_integer_as_bool)]

Kind = Literal["handler", "job"]
"""Kind of a registration and of its runs: an event handler or a scheduled job (`hassette_store.kinds`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KindLabels:
    """Words for one kind of registration.

    Attributes:
        name: Name of the kind: ``handler``.
        source: Label of the topic or schedule that triggers runs.
        is_scheduled: Whether the next run is known.
        no_registrations_advice: Advice shown while there is no registration of the kind.
        no_runs_advice: Advice shown while a registration has no runs.
    """

    name: str
    source: str
    is_scheduled: bool
    no_registrations_advice: str
    no_runs_advice: str

    @property
    def plural(self) -> str:
        """Plural of the name: ``handlers``. It is also the path of the page and the name of the command."""
        return f"{self.name}s"

    @property
    def title(self) -> str:
        """Title of the page: ``Handlers``."""
        return self.plural.capitalize()


LABELS: Final = {
    labels.name: labels
    for labels in (
        KindLabels(
            name=kinds.HANDLER.name,
            source="Topic",
            is_scheduled=False,
            no_registrations_advice=(
                'A handler appears when an app registers it: self.bus.on_state_change(self.on_light, "light.hall").'
            ),
            no_runs_advice="Runs appear here when an event triggers this handler.",
        ),
        KindLabels(
            name=kinds.JOB.name,
            source="Schedule",
            is_scheduled=True,
            no_registrations_advice=(
                'A job appears when an app schedules it: self.scheduler.run_daily(self.good_night, at="22:30").'
            ),
            no_runs_advice="Runs appear here when this job is due.",
        ),
    )
}
"""Words by the name of the kind."""


class RegistrationRef(Answer):
    """Name of a handler or job, and the id for links to it."""

    id: Id
    kind: Kind
    app: str
    instance: str
    name: str

    @property
    def title(self) -> str:
        """The name as lists show it."""
        return registration_title(self.app, self.instance, self.name)


class TriggerBase(Answer):
    """Properties of triggers of any kind. Each type of trigger overrides the properties that it has."""

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
        """Return whether both triggers are one event. Several events can have the same context."""
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
    missed: Flag = False
    immediate: Flag = False

    def title(self, moment: Callable[[int], str]) -> str:
        del moment
        return self.entity_id or self.event_type

    @property
    def change(self) -> str | None:
        if not self.entity_id or (self.old_state is None and self.new_state is None):
            return None
        change = " → ".join("∅" if state is None else state for state in (self.old_state, self.new_state))
        if self.immediate:
            return f"{self.new_state} (at the start)"
        return f"{change} (missed)" if self.missed else change

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
    """Due time that triggered a job."""

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


Trigger = Annotated[EventTrigger | DueTrigger, Field(discriminator="kind")]

TRIGGERS: dict[str, type[EventTrigger] | type[DueTrigger]] = {
    trigger.run_kind: trigger for trigger in (EventTrigger, DueTrigger)
}
"""Type of the trigger for each kind of run."""
