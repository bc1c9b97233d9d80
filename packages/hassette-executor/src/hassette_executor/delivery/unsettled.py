"""Unsettled batches: the batch that is being written, and the batches that wait for a retry."""

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record
from hassette_executor.records.sizes import total_size


class UnsettledBatches:
    """Batches that were passed to the sink and are not settled: neither stored nor lost. They are in order.

    They are written before new batches. A retry repeats the number of the batch, because a write may fail after the
    sink has stored the batch. The number lets the sink ignore the batch then.

    Attributes:
        bytes: The memory that their runs use together, by estimate.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._current: Batch | None = None
        self._waiting: deque[Batch] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting) or self._current is not None

    @property
    def has_waiting(self) -> bool:
        """Whether a batch waits for a retry."""
        return bool(self._waiting)

    def next_retry(self) -> Batch | None:
        """Remove and return the first batch that waits for a retry; None if there is none."""
        return self._waiting.popleft() if self._waiting else None

    def begin(self, batch: Batch, new_bytes: int) -> None:
        """Make a batch the current write.

        Args:
            batch: The batch.
            new_bytes: The memory of its runs, in bytes; 0 for a retry, because `bytes` already includes its runs.
        """
        self._current = batch
        self.bytes += new_bytes

    def is_current(self, batch: Batch) -> bool:
        """Return whether a batch is still the current write. A stop or restart may have ended the write."""
        return self._current is batch

    def put_back(self, batches: Sequence[Batch]) -> None:
        """Put batches at the head of the retries, in this order."""
        self._waiting.extendleft(reversed(batches))

    def settle_current(self) -> None:
        """End the current write: the batch was stored, dropped, or put back for a retry."""
        self._current = None
        self.bytes = sum(total_size(batch.records()) for batch in self._waiting)

    def recover_current(self) -> None:
        """Put the current batch at the head of the retries, because the task that wrote it has ended."""
        if self._current is not None:
            self._waiting.appendleft(self._current)
            self._current = None

    def take_all(self) -> list[Batch]:
        """Remove and return all batches, in order."""
        self.recover_current()
        batches = list(self._waiting)
        self._waiting.clear()
        self.bytes = 0
        return batches

    def take_records(self) -> list[tuple[list[Record], int]]:
        """Remove the runs from all batches that wait for a retry, so that the caller can evict some.

        The announcements stay in batches with their old numbers. The sink may have stored them although the write
        failed, and a count that is stored twice is wrong.

        Returns:
            The runs of each batch and their memory in bytes, in order.
        """
        batches = tuple(self._waiting)
        self._waiting.clear()
        self.keep_announcements(batches)
        taken = [(records, total_size(records)) for records in (batch.records() for batch in batches)]
        self.bytes -= sum(size for _, size in taken)
        return taken

    def keep_announcements(self, batches: Iterable[Batch]) -> None:
        """Add batches with their announcements and numbers, but without their runs, to the retries."""
        self._waiting.extend(batch.without_records() for batch in batches if batch.has_announcements)

    def announcement_counts(self) -> Counter[str]:
        """Return the number of announcements that wait for a retry, by field."""
        return sum((Counter(batch.announcement_counts()) for batch in self._waiting), Counter[str]())
