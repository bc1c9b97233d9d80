"""Where records go: a protocol of two methods, with a sink that keeps nothing and one that keeps them in memory."""

from collections import deque
from typing import Protocol, runtime_checkable

from hassette_executor.records import Batch, Record


@runtime_checkable
class RecordSink(Protocol):
    """Keeps batches of records. `hassette-store`'s ``DatabaseService`` is one.

    The write queue calls `write` from one task, one batch at a time.
    """

    async def write(self, batch: Batch) -> None:
        """Keep the whole batch, or none of it.

        A batch whose ``sequence`` has been kept before is not kept twice.

        Raises:
            ValueError: The batch holds a row that can never be kept. The queue halves the batch until the row
                stands alone, counts it as lost, and keeps the rest.
            Exception: Anything else is the sink's own trouble; the same batch is tried again later.
        """
        ...

    async def last_id(self) -> int:
        """Return the highest record id kept so far, 0 for none: ids go on from there, even if a clock went back."""
        ...


class NullSink:
    """Keeps nothing: what core runs with when no store is installed."""

    async def write(self, batch: Batch) -> None:
        """Forget the batch."""

    async def last_id(self) -> int:
        """Return 0: nothing is kept."""
        return 0


class MemorySink:
    """Keeps the newest records in memory, for tests and for looking around.

    Args:
        max_records: How many runs to keep; the oldest go first.

    Attributes:
        records: Runs, oldest first.
        batches: The newest batches, as they came.
    """

    def __init__(self, max_records: int = 10_000) -> None:
        if max_records < 1:
            raise ValueError(f"max_records must be at least 1, got {max_records}")
        self.records: deque[Record] = deque(maxlen=max_records)
        self.batches: deque[Batch] = deque(maxlen=max_records)
        self._last_sequence = 0
        self._last_id = 0

    async def write(self, batch: Batch) -> None:
        """Keep the batch, unless its sequence number has been kept before."""
        if batch.sequence <= self._last_sequence:
            return
        self._last_sequence = batch.sequence
        merged: list[Record] = sorted((*batch.invocations, *batch.executions), key=lambda record: record.id)
        self.records.extend(merged)
        if merged:
            self._last_id = max(self._last_id, merged[-1].id)
        self.batches.append(batch)

    async def last_id(self) -> int:
        """Return the highest id kept, also when its record has made room since."""
        return self._last_id
