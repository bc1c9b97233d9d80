"""Records, live: what has just happened, in order, to whoever listens now."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType

from hassette_executor.errors import SubscriberTooSlowError
from hassette_executor.records import Record
from hassette_executor.shedding import PLAIN_BYTES, total_size


class Subscription:
    """One subscriber's view of the feed: an async context manager and an async iterator of tuples of records.

    Example:
        async with executor.feed.subscribe(after=last_seen) as subscription:
            async for records in subscription:
                ...
    """

    def __init__(self, feed: "Feed", replay: Sequence[Record], limit: int, max_bytes: int) -> None:
        self._feed = feed
        self._limit = limit
        self._max_bytes = max_bytes
        self._waiting: deque[Record] = deque(replay)
        self._bytes = total_size(replay)
        self._told = limit
        self._arrived = asyncio.Event()
        self._cut_off = False
        self._closed = False
        if self._waiting:
            self._arrived.set()

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription; an iteration that waits ends."""
        self._feed.remove(self)
        self._closed = True
        self._arrived.set()

    def offer(self, records: Sequence[Record], size: int) -> bool:
        """Take records from the feed; False when the subscriber is too far behind and is cut off."""
        waiting = self._waiting
        # One that has read everything is not behind, however much comes at once.
        if waiting and (len(waiting) + len(records) > self._limit or self._bytes + size > self._max_bytes):
            self._cut_off = True
            self._told = min(self._limit, len(waiting) + len(records) - 1)
            waiting.clear()
        else:
            waiting.extend(records)
            self._bytes += size
        self._arrived.set()
        return not self._cut_off

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> tuple[Record, ...]:
        """Wait for records.

        Raises:
            SubscriberTooSlowError: The subscriber fell behind; nothing more comes.
        """
        await self._arrived.wait()
        if self._cut_off:
            raise SubscriberTooSlowError(self._told)
        if self._closed:
            raise StopAsyncIteration
        records = tuple(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._arrived.clear()
        return records


class Feed:
    """Passes records on to live subscribers and retains the newest for those that come back.

    Publishing never waits: each subscriber has a bounded buffer of its own, and one that lets it run over is cut
    off and told.

    Args:
        retain: How many records to retain.
        max_bytes: How many bytes they may hold, by estimate; the oldest go, batch by batch. Twice as many may wait for
            a subscriber.
    """

    def __init__(self, retain: int, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._retained: deque[Record] = deque(maxlen=retain)
        # What retained batches hold beyond their plain records, each with its last record's id; few have an entry.
        self._heavy: deque[tuple[int, int]] = deque()
        self._heavy_bytes = 0
        self._subscriptions: set[Subscription] = set()

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return len(self._subscriptions)

    def publish(self, records: Sequence[Record], size: int) -> None:
        """Pass records on.

        Args:
            records: In the order of their ids; at least one.
            size: The memory that they hold together, in bytes (`total_size`).
        """
        self._retained.extend(records)
        if (heavy := size - PLAIN_BYTES * len(records)) > 0:
            self._heavy.append((records[-1].id, heavy))
            self._heavy_bytes += heavy
        if self._heavy or PLAIN_BYTES * len(self._retained) > self._max_bytes:
            self._forget()
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(records, size):
                self._subscriptions.discard(subscription)

    def _forget(self) -> None:
        retained, heavy = self._retained, self._heavy
        while heavy and heavy[0][0] < retained[0].id:
            self._heavy_bytes -= heavy.popleft()[1]  # its records have gone by number
        while retained and PLAIN_BYTES * len(retained) + self._heavy_bytes > self._max_bytes:
            gone = retained.popleft()
            if heavy and heavy[0][0] == gone.id:
                self._heavy_bytes -= heavy.popleft()[1]

    def subscribe(self, after: int | None = None, *, limit: int = 5_000) -> Subscription:
        """Listen from now on.

        Args:
            after: Replay retained records with an id above this one first, all of them; None replays nothing.
            limit: How many records may wait for this subscriber before it is cut off; what comes at once while none
                waits is taken, however much it is.
        """
        replay: list[Record] = []
        if after is not None:
            replay = [record for record in self._retained if record.id > after]
        subscription = Subscription(self, replay, limit, 2 * self._max_bytes)
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber; nothing happens if it is not there."""
        self._subscriptions.discard(subscription)
