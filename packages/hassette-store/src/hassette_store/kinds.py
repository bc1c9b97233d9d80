"""Kinds of runs: one table from which the store derives its loops, statements and columns.

The schema (``migrations/sql/``), `hassette_store.rows` and the encoder are the only other places that know a kind.
"""

from dataclasses import dataclass
from typing import Final

from hassette_store.rows import RegistrationRow


@dataclass(frozen=True, slots=True)
class RunKind:
    """A kind of run, and where its registrations and runs are stored.

    Attributes:
        name: Value of the column ``kind`` in the view ``runs``.
        registration_name: Value of the column ``kind`` in the view ``registrations``.
        batch_field: Field of `BatchRow` that holds its runs.
        runs: Table of its runs.
        registrations: Table of its registrations.
        owner: Column of ``runs`` that refers to ``registrations``.
        trigger_source: Column of ``registrations``, and field of the registration, that names what triggers a run.
        key: Columns of ``registrations`` that identify a registration over restarts; fields of the registration, too.
        trigger: Columns of ``runs`` that describe the trigger.
        running: Columns of ``running_executions`` that describe the trigger.
        is_running: SQL condition that selects its rows in ``running_executions``.
        interrupted: SQL expressions over ``running_executions`` for the columns in ``trigger``.
    """

    name: str
    registration_name: str
    batch_field: str
    runs: str
    registrations: str
    owner: str
    trigger_source: str
    key: tuple[str, ...]
    trigger: tuple[str, ...]
    running: tuple[str, ...]
    is_running: str
    interrupted: tuple[str, ...]

    @property
    def registration_columns(self) -> tuple[str, ...]:
        """The columns of ``registrations`` that describe a registration, in the order of the schema."""
        return (
            "id",
            "app",
            "instance",
            "name",
            self.trigger_source,
            "handler",
            "settings",
            "source_file",
            "source_line",
            "source_snippet",
            "runs_in",
            "timeout_s",
        )

    @property
    def run_columns(self) -> tuple[str, ...]:
        """All columns of ``runs``, in the order of the schema."""
        return (
            "id",
            self.owner,
            "session_id",
            "status",
            "started_before",
            "duration_us",
            "waited_us",
            *self.trigger,
        )


_EVENT: Final = ("event_type_id", "entity_id", "old_state", "new_state", "context_id", "parent_id", "user_id")

HANDLER: Final = RunKind(
    name="handler",
    registration_name="listener",
    batch_field="invocations",
    runs="handler_invocations",
    registrations="listeners",
    owner="listener_id",
    trigger_source="topic",
    key=("app", "instance", "name", "topic"),
    trigger=_EVENT,
    running=_EVENT,
    is_running="event_type_id IS NOT NULL",
    interrupted=_EVENT,
)
"""An event triggers a listener's handler."""

JOB: Final = RunKind(
    name="job",
    registration_name="job",
    batch_field="executions",
    runs="job_executions",
    registrations="scheduled_jobs",
    owner="job_id",
    trigger_source="schedule",
    key=("app", "instance", "name"),
    trigger=("due_before", "manual"),
    running=("due_us", "manual"),
    is_running="event_type_id IS NULL",
    interrupted=("started_us - coalesce(due_us, started_us)", "coalesce(manual, 0)"),
)
"""A due time triggers a job."""

KINDS: Final = (HANDLER, JOB)

NAMED_COLUMNS: Final = {"event_type_id": "event_type", "entity_id": "entity_id", "user_id": "user_id"}
"""Columns of triggers that refer to the table ``names``, and the fields of the trigger that have the name itself. Every
other column of ``running`` has the name of its field."""

RUNNING_COLUMNS: Final = (
    "session_id",
    "run",
    "registration_id",
    "started_us",
    *(column for kind in KINDS for column in kind.running),
)
"""All columns of ``running_executions``."""


def trigger_field(column: str) -> str:
    """Return the field of a trigger that is stored in a column of ``running``."""
    return NAMED_COLUMNS.get(column, column)


def kind_of(registration: RegistrationRow) -> RunKind:
    """Return the kind of a registration's runs.

    Raises:
        AttributeError: The object is no registration.
    """
    for kind in KINDS:
        if hasattr(registration, kind.trigger_source):
            return kind
    raise AttributeError(f"{type(registration).__name__} has neither topic nor schedule")
