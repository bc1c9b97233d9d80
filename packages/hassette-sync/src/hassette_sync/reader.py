"""Read-only connections to the history: one read transaction and one deadline for each question."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aiosqlite

from hassette_store import LATEST_REVISION, ImmutableFileConnection, connect_to_read
from hassette_store.file.presence import special_kind_of
from hassette_store.file.schema import IS_HISTORY
from hassette_store.file.side_files import log_path, second_files
from hassette_sync.errors import (
    DatabaseMissingError,
    DatabaseUnreadableError,
    HistoryUnavailableError,
    NewerDatabaseError,
    NotADatabaseError,
    QueryTimeoutError,
    SyncError,
)
from hassette_sync.queries.sessions import SCHEMA_REVISION
from hassette_sync.search import SQL_FUNCTION, search_form
from hassette_sync.time_range import now_us

# SQLite checks the deadline after this many steps of its virtual machine. With this number, a statement stops within a
# few milliseconds of its deadline, and the checks do not slow it down.
_STEPS_BETWEEN_CHECKS = 20_000
_BUSY_TIMEOUT_S = 1.0

Parameters = dict[str, object]

OpenFile = Callable[[Path], sqlite3.Connection]
"""Opens a file for reading; see `hassette_store.connect_to_read`."""


def open_history(path: Path) -> sqlite3.Connection:
    """Open a history for reading, even if this user may not write to its directory.

    Without the right to write, changes that are only in the write-ahead log are missing.
    """
    return connect_to_read(path, busy_timeout_s=_BUSY_TIMEOUT_S, ignore_wal=True)


class ReadTransaction:
    """Consistent view of the history for one question: all statements see the same state.

    `Reader.transaction` creates it.

    Attributes:
        path: Path of the open file.
        problem: If the open file is a second file, the reason why the database file cannot be read; otherwise empty.
        identity: Device and inode of the file.
        at_us: Time at which the transaction began, in microseconds since the Unix epoch.
    """

    def __init__(self, connection: "PooledConnection", at_us: int) -> None:
        self.path = connection.path
        self.problem = connection.problem
        self.identity = connection.identity
        self.at_us = at_us
        self._connection = connection.aio

    async def all(self, statement: str, parameters: Parameters | None = None) -> list[sqlite3.Row]:
        """Return all rows of a statement."""
        return list(await self._connection.execute_fetchall(statement, parameters or {}))

    async def one(self, statement: str, parameters: Parameters | None = None) -> sqlite3.Row | None:
        """Return the first row of a statement, or None if there is none."""
        rows = await self.all(statement, parameters)
        return rows[0] if rows else None


class Reader:
    """Pool of read-only connections to one file.

    The pool opens the file for the first question. If another file replaces it, the next question opens the new file.

    While Hassette cannot use the database file, for example because a newer version wrote it, Hassette records into a
    second file. If the database file cannot be read, the pool opens the newest readable second file.

    Args:
        path: Path of the database file.
        deadline_s: Deadline of one question, in seconds.
        connections: Maximum number of questions that are answered at the same time; further questions wait.
        open_file: Opens the file.

    Attributes:
        path: Path of the database file.
        deadline_s: Deadline of one question, in seconds.
    """

    def __init__(
        self, path: Path, *, deadline_s: float, connections: int = 2, open_file: OpenFile = open_history
    ) -> None:
        self.path = path
        self.deadline_s = deadline_s
        self._open_file = open_file
        self._free = asyncio.Semaphore(connections)
        self._idle: list[PooledConnection] = []
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def transaction(self, question: str) -> AsyncGenerator[ReadTransaction]:
        """Begin a read transaction for one question.

        Args:
            question: Name of the question, for error messages.

        Raises:
            HistoryUnavailableError: The file is missing, is not a Hassette history, was written by a newer version, or
                cannot be read.
            QueryTimeoutError: The deadline has passed. The wait for a connection counts, too.
        """
        deadline = time.monotonic() + self.deadline_s
        try:
            async with asyncio.timeout(self.deadline_s):
                await self._free.acquire()
        except TimeoutError:
            raise QueryTimeoutError(question, self.deadline_s) from None
        connection: PooledConnection | None = None
        try:
            connection = await self._connection()
            connection.deadline = deadline
            await connection.aio.execute("BEGIN")
            try:
                yield ReadTransaction(connection, now_us())
            except SyncError:
                await self._give_back(connection)
                connection = None
                raise
            await self._give_back(connection)
            connection = None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if "interrupted" in str(error):
                raise QueryTimeoutError(question, self.deadline_s) from None
            raise _unavailable(connection.path if connection else self.path, error) from error
        finally:
            # A connection is not reused after an error or a cancellation, because a transaction may still be open. The
            # deadline of 0 stops a statement that is still running.
            try:
                if connection is not None:
                    connection.deadline = 0.0
                    await self.release(connection)
            finally:
                self._free.release()

    async def open_separate(self) -> "PooledConnection":
        """Open a connection outside of the pool, to watch the file for changes. The caller must release it."""
        return await self._open_shielded()

    async def release(self, connection: "PooledConnection") -> None:
        """Close a connection, even if the caller is cancelled in the meantime."""
        await asyncio.shield(self._in_background(connection.aio.close()))

    def is_current(self, connection: "PooledConnection") -> bool:
        """Return whether the file of the connection is still at the path, and the connection sees all its changes.

        Raises:
            HistoryUnavailableError: There is no file, or it cannot be examined.
        """
        path = connection.path
        if connection.problem and connection.unusable != _version(self.path):
            # The database file has changed, so it may be usable now.
            return False
        if connection.version is not None and connection.version != _version(path):
            return False
        return connection.identity == _identity(path) and connection.log == _log_identity(path)

    async def close(self) -> None:
        """Close the idle connections. A connection in use closes at the end of its question."""
        for connection in self._drain():
            await connection.aio.close()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _give_back(self, connection: "PooledConnection") -> None:
        await connection.aio.execute("ROLLBACK")
        if connection.version is not None:
            # SQLite treats the file of this connection as unchanging, so the connection would never see later changes.
            await self.release(connection)
            return
        self._idle.append(connection)

    def _drain(self) -> Iterable["PooledConnection"]:
        while self._idle:
            yield self._idle.pop()

    async def _connection(self) -> "PooledConnection":
        while self._idle:
            connection = self._idle.pop()
            # If there is no file, the opening raises the error, or finds a second file.
            with suppress(HistoryUnavailableError):
                if self.is_current(connection):
                    return connection
            # Another file is at the path now: a damaged file was replaced, or a backup was restored. Or the file has
            # another write-ahead log now, and this connection would read the old log.
            await connection.aio.close()
        return await self._open_shielded()

    async def _open_shielded(self) -> "PooledConnection":
        # The thread of a connection is not a daemon thread. If a cancelled caller left a half-open connection behind,
        # the process could not end. So the opening continues after a cancellation, and then the connection is closed.
        opening = asyncio.ensure_future(self._open())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._in_background(_close_when_open(opening))
            raise

    def _in_background(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _open(self) -> "PooledConnection":
        unusable = _version(self.path)
        try:
            return await self._open_at(self.path)
        except HistoryUnavailableError as error:
            for second in reversed(_second_files(self.path)):
                # The error of the database file is more helpful than that of a second file.
                with suppress(HistoryUnavailableError):
                    connection = await self._open_at(second)
                    connection.problem, connection.unusable = str(error), unusable
                    return connection
            raise

    async def _open_at(self, path: Path) -> "PooledConnection":
        identity, version = _identity(path), _version(path)
        try:
            aio, unchanging = await _connect(path, self._open_file)
            # A file that SQLite treats as unchanging can still change, for example because another machine writes it.
            # So a connection to such a file serves only one question.
            connection = PooledConnection(aio, path, identity, version if unchanging else None)
            try:
                await _check_schema(path, aio)
                await aio.set_progress_handler(connection.is_overdue, _STEPS_BETWEEN_CHECKS)
                # The first statement has opened the log, or created it.
                connection.log = _log_identity(path)
            except BaseException:
                await aio.close()
                raise
        except SyncError:
            raise
        except Exception as error:
            # A damaged file can cause errors of many types, including UnicodeDecodeError and MemoryError.
            raise _unavailable(path, error) from error
        return connection


class PooledConnection:
    """Open connection with the identity of its file and the deadline of its question.

    Attributes:
        aio: The open connection.
        path: Path of the file.
        identity: Device and inode of the file.
        log: Device and inode of its write-ahead log; None if there is no log.
        version: If SQLite treats the file as unchanging, the result of `_version` before the opening; otherwise None.
        problem: If the file is a second file, the reason why the database file cannot be read; otherwise empty.
        unusable: If the file is a second file, the result of `_version` for the database file.
        deadline: Deadline of the current question, on the monotonic clock.
    """

    def __init__(
        self, aio: aiosqlite.Connection, path: Path, identity: tuple[int, int], version: object = None
    ) -> None:
        self.aio = aio
        self.path = path
        self.identity = identity
        self.log: tuple[int, int] | None = None
        self.version = version
        self.problem = ""
        self.unusable: object = None
        self.deadline = float("inf")

    def is_overdue(self) -> int:
        """Return whether SQLite must stop the statement."""
        return time.monotonic() > self.deadline


async def _close_when_open(opening: "asyncio.Future[PooledConnection]") -> None:
    try:
        connection = await opening
    except (SyncError, asyncio.CancelledError):
        return
    await connection.aio.close()


def _identity(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        raise DatabaseMissingError(path) from None
    except OSError as error:
        raise DatabaseUnreadableError(path, error.strerror or str(error)) from None
    # Opening a pipe would block this process for ever.
    if kind := special_kind_of(status):
        raise NotADatabaseError(path, f"it is {kind}")
    return (status.st_dev, status.st_ino)


def _log_identity(path: Path) -> tuple[int, int] | None:
    try:
        status = log_path(path).stat()
    except OSError:  # SQLite creates and deletes the write-ahead log as needed
        return None
    return (status.st_dev, status.st_ino)


def _second_files(path: Path) -> list[Path]:
    try:
        return second_files(path)
    except OSError:  # the caller raises the error of the database file, which is more helpful
        return []


def _version(path: Path) -> object:
    """Return a value that differs after each write or replacement of the file or of its write-ahead log."""
    version: list[tuple[int, ...] | None] = []
    for find in (Path, log_path):
        try:
            status = find(path).stat()
        except OSError:  # SQLite creates and deletes the write-ahead log as needed
            version.append(None)
        else:
            version.append((status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode))
    return tuple(version)


async def _connect(path: Path, open_file: OpenFile) -> tuple[aiosqlite.Connection, bool]:
    """Open the file. Return the connection, and whether it treats the file as unchanging."""
    unchanging = False
    failed: list[Exception] = []

    def connect() -> sqlite3.Connection:
        nonlocal unchanging
        try:
            connection = open_file(path)
        except Exception as error:  # noqa: BLE001  raised below
            # aiosqlite waits for its thread only when it closes an open connection. Without a connection the thread
            # could outlive the event loop and print a traceback. So after a failure, open an empty database instead.
            failed.append(error)
            return sqlite3.connect(":memory:", check_same_thread=False)
        unchanging = isinstance(connection, ImmutableFileConnection)
        connection.row_factory = sqlite3.Row
        connection.create_function(SQL_FUNCTION, 1, search_form, deterministic=True)
        # An invalid byte in one text must not make the other values of the row unreadable.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection

    aio = await aiosqlite.Connection(connect, iter_chunk_size=64)
    if failed:
        await aio.close()
        raise failed[0]
    return aio, unchanging


async def _check_schema(path: Path, connection: aiosqlite.Connection) -> None:
    try:
        rows = list(await connection.execute_fetchall(SCHEMA_REVISION))
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise NotADatabaseError(path, "Hassette's tables do not exist, or do not exist yet") from None
    if not rows:
        raise NotADatabaseError(path, "its schema has no revision")
    # Other programs use Alembic, too, and many of them number their revisions in the same way.
    if not list(await connection.execute_fetchall(IS_HISTORY)):
        raise NotADatabaseError(path, "Hassette's tables do not exist")
    # All revisions have four digits, so they can be compared as text.
    if (revision := str(rows[0][0])) > LATEST_REVISION:
        raise NewerDatabaseError(path, revision, LATEST_REVISION)


def _unavailable(path: Path, error: Exception) -> HistoryUnavailableError:
    if isinstance(error, UnicodeDecodeError):
        # Python could not decode an error message of SQLite that quotes the schema. Texts in rows cannot cause this.
        return DatabaseUnreadableError(path, "it is damaged: its schema is not valid text")
    # SQLite may quote line breaks, but the message must fit on one line.
    text = " ".join(str(error).split()) or type(error).__name__
    if "not a database" in text:
        return NotADatabaseError(path, "it is not an SQLite file")
    return DatabaseUnreadableError(path, text)
