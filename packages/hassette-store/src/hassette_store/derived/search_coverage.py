"""Coverage of the search index: switch it on and off, extend it to older runs, cut it at the oldest ones, and check it.

The store switches the index on at a start. A new file is covered from its first run on. In a file with older runs, for
example after a recovery, the index begins at the newest runs. The retention then extends it to the older ones, step by
step, and searches read the rows of the runs that are not covered yet.
"""

import sqlite3
from datetime import UTC, datetime
from typing import Final

from hassette_store.derived.derivation import derived_below
from hassette_store.derived.search_index import SEARCHABLE_FROM, TABLES, terms_of, write_terms
from hassette_store.ids import first_id_at, time_of
from hassette_store.kinds import KINDS
from hassette_store.periods import DAY_US, HOUR_US, HOURS_A_DAY, PERIODS_US

_FROM: Final = f"SELECT value FROM store_state WHERE name = '{SEARCHABLE_FROM}'"
_SAVE: Final = f"UPDATE store_state SET value = ? WHERE name = '{SEARCHABLE_FROM}'"
_RUNS: Final = tuple(kind.runs_table for kind in KINDS)
_OLDER_RUN: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT id FROM {table} WHERE id < :below AND id >= :oldest ORDER BY id DESC LIMIT :rows)"
    for table in _RUNS
)
_MINUTES: Final = f"SELECT term, minutes FROM {TABLES['hour']} WHERE hour = ?"
_HOURS: Final = f"SELECT term, hours FROM {TABLES['day']} WHERE day = ?"
_OLDEST: Final = "SELECT min(id) FROM ({})".format(
    " UNION ALL ".join(f"SELECT min(id) AS id FROM {table}" for table in (*_RUNS, "framework_log"))
)


def switch_index(db: sqlite3.Connection, *, on: bool) -> None:
    """Switch the search index of a file on or off, in one transaction. If it is on already, nothing changes."""
    db.execute("BEGIN IMMEDIATE")
    if on:
        sql = f"INSERT INTO store_state VALUES ('{SEARCHABLE_FROM}', ?) ON CONFLICT DO NOTHING"
        db.execute(sql, (derived_below(db),))
    elif db.execute(_FROM).fetchone():
        db.execute(f"DELETE FROM store_state WHERE name = '{SEARCHABLE_FROM}'")
        for table in TABLES.values():
            db.execute(f"DELETE FROM {table}")
    db.execute("COMMIT")


def extend_index(db: sqlite3.Connection, rows: int, oldest_id: int) -> bool:
    """Extend the index to older runs, in one transaction. Return whether runs are left that it does not cover.

    Args:
        db: The writer's connection.
        rows: Number of runs to add.
        oldest_id: The index must not cover runs with lower ids.
    """
    found = db.execute(_FROM).fetchone()
    if found is None or found[0] <= oldest_id:
        return False
    below = int(found[0])
    ids = db.execute(f"{_OLDER_RUN} ORDER BY id DESC LIMIT :rows", {"below": below, "oldest": oldest_id, "rows": rows})
    older = [id_ for (id_,) in ids]
    first = older[-1] if len(older) == rows else oldest_id
    db.execute("BEGIN IMMEDIATE")
    write_terms(db, terms_of(db, first, below))
    db.execute(_SAVE, (first,))
    db.execute("COMMIT")
    return first > oldest_id


def cut_index(db: sqlite3.Connection, below_day: int, rows: int) -> int:
    """Delete rows of days before a day, in one transaction. Return the number of deleted rows.

    Args:
        db: The writer's connection.
        below_day: The first day that stays.
        rows: Maximum number of rows to delete from each table.
    """
    db.execute("BEGIN IMMEDIATE")
    # The index first stops to cover these days, so no search misses a deleted row.
    first_id = first_id_at(below_day * DAY_US)
    db.execute(f"{_SAVE} AND value < ?", (first_id, first_id))
    deleted = 0
    for unit, table in TABLES.items():
        below = below_day * DAY_US // PERIODS_US[unit]
        oldest = f"SELECT {unit}, term FROM {table} WHERE {unit} < ? ORDER BY {unit}, term LIMIT ?"
        sql = f"DELETE FROM {table} WHERE ({unit}, term) IN ({oldest})"
        deleted += db.execute(sql, (below, rows)).rowcount
    db.execute("COMMIT")
    return deleted


def missing_terms(db: sqlite3.Connection) -> list[str]:
    """Return a finding if the index lacks terms of stored runs that it covers. Change nothing.

    Args:
        db: A connection to a history with the newest schema. Another connection may be writing to the file.
    """
    lacking: list[int] = []
    db.execute("BEGIN")  # one state of the file for all statements
    try:
        found = db.execute(_FROM).fetchone()
        (oldest,) = db.execute(_OLDEST).fetchone()
        if found is None or oldest is None:
            return []
        first, below = max(int(found[0]), int(oldest)), derived_below(db)
        for hour in range(time_of(first) // HOUR_US, time_of(below) // HOUR_US + 1):
            start, end = (first_id_at(one * HOUR_US) for one in (hour, hour + 1))
            expected = terms_of(db, max(first, start), min(below, end)).get(hour, {})
            minutes = dict(db.execute(_MINUTES, (hour,))) if expected else {}
            hours = dict(db.execute(_HOURS, (hour // HOURS_A_DAY,))) if expected else {}
            for term, bits in expected.items():
                if bits & ~minutes.get(term, 0) or not hours.get(term, 0) >> hour % HOURS_A_DAY & 1:
                    lacking.append(hour)
                    break
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    if not lacking:
        return []
    start = datetime.fromtimestamp(lacking[0] * HOUR_US / 1e6, UTC)
    return [f"{TABLES['hour']} lacks runs of {len(lacking):,} hours, the first on {start:%Y-%m-%d %H:%M} UTC"]
