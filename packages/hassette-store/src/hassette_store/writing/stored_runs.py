"""Number of runs that this process has stored, number of lost runs, and the rows that a new file needs, too."""

from bisect import bisect_right
from collections import deque
from typing import Final, NamedTuple

from hassette_store.ids import time_of
from hassette_store.rows import BatchRow
from hassette_store.writing.kept_rows import KeptRows

# This number covers more than half an hour at two batches per second. The write-ahead log contains a few minutes.
_REMEMBERED_BATCHES: Final = 5_000


class LostRuns(NamedTuple):
    """Runs that were stored and are lost.

    Attributes:
        runs: Number of runs.
        first_us: Time of the first of them.
        last_us: Time of the last of them.
    """

    runs: int
    first_us: int
    last_us: int


class _StoredBatch(NamedTuple):
    sequence: int
    runs_before: int
    first_id: int
    last_id: int


class StoredRuns:
    """Counts the runs that this process has stored in its session, and finds out how many of them are lost.

    Attributes:
        kept: The stored rows that a new file needs, too.
    """

    def __init__(self) -> None:
        self.kept = KeptRows()
        self._stored = 0
        self._deleted = 0
        self._last_sequence = 0
        self._batches: deque[_StoredBatch] = deque(maxlen=_REMEMBERED_BATCHES)
        self._lost = 0
        self._file_is_lost = False

    @property
    def lost(self) -> int:
        """Number of stored runs that are lost."""
        return self._lost + (self._present if self._file_is_lost else 0)

    @property
    def recent_ids(self) -> tuple[int, int]:
        """The lowest and the highest id of the runs in the remembered batches."""
        return self._ids_from(0) if self._batches else (0, -1)

    def add(self, batch: BatchRow) -> None:
        """Count the runs of a stored batch and keep its other rows, unless they are counted already."""
        if batch.sequence <= self._last_sequence:
            return
        self._last_sequence = batch.sequence
        self.kept.add(batch)
        # A lower id follows a higher one only after a step back of the clock. So the first and the last id of each list
        # are enough for the time of a loss.
        ids = [run.id for runs in (batch.invocations, batch.executions) for run in (*runs[:1], *runs[-1:])]
        if ids:
            self._batches.append(_StoredBatch(batch.sequence, self._stored, min(ids), max(ids)))
            self._stored += len(batch.invocations) + len(batch.executions)

    def delete(self, runs: int) -> None:
        """Count runs of the session that the retention has deleted. A run that was deleted cannot be lost."""
        self._deleted += runs

    def lose_file(self) -> None:
        """Count all runs as lost, because their file is not usable, until `compare` or `compare_rows` is called."""
        self._file_is_lost = True

    def compare(self, last_sequence: int) -> LostRuns | None:
        """Compare with the file that is open now. Return the runs that are missing there, or None.

        Args:
            last_sequence: The sequence number of the last batch of this session in the file; 0 if it has none.
        """
        self._file_is_lost = False
        missing = bisect_right(self._batches, last_sequence, key=lambda batch: batch.sequence)
        if missing == len(self._batches):
            return None
        kept = self._batches[missing].runs_before if last_sequence else 0
        return self._lose(missing, min(self._stored - kept, self._present))

    def compare_rows(self, present: int) -> LostRuns | None:
        """Compare with a file after a recovery, which may have lost any rows. Return the missing runs, or None.

        Args:
            present: Number of runs of this session in the file.
        """
        self._file_is_lost = False
        return self._lose(0, self._present - present)

    @property
    def _present(self) -> int:
        """Number of runs that the file contained before the damage or change."""
        return max(0, self._stored - self._deleted)

    def _lose(self, missing: int, runs: int) -> LostRuns | None:
        if runs <= 0 or not self._batches:
            return None
        first_id, last_id = self._ids_from(missing)
        self._lost += runs
        self._stored -= runs
        self._batches.clear()
        return LostRuns(runs, time_of(first_id), time_of(last_id))

    def _ids_from(self, missing: int) -> tuple[int, int]:
        batches = list(self._batches)[missing:]
        return min(batch.first_id for batch in batches), max(batch.last_id for batch in batches)
