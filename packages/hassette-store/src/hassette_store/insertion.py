"""Insertion of many rows with one statement.

The ``VALUES`` of a statement have places for 1, 2, 4 … 512 rows. ``executemany`` would cost more, because it runs a
statement once per row. Each time a statement runs, Python releases the interpreter lock. While the event loop is busy,
the writer's thread waits up to 5 ms each time until it gets the lock back (docs/adr/0010-many-rows-per-statement.md).
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Final

RowValues = Sequence[object]
"""The values of one row, in the order of `Insertion.columns`."""

MAX_ROWS: Final = 512
"""Maximum number of rows per statement, a power of two. At most half of the places are unused: an unused place costs
about a sixth of a row. 512 rows of the widest table use about a quarter of the parameters that SQLite allows."""

# The value in unused places, which no row contains. Python 3.11 needs ten times as long to bind None, because it first
# looks for an adapter of the value.
_UNUSED: Final = -(1 << 63)


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """Insertion of rows into one table.

    Attributes:
        rows: Key of the rows in a batch, or another name for them.
        table: The table.
        columns: Columns of the table. The first value of a row is never NULL: such a row would be left out.
        select: SQL expressions that compute the inserted values from ``column1``, ``column2``… of the rows. By default
            the values are inserted as they are.
        join: ``JOIN`` clause with another table, if the rows need one.
        conflict: ``ON CONFLICT`` clause. Without one, a row that exists already is an error.
    """

    rows: str
    table: str
    columns: tuple[str, ...]
    select: str = "*"
    join: str = ""
    conflict: str = ""

    @property
    def into(self) -> str:
        """The table and its columns in SQL."""
        return f"{self.table} ({', '.join(self.columns)})"

    def statement(self, count: int) -> str:
        """Return the statement for ``count`` rows."""
        places = ", ".join(["(" + ", ".join("?" * len(self.columns)) + ")"] * count)
        return (
            f"INSERT INTO {self.into} SELECT {self.select} FROM (VALUES {places}) {self.join} "
            f"WHERE column1 <> {_UNUSED} {self.conflict}"
        )

    def insert(self, db: sqlite3.Connection, rows: Sequence[RowValues]) -> None:
        """Insert rows, in the transaction of the caller."""
        for start in range(0, len(rows), MAX_ROWS):
            some = rows[start : start + MAX_ROWS]
            size = 1 << (len(some) - 1).bit_length()  # the next power of two
            places = list(chain.from_iterable(some))
            places += [_UNUSED] * (len(self.columns) * size - len(places))
            db.execute(_statement(self, size), places)


@cache
def _statement(insertion: Insertion, size: int) -> str:
    return insertion.statement(size)


def set_columns(*columns: str) -> str:
    """Return the part of an ``ON CONFLICT`` clause that replaces columns by the new values."""
    return ", ".join(f"{column} = excluded.{column}" for column in columns)


def add_columns(*columns: str) -> str:
    """Return the part of an ``ON CONFLICT`` clause that adds the new values to columns."""
    return ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)
