"""Ids in a batch that records in the file use already.

After an older copy has replaced the file, or after a step of the clock, the file may contain a run that got the same id
as a new run. The new run then gets the next free id. If the session was lost with a damaged page, the file may also
contain a run of the batch itself, because the write failed after it had stored the batch. This run is not stored again.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hassette_store.kinds import EVENT_TABLES, KINDS

NewIds = Mapping[int, int | None]
"""New id of each run or event whose id is in use; None if the file already contains the same run or event."""

NO_NEW_IDS: Final[NewIds] = {}

_TABLES: Final = {**{kind.runs_table: kind.run_columns for kind in KINDS}, **EVENT_TABLES}
_IS_USED: Final = " UNION ALL ".join(f"SELECT 1 FROM {table} WHERE id = :id" for table in _TABLES)


def free_id(db: sqlite3.Connection, id_: int, is_reserved: Callable[[int], bool] = lambda id_: False) -> int:
    """Return an id, or the first higher id that no run and no event has.

    Args:
        db: A connection to the history.
        id_: The id.
        is_reserved: Returns whether an id is reserved for another record that is not in the file yet.
    """
    while is_reserved(id_) or db.execute(_IS_USED, {"id": id_}).fetchone():
        id_ += 1
    return id_


def find_used_ids(db: sqlite3.Connection, rows: Mapping[str, Sequence[Sequence[object]]]) -> NewIds:
    """Return the new id of each run or event whose id is in use.

    Args:
        db: A connection to the history.
        rows: The rows of a batch, by table.
    """
    batch = [(table, row) for table in _TABLES for row in rows.get(table, ())]
    reserved = {row[0] for _, row in batch}
    new_ids: dict[int, int | None] = {}
    next_id = 0
    for table, row in sorted(batch, key=lambda one: _id_of(one[1])):
        id_ = _id_of(row)
        if not db.execute(_IS_USED, {"id": id_}).fetchone():
            continue
        # The session may have another number now.
        columns = [column for column in _TABLES[table] if column != "session_id"]
        values = [value for column, value in zip(_TABLES[table], row, strict=True) if column != "session_id"]
        same = " AND ".join(f"{column} IS ?" for column in columns)
        if db.execute(f"SELECT 1 FROM {table} WHERE {same}", values).fetchone():
            new_ids[id_] = None
        else:
            new_ids[id_] = next_id = free_id(db, max(id_, next_id) + 1, reserved.__contains__)
    return new_ids


class _WithNewId:
    """A run or event of a batch with another id."""

    def __init__(self, record: object, id_: int) -> None:
        self._record = record
        self.id = id_

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


def with_new_ids(records: Sequence[Any], new_ids: NewIds) -> Sequence[Any]:
    """Return records with their new ids, without the records that are stored already."""
    if not new_ids:
        return records
    numbered = ((record, new_ids.get(record.id, record.id)) for record in records)
    return [_WithNewId(record, id_) for record, id_ in numbered if id_ is not None]


def _id_of(row: Sequence[object]) -> int:
    assert isinstance(row[0], int)
    return row[0]
