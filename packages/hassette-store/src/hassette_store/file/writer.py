"""The connection that writes to the database while the framework runs."""

import sqlite3
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from hassette_store.file.connections import BUSY_TIMEOUT_S, replace_invalid_text, write_pragmas
from hassette_store.settings import Synchronous

Result = TypeVar("Result")

# Size of the statement cache: enough for all statements of a batch (19 insertions, each in a variant for 1, 8, 64 and
# 512 rows), so that SQLite compiles each one only once.
_CACHED_STATEMENTS: Final = 128
# `Writer.run` passes this statement to aiosqlite's executemany, which accepts only statements that write. SQLite never
# runs the statement.
_NEVER_RUN: Final = "DELETE FROM sessions WHERE false"


class Writer:
    """The only connection that writes, and its thread.

    The caller of `open` must call `close`. Otherwise, with aiosqlite 0.22 or newer, the thread keeps the process from
    ending.
    """

    def __init__(self, connection: aiosqlite.Connection, raw: sqlite3.Connection) -> None:
        self._connection = connection
        self._raw = raw

    @classmethod
    async def open(cls, path: Path, *, synchronous: Synchronous) -> Self:
        """Open the file. Only its owner may do this.

        Raises:
            sqlite3.Error: The file cannot be opened.
        """
        wrapped: list[sqlite3.Connection] = []

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            wrapped.append(replace_invalid_text(sqlite3.Connection(*arguments, **options)))
            return wrapped[0]

        connection = await aiosqlite.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_CACHED_STATEMENTS, factory=connect
        )
        try:
            await connection.executescript(write_pragmas(synchronous))
        except BaseException:
            await connection.close()
            raise
        return cls(connection, wrapped[0])

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Call a function in the writer's thread and return its result.

        All statements of the function together cost one switch to the thread and back. aiosqlite has no public method
        that calls a function in its thread. But ``executemany`` iterates over the parameters in that thread. So this
        method passes a generator that calls the function and yields no parameters. The statement itself never runs.

        Args:
            work: Called with the connection, which is in autocommit mode.

        Raises:
            ValueError: The connection is closed.
            Exception: Any exception of the function.
        """
        results: list[Result] = []

        def call_and_yield_nothing() -> Generator[tuple[()]]:
            results.append(work(self._raw))
            yield from ()

        # Do not close the cursor: it holds no rows, and closing it would cost a second switch to the thread.
        await self._connection.executemany(_NEVER_RUN, call_and_yield_nothing())
        return results[0]

    async def rows(self, sql: str, parameters: Iterable[object] = ()) -> list[Any]:
        """Run one statement and return its rows.

        Raises:
            sqlite3.Error: The statement failed.
            ValueError: The connection is closed.
        """
        return list(await self._connection.execute_fetchall(sql, tuple(parameters)))

    async def script(self, sql: str) -> None:
        """Run several statements.

        Raises:
            sqlite3.Error: One of them failed.
        """
        await self._connection.executescript(sql)

    async def close(self) -> None:
        """Wait for work in progress and close the connection.

        Raises:
            sqlite3.Error: An error occurred, but the connection is closed.
        """
        await self._connection.close()
