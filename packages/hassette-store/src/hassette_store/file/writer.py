"""The connection that writes to the database while the framework runs."""

import sqlite3
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiosqlite

from hassette_store.file.abandonment import leave, rescue_log
from hassette_store.file.connections import BUSY_TIMEOUT_S, replace_invalid_text, write_pragmas
from hassette_store.file.identity import Change, FileIdentity
from hassette_store.settings import Synchronous
from hassette_store.sketch_functions import add_sketch_functions

Result = TypeVar("Result")

# Size of the statement cache: enough for all statements of a batch (19 insertions in 10 sizes), so that SQLite compiles
# each one only once.
_CACHED_STATEMENTS: Final = 256
# `_run_in_thread` passes this statement to aiosqlite's executemany, which accepts only statements that write. SQLite
# never runs the statement.
_NEVER_RUN: Final = "DELETE FROM sessions WHERE false"


class Writer:
    """The only connection that writes, and its thread.

    The caller of `open` must call `close`. Otherwise, with aiosqlite 0.22 or newer, the thread keeps the process from
    ending.

    Attributes:
        identity: Checks that the file at the path is still the open file.
    """

    def __init__(self, connection: aiosqlite.Connection, raw: sqlite3.Connection, identity: FileIdentity) -> None:
        self.identity = identity
        self._connection = connection
        self._raw = raw

    @classmethod
    async def open(cls, path: Path, *, synchronous: Synchronous) -> Self:
        """Open the file. Only its owner may do this.

        Raises:
            ReplacedFileError: Another program replaces the file at this moment.
            OSError: The file cannot be examined.
            sqlite3.Error: The file cannot be opened.
        """
        wrapped: list[sqlite3.Connection] = []

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            wrapped.append(add_sketch_functions(replace_invalid_text(sqlite3.Connection(*arguments, **options))))
            return wrapped[0]

        connection = await aiosqlite.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_CACHED_STATEMENTS, factory=connect
        )
        try:
            await connection.executescript(write_pragmas(synchronous))
            # SQLite opens the write-ahead log when the first statement reads. The identity needs the open log.
            await connection.execute_fetchall("SELECT 1 FROM sqlite_master LIMIT 1")
            identity = await _run_in_thread(connection, lambda: FileIdentity(path))
        except BaseException:
            await connection.close()
            raise
        return cls(connection, wrapped[0], identity)

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Call a function in the writer's thread and return its result.

        All statements of the function together cost one switch to the thread and back.

        Args:
            work: Called with the connection, which is in autocommit mode.

        Raises:
            ReplacedFileError: The file at the path is no longer the open file. If the check before the call found this,
                the function was not called.
            CorruptDatabaseError: The file has lost content.
            sqlite3.OperationalError: The file cannot be examined.
            ValueError: The connection is closed.
            Exception: Any exception of the function.
        """

        def checked() -> Result:
            self._check(self.identity.check)
            try:
                result = work(self._raw)
            except BaseException:
                self._check(self.identity.renew)
                raise
            self._check(self.identity.check_after_work)
            return result

        return await _run_in_thread(self._connection, checked)

    async def rows(self, sql: str, parameters: Iterable[object] = ()) -> list[Any]:
        """Run one statement and return its rows.

        Raises:
            StoreError: The file is no longer the file that is open; see `run`.
            sqlite3.Error: The statement failed.
            ValueError: The connection is closed.
        """
        values = tuple(parameters)
        return await self.run(lambda raw: raw.execute(sql, values).fetchall())

    async def script(self, sql: str) -> None:
        """Run several statements.

        Raises:
            StoreError: The file is no longer the file that is open; see `run`.
            sqlite3.Error: One of them failed.
        """
        await self.run(lambda raw: raw.executescript(sql))

    async def close(self) -> None:
        """Wait for work in progress and close the connection.

        If a check found a replaced file, SQLite writes nothing more to the file. If only the log was replaced, SQLite
        copies the open log into the file (see `hassette_store.file.abandonment`).

        Raises:
            sqlite3.Error: An error occurred, but the connection is closed.
            OSError: A file could not be moved, but the connection is closed.
        """
        found = self.identity.found
        if found is None:
            self.identity.guard.unlock()
        try:
            if found is not None and found[0] is Change.LOG:
                await _run_in_thread(self._connection, lambda: rescue_log(self._raw))
        finally:
            try:
                await self._connection.close()
            finally:
                try:
                    if found is not None:
                        leave(self.identity)
                finally:
                    self.identity.close()

    def _check(self, check: Callable[[], None]) -> None:
        try:
            check()
        except OSError as error:
            # The file may be undamaged. Callers treat this error like any other error of the disk, and retry.
            raise sqlite3.OperationalError(f"the file cannot be examined: {error}") from error


async def _run_in_thread(connection: aiosqlite.Connection, work: Callable[[], Result]) -> Result:
    """Call a function in the thread of a connection.

    aiosqlite has no public method for that. But ``executemany`` iterates over the parameters in the thread. So this
    function passes a generator that calls the function and yields no parameters. The statement itself never runs.
    """
    results: list[Result] = []

    def call_and_yield_nothing() -> Generator[tuple[()]]:
        results.append(work())
        yield from ()

    # Do not close the cursor: it holds no rows, and closing it would cost a second switch to the thread.
    await connection.executemany(_NEVER_RUN, call_and_yield_nothing())
    return results[0]
