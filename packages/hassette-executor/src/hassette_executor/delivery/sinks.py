"""Record sinks: the protocol, a sink that keeps nothing, and a sink that keeps records in memory."""

from collections import deque
from typing import Protocol, runtime_checkable

from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record


@runtime_checkable
class RecordSink(Protocol):
    """Keeps batches of records; `hassette-store`'s ``DatabaseService`` is a sink.

    The write queue calls `write` from one task, one batch at a time.
    """

    async def write(self, batch: Batch) -> None:
        """Keep the whole batch, or none of it.

        A sink does not keep a batch a second time if it has kept its ``sequence`` before.

        Raises:
            ValueError: The batch contains a row that can never be kept. The queue halves the batch until the row
                stands alone, counts it as lost, and keeps the rest.
            Exception: Any other error of the sink; the queue retries the same batch later.
        """
        ...

    async def last_id(self) -> int:
        """Return the highest record id kept so far, 0 for none.

        New ids continue from there, even if the wall clock has gone back.
        """
        ...


class NullSink:
    """Keeps nothing. Core uses it when no store is installed."""

    async def write(self, batch: Batch) -> None:
        """Discard the batch."""

    async def last_id(self) -> int:
        """Return 0."""
        return 0


class MemorySink:
    """Keeps the newest records in memory, for tests and for experiments.

    Args:
        max_records: How many runs to keep; the oldest are dropped first.

    Attributes:
        records: Runs, oldest first.
        batches: The newest batches, as received.

    Raises:
        ValueError: `max_records` is below 1.

    Example::

        sink = MemorySink()
        async with CommandExecutor(sink) as executor:
            await executor.execute(command)
        assert sink.records[-1].status == "success"
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
        records = batch.records()
        self.records.extend(records)
        if records:
            self._last_id = max(self._last_id, records[-1].id)
        self.batches.append(batch)

    async def last_id(self) -> int:
        """Return the highest id kept so far, even if its record has been dropped since."""
        return self._last_id
