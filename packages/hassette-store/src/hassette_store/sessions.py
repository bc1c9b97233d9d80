"""SQL that opens, resumes and closes sessions, closes sessions that a crash left open, and retires registrations."""

import json
import os
import socket
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from hassette_store.__about__ import __version__
from hassette_store.derived.derivation import derive_all
from hassette_store.derived.search_coverage import switch_index
from hassette_store.file.connections import SQLITE_WITHOUT_WAL_RESET_BUG
from hassette_store.file.creation import FILE_NUMBER
from hassette_store.file.owner_note import Heartbeat
from hassette_store.file.writer import Writer
from hassette_store.ids import first_id_sql, time_sql
from hassette_store.kinds import EVENT_TABLES, HISTORY_SINCE, KINDS, RunKind
from hassette_store.settings import StoreSettings
from hassette_store.statuses import INTERRUPTED
from hassette_store.transactions import write_transaction

COUNT_OPEN_SESSIONS: Final = "SELECT count(*) FROM sessions WHERE outcome = 'open'"
"""Count the open sessions. At a start, an open session means that its process crashed."""

_SOURCES_OF_IDS: Final = (
    *((kind.runs_table, "id") for kind in KINDS),
    *((table, "id") for table in EVENT_TABLES),
    ("sessions", "last_id"),
)
LAST_ID: Final = (
    "SELECT max(" + ", ".join(f"coalesce((SELECT max({id_}) FROM {table}), 0)" for table, id_ in _SOURCES_OF_IDS) + ")"
)
"""Select the highest record id stored so far, even if the retention has deleted the row of that record since."""


def _insert_interrupted(kind: RunKind) -> str:
    return f"""
INSERT INTO {kind.runs_table} ({", ".join(kind.run_columns)})
SELECT id, registration_id, session_id, {INTERRUPTED}, {time_sql("id")} - started_us, duration_us, 0,
       {", ".join(kind.interrupted_values)}
FROM interrupted WHERE {kind.running_condition};
"""


# An interrupted run counts as ended at the last heartbeat of its session, so its id contains that time. If a higher id
# is already stored, the id of the run follows the highest stored id.
_INTERRUPT_RUNS: Final = f"""
CREATE TEMP TABLE interrupted AS
SELECT max({first_id_sql("heartbeat_us")}, ({LAST_ID})) + row_number() OVER (ORDER BY session_id, run) AS id,
       running_executions.*, max(heartbeat_us - running_executions.started_us, 0) AS duration_us
FROM running_executions
JOIN sessions ON sessions.id = session_id
WHERE outcome = 'open';
{"".join(map(_insert_interrupted, KINDS))}
UPDATE sessions
SET runs = runs + (SELECT count(*) FROM interrupted WHERE session_id = sessions.id),
    first_id = coalesce(first_id, (SELECT min(id) FROM interrupted WHERE session_id = sessions.id)),
    last_id = coalesce((SELECT max(id) FROM interrupted WHERE session_id = sessions.id), last_id)
WHERE outcome = 'open';

DROP TABLE interrupted;
DELETE FROM running_executions;
"""

# This statement runs only when a session is closed normally. For a crashed session, hassette-sync adds the interrupted
# runs to the failures.
_COUNT_RUNNING_AS_FAILURES: Final = """
UPDATE sessions
SET failures = failures + (SELECT count(*) FROM running_executions WHERE session_id = sessions.id)
WHERE outcome = 'open';
"""

_MARK_AS_CRASHED: Final = """
UPDATE sessions
SET outcome = 'crashed', reason = coalesce(reason, 'the process ended without closing the history'),
    ended_us = max(heartbeat_us, started_us)
WHERE outcome = 'open';
"""

_OPEN_SESSION: Final = (
    "SELECT id, started_us, last_sequence, heartbeat_us FROM sessions WHERE outcome = 'open' AND id = ?"
)

# All listeners and jobs stay retired until the apps of the new session register them again.
_RETIRE_ALL: Final = "\n".join(
    f"UPDATE {kind.registrations_table} SET retired_us = (SELECT max(ended_us) FROM sessions) WHERE retired_us IS NULL;"
    for kind in KINDS
)

# A session that began in another file keeps its start, but begins after the sessions of this file.
_INSERT: Final = """
INSERT INTO sessions (started_us, heartbeat_us, outcome, pid, host, facts)
SELECT min(:now_us, max(:started_us, coalesce(max(ended_us), 0))), :now_us, 'open', :pid, :host, :facts FROM sessions
RETURNING id, started_us
"""
_RESUME: Final = """
UPDATE sessions SET outcome = 'open', reason = NULL, ended_us = NULL, heartbeat_us = ?
WHERE id = ? AND started_us = ? AND pid = ? AND host = ? RETURNING id
"""
READABLE_FACTS: Final = "CASE WHEN json_valid(facts) THEN facts ELSE '{}' END"
"""SQL expression of a session's facts; an empty object if a flipped byte has made them unreadable.

SQLite's checks do not find such a byte, but its functions of JSON then raise an error each time.
"""
_CLOSE: Final = f"""
UPDATE sessions
SET outcome = coalesce(nullif(json_extract({READABLE_FACTS}, '$.outcome'), ''), 'clean'),
    reason = coalesce(json_extract({READABLE_FACTS}, '$.reason'), reason), ended_us = max(heartbeat_us, started_us)
"""


