"""SQL fragments with one part for each kind of run, generated from the store's table of kinds."""

from collections.abc import Callable

from hassette_store.kinds import KINDS, NAMED_COLUMNS, RunKind, trigger_field

# Each trigger must have these values, but a damaged file may lack them. The answers then contain these fallbacks.
_FALLBACKS = {"event_type_id": "'?'", "due_us": "{table}.started_us", "manual": "0", "missed": "0", "immediate": "0"}
_TRIGGER_COLUMNS = tuple(column for kind in KINDS for column in kind.running_columns)

_KINDS_OF_REGISTRATIONS = " ".join(f"WHEN '{kind.registration_name}' THEN '{kind.name}'" for kind in KINDS)
KIND = f"CASE kind {_KINDS_OF_REGISTRATIONS} END"
"""Expression for the kind of run in the view ``registrations``.

In that view, the value for a handler is ``listener``.
"""


def union_sql(part: Callable[[RunKind], str], operator: str = "UNION ALL") -> str:
    """Return a compound SELECT with one part for each kind."""
    return f" {operator} ".join(part(kind) for kind in KINDS)


LISTENS_TO = f"coalesce({', '.join(kind.trigger_source for kind in KINDS)}) AS listens_to"
"""Column with the topic or the schedule, in the view ``registrations``."""


def registration_columns_sql(*names: str) -> str:
    """Return columns of a run's registration; `registration_joins_sql` provides the tables."""
    values = {name: ", ".join(f"{kind.registrations_table}.{name}" for kind in KINDS) for name in names}
    return ", ".join(f"coalesce({value}) AS {name}" for name, value in values.items())


def registration_joins_sql(runs: str) -> str:
    """Return the joins from runs to their registrations.

    Args:
        runs: Name of a table or subquery with the columns of the view ``runs``.
    """
    return " ".join(
        f"LEFT JOIN {kind.registrations_table} "
        f"ON {runs}.kind = '{kind.name}' AND {kind.registrations_table}.id = {runs}.registration_id"
        for kind in KINDS
    )


def trigger_columns_sql(table: str) -> str:
    """Return the columns of all triggers, with the fields of the answers as aliases.

    The statement also needs `trigger_joins_sql`.

    Args:
        table: Name of a table or subquery with the columns of the view ``runs``.
    """
    return ", ".join(_trigger_column(table, column) for column in _TRIGGER_COLUMNS)


def _trigger_column(table: str, column: str) -> str:
    value = f"{column}_names.name" if column in NAMED_COLUMNS else f"{table}.{column}"
    if column in _FALLBACKS:
        value = f"coalesce({value}, {_FALLBACKS[column].format(table=table)})"
    return f"{value} AS {trigger_field(column)}"


def trigger_joins_sql(table: str) -> str:
    """Return the joins from the columns of triggers to the names that they refer to."""
    return " ".join(
        f"LEFT JOIN names AS {column}_names ON {column}_names.id = {table}.{column}"
        for column in _TRIGGER_COLUMNS
        if column in NAMED_COLUMNS
    )
