"""Removal of runs that a salvage found twice, because the store had moved them to other times.

A page may still contain a run with its former id, although another page contains it with its new id: for example, in an
older copy of the file next to a newer log, or after a crash between two pages of a checkpoint.
"""

import json
import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from hassette_store.clock.redated import moves_of
from hassette_store.ids import COUNTER_BITS, first_id_at, time_of
from hassette_store.kinds import DETAILS, EVENT_TABLES, KINDS, RunKind
from hassette_store.transactions import write_transaction

# The text of an event contains the move in whole seconds.
_TOLERANCE_US: Final = 1_000_000


def _delete_former_events(table: str) -> str:
    """Return the statement that deletes the events of a session that are also in the table, moved by some ms."""
    same = " AND ".join(
        f"one.{column} IS two.{column}" for column in EVENT_TABLES[table] if column not in ("id", "at_us")
    )
    moved = f"((one.id >> {COUNTER_BITS}) + :by_ms << {COUNTER_BITS})"
    return (
        f"DELETE FROM {table} AS one WHERE session_id = :session AND EXISTS (SELECT 1 FROM {table} AS two "
        f"WHERE two.id >= {moved} AND two.id < {moved} + (1 << {COUNTER_BITS}) AND {same})"
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
    with write_transaction(history):
        exact: set[tuple[int, int]] = set()
        for kind in KINDS:
            for session, *ids in _similar_runs(history, kind, list(moves)):
                for former, new in _moved(sorted(ids), moves[session]):
                    if _replace(history, kind, former, new):
                        exact.add((session, time_of(new) - time_of(former)))
        for session, by_us in exact:
            for table in EVENT_TABLES:
                history.execute(_delete_former_events(table), {"session": session, "by_ms": by_us // 1000})


def _similar_runs(history: sqlite3.Connection, kind: RunKind, sessions: list[int]) -> list[tuple[int, ...]]:
    """Return the session and the ids of runs that are equal except for their ids and their names.

    If the log belongs to another file, the names of its runs may be lost.
    """
    columns = ", ".join(one for one in kind.run_columns if one not in ("id", *kind.named_columns))
    rows = history.execute(
        f"SELECT session_id, json_group_array(id) FROM {kind.runs_table} "
        f"WHERE session_id IN (SELECT value FROM json_each(?)) GROUP BY {columns} HAVING count(*) > 1",
        (json.dumps(sessions),),
    )
    return [(session, *json.loads(ids)) for session, ids in rows.fetchall()]


def _moved(ids: Sequence[int], moves: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of a former and a new id. The ids must be in ascending order."""
    for former in ids:
        for by_us in moves:
            at_us = time_of(former) + by_us
            first, last = first_id_at(at_us - _TOLERANCE_US), first_id_at(at_us + _TOLERANCE_US)
            yield from ((former, new) for new in ids[bisect_left(ids, first) : bisect_right(ids, last)])


def _replace(history: sqlite3.Connection, kind: RunKind, former: int, new: int) -> bool:
    """Replace a run by its state with the new id; return whether both are in the history and have the same names."""
    names = kind.named_columns
    lost = "{0} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM names WHERE id = {0} AND name NOT LIKE '(lost: %')"
    same = " AND ".join(
        f"(one.{name} IS two.{name} OR {lost.format(f'one.{name}')} OR {lost.format(f'two.{name}')})" for name in names
    )
    found = history.execute(
        f"SELECT 1 FROM {kind.runs_table} AS one, {kind.runs_table} AS two "
        f"WHERE one.id = ? AND two.id = ? AND one.id <> two.id AND {same or 'true'}",
        (former, new),
    ).fetchone()
    if not found:
        return False
    for name in names:
        history.execute(
            f"UPDATE {kind.runs_table} SET {name} = (SELECT {name} FROM {kind.runs_table} WHERE id = ?) "
            f"WHERE id = ? AND {lost.format(name)}",
            (former, new),
        )
    history.execute(f"DELETE FROM {kind.runs_table} WHERE id = ?", (former,))
    for table in DETAILS:
        history.execute(f"UPDATE OR IGNORE {table} SET run_id = ? WHERE run_id = ?", (new, former))
        history.execute(f"DELETE FROM {table} WHERE run_id = ?", (former,))
    return True