def close_crashed(db: sqlite3.Connection, heartbeat: Heartbeat | None) -> None:
    """Close the sessions that a crash left open, in one transaction.

    Store their runs in progress as interrupted, and retire all registrations. When an app registers one of its
    listeners or jobs again, the retirement of that registration ends.

    Args:
        db: The writer's connection, in autocommit mode.
        heartbeat: The heartbeat in the note of the file; None if there is none. It may be later than that in the row.

    Raises:
        sqlite3.Error: A statement failed. Nothing was changed.
    """
    before_runs = after_runs = ""
    row = db.execute(_OPEN_SESSION, (heartbeat.session_id,)).fetchone() if heartbeat is not None else None
    if heartbeat is not None and row is not None and (at_us := heartbeat.latest(*row)) != row[3]:
        update = f"UPDATE sessions SET heartbeat_us = {at_us:d} WHERE id = {heartbeat.session_id:d};"
        if heartbeat.sequence == row[2]:
            before_runs = update
        else:
            # The last batches are lost. A run in progress may have ended in one of them, so its end is the heartbeat in
            # the row.
            after_runs = update
    _run_script(db, f"{before_runs}{_INTERRUPT_RUNS}{after_runs}{_MARK_AS_CRASHED}{_RETIRE_ALL}")


def prepare(db: sqlite3.Connection, *, heartbeat: Heartbeat | None, settings: StoreSettings) -> None:
    """Prepare the file for a new session: close crashed sessions, and switch the search index on or off.

    Args:
        db: The writer's connection, in autocommit mode.
        heartbeat: As for `close_crashed`.
        settings: Whether the file has a search index.

    Raises:
        sqlite3.Error: A statement failed.
    """
    close_crashed(db, heartbeat=heartbeat)
    switch_index(db, on=settings.search_index)


def _run_script(db: sqlite3.Connection, script: str) -> None:
    """Run a script in one transaction, and derive all rows that wait, including those that the script inserts.

    The rows that wait are derived first, so that the ids of the new rows are not below `derived_below`.
    """
    with write_transaction(db):
        derive_all(db)
        # `executescript` would end the transaction.
        for statement in script.split(";"):
            db.execute(statement)
        derive_all(db)


async def resume(db: Writer, session_id: int, started_us: int, now_us: int) -> bool:
    """Open a session of this process again after the service was restarted. Return False if the file lacks the session.

    A session lasts until the framework ends, even if the service restarts in between.
    """
    return bool(await db.rows(_RESUME, (now_us, session_id, started_us, os.getpid(), socket.gethostname())))


def insert(db: sqlite3.Connection, began: tuple[int, int] | None, now_us: int) -> tuple[int, int]:
    """Insert the session of this process. Return its id and start.

    Args:
        db: The writer's connection, in autocommit mode. No session is open.
        began: Id and start of the session in another file, which has been removed or replaced; None if it begins now.
        now_us: The time.

    Raises:
        sqlite3.Error: The statement failed.
    """
    facts = {} if began is None else {HISTORY_SINCE: datetime.fromtimestamp(now_us / 1e6, UTC).isoformat()}
    values = {
        "started_us": now_us if began is None else began[1],
        "now_us": now_us,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "facts": json.dumps(facts),
    }
    ((session_id, start_us),) = db.execute(_INSERT, values).fetchall()
    return int(session_id), int(start_us)


def close(db: sqlite3.Connection, session_id: int, now_us: int, *, process_ends: bool) -> None:
    """Close the only open session, in one transaction.

    Args:
        db: The writer's connection, in autocommit mode.
        session_id: The session.
        now_us: The time.
        process_ends: True if the process ends: the runs in progress are stored as interrupted. False if the service
            will start again in this process: the runs continue.

    Raises:
        sqlite3.Error: A statement failed. Nothing was changed.
    """
    running = _COUNT_RUNNING_AS_FAILURES + _INTERRUPT_RUNS if process_ends else "DELETE FROM running_executions;"
    heartbeat = f"UPDATE sessions SET heartbeat_us = {now_us:d} WHERE id = {session_id:d};"
    _run_script(db, f"{heartbeat}{running}{_CLOSE}WHERE id = {session_id:d}")


_FILE_NUMBER: Final = f"(SELECT value FROM store_state WHERE name = '{FILE_NUMBER}')"
ADD_FACTS: Final = (
    f"UPDATE sessions SET facts = json_patch(json_patch({READABLE_FACTS}, ?), json_object('file', {_FILE_NUMBER})) "
    "WHERE id = ?"
)
"""Add facts and the number of the file to a session; the first parameter is a JSON object."""
IS_IN_ANOTHER_FILE: Final = (
    "SELECT 1 FROM (SELECT * FROM sessions ORDER BY id DESC LIMIT 1) "
    "WHERE outcome = 'open' "
    f"AND CASE WHEN json_valid(facts) THEN json_extract(facts, '$.file') END <> {_FILE_NUMBER}"
)
"""Select a row if the newest session ran in another file, so that its write-ahead log belongs to that file."""


def store_facts(facts: Mapping[str, str]) -> str:
    """Return the facts that the store itself adds to a session, as a JSON object. ``facts`` are others to add."""
    facts = {**facts, "hassette_store": __version__, "sqlite": sqlite3.sqlite_version}
    if sqlite3.sqlite_version_info < SQLITE_WITHOUT_WAL_RESET_BUG:
        facts["sqlite_note"] = "older than 3.51.3: no other program may write to the database"
    return json.dumps(facts)
