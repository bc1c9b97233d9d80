"""Removal of runs that a salvage found twice, because the store was moving them to other times.

A page may still contain a run with its former id, although another page contains it with its new id: for example, in an
older copy of the file next to a newer log, or after a crash between two pages of a checkpoint.
"""

import json
import sqlite3
from typing import Final

from hassette_store.clock.redated import moves_of
from hassette_store.ids import time_of
from hassette_store.kinds import KINDS, RunKind

# The text of an event contains the move in whole seconds.
_TOLERANCE_US: Final = 1_000_000
_SAME_EVENT: Final = " AND ".join(
    f"one.{column} IS two.{column}" for column in ("session_id", "kind", "subject", "detail")
)


def remove_former_ids(history: sqlite3.Connection) -> None:
    """Remove each run and event that is also in the history with its new id, in one transaction.

    Args:
        history: A connection for writing to a database with the newest schema.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    moves = moves_of(history)
    if not moves:
        return
    history.execute("BEGIN IMMEDIATE")
    exact: set[tuple[int, int]] = set()
    for kind in KINDS:
        for session, *ids in _equal_runs(history, kind, list(moves)):
            for former in ids:
                for new in ids:
                    moved_us = time_of(new) - time_of(former)
                    if new != former and any(abs(moved_us - by_us) <= _TOLERANCE_US for by_us in moves[session]):
                        _replace(history, kind, former, new)
                        exact.add((session, moved_us))
                        break
    for session, by_us in exact:
        history.execute(
            "DELETE FROM lifecycle_events AS one WHERE session_id = ? AND EXISTS ("
            f"SELECT 1 FROM lifecycle_events AS two WHERE {_SAME_EVENT} AND two.at_us / 1000 = one.at_us / 1000 + ?)",
            (session, by_us // 1000),
        )
    history.execute("COMMIT")


def _equal_runs(history: sqlite3.Connection, kind: RunKind, sessions: list[int]) -> list[tuple[int, ...]]:
    """Return the session and the ids of runs that are equal except for their ids."""
    columns = ", ".join(column for column in kind.run_columns if column != "id")
    rows = history.execute(
        f"SELECT session_id, json_group_array(id) FROM {kind.runs_table} "
        f"WHERE session_id IN (SELECT value FROM json_each(?)) GROUP BY {columns} HAVING count(*) > 1",
        (json.dumps(sessions),),
    )
    return [(session, *json.loads(ids)) for session, ids in rows.fetchall()]


def _replace(history: sqlite3.Connection, kind: RunKind, former: int, new: int) -> None:
    history.execute(f"DELETE FROM {kind.runs_table} WHERE id = ?", (former,))
    details = [
        str(row[0])
        for row in history.execute(
            "SELECT tables.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns "
            "WHERE tables.type = 'table' AND columns.name = 'run_id'"
        )
    ]
    for table in details:
        history.execute(f"UPDATE OR IGNORE {table} SET run_id = ? WHERE run_id = ?", (new, former))
        history.execute(f"DELETE FROM {table} WHERE run_id = ?", (former,))
