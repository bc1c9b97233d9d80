"""Kinds of runs. The store loops over one tuple, `KINDS`, to build its SQL statements and its lists of columns.

Except for this module, only the schema (``migrations/sql/``), `hassette_store.rows`, the encoder and the placeholders
of lost registrations depend on a specific kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from hassette_store.rows import RegistrationRow


@dataclass(frozen=True, slots=True)
class RunKind:
    """A kind of run, and where its registrations and runs are stored.

    Attributes:
        name: Value of the column ``kind`` in the view ``runs``.
        registration_name: Value of the column ``kind`` in the view ``registrations``.
        batch_field: Field of `BatchRow` that holds the runs of this kind.
        runs_table: Table of the runs of this kind, such as ``handler_invocations``.
        registrations_table: Table of the registrations of this kind.
        registration_column: Column of ``runs_table`` that refers to ``registrations_table``.
        trigger_source: ``topic`` or ``schedule``: a column of ``registrations_table`` and a field of a registration.
        key_columns: Columns of ``registrations_table`` that identify a registration after a restart. The fields of a
            registration have the same names as these columns.
        trigger_columns: Columns of ``runs_table`` that describe the trigger.
        running_columns: Columns of ``running_executions`` that describe the trigger.
        running_condition: SQL condition that selects the rows of this kind in ``running_executions``.
        interrupted_values: SQL expressions that compute the ``trigger_columns`` of an interrupted run from its row in
            ``running_executions``.
        context_conditions: SQL conditions that select the runs whose event has the Home Assistant context
            ``:context_id`` or a child of it. Each repeats the condition of a partial index; otherwise SQLite would not
            use the index.
    """

    name: str
    registration_name: str
    batch_field: str
    runs_table: str
    registrations_table: str
    registration_column: str
    trigger_source: str
    key_columns: tuple[str, ...]
    trigger_columns: tuple[str, ...]
    running_columns: tuple[str, ...]
    running_condition: str
    interrupted_values: tuple[str, ...]
    context_conditions: tuple[str, ...] = ()

    @property
    def registration_columns(self) -> tuple[str, ...]:
        """The columns of ``registrations_table`` that describe a registration, in the order of the schema."""
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
        """All columns of ``runs_table``, in the order of the schema."""
        return (
            "id",
            self.registration_column,
            "session_id",
            "status",
            "started_before",
            "duration_us",
            "waited_us",
            *self.trigger_columns,
        )

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The columns of ``runs_table`` that hold ids of the table ``names``."""
        return tuple(column for column in self.trigger_columns if column in NAMED_COLUMNS)


_EVENT: Final = (
    *("event_type_id", "entity_id", "old_state", "new_state", "context_id", "parent_id", "user_id"),
    *("missed", "immediate"),
)

HANDLER: Final = RunKind(
    name="handler",
    registration_name="listener",
    batch_field="invocations",
    runs_table="handler_invocations",
    registrations_table="listeners",
    registration_column="listener_id",
    trigger_source="topic",
    key_columns=("app", "instance", "name", "topic"),
    trigger_columns=_EVENT,
    running_columns=_EVENT,
    running_condition="event_type_id IS NOT NULL",
    interrupted_values=(*_EVENT[:-2], "coalesce(missed, 0)", "coalesce(immediate, 0)"),
    context_conditions=(
        "context_id = :context_id AND (user_id IS NOT NULL OR parent_id IS NOT NULL)",
        "parent_id = :context_id AND parent_id IS NOT NULL",
    ),
)
"""An event triggers a listener's handler."""

JOB: Final = RunKind(
    name="job",
    registration_name="job",
    batch_field="executions",
    runs_table="job_executions",
    registrations_table="scheduled_jobs",
    registration_column="job_id",
    trigger_source="schedule",
    key_columns=("app", "instance", "name"),
    trigger_columns=("due_before", "manual"),
    running_columns=("due_us", "manual"),
    running_condition="event_type_id IS NULL",
    interrupted_values=("started_us - coalesce(due_us, started_us)", "coalesce(manual, 0)"),
)
"""A due time triggers a job."""

KINDS: Final = (HANDLER, JOB)

NAMED_COLUMNS: Final = {"event_type_id": "event_type", "entity_id": "entity_id", "user_id": "user_id"}
"""Maps each trigger column that holds an id of the table ``names`` to the trigger's field that holds the name itself.
Every other column in ``running_columns`` has the same name as its field."""

FLAGS: Final = frozenset({"missed", "immediate", "manual"})
"""The trigger columns that are true or false: 1 or 0 in the file."""

TRIGGER_COLUMNS: Final = tuple(column for kind in KINDS for column in kind.running_columns)
"""All columns that describe a trigger of any kind, in ``running_executions`` and in ``not_runs``."""

RUNNING_COLUMNS: Final = ("session_id", "run", "registration_id", "started_us", *TRIGGER_COLUMNS)
"""All columns of ``running_executions``."""

NOT_RUN_COLUMNS: Final = ("registration_id", "session_id", "at_us", "reason_id", "detail", *TRIGGER_COLUMNS)
"""All columns of ``not_runs`` except the id."""

DETAILS: Final = ("failures", "service_calls", "log_lines", "state_reads", "dropped_effects")
"""Tables whose rows belong to a run of any kind. Their column ``run_id`` contains its id."""


EVENT_TABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "lifecycle_events": ("id", "session_id", "at_us", "kind", "subject", "detail"),
    "home_changes": (
        *("id", "session_id", "entity_id", "old_state", "new_state", "context_id", "parent_id", "user_id"),
    ),
    "home_causes": (
        *("id", "session_id", "kind", "entity_id", "service_id", "target", "detail"),
        *("context_id", "parent_id", "user_id", "item_id", "trace_id"),
    ),
    "deploys": ("id", "session_id", "app", "version", "code_hash", "settings_hash", "git_commit", "at_start"),
    "framework_log": ("id", "session_id", "level", "logger_id", "message", "app"),
}
"""Tables of events and circumstances, with their columns. Their ids are from the sequence of the ids of runs."""

HISTORY_SINCE: Final = "history_since"
"""Name of the fact with the time from which the file has the history of a session that began in another file."""

LEFT_OUT: Final = "too_many"
"""Reason of losses that were intended: of an entity that changes too often, only some changes are recorded."""
CIRCUMSTANCES_OF_RUNS: Final = ("home_changes", "home_causes", "framework_log")
"""Event tables that grow as fast as the runs. The retention keeps their rows as long as failed runs."""


def trigger_field(column: str) -> str:
    """Return the name of the trigger's field whose value is stored in a column, one of the ``running_columns``."""
    return NAMED_COLUMNS.get(column, column)


def kind_of(registration: RegistrationRow) -> RunKind:
    """Return the kind of a registration's runs.

    Raises:
        AttributeError: The object is not a registration.
    """
    for kind in KINDS:
        if hasattr(registration, kind.trigger_source):
            return kind
    raise AttributeError(f"{type(registration).__name__} has neither topic nor schedule")
