"""Following the runs: from the live feed, or from the file, with nothing missed and nothing twice."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from hassette_sync.answers.stream import LiveRun
from hassette_sync.errors import HistoryUnavailableError, QueryTimeoutError, SyncError
from hassette_sync.live import LiveFeed, LiveRow
from hassette_sync.queries.sessions import DATA_VERSION
from hassette_sync.questions.now import live_run
from hassette_sync.questions.runs import newest_id, runs_after
from hassette_sync.reader import Reader

_logger = logging.getLogger(__name__)

PAGE = 500
POLL_INTERVAL_S = 0.2
"""How often the file is asked whether it has changed: one look at a shared counter, no read of the disk."""


class DroppedError(SyncError):
    """The follower fell too far behind to be told everything; it may come back with the last id it has."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """More runs than the follower wants to hear of one by one.

    Attributes:
        last_id: The newest of them.
    """

    last_id: int


Heard = tuple[LiveRun, ...] | Skipped
"""What a follower hears: runs, ids ascending, or that there were too many."""


async def follow_feed(reader: Reader, feed: LiveFeed, after: int, at_most: int | None = None) -> AsyncGenerator[Heard]:
    """Follow the framework's own feed.

    The subscription comes first and the history is read second, so that a run which ends in between is in at least
    one of the two; ids tell which ones are in both.

    Args:
        reader: The history, for what the feed no longer remembers.
        feed: The framework's feed.
        after: The last id that the follower has; 0 begins with what the feed remembers.
        at_most: With more new runs than this at once it is told `Skipped` instead; None is all of them, always.

    Raises:
        DroppedError: The feed cut the follower off.
    """
    async with AsyncExitStack() as stack:
        subscription = await stack.enter_async_context(feed.subscribe(after))
        last = after
        if after:
            # Rows that are already history, oldest first; an unreadable history leaves what the feed remembers.
            try:
                while heard := await _since(reader, last, at_most):
                    last = _last_id(heard)
                    yield heard
            except (HistoryUnavailableError, QueryTimeoutError):
                _logger.warning("The live stream goes on without the history", extra={"after": str(after)})
        while True:
            batch = await _next(subscription)
            if batch is None:
                raise DroppedError("Hassette is stopping.")
            if fresh := [row for row in batch if row.id > last]:
                last = fresh[-1].id
                too_many = at_most is not None and len(fresh) > at_most
                yield Skipped(last) if too_many else tuple(live_run(row) for row in fresh)


async def _next(subscription: AsyncIterator[Sequence[LiveRow]]) -> Sequence[LiveRow] | None:
    try:
        return await anext(subscription)
    except StopAsyncIteration:
        return None
    except Exception as error:
        raise DroppedError(str(error) or type(error).__name__) from error


async def _since(reader: Reader, after: int, at_most: int | None) -> Heard:
    """Return what the history has next after an id, oldest first; no runs at its end."""
    async with reader.snapshot("live") as snapshot:
        runs = await runs_after(snapshot, after, PAGE if at_most is None else at_most + 1)
        if at_most is not None and len(runs) > at_most:
            # One look at the end of the file in the place of a walk through a day of it.
            return Skipped(await newest_id(snapshot))
        return tuple(LiveRun.of(run) for run in runs)


def _last_id(heard: Heard) -> int:
    return heard.last_id if isinstance(heard, Skipped) else heard[-1].id


async def follow_file(reader: Reader, after: int, at_most: int | None = None) -> AsyncGenerator[Heard]:
    """Follow the file that another process writes.

    A follower reads at its own pace, so it cannot fall behind. While there is no history, it waits for one.

    Args:
        reader: The history.
        after: The last id that the follower has; 0 begins now.
        at_most: With more new runs than this at once it is told `Skipped` instead; None is all of them, always.
    """
    last = after
    started = bool(after)
    while True:
        try:
            if not started:
                async with reader.snapshot("live") as snapshot:
                    last, started = await newest_id(snapshot), True
            async with aclosing(_changes(reader)) as changes:
                async for _ in changes:
                    while heard := await _since(reader, last, at_most):
                        last = _last_id(heard)
                        yield heard
        except (HistoryUnavailableError, QueryTimeoutError):
            # Not there yet, or being moved aside or restored: its readers say so on the page, a follower waits. What
            # a history that begins later holds is all new.
            started = True
            await asyncio.sleep(POLL_INTERVAL_S * 5)


async def _changes(reader: Reader) -> AsyncGenerator[None]:
    """Yield once at the beginning and whenever the file has changed; end when another file has taken its place."""
    connection = await reader.follow()
    try:
        known: object = None
        while reader.is_current(connection):
            rows = list(await connection.aio.execute_fetchall(DATA_VERSION))
            if (version := rows[0][0]) != known:
                known = version
                yield
            await asyncio.sleep(POLL_INTERVAL_S)
    finally:
        await reader.release(connection)
