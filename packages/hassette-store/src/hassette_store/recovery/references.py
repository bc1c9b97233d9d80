"""Rows that others refer to and that are gone: a placeholder for each, so that what refers to it can still be read."""

import sqlite3
from collections.abc import Iterable
from typing import Final

from hassette_store.ids import time_sql

# A number from a damaged page may be anything, and new numbers are given above the highest.
_HIGHEST_NUMBER: Final = 1 << 31

_LOST: Final = "(lost)"
_NUMBERED: Final = "printf('(lost: %d)', lost.id)"
_REGISTERED: Final = "app, instance, name, handler, settings, runs_in, first_registered_us, last_registered_us"


def _registration(runs: str, owner: str) -> str:
    of_it = f"FROM {runs} WHERE {owner} = lost.id"
    return (
        f"'{_LOST}', '{_LOST}', {_NUMBERED}, '{_LOST}', '{{}}', 'async', "
        f"coalesce((SELECT {time_sql('min(id)')} {of_it}), 0), coalesce((SELECT {time_sql('max(id)')} {of_it}), 0)"
    )


# From the numbers in the table `lost`. What the runs still tell of a row is told again.
_PLACEHOLDERS: Final = {
    "names": f"INSERT OR IGNORE INTO names (id, name) SELECT id, {_NUMBERED} FROM lost",
    "sessions": f"""
        INSERT OR IGNORE INTO sessions (
            id, started_us, heartbeat_us, ended_us, outcome, reason, pid, host, first_id, last_id, runs, failures
        )
        SELECT lost.id, coalesce(first_us, before_us), coalesce(last_us, before_us), coalesce(last_us, before_us),
               'crashed', 'what was kept of it was lost to damage', 0, '(lost)', first_id, last_id,
               coalesce(runs, 0), coalesce(failures, 0)
        FROM (
            SELECT id, coalesce((SELECT max(ended_us) FROM sessions WHERE sessions.id < lost.id), 0) AS before_us
            FROM lost
        ) AS lost
        LEFT JOIN (
            SELECT session_id, min(started_us) AS first_us, {time_sql("max(id)")} AS last_us, min(id) AS first_id,
                   max(id) AS last_id, count(*) AS runs, sum(status_id IN (1, 3)) AS failures
            FROM runs GROUP BY session_id
        ) ON session_id = lost.id
        """,
    "listeners": f"""
        INSERT OR IGNORE INTO listeners (id, topic, {_REGISTERED})
        SELECT lost.id, '{_LOST}', {_registration("handler_invocations", "listener_id")} FROM lost
        """,
    "scheduled_jobs": f"""
        INSERT OR IGNORE INTO scheduled_jobs (id, schedule, {_REGISTERED})
        SELECT lost.id, '{_LOST}', {_registration("job_executions", "job_id")} FROM lost
        """,
    "error_groups": f"""
        INSERT OR IGNORE INTO error_groups (
            id, fingerprint, kind, type, message, traceback, first_seen_us, last_seen_us, last_run_id, count
        )
        SELECT lost.id, {_NUMBERED}, 'exception', '{_LOST}', '{_LOST}', '', {time_sql("min(run_id)")},
               {time_sql("max(run_id)")}, max(run_id), count(*)
        FROM lost JOIN failures ON error_group_id = lost.id GROUP BY lost.id
        """,
}

# Statistics belong to a listener or a job, and do not say to which; its number must not become another one's.
_COUNTED: Final = ("statistics_daily", "statistics_hourly", "skips_daily", "skips_hourly")


def put_placeholders(history: sqlite3.Connection) -> None:
    """Put a placeholder wherever a row refers to one that is not there, in one transaction.

    Args:
        history: At the newest schema, open for writing.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    history.execute("BEGIN IMMEDIATE")
    history.execute("CREATE TEMP TABLE lost (id INTEGER PRIMARY KEY)")
    for parent, placeholders in _PLACEHOLDERS.items():
        _gather(history, f"SELECT id FROM {parent}", _referring(history, parent))
        history.execute(placeholders)
    _gather(
        history,
        "SELECT id FROM listeners UNION ALL SELECT id FROM scheduled_jobs",
        ((table, "registration_id") for table in _COUNTED),
    )
    history.execute(_PLACEHOLDERS["listeners"])
    history.execute("DROP TABLE lost")
    history.execute("COMMIT")


def _gather(history: sqlite3.Connection, there: str, referring: Iterable[tuple[str, str]]) -> None:
    history.execute("DELETE FROM lost")
    for table, column in referring:
        history.execute(
            f"INSERT OR IGNORE INTO lost SELECT {column} FROM {table} "
            f"WHERE {column} BETWEEN 1 AND {_HIGHEST_NUMBER} AND {column} NOT IN ({there})"
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
