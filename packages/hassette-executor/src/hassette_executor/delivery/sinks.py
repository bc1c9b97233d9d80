"""Record sinks: the protocol, a sink that stores nothing, and a sink that stores records in memory."""

from collections import deque
from typing import Protocol, runtime_checkable

from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record


@runtime_checkable
class RecordSink(Protocol):
    """Receiver of batches. The ``DatabaseService`` of hassette-store is a sink.

    The write queue calls `write` on the event loop, one batch at a time. A sink does blocking work in a thread, as the
    store and the OpenTelemetry sink do.
    """

    async def write(self, batch: Batch) -> None:
        """Store the batch completely or not at all.

        A batch whose ``sequence`` is already stored is ignored.

        Raises:
            ValueError: The batch contains a row that the sink can never store. The queue splits the batch until the row
                is alone, counts it as lost, and sends the rest again.
            RecordsRefusedError: The sink stores nothing until a setting is corrected. The queue retries the same batch
                later, but does not log the failure.
            Exception: Any other error. The queue retries the same batch later.
        """
        ...

    async def last_id(self) -> int:
        """Return the highest stored record id, 0 for none.

        The executor makes new ids higher than this id, even if the wall clock has gone back.
        """
        ...


@runtime_checkable
class SinkWithLosses(Protocol):
    """Sink that can lose stored runs, for example because a user removes its file.

    A sink that cannot lose runs does not need this protocol.
    """

    @property
    def lost_runs(self) -> int:
        """Number of runs that `RecordSink.write` has stored since the sink was created, and that are lost now."""
        ...


@runtime_checkable
class SinkWithStopLimit(Protocol):
    """Sink for which the stop of the executor does not wait for the whole stop timeout, such as a remote receiver."""

    @property
    def stop_limit_s(self) -> float:
        """Longest time that the stop waits until the sink has stored all waiting records, in seconds."""
        ...


class NullSink:
    """Sink that stores nothing. `CommandExecutor` uses it if it is given no sink."""

    async def write(self, batch: Batch) -> None:
        """Discard the batch."""

    async def last_id(self) -> int:
        return 0


class MemorySink:
    """Sink that stores the newest records in memory, for tests and experiments.

    Args:
        max_records: How many records, and how many batches, to keep. The oldest are dropped first.

    Attributes:
        records: Records, oldest first.
        batches: Received batches, oldest first.

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
        """Store the batch, unless its number is already stored."""
        if batch.sequence <= self._last_sequence:
            return
        self._last_sequence = batch.sequence
        records = batch.records()
        self.records.extend(records)
        if records:
            self._last_id = max(self._last_id, records[-1].id)
        self.batches.append(batch)

    async def last_id(self) -> int:
        """Return the highest id of all records received so far."""
        return self._last_id
