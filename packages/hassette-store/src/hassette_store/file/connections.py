"""How the file is opened: once for writing, any number of times for reading.

SQLite before 3.51.3 can corrupt a WAL file when two connections write or checkpoint at the same moment
(https://sqlite.org/wal.html, section 11), so only the owner's one connection does either, and every reader opens
``mode=ro``, which does neither.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiosqlite

from hassette_store.settings import Synchronous

APPLICATION_ID: Final = 0x48535354
"""``HSST`` in the file's header: this database is ours."""
SQLITE_NEEDED: Final = (3, 37, 0)
"""For STRICT tables."""
SQLITE_WITHOUT_WAL_RESET_BUG: Final = (3, 51, 3)

BUSY_TIMEOUT_S: Final = 0.5
"""How long a statement waits for somebody else's lock: short, because whoever writes tries again later anyway."""

Result = TypeVar("Result")

READING_FAILED: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a statement may raise: Python does not decode SQLite's own words about a schema that is no longer UTF-8."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_MAY_NOT_WRITE: Final = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)

# 19 insertions in 4 sizes, and the rest: none is compiled twice.
_STATEMENTS: Final = 128
_PAGE_BYTES: Final = 4096
CHECKPOINT_PAGES: Final = 1000
"""Pages in the log at which they are brought home into the file."""
# Enough for the newest leaf of each table and index: a quiet house then reads nothing back from its SD card.
_CACHE_KIB: Final = 8192
# `Writer.run` has it prepared and never runs it: aiosqlite's executemany wants a statement that writes.
_NOTHING: Final = "DELETE FROM sessions WHERE false"

# page_size and auto_vacuum come first: they only count before the first page is written.
_PRAGMAS: Final = f"""
PRAGMA page_size = {_PAGE_BYTES};
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = %s;
PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
PRAGMA journal_size_limit = {4 * CHECKPOINT_PAGES * _PAGE_BYTES};
PRAGMA cache_size = -{_CACHE_KIB};
PRAGMA temp_store = MEMORY;
PRAGMA foreign_keys = OFF;
"""


def uri(path: Path, **options: str | int) -> str:
    """Return a ``file:`` URI for SQLite, whatever characters are in the path."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return f"file:{quote(os.fsencode(path.absolute()))}?{query}"


def tolerant(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let a connection read text with wrong bytes in it, each as U+FFFD, and return it.

    SQLite does not look at the bytes of a text, and no check finds a wrong one; it should not cost more than itself.
    """
    connection.text_factory = _text_of
    return connection


