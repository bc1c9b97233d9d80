"""Read-only connections to the history: one read transaction and one deadline for each question.

A question runs in a worker thread from start to end: its statements, and the work on their rows. So the event loop,
which the framework's handlers share, only waits for the answer.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from hassette_sync.answers.overview import Restriction
from hassette_sync.cache import Caches
from hassette_sync.errors import HistoryUnavailableError, QueryTimeoutError, SyncError
from hassette_sync.history_file import (
    HistoryConnection,
    OpenFile,
    open_connection,
    open_history,
    unavailable,
)
from hassette_sync.lanes import Lanes, RunningQuestion
from hassette_sync.time_range import now_us

# SQLite checks the deadline after this many steps of its virtual machine. With this number, a statement stops within a
# few milliseconds of its deadline, and the checks do not slow it down.
_STEPS_BETWEEN_CHECKS = 20_000

Parameters = dict[str, object]
Asked = ParamSpec("Asked")
AnswerT = TypeVar("AnswerT")


# SQLite's message if the progress handler ends a statement.
_INTERRUPTED = "interrupted"


def is_interruption(error: Exception) -> bool:
    """Return whether a question has ended because of its deadline, or because its client has left."""
    return _INTERRUPTED in str(error)


class ReadTransaction:
    """Consistent view of the history for one question: all statements see the same state.

    `Reader.ask` creates it, and runs the question in a worker thread. Its methods are awaited, but they never wait for
    the event loop.

    Attributes:
        path: Path of the open file.
        problem: If the open file is a second file, the reason why the database file cannot be read; otherwise empty.
        identity: Device and inode of the file.
        at_us: Time at which the transaction began, in microseconds since the Unix epoch.
        caches: Values that questions have computed from the history. Keys must contain ``identity``.
        computed: Values that several parts of this answer need.
        present: Restrictions in the running framework; None outside of its process, and for questions that do not need
            them.
    """

    def __init__(self, connection: HistoryConnection, question: RunningQuestion, at_us: int, caches: Caches) -> None:
        self.path = connection.path
        self.problem = connection.problem
        self.identity = connection.identity
        self.at_us = at_us
        self.caches = caches
        self.computed: dict[Hashable, Any] = {}
        self.present: Sequence[Restriction] | None = None
        self._once: dict[object, Sequence[sqlite3.Row]] = {}
        self._db = connection.db
        self._question = question

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[sqlite3.Row]:
        """Return all rows of a statement, like `all`, for functions that are not coroutines."""
        if self._question.check():
            raise sqlite3.OperationalError(_INTERRUPTED)
        return self._db.execute(statement, parameters or {}).fetchall()

    async def all(self, statement: str, parameters: Parameters | None = None) -> list[sqlite3.Row]:
        """Return all rows of a statement."""
        return self.rows(statement, parameters)

    def rows_once(self, statement: str, parameters: Parameters | None = None) -> Sequence[sqlite3.Row]:
        """Return all rows of a statement, like `once`, for functions that are not coroutines."""
        key = (statement, tuple(sorted((parameters or {}).items())))
        if key not in self._once:
            self._once[key] = tuple(self.rows(statement, parameters))
        return self._once[key]

    async def once(self, statement: str, parameters: Parameters | None = None) -> Sequence[sqlite3.Row]:
        """Return all rows of a statement that several parts of one answer need; only the first call reads them."""
        return self.rows_once(statement, parameters)

    async def one(self, statement: str, parameters: Parameters | None = None) -> sqlite3.Row | None:
        """Return the first row of a statement, or None if there is none."""
        rows = self.rows(statement, parameters)
        return rows[0] if rows else None


class Reader:
    """Pool of read-only connections to one file.

    The pool opens the file for the first question. If another file replaces it, the next question opens the new file.

    While Hassette cannot use the database file, for example because a newer version wrote it, Hassette records into a
    second file. If the database file cannot be read, the pool opens the newest readable second file.

    Args:
        path: Path of the database file.
        deadline_s: Deadline of one question, in seconds.
        lanes: Places of the questions that are answered at the same time; further questions wait.
        open_file: Opens the file.

    Attributes:
        path: Path of the database file.
        deadline_s: Deadline of one question, in seconds.
    """

    def __init__(
        self, path: Path, *, deadline_s: float, lanes: Lanes | None = None, open_file: OpenFile = open_history
    ) -> None:
        self.path = path
        self.deadline_s = deadline_s
        self._open_file = open_file
        self._caches = Caches()
        self._lanes = lanes or Lanes()
        self._threads: ThreadPoolExecutor | None = None
        self._running: set[asyncio.Future[Any]] = set()
        self._idle: list[HistoryConnection] = []

    async def ask(
        self,
        name: str,
        answer: Callable[Concatenate[ReadTransaction, Asked], Coroutine[Any, Any, AnswerT]],
        *args: Asked.args,
        **kwargs: Asked.kwargs,
    ) -> AnswerT:
        """Answer one question in a read transaction, in a worker thread.

        If the caller is cancelled, SQLite stops the statement.

        Args:
            name: Name of the question, for error messages.
            answer: Answers the question. It must await nothing but its transaction.
            args: Further arguments of ``answer``.
            kwargs: Further keyword arguments of ``answer``.

        Raises:
            HistoryUnavailableError: The file is missing, is not a Hassette history, was written by a newer version, or
                cannot be read.
            QueryTimeoutError: The deadline has passed. The wait for a connection counts, too. Or too many slow
                questions are waiting.
        """
        question = RunningQuestion(self._lanes, self.deadline_s)
        try:
            await self._lanes.enter(question)
        except TimeoutError:
            raise QueryTimeoutError(name, self.deadline_s) from None

        def in_transaction(transaction: ReadTransaction) -> Coroutine[Any, Any, AnswerT]:
            return answer(transaction, *args, **kwargs)

        running = self._start(self._answer, name, question, in_transaction)
        running.add_done_callback(lambda _: self._lanes.leave(question))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            question.stop()
            # Nothing receives the answer, and asyncio would log the error of the stopped question.
            running.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise

    async def open_separate(self) -> HistoryConnection:
        """Open a connection outside of the pool, to watch the file for changes. The caller must close it."""
        opening = self._start(open_connection, self.path, self._open_file)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The opening continues in its thread.
            opening.add_done_callback(_close_when_open)
            raise

    async def data_version(self, connection: HistoryConnection) -> int:
        """Return a number that changes when another connection has changed the file of a separate connection."""
        reading = self._start(connection.data_version)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            # The caller now closes the connection. The thread must not use it any more.
            await asyncio.wait((reading,))
            raise

    async def close(self) -> None:
        """Close the idle connections, and wait for the questions that are still running.

        A later question opens the file again.
        """
        threads, self._threads = self._threads, None
        if self._running:
            await asyncio.wait(self._running)
        if threads is not None:
            threads.shutdown()
        for connection in self._drain():
            connection.close()

    def _start(self, work: Callable[..., AnswerT], *args: object) -> "asyncio.Future[AnswerT]":
        """Call a function in a worker thread."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._lanes.threads + 1, thread_name_prefix="hassette-history")
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return running

    def _answer(
        self,
        name: str,
        question: RunningQuestion,
        answer: Callable[[ReadTransaction], Coroutine[Any, Any, AnswerT]],
    ) -> AnswerT:
        connection: HistoryConnection | None = None
        try:
            connection = self._connection()
            question.begin()
            connection.db.set_progress_handler(question.check, _STEPS_BETWEEN_CHECKS)
            connection.db.execute("BEGIN")
            try:
                result = _result_of(answer(ReadTransaction(connection, question, now_us(), self._caches)))
            except SyncError:
                self._give_back(connection)
                connection = None
                raise
            self._give_back(connection)
            connection = None
        except (sqlite3.Error, UnicodeDecodeError) as error:
            if is_interruption(error):
                raise QueryTimeoutError(name, self.deadline_s) from None
            raise unavailable(connection.path if connection else self.path, error) from error
        finally:
            # A connection is not reused after an error, because a transaction may still be open.
            if connection is not None:
                connection.close()
        return result

    def _give_back(self, connection: HistoryConnection) -> None:
        connection.db.set_progress_handler(None, 0)
        connection.db.execute("ROLLBACK")
        # SQLite treats a file with a version as unchanging, so the connection would never see later changes. And after
        # `close`, nothing would close the connection.
        if connection.version is not None or self._threads is None:
            connection.close()
        else:
            self._idle.append(connection)

    def _drain(self) -> Iterable[HistoryConnection]:
        # Questions in other threads take connections at the same time.
        with suppress(IndexError):
            while True:
                yield self._idle.pop()

    def _connection(self) -> HistoryConnection:
        for connection in self._drain():
            # If there is no file, the opening raises the error, or finds a second file.
            with suppress(HistoryUnavailableError):
                if connection.is_current(self.path):
                    return connection
            # Another file is at the path now: a damaged file was replaced, or a backup was restored. Or the file has
            # another write-ahead log now, and this connection would read the old log.
            connection.close()
        return open_connection(self.path, self._open_file)


def _result_of(answer: Coroutine[Any, Any, AnswerT]) -> AnswerT:
    """Run a coroutine that never waits to its end."""
    try:
        answer.send(None)
    except StopIteration as end:
        return end.value
    answer.close()
    raise RuntimeError("A question must await nothing but its transaction.")


def _close_when_open(opening: "asyncio.Future[HistoryConnection]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
