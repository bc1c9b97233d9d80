"""Rows that wait until the store derives something from them (see `hassette_store.derived.derivation`)."""

from collections.abc import Callable
from typing import Final

from hassette_store.derived.derivation import derive_in_transaction
from hassette_store.file.writer import Writer
from hassette_store.rows import BatchRow

MAX_WAITING: Final = 2_000
"""Number of rows that may wait. Readers derive them for each answer, so the number must be small."""
INTERVAL_S: Final = 60.0
"""Seconds that a row may wait."""


class WaitingRows:
    """Number of rows that wait, and the time since the first of them.

    Args:
        monotonic: Monotonic clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._rows = 0
        self._since_s = 0.0

    def are_due(self, batch: BatchRow | None = None) -> bool:
        """Return whether the rows must be derived now, together with those of a batch that is about to be stored."""
        if self._rows + _rows_in(batch) >= MAX_WAITING:
            return True
        return self._rows > 0 and self._monotonic() - self._since_s >= INTERVAL_S

    def add(self, batch: BatchRow, *, derived: bool) -> None:
        """Add the rows of a stored batch; if they are derived already, all other rows are, too."""
        rows = _rows_in(batch)
        if rows and not self._rows:
            self._since_s = self._monotonic()
        self._rows = 0 if derived else self._rows + rows

    async def derive_if_due(self, db: Writer) -> None:
        """Derive the rows if they are due.

        Raises:
            StoreError: The file is no longer the file that is open.
            sqlite3.Error: A statement failed. Nothing was changed.
        """
        if self.are_due():
            await db.run(derive_in_transaction)
            self._rows = 0


def _rows_in(batch: BatchRow | None) -> int:
    return len(batch.invocations) + len(batch.executions) if batch is not None else 0
