"""Placeholders for lost rows that other rows refer to, so that the other rows stay readable."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from hassette_store.ids import time_sql
from hassette_store.kinds import KINDS, RunKind
from hassette_store.periods import PERIOD_TABLES
from hassette_store.recovery.cells import LOST
from hassette_store.statuses import ERROR, TIMED_OUT
from hassette_store.transactions import write_transaction

# An id above this limit gets no placeholder. New ids start above the highest stored id, so a very large wrong id from a
# damaged page would leave no ids for new rows.
HIGHEST_ID: Final = 1 << 31

_NUMBERED: Final = "printf('(lost: %d)', lost.id)"


def _registration(kind: RunKind) -> str:
    of_it = f"FROM {kind.runs_table} WHERE {kind.registration_column} = lost.id"
    return f"""
        INSERT OR IGNORE INTO {kind.registrations_table} (
            id, {kind.trigger_source}, app, instance, name, handler, settings, runs_in, first_registered_us,
            last_registered_us
        )
        SELECT lost.id, '{LOST}', '{LOST}', '{LOST}', {_NUMBERED}, '{LOST}', '{{}}', 'async',
               coalesce((SELECT {time_sql("min(id)")} {of_it}), 0), coalesce((SELECT {time_sql("max(id)")} {of_it}), 0)
        FROM lost
        """


# Each statement inserts placeholders for the ids in the table `lost`, with values that can be computed from other rows.
_PLACEHOLDERS: Final = {
    "names": f"INSERT OR IGNORE INTO names (id, name) SELECT id, {_NUMBERED} FROM lost",
    "sessions": f"""
        INSERT OR IGNORE INTO sessions (
            id, started_us, heartbeat_us, ended_us, outcome, reason, pid, host, first_id, last_id, runs, failures
        )
        SELECT lost.id, coalesce(first_us, before_us), coalesce(last_us, before_us), coalesce(last_us, before_us),
               'crashed', 'its record was lost to damage', 0, '{LOST}', first_id, last_id,
               coalesce(runs, 0), coalesce(failures, 0)
        FROM (
            SELECT id, coalesce((SELECT max(ended_us) FROM sessions WHERE sessions.id < lost.id), 0) AS before_us
            FROM lost
        ) AS lost
        LEFT JOIN (
            SELECT session_id, min(started_us) AS first_us, {time_sql("max(id)")} AS last_us, min(id) AS first_id,
                   max(id) AS last_id, count(*) AS runs, sum(status_id IN ({ERROR}, {TIMED_OUT})) AS failures
            FROM runs GROUP BY session_id
        ) ON session_id = lost.id
        """,
    **{kind.registrations_table: _registration(kind) for kind in KINDS},
    "error_groups": f"""
        INSERT OR IGNORE INTO error_groups (
            id, fingerprint, kind, type, message, file, line, function, code, traceback, first_seen_us, last_seen_us,
            first_run_id, last_run_id, count
        )
        SELECT lost.id, {_NUMBERED}, 'exception', '{LOST}', '{LOST}', '', 0, '', '', '', {time_sql("min(run_id)")},
               {time_sql("max(run_id)")}, min(run_id), max(run_id), count(*)
        FROM lost JOIN failures ON error_group_id = lost.id GROUP BY lost.id
        """,
}

# Each row of these tables belongs to a registration, but does not show the kind of the registration. If the
# registration is lost, it needs a placeholder, so that no new registration gets its id.
_WITHOUT_KIND: Final = (*(table for table, _ in PERIOD_TABLES), "not_runs")


def put_placeholders(history: sqlite3.Connection) -> None:
    """Insert a placeholder for each missing row that another row refers to, in one transaction.

    Args:
        history: A connection for writing to a database with the newest schema.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    with write_transaction(history):
        history.execute("CREATE TEMP TABLE lost (id INTEGER PRIMARY KEY)")
        for parent, placeholders in _PLACEHOLDERS.items():
            _find_lost(history, f"SELECT id FROM {parent}", _referring(history, parent))
            history.execute(placeholders)
        _find_lost(
            history,
            " UNION ALL ".join(f"SELECT id FROM {kind.registrations_table}" for kind in KINDS),
            ((table, "registration_id") for table in _WITHOUT_KIND),
        )
        # The kind of these registrations is unknown, so their placeholders are listeners.
        history.execute(_PLACEHOLDERS[KINDS[0].registrations_table])
        history.execute("DROP TABLE lost")


def remove_copies(history: sqlite3.Connection, copied: set[str]) -> None:
    """Remove rows that came from another table with equal columns, as far as other rows prove it.

    These rows come from a page that was overwritten with a page of the other table.

    Args:
        history: A connection for writing to a database with the newest schema.
        copied: Tables with equal pages.
    """
    for kind, other in (KINDS, KINDS[::-1]):
        if {kind.registrations_table, other.registrations_table} <= copied:
            # Ids are unique over both tables, and the runs show which of the rows is right.
            history.execute(
                f"DELETE FROM {kind.registrations_table} WHERE id IN (SELECT id FROM {other.registrations_table}) "
                f"AND id NOT IN (SELECT {kind.registration_column} FROM {kind.runs_table})"
            )


def _find_lost(history: sqlite3.Connection, existing: str, referring: Iterable[tuple[str, str]]) -> None:
    """Fill the table `lost` with each id that is in a referring column, but not in the result of ``existing``."""
    history.execute("DELETE FROM lost")
    for table, column in referring:
        history.execute(
            f"INSERT OR IGNORE INTO lost SELECT {column} FROM {table} "
            f"WHERE {column} BETWEEN 1 AND {HIGHEST_ID} AND {column} NOT IN ({existing})"
        )


def _referring(history: sqlite3.Connection, parent: str) -> list[tuple[str, str]]:
    """Return the tables and columns that refer to a table's id."""
    tables = [str(row[0]) for row in history.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, str(reference[3]))
        for table in tables
        for reference in history.execute(f"PRAGMA foreign_key_list({table})")
        if reference[2] == parent
    ]
