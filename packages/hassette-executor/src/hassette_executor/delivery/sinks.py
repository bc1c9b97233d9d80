"""Record sinks: the protocol, a sink that keeps nothing, and a sink that keeps records in memory."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog


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

    Example:
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


class SlowSinkWarning:
    """Logs a warning while a write takes too long: a hung sink raises no error.

    Args:
        log: The log.
        first_s: Seconds until the first warning.
        interval_s: Seconds between further warnings.
        waiting: Returns how many runs wait.
    """

    def __init__(self, log: RepeatedLog, first_s: float, interval_s: float, waiting: Callable[[], int]) -> None:
        self._log = log
        self._first_s = first_s
        self._interval_s = interval_s
        self._waiting = waiting
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start to watch a write that begins now."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._first_s, self._warn, loop.time())

    def stop(self) -> None:
        """Stop watching; the write has ended, or the queue no longer waits for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _warn(self, since: float) -> None:
        loop = asyncio.get_running_loop()
        self._log.log(
            "slow",
            logging.WARNING,
            "Sink has not responded for a while; new records are queued",
            extra={"seconds": round(loop.time() - since), "waiting": self._waiting()},
        )
        self._timer = loop.call_later(self._interval_s, self._warn, since)
