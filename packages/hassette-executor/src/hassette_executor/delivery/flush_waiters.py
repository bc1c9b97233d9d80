"""Callers that wait for a flush of a write queue."""

import asyncio
import contextlib


class FlushWaiters:
    """Callers of `WriteQueue.flush`, each waiting until everything up to a certain record and batch is settled."""

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiters)

    async def wait(self, newest_id: int, sequence: int) -> None:
        """Wait until everything is settled, or until `release`.

        Args:
            newest_id: The newest record to wait for.
            sequence: The lowest batch number that the waiting announcements can have.
        """
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (newest_id, sequence, flushed)
        self._waiters.append(waiter)
        try:
            await flushed
        finally:
            # Without this, a waiter that was cancelled would be remembered for as long as the sink hangs.
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def settle(self, oldest_id: int, kept: int, *, announcements: bool) -> None:
        """Wake the waiters for which everything is settled.

        Args:
            oldest_id: The oldest waiting record.
            kept: The number of the newest batch that was kept.
            announcements: Whether announcements wait.
        """
        unsettled: list[tuple[int, int, asyncio.Future[None]]] = []
        for newest_id, sequence, flushed in self._waiters:
            if oldest_id <= newest_id or (kept < sequence and announcements):
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
    with contextlib.suppress(asyncio.InvalidStateError):  # cancelled in this same iteration of the loop
        flushed.set_result(None)
