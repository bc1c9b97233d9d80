"""Notice changes of the history without reading it."""

import asyncio

from hassette_sync.history_file import HistoryConnection
from hassette_sync.reader import Reader


class HistoryWatch:
    """Number of changes of the history, for readers that ask now and then.

    It keeps one connection open from the first question on, because SQLite counts changes by connection. A check reads
    the file's status and a counter in shared memory.

    Args:
        reader: Reader of the history.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._connection: HistoryConnection | None = None
        self._openings = 0
        self._lock = asyncio.Lock()

    async def version(self) -> tuple[int, int]:
        """Return a value that differs after each change of the history, also after another file has replaced it.

        Raises:
            HistoryUnavailableError: The file is missing or cannot be read.
        """
        async with self._lock:
            if self._connection is not None and not self._connection.is_current(self._reader.path):
                self.close()
            if self._connection is None:
                self._connection = await self._reader.open_separate()
                self._openings += 1
            return self._openings, await self._reader.data_version(self._connection)

    def close(self) -> None:
        """Close the connection. A later question opens it again. Idempotent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
