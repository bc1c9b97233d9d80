"""Unsettled batches: the batch that is being written, and the batches that wait for a retry."""

import itertools
from collections import Counter, deque
from collections.abc import Sequence

from hassette_executor.records.batches import Batch
from hassette_executor.records.sizes import total_size

# Batch numbers. All queues of the process share one counter: if a second executor later uses the same sink, its batches
# still get higher numbers.
_sequences = itertools.count(1)


class UnsettledBatches:
    """Batches, in order, that were passed to the sink and are not settled: they are neither stored nor lost.

    They are written before new batches. A retry repeats the number of the batch. If a write has failed after the sink
    has stored the batch, the sink recognises the number and ignores the retry.

    Attributes:
        bytes: The memory that their runs use together, by estimate.
        newest_sequence: The highest number of a batch so far.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self.newest_sequence = 0
        self._current: Batch | None = None
        self._waiting: deque[Batch] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._current is not None

    def begin(self, batch: Batch, size: int) -> Batch:
        """Make a new batch the current write.

        Args:
            batch: The batch, without a number.
            size: The memory of its runs, in bytes.

        Returns:
            The batch with its number.
        """
        self.bytes += size
        return self._begin(batch)

    def begin_retry(self) -> Batch | None:
        """Make the first batch that waits for a retry the current write, and return it; None if there is none."""
        return self._begin(self._waiting.popleft()) if self._waiting else None

    def _begin(self, batch: Batch) -> Batch:
        if not batch.sequence:
            self.newest_sequence = next(_sequences)
            batch = batch._replace(sequence=self.newest_sequence)
        self._current = batch
        return batch

    def is_current(self, batch: Batch) -> bool:
        """Return whether a batch is still the current write. A stop or restart may have ended the write."""
        return self._current is batch

    def settle_current(self, remaining: Sequence[Batch] = ()) -> None:
        """End the current write.

        Args:
            remaining: The batches to retry first: the same batch, or the pieces of a split batch. Empty if the batch is
                stored or lost.
        """
        self._waiting.extendleft(reversed(remaining))
        self._current = None
        self.bytes = sum(total_size(batch.records()) for batch in self._waiting)

    def recover_current(self) -> None:
        """Put the current batch at the head of the retries, because the task that wrote it has ended."""
        if self._current is not None:
            self._waiting.appendleft(self._current)
            self._current = None

    def drop_runs(self) -> tuple[int, int]:
        """Drop the runs and summaries of all batches, because the queue is closed.

        All other announcements stay in their batches, which keep their numbers. If the sink has already stored such a
        batch, it ignores the batch after the next start.

        Returns:
            The number of dropped runs, and the number of runs in the dropped summaries.
        """
        self.recover_current()
        batches = tuple(self._waiting)
        without_summaries = (batch._replace(summaries=()) for batch in batches)
        self._waiting = deque(batch.without_records() for batch in without_summaries if batch.has_announcements)
        self.bytes = 0
        return sum(batch.run_count for batch in batches), sum(batch.summarised_runs for batch in batches)

    def announcement_counts(self) -> Counter[str]:
        """Return the number of announcements that wait for a retry, by field."""
        return sum((Counter(batch.announcement_counts()) for batch in self._waiting), Counter[str]())
