"""Coverage of the search index: switch it on and off, extend it to older runs, cut it at the oldest ones, and check it.

The store switches the index on at a start. A new file is covered from its first run on. In a file with older runs, for
example after a recovery, the index begins at the newest runs. The retention then extends it to the older ones, step by
step, and searches read the rows of the runs that are not covered yet.
"""

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from hassette_store.derived.derivation import NOT_EXTENDED_BELOW, derived_below
from hassette_store.derived.search_index import MANY_PARTS, SEARCHABLE_FROM, TABLES, terms_of, write_terms
from hassette_store.file.damage import impossible_values_are_damage
from hassette_store.ids import MAX_ID, first_id_at, time_of
from hassette_store.kinds import KINDS
from hassette_store.periods import DAY_US, HOUR_US, HOURS_A_DAY, PERIODS_US
from hassette_store.transactions import write_transaction

_FROM: Final = f"SELECT value FROM store_state WHERE name = '{SEARCHABLE_FROM}'"
_SAVE: Final = f"UPDATE store_state SET value = ? WHERE name = '{SEARCHABLE_FROM}'"
_LIMIT: Final = f"SELECT coalesce(max(value), 0) FROM store_state WHERE name = '{NOT_EXTENDED_BELOW}'"
_SAVE_LIMIT: Final = (
    f"INSERT INTO store_state SELECT '{NOT_EXTENDED_BELOW}', :id WHERE :id > ({_LIMIT}) "
    "ON CONFLICT DO UPDATE SET value = excluded.value"
)
_INDEXED: Final = (*(kind.runs_table for kind in KINDS), "framework_log")
_OLDER: Final = " UNION ALL ".join(
    f"SELECT * FROM (SELECT id FROM {table} WHERE id < :below AND id >= :oldest ORDER BY id DESC LIMIT :rows)"
    for table in _INDEXED
)
_MINUTES: Final = f"SELECT term, minutes FROM {TABLES['hour']} WHERE hour = ?"
_HOURS: Final = f"SELECT term, hours FROM {TABLES['day']} WHERE day = ?"
_NEXT: Final = "SELECT min(id) FROM ({})".format(
    " UNION ALL ".join(f"SELECT min(id) AS id FROM {table} WHERE id >= :first" for table in _INDEXED)
)


def switch_index(db: sqlite3.Connection, *, on: bool) -> None:
    """Switch the search index of a file on or off, in one transaction. If it is on already, nothing changes."""
    with write_transaction(db):
        if on:
            sql = f"INSERT INTO store_state VALUES ('{SEARCHABLE_FROM}', ?) ON CONFLICT DO NOTHING"
            db.execute(sql, (derived_below(db),))
        elif db.execute(_FROM).fetchone():
            db.execute("DELETE FROM store_state WHERE name IN (?, ?)", (SEARCHABLE_FROM, NOT_EXTENDED_BELOW))
            for table in TABLES.values():
                db.execute(f"DELETE FROM {table}")


def extend_index(db: sqlite3.Connection, rows: int, oldest_id: int) -> bool:
    """Extend the index to older runs, in one transaction. Return whether runs are left that it does not cover.

    Args:
        db: The writer's connection.
        rows: Number of runs and log lines outside runs to add.
        oldest_id: The index must not cover runs with lower ids.
    """
    found = db.execute(_FROM).fetchone()
    oldest_id = max(oldest_id, int(db.execute(_LIMIT).fetchone()[0]))
    if found is None or found[0] <= oldest_id:
        return False
    below = int(found[0])
    ids = db.execute(f"{_OLDER} ORDER BY id DESC LIMIT :rows", {"below": below, "oldest": oldest_id, "rows": rows})
    older = [id_ for (id_,) in ids]
    first = older[-1] if len(older) == rows else oldest_id
    with write_transaction(db), impossible_values_are_damage():
        write_terms(db, terms_of(db, first, below))
        db.execute(_SAVE, (first,))
    return first > oldest_id


def cut_index(db: sqlite3.Connection, below_day: int, rows: int) -> int:
    """Delete rows of days before a day, in one transaction. Return the number of deleted rows.

    `extend_index` does not add these days again.

    Args:
        db: The writer's connection.
        below_day: The first day that stays.
        rows: Maximum number of rows to delete from each table.
    """
    with write_transaction(db):
        # First, the index no longer covers these days, so no search relies on a deleted row.
        first_id = first_id_at(below_day * DAY_US)
        db.execute(f"{_SAVE} AND value < ?", (first_id, first_id))
        db.execute(_SAVE_LIMIT, {"id": first_id})
        deleted = 0
        for unit, table in TABLES.items():
            below = below_day * DAY_US // PERIODS_US[unit]
            oldest = f"SELECT {unit}, term FROM {table} WHERE {unit} < ? ORDER BY {unit}, term LIMIT ?"
            sql = f"DELETE FROM {table} WHERE ({unit}, term) IN ({oldest})"
            deleted += db.execute(sql, (below, rows)).rowcount
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
        if found is None:
            return []
        first, below = int(found[0]), derived_below(db)
        while (first := _next_id(db, first)) < below:
            hour = time_of(first) // HOUR_US
            end = first_id_at((hour + 1) * HOUR_US)
            if _lacks_terms(db, hour, terms_of(db, first, min(below, end)).get(hour, {})):
                lacking.append(hour)
            first = end
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    if not lacking:
        return []
    start = datetime.fromtimestamp(lacking[0] * HOUR_US / 1e6, UTC)
    return [f"{TABLES['hour']} lacks runs of {len(lacking):,} hours, the first on {start:%Y-%m-%d %H:%M} UTC"]


def _next_id(db: sqlite3.Connection, first: int) -> int:
    (id_,) = db.execute(_NEXT, {"first": first}).fetchone()
    return MAX_ID if id_ is None else int(id_)


def _lacks_terms(db: sqlite3.Connection, hour: int, expected: Mapping[int, int]) -> bool:
    """Return whether the index lacks one of the terms that the runs of an hour have."""
    minutes = dict(db.execute(_MINUTES, (hour,)))
    hours = dict(db.execute(_HOURS, (hour // HOURS_A_DAY,)))
    for term, bits in expected.items():
        # Whether a minute has its parts of texts or one term for all of them depends on the runs that were derived
        # together, and some of these may be deleted now.
        many = term | MANY_PARTS
        if term != many:
            stored = minutes.get(term, 0) | minutes.get(many, 0)
            of_day = hours.get(term, 0) | hours.get(many, 0)
            if bits & ~stored or not of_day >> hour % HOURS_A_DAY & 1:
                return True
    return False
