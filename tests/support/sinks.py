"""A record sink with faults on demand. Needs hassette-executor only."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

from hassette_executor import Batch, Record, RecordsRefusedError

Mode = Literal["ok", "fail", "refuse", "hang", "slow", "cancel", "keep_then_fail"]


class FaultySink:
    """Stores batches as the protocol requires (whole, in order, each sequence number once) unless a fault is set.

    Like the store, it remembers only the last sequence number: a batch whose number is not higher counts as stored.

    Attributes:
        mode: ``ok``; ``fail`` raises OSError; ``refuse`` raises RecordsRefusedError; ``hang`` waits for `released`;
            ``slow`` takes `slow_s`; ``cancel`` raises CancelledError itself; ``keep_then_fail`` stores the batch and
            raises afterwards.
        rejects: Returns whether an item of a batch can never be stored.
        records: The stored records, in the order of their arrival.
        batches: The stored batches.
        calls: Number of calls of `write`.
        released: Set it to let a hanging `write` continue.
    """

    def __init__(self, mode: Mode = "ok", *, slow_s: float = 0.02, last_id: int = 0) -> None:
        self.mode: Mode = mode
        self.slow_s = slow_s
        self.rejects: Callable[[Any], bool] = lambda item: False
        self.records: list[Record] = []
        self.batches: list[Batch] = []
        self.calls = 0
        self.released = asyncio.Event()
        self._last_sequence = 0
        self._last_id = last_id

    async def write(self, batch: Batch) -> None:
        self.calls += 1
        mode = self.mode
        if mode == "fail":
            raise OSError("database is locked")
        if mode == "refuse":
            raise RecordsRefusedError("the token is wrong")
        if mode == "cancel":
            raise asyncio.CancelledError
        if mode == "hang":
            await self.released.wait()
        if mode == "slow":
            await asyncio.sleep(self.slow_s)
        if any(self.rejects(item) for item in _items(batch)):
            raise ValueError("this row can never be stored")
        if batch.running is not None and self.rejects(batch.running):
            raise ValueError("this list can never be stored")
        # A sink ignores a batch with a lower number, so the batch would be lost. The queue may only repeat the number
        # of the last stored batch.
        assert batch.sequence >= self._last_sequence, "sequence numbers must rise"
        if batch.sequence > self._last_sequence:
            self._last_sequence = batch.sequence
            self.batches.append(batch)
            self.records += sorted((*batch.invocations, *batch.executions), key=lambda record: record.id)
        if mode == "keep_then_fail":
            raise OSError("the connection was lost after the commit")

    async def last_id(self) -> int:
        if self.mode == "fail":
            raise OSError("database is locked")
        return max((record.id for record in self.records), default=self._last_id)

    def stored(self, field: str) -> list[Any]:
        """Return the items of one field of `Batch`, over all stored batches."""
        return [item for batch in self.batches for item in getattr(batch, field) or ()]


def _items(batch: Batch) -> list[object]:
    """Return all items of a batch that become rows."""
    return [
        *batch.invocations,
        *batch.executions,
        *batch.registered,
        *batch.retired,
        *batch.lifecycle,
        *batch.skipped,
        *batch.summaries,
        *batch.losses,
    ]
