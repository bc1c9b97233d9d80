"""Read-only connections to the history, each question within one snapshot and one deadline."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Coroutine, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiosqlite

from hassette_store import HEAD, UnchangingConnection, connect_to_read
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

# SQLite asks every so many steps of its machine whether to go on: often enough to stop within a few milliseconds,
# seldom enough to cost nothing.
_STEPS_BETWEEN_CHECKS = 20_000
_BUSY_TIMEOUT_S = 1.0

Parameters = dict[str, object]


class Snapshot:
    """One question's view of the history: all its statements see the same moment.

    Made by `Reader.snapshot`.

    Attributes:
        identity: Which file it is of (device and inode).
    """

    def __init__(self, connection: aiosqlite.Connection, identity: tuple[int, int]) -> None:
        self.identity = identity
        self._connection = connection

    async def all(self, statement: str, parameters: Parameters | None = None) -> list[sqlite3.Row]:
        """Return all rows of a statement."""
        return list(await self._connection.execute_fetchall(statement, parameters or {}))

    async def one(self, statement: str, parameters: Parameters | None = None) -> sqlite3.Row | None:
        """Return the first row of a statement, None if there is none."""
        rows = await self.all(statement, parameters)
        return rows[0] if rows else None


class Reader:
    """Opens the file when it is first asked, and again when another file has taken its place.

    Args:
        path: The history's file.
        deadline_s: How long one question may take, in seconds.
        connections: How many questions are answered at once; more wait.

    Attributes:
        path: The history's file.
        deadline_s: How long one question may take, in seconds.
    """

    def __init__(self, path: Path, *, deadline_s: float, connections: int = 2) -> None:
        self.path = path
        self.deadline_s = deadline_s
        self._free = asyncio.Semaphore(connections)
        self._idle: list[Connection] = []
        self._closing: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def snapshot(self, question: str) -> AsyncGenerator[Snapshot]:
        """Answer one question.

        Args:
            question: Its name, for the error that says it took too long.

        Raises:
            HistoryUnavailableError: No file, not a history, a newer one, or one that cannot be read.
            QueryTimeoutError: The deadline has passed, waiting for a connection included.
        """
        deadline = time.monotonic() + self.deadline_s
        try:
            async with asyncio.timeout(self.deadline_s):
                await self._free.acquire()
        except TimeoutError:
            raise QueryTimeoutError(question, self.deadline_s) from None
        connection: Connection | None = None
        try:
            connection = await self._connection()
            connection.deadline = deadline
            await connection.aio.execute("BEGIN")
            try:
                yield Snapshot(connection.aio, connection.identity)
            except SyncError:
                await self._give_back(connection)
                connection = None
                raise
            await self._give_back(connection)
            connection = None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if "interrupted" in str(error):
                raise QueryTimeoutError(question, self.deadline_s) from None
            raise _explain(self.path, error) from error
        finally:
            # Only a connection that came through whole is used again: an error or a cancelled caller may have left
            # it within a transaction. Closing it also stops a statement that still runs, at its deadline.
            try:
                if connection is not None:
                    connection.deadline = 0.0
                    await self.release(connection)
            finally:
                self._free.release()

    async def follow(self) -> "Connection":
        """Open a connection of its own, for watching the file; the caller releases it."""
        return await self._open_whole()

    async def release(self, connection: "Connection") -> None:
        """Close a connection, also when the caller is cancelled meanwhile."""
        await asyncio.shield(self._keep(connection.aio.close()))

    def is_current(self, connection: "Connection") -> bool:
        """Tell whether the path still names the file that the connection has open, and it sees changes to it."""
        if connection.seen is not None and connection.seen != _seen(self.path):
            return False
        return connection.identity == _identity(self.path)

    async def close(self) -> None:
        """Close the idle connections; those in use close when their question is answered."""
        for connection in self._drain():
            await connection.aio.close()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _give_back(self, connection: "Connection") -> None:
        await connection.aio.execute("ROLLBACK")
        if connection.seen is not None:
            # It would never see what Hassette writes once it runs again.
            await self.release(connection)
            return
        self._idle.append(connection)

    def _drain(self) -> Iterable["Connection"]:
        while self._idle:
            yield self._idle.pop()

    async def _connection(self) -> "Connection":
        identity = _identity(self.path)
        while self._idle:
            connection = self._idle.pop()
            if connection.identity == identity:
                return connection
            # A damaged file was moved aside or a backup restored: another file has the name now.
            await connection.aio.close()
        return await self._open_whole()

    async def _open_whole(self) -> "Connection":
        # A connection has a thread that is no daemon: one that was half open when its asker was cancelled would keep
        # the process from ending. So the opening is finished in any case, and then undone.
        opening = asyncio.ensure_future(self._open())
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._keep(_undo(opening))
            raise

    def _keep(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    async def _open(self) -> "Connection":
        identity, seen = _identity(self.path), _seen(self.path)
        try:
            aio, unchanging = await _connect(self.path)
            # Where we may not write, nobody is writing to it, as a rule. Such a connection serves one question.
            connection = Connection(aio, identity, seen if unchanging else None)
            try:
                await _check(self.path, aio)
                await aio.set_progress_handler(connection.is_overdue, _STEPS_BETWEEN_CHECKS)
            except BaseException:
                await aio.close()
                raise
        except SyncError:
            raise
        except Exception as error:
            # A damaged file has many ways to fail, UnicodeDecodeError and MemoryError among them; all mean the same.
            raise _explain(self.path, error) from error
        return connection


class Connection:
    """A connection, which file it is of, and until when its question may take.

    Attributes:
        seen: How the file was when it was opened as one that does not change; None for any other.
    """

    def __init__(self, aio: aiosqlite.Connection, identity: tuple[int, int], seen: object = None) -> None:
        self.aio = aio
        self.identity = identity
        self.seen = seen
        self.deadline = float("inf")

    def is_overdue(self) -> int:
        """Tell SQLite whether to stop."""
        return time.monotonic() > self.deadline


async def _undo(opening: "asyncio.Future[Connection]") -> None:
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
    if path.is_dir():
        raise NotADatabaseError(path, "it is a directory")
    return (status.st_dev, status.st_ino)


def _seen(path: Path) -> object:
    """Return what differs once somebody has written: times and sizes of the file and its log."""
    seen: list[tuple[int, int] | None] = []
    for file in (path, path.with_name(f"{path.name}-wal")):
        try:
            status = file.stat()
        except OSError:  # the log comes and goes
            seen.append(None)
        else:
            seen.append((status.st_mtime_ns, status.st_size))
    return tuple(seen)


async def _connect(path: Path) -> tuple[aiosqlite.Connection, bool]:
    """Connect; also tell whether the file is taken for one that does not change."""
    unchanging = False
    failed: list[Exception] = []

    def open_file() -> sqlite3.Connection:
        nonlocal unchanging
        try:
            connection = connect_to_read(path, busy_timeout_s=_BUSY_TIMEOUT_S, without_log=True)
        except Exception as error:  # noqa: BLE001  raised below
            # aiosqlite waits for its thread when it closes a connection, and not when it could make none: such a
            # thread may outlive the loop, and then complains on stderr. So there is always one to close.
            failed.append(error)
            return sqlite3.connect(":memory:", check_same_thread=False)
        unchanging = isinstance(connection, UnchangingConnection)
        connection.row_factory = sqlite3.Row
        # A wrong byte in one text is no reason to withhold all the others.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        return connection

    aio = await aiosqlite.Connection(open_file, iter_chunk_size=64)
    if failed:
        await aio.close()
        raise failed[0]
    return aio, unchanging


async def _check(path: Path, connection: aiosqlite.Connection) -> None:
    try:
        rows = list(await connection.execute_fetchall(SCHEMA_REVISION))
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise NotADatabaseError(path, "it has none of Hassette's tables (yet)") from None
    if not rows:
        raise NotADatabaseError(path, "its schema has no revision")
    # Revisions are numbered, four digits each.
    if (revision := str(rows[0][0])) > HEAD:
        raise NewerDatabaseError(path, revision, HEAD)


def _explain(path: Path, error: Exception) -> HistoryUnavailableError:
    if isinstance(error, UnicodeDecodeError):
        # Of SQLite's complaint, which quotes the schema: texts of rows are read whatever is in them.
        return DatabaseUnreadableError(path, "it is damaged, bytes of its schema are no text")
    # On one line, whatever SQLite quotes.
    text = " ".join(str(error).split()) or type(error).__name__
    if "not a database" in text:
        return NotADatabaseError(path, "it is no SQLite file")
    return DatabaseUnreadableError(path, text)
