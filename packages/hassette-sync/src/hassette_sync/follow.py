"""Follow the runs as they end, from the live feed or from the file.

No run is repeated. No run is missing while the history can be read, with one exception: if the wall clock goes back,
new runs have lower ids, and a follower of the file cannot distinguish them from known runs. It gets `TooManyRuns` in
their place, so that a page is loaded again.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from sqlite3 import Row

from hassette_sync.answers.stream import LiveRun
from hassette_sync.errors import DroppedError, HistoryUnavailableError, QueryTimeoutError
from hassette_sync.live import LiveFeed, LiveRow
from hassette_sync.queries.sessions import RUNS_OF_NEWEST_SESSION
from hassette_sync.questions.now import live_run
from hassette_sync.questions.runs import newest_id, runs_after
from hassette_sync.reader import Reader, ReadTransaction

_logger = logging.getLogger(__name__)

_PAGE = 500
POLL_INTERVAL_S = 0.2
"""Interval between checks for changes of the file.

A check is cheap: it reads the file's status and a counter in shared memory.
"""
_RETRY_INTERVAL_S = 5 * POLL_INTERVAL_S


@dataclass(frozen=True, slots=True)
class TooManyRuns:
    """Update in place of new runs: there are more of them than the follower accepts at once, or their ids are too low.

    Attributes:
        last_id: The highest id.
    """

    last_id: int


Update = tuple[LiveRun, ...] | TooManyRuns
"""New runs with ascending ids, or `TooManyRuns`."""


async def follow_feed(reader: Reader, feed: LiveFeed, after: int, at_most: int | None = None) -> AsyncGenerator[Update]:
    """Follow the framework's own feed.

    The function subscribes to the feed before it reads the history. So a run that ends in between is in the history,
    in the feed, or in both. The function recognises a run by its id and yields it only once.

    Args:
        reader: Reader of the history, for runs that the feed no longer retains.
        feed: Feed of the framework.
        after: Id of the last run that the follower received, or 0 to begin with the runs that the feed retains.
        at_most: Maximum number of new runs at once. If there are more, the follower gets one `TooManyRuns`. None means
            no limit.

    Raises:
        DroppedError: The feed dropped the follower, or Hassette is stopping.
    """
    async with AsyncExitStack() as stack:
        subscription = await stack.enter_async_context(feed.subscribe(after))
        last = after
        # Runs that the follower has received from the history. The first batch of the feed may contain them again.
        received: set[int] = set()
        skipped_up_to = 0
        if after:
            # The missed runs come from the history, oldest first. If the history cannot be read, the follower gets
            # only those missed runs that the feed still retains.
            try:
                while update := await _next_from_history(reader, last, at_most):
                    last = _last_id(update)
                    if isinstance(update, TooManyRuns):
                        skipped_up_to = last
                    else:
                        received.update(run.id for run in update)
                    yield update
            except (HistoryUnavailableError, QueryTimeoutError):
                _logger.warning(
                    "History could not be read; the live stream omits runs that the client missed",
                    extra={"after": str(after)},
                )
        while True:
            batch = await _next_batch(subscription)
            if batch is None:
                raise DroppedError("Hassette is stopping.")
            # If the clock was set back, a later run can have a lower id. So do not drop a run only because its id is
            # low: drop it if the follower has received it, or if a `TooManyRuns` has covered it.
            if new := [row for row in batch if row.id > skipped_up_to and row.id not in received]:
                too_many = at_most is not None and len(new) > at_most
                yield TooManyRuns(new[-1].id) if too_many else tuple(live_run(row) for row in new)
            received.clear()
            skipped_up_to = 0


async def _next_batch(subscription: AsyncIterator[Sequence[LiveRow]]) -> Sequence[LiveRow] | None:
    try:
        return await anext(subscription)
    except StopAsyncIteration:
        return None
    except Exception as error:
        # A feed may raise an exception of any type when it drops a follower.
        raise DroppedError(str(error) or type(error).__name__) from error


async def _next_from_history(reader: Reader, after: int, at_most: int | None) -> Update:
    return await reader.ask("live", _next_runs, after, at_most)


async def _next_runs(transaction: ReadTransaction, after: int, at_most: int | None) -> Update:
    """Return the next runs of the history after an id, oldest first. An empty tuple means that there are none."""
    runs = await runs_after(transaction, after, _PAGE if at_most is None else at_most + 1)
    if at_most is not None and len(runs) > at_most:
        # One lookup of the newest id is cheaper than reading all of these runs.
        return TooManyRuns(await newest_id(transaction))
    return tuple(LiveRun.of(run) for run in runs)


def _last_id(update: Update) -> int:
    return update.last_id if isinstance(update, TooManyRuns) else update[-1].id


async def follow_file(reader: Reader, after: int, at_most: int | None = None) -> AsyncGenerator[Update]:
    """Follow the file that another process writes.

    A follower reads the file at its own speed and is never dropped. It waits for a file that does not exist yet.

    Args:
        reader: Reader of the history.
        after: Id of the last run that the follower received, or 0 to begin with the next run.
        at_most: Maximum number of new runs at once. If there are more, the follower gets one `TooManyRuns`. None means
            no limit.
    """
    last = after
    started = bool(after)
    stored: Row | None = None
    while True:
        try:
            if not started:
                last, started = await reader.ask("live", newest_id), True
            async with aclosing(_changes(reader)) as changes:
                async for _ in changes:
                    while True:
                        update, newest, session = await reader.ask("live", _news, last, at_most)
                        before, stored = stored, session
                        if not update and (newest < last or before not in (None, stored)):
                            # The clock went back: new runs have lower ids than the last run, or the store has moved the
                            # last run to its true time.
                            update = TooManyRuns(newest)
                        if not update:
                            break
                        last = _last_id(update)
                        yield update
        except (HistoryUnavailableError, QueryTimeoutError):
            # The file does not exist yet, or is being replaced. The pages show the reason, and the follower waits. If a
            # file appears later, all its runs are new to the follower.
            started = True
            await asyncio.sleep(_RETRY_INTERVAL_S)


async def _news(transaction: ReadTransaction, after: int, at_most: int | None) -> tuple[Update, int, Row | None]:
    """Return the next runs, the newest id, and the number of runs of the newest session."""
    update = await _next_runs(transaction, after, at_most)
    return update, await newest_id(transaction), await transaction.one(RUNS_OF_NEWEST_SESSION)


async def _changes(reader: Reader) -> AsyncGenerator[None]:
    """Yield once at the start and after each change of the file. End when another file has replaced it."""
    connection = await reader.open_separate()
    try:
        known: object = None
        while connection.is_current(reader.path):
            if (version := await reader.data_version(connection)) != known:
                known = version
                yield
            await asyncio.sleep(POLL_INTERVAL_S)
    finally:
        connection.close()
