"""Callers that wait for a flush of a write queue."""

import asyncio
import contextlib


class FlushWaiters:
    """Callers of `WriteQueue.flush`. Each waits until all records and announcements of its flush are settled.

    *Settled* means stored or lost.
    """

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiters)

    async def wait(self, newest_id: int, sequence: int) -> None:
        """Wait until all records and announcements of this flush are settled, or until `release`.

        Args:
            newest_id: Id of the newest record of this flush.
            sequence: The announcements that wait now will be in a batch with this number or a higher one.
        """
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (newest_id, sequence, flushed)
        self._waiters.append(waiter)
        try:
            await flushed
        finally:
            # A cancelled waiter would otherwise stay in the list for as long as the sink hangs.
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def settle(self, oldest_id: int, stored: int, *, announcements: bool) -> None:
        """Wake the waiters whose records and announcements are settled.

        Args:
            oldest_id: Id of the oldest waiting record.
            stored: Sequence number of the newest stored batch.
            announcements: Whether announcements wait.
        """
        unsettled: list[tuple[int, int, asyncio.Future[None]]] = []
        for newest_id, sequence, flushed in self._waiters:
            if oldest_id <= newest_id or (stored < sequence and announcements):
                unsettled.append((newest_id, sequence, flushed))
            else:
                _wake(flushed)
        self._waiters = unsettled

    def release(self) -> None:
        """Wake all waiters."""
        for _, _, flushed in self._waiters:
            _wake(flushed)
        self._waiters = []


def _wake(flushed: asyncio.Future[None]) -> None:
    with contextlib.suppress(
        asyncio.InvalidStateError
    ):  # the waiter was cancelled in the same iteration of the event loop
        flushed.set_result(None)
