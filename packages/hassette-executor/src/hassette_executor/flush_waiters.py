"""Those who wait for a flush, and what each of them waits for."""

import asyncio
import contextlib


class FlushWaiters:
    """Wakes whoever waits until all up to a certain record and batch is settled."""

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiters)

    async def wait(self, newest_id: int, sequence: int) -> None:
        """Wait until it is settled, or until `release`.

        Args:
            newest_id: The newest record that it is about.
            sequence: The number that what waits beside records will have at least when it is kept.
        """
        flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = (newest_id, sequence, flushed)
        self._waiters.append(waiter)
        try:
            await flushed
        finally:
            # Who gave up waiting would be remembered for as long as the sink hangs.
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def settled(self, oldest_id: int, kept: int, *, beside: bool) -> None:
        """Wake those for whom nothing is left to wait for.

        Args:
            oldest_id: The oldest record that waits.
            kept: The number of the newest batch that was kept.
            beside: Whether anything waits beside records.
        """
        still: list[tuple[int, int, asyncio.Future[None]]] = []
        for newest_id, sequence, flushed in self._waiters:
            if oldest_id <= newest_id or (kept < sequence and beside):
                still.append((newest_id, sequence, flushed))
            else:
                _tell(flushed)
        self._waiters = still

    def release(self) -> None:
        """Wake all of them, whatever is left."""
        for _, _, flushed in self._waiters:
            _tell(flushed)
        self._waiters = []


def _tell(flushed: "asyncio.Future[None]") -> None:
    with contextlib.suppress(asyncio.InvalidStateError):  # cancelled in this very turn of the loop
        flushed.set_result(None)
