"""Derivation of data from the rows of runs, at most once a minute instead of in each batch.

The rows are the truth. The row ``derived_below`` in ``store_state`` has the id below which everything is derived.
Readers derive the rest themselves, from the rows with this id or a higher one. So each answer is exact at each moment,
also after a crash, when the rest has just not been derived yet.

The store derives the rest in one transaction with the new id: once a minute, when 2,000 rows wait, at a stop, and
before it deletes or moves rows. A run that gets an id below ``derived_below``, after a step back of the clock, is
derived in the transaction that stores it. So are the totals of evicted runs, which have no rows.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, Protocol

from hassette_store.derived.search_index import SEARCH_INDEX, SEARCHABLE_FROM
from hassette_store.derived.statistics import STATISTICS
from hassette_store.file.damage import impossible_values_are_damage
from hassette_store.kinds import KINDS
from hassette_store.transactions import write_transaction

DERIVED_BELOW: Final = "derived_below"
"""Row of ``store_state`` with the id below which everything is derived."""
NOT_EXTENDED_BELOW: Final = "search_not_extended_below"
"""Row of ``store_state`` with the id below which the search index was cut, so that it is not extended there again."""

_READ: Final = "SELECT coalesce((SELECT value FROM store_state WHERE name = ?), 0)"
_SAVE: Final = "INSERT INTO store_state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_NEWEST_ID: Final = (
    "SELECT max(" + ", ".join(f"coalesce((SELECT max(id) FROM {kind.runs_table}), -1)" for kind in KINDS) + ")"
)


class Derivation(Protocol):
    """Something that is derived from the rows of runs."""

    @property
    def name(self) -> str:
        """Name of the derivation."""
        ...

    def derive(self, db: sqlite3.Connection, first_id: int, below_id: int) -> None:
        """Derive the runs with ids from ``first_id`` to ``below_id`` (excluded), in the transaction of the caller.

        The store calls this once for each run.
        """
        ...


DERIVATIONS: Final[tuple[Derivation, ...]] = (STATISTICS, SEARCH_INDEX)
"""Everything that is derived."""


def derived_below(db: sqlite3.Connection) -> int:
    """Return the id below which everything is derived."""
    (below,) = db.execute(_READ, (DERIVED_BELOW,)).fetchone()
    return int(below)


def derive_all(db: sqlite3.Connection, derivations: Iterable[Derivation] = DERIVATIONS) -> None:
    """Derive all rows that wait, in the transaction of the caller.

    Raises:
        sqlite3.Error: A statement failed, or a row is damaged (`is_damage`).
    """
    first = derived_below(db)
    below = int(db.execute(_NEWEST_ID).fetchone()[0]) + 1
    if first < below:
        _derive(db, derivations, first, below)
    if first != below:
        db.execute(_SAVE, (DERIVED_BELOW, below))


def derive_late(db: sqlite3.Connection, ids: Iterable[int], derivations: Iterable[Derivation] = DERIVATIONS) -> None:
    """Derive those of some new runs whose ids are below ``derived_below``, in the transaction of the caller."""
    below = derived_below(db)
    for id_ in ids:
        if id_ < below:
            _derive(db, derivations, id_, id_ + 1)


def _derive(db: sqlite3.Connection, derivations: Iterable[Derivation], first_id: int, below_id: int) -> None:
    # Otherwise the store would take the error for one of the new batch, and would reject each later batch, too.
    with impossible_values_are_damage():
        for derivation in derivations:
            derivation.derive(db, first_id, below_id)


def mark_as_derived(db: sqlite3.Connection) -> None:
    """State that the statistics count all runs, because the caller has counted or moved them.

    The search index does not contain these runs. So it begins after the newest run, and the retention extends it to
    the older runs again.
    """
    below = int(db.execute(_NEWEST_ID).fetchone()[0]) + 1
    db.execute(_SAVE, (DERIVED_BELOW, below))
    db.execute("UPDATE store_state SET value = ? WHERE name = ?", (below, SEARCHABLE_FROM))
    # The runs may have moved, and the limit was for their former ids.
    db.execute("DELETE FROM store_state WHERE name = ?", (NOT_EXTENDED_BELOW,))


def derive_in_transaction(db: sqlite3.Connection) -> None:
    """Derive all rows that wait, in a new transaction.

    Raises:
        sqlite3.Error: A statement failed. Nothing was changed.
    """
    with write_transaction(db):
        derive_all(db)