def _text_of(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def connect_read_only(path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open a history for reading, whether a framework writes to it or not.

    The connection may be used from any one thread at a time, and must be closed.

    Args:
        path: The file.
        busy_timeout_s: Seconds to wait for a lock.

    Raises:
        sqlite3.OperationalError: There is no such file, or it cannot be opened.
    """
    connection = sqlite3.connect(
        uri(path, mode="ro"), uri=True, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return tolerant(connection)


class UnchangingConnection(sqlite3.Connection):
    """A connection to a history that SQLite was told does not change: if it does, what is read may be wrong."""


def connect_to_read(
    path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, without_log: bool = False
) -> sqlite3.Connection:
    """Open a history for reading, also where nobody may write: on a read-only medium, in a directory of another user.

    SQLite wants to make a ``-shm`` file beside a file in WAL mode. Where it may not, the file is opened as one that
    does not change (`UnchangingConnection`). Close that soon: a framework that starts meanwhile does change it.

    Args:
        path: The file.
        busy_timeout_s: Seconds to wait for a lock.
        without_log: Whether that will do if a log waits to be read, which it then is not: its newest runs are missed.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    connection = connect_read_only(path, busy_timeout_s=busy_timeout_s)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        log = path.with_name(path.name + "-wal")
        waits = log.exists() and log.stat().st_size
        if error.sqlite_errorcode & 0xFF not in _MAY_NOT_WRITE or (waits and not without_log):
            raise
    except BaseException:
        connection.close()
        raise
    else:
        return connection
    unchanging = sqlite3.connect(
        uri(path, mode="ro", immutable=1),
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        factory=UnchangingConnection,
    )
    return tolerant(unchanging)


def is_damage(error: BaseException) -> bool:
    """Tell whether SQLite says that the file is damaged, rather than busy, full or away, or says it in wrong bytes."""
    return isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
    )


def findings_of(connection: sqlite3.Connection, check: str) -> Iterator[str]:
    """Yield what a check finds wrong with a file.

    The list of free pages needs a check of its own: SQLite leaves it out where the newest object of a schema is a view,
    as in ours (seen with 3.40).

    Args:
        connection: To the file.
        check: ``quick_check`` or ``integrity_check``, and how many findings at most in brackets.

    Raises:
        sqlite3.Error: The file cannot be read, or it is too damaged for a check.
    """
    for one in (check, "quick_check(sqlite_master)"):
        yield from (str(row[0]) for row in connection.execute(f"PRAGMA {one}") if row[0] != "ok")


def is_lost_schema(error: BaseException) -> bool:
    """Tell whether a statement of ours did not find its table or column in a history: a byte of its schema is wrong."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR and any(
        words in str(error) for words in ("no such table", "no such column", "has no column named")
    )


@contextmanager
def deadline(connection: sqlite3.Connection, seconds: float) -> Generator[None]:
    """Give up statements that are still running when the time is over.

    Args:
        connection: Whose statements.
        seconds: From now.

    Raises:
        sqlite3.OperationalError: With the text ``interrupted``, from the statement that took too long.
    """
    ends = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > ends, 2_000)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def connect_plain(path: Path, *, synchronous: Synchronous = "full") -> sqlite3.Connection:
    """Open the file for writing outside the event loop; only the file's owner may.

    Args:
        path: The file; it is made if it is missing.
        synchronous: As in `StoreSettings`.

    Raises:
        sqlite3.Error: It cannot be opened or is not a database.
    """
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_PRAGMAS % synchronous)
    except BaseException:
        connection.close()
        raise
    return tolerant(connection)


class Writer:
    """The one connection that writes while the framework runs, in a thread of its own.

    Whoever opens it closes it: aiosqlite's thread is no daemon since 0.22, and would keep the process from ending.
    """

    def __init__(self, connection: aiosqlite.Connection, raw: sqlite3.Connection) -> None:
        self._connection = connection
        self._raw = raw

    @classmethod
    async def open(cls, path: Path, *, synchronous: Synchronous) -> Self:
        """Open the file; only its owner may.

        Raises:
            sqlite3.Error: It cannot be opened.
        """
        wrapped: list[sqlite3.Connection] = []

        def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
            wrapped.append(tolerant(sqlite3.Connection(*arguments, **options)))
            return wrapped[0]

        connection = await aiosqlite.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, cached_statements=_STATEMENTS, factory=connect
        )
        try:
            await connection.executescript(_PRAGMAS % synchronous)
        except BaseException:
            await connection.close()
            raise
        return cls(connection, wrapped[0])

    async def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do some work on the connection, in its thread, for one hop however many statements it takes.

        aiosqlite runs the generator that it is given as parameters where it runs the statement; ours does the work and
        gives no parameters, so that the statement itself is never run.

        Args:
            work: Called with the connection, which is in autocommit mode.

        Raises:
            ValueError: The connection is closed.
            Exception: Whatever the work raises.
        """
        results: list[Result] = []

        def working() -> Generator[tuple[()]]:
            results.append(work(self._raw))
            yield from ()

        # The cursor is not closed: that would be a second hop, and there is nothing in it.
        await self._connection.executemany(_NOTHING, working())
        return results[0]

    async def rows(self, sql: str, parameters: Iterable[object] = ()) -> list[Any]:
        """Run one statement and return all its rows.

        Raises:
            sqlite3.Error: It failed.
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
        """Wait for what is under way, and close.

        Raises:
            sqlite3.Error: It could not be closed in order; it is closed.
        """
        await self._connection.close()
