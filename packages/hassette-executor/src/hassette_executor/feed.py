"""Records, live: what has just happened, in order, to whoever listens now."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType

from hassette_executor.errors import SubscriberTooSlowError
from hassette_executor.records import Record


class Subscription:
    """One subscriber's view of the feed: an async context manager and an async iterator of tuples of records.

    Example:
        async with executor.feed.subscribe(after=last_seen) as subscription:
            async for records in subscription:
                ...

    Attributes:
        complete_from: Everything with an id above this one was, or will be, delivered: what is older was no longer
            retained and has to come from the store.
    """

    def __init__(self, feed: "Feed", replay: Sequence[Record], complete_from: int, limit: int) -> None:
        self.complete_from = complete_from
        self._feed = feed
        self._limit = limit
        self._waiting: deque[Record] = deque(replay)
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

    def offer(self, records: Sequence[Record]) -> bool:
        """Take records from the feed; False when the subscriber is too far behind and is cut off."""
        if len(self._waiting) + len(records) > self._limit:
            self._cut_off = True
            self._waiting.clear()
        else:
            self._waiting.extend(records)
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
            raise SubscriberTooSlowError(self._limit)
        if self._closed:
            raise StopAsyncIteration
        records = tuple(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        return records


class Feed:
    """Passes records on to live subscribers and retains the newest for those that come back.

    Publishing never waits: each subscriber has a bounded buffer of its own, and one that lets it run over is cut
    off and told.

    Args:
        retain: How many records to retain.
    """

    def __init__(self, retain: int) -> None:
        self._limit = retain
        self._retained: deque[Record] = deque(maxlen=retain)
        self._subscriptions: set[Subscription] = set()
        self._forgotten = 0

    @property
    def subscribers(self) -> int:
        """How many subscribers there are."""
        return len(self._subscriptions)

    def publish(self, records: Sequence[Record]) -> None:
        """Pass records on, in the order of their ids."""
        retained = self._retained
        overflow = len(retained) + len(records) - self._limit
        if overflow > 0:
            newest_forgotten = retained[overflow - 1] if overflow <= len(retained) else records[-self._limit - 1]
            self._forgotten = newest_forgotten.id
        retained.extend(records)
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(records):
                self._subscriptions.discard(subscription)

    def subscribe(self, after: int | None = None, *, limit: int = 5_000) -> Subscription:
        """Listen from now on.

        Args:
            after: Replay retained records with an id above this one first; None replays nothing.
            limit: How many records may wait for this subscriber before it is cut off.
        """
        retained = self._retained
        replay = [] if after is None else [record for record in retained if record.id > after][-limit:]
        # What is not replayed, be it asked for or not, is what the subscriber has to get from the store.
        before = len(retained) - len(replay)
        complete_from = retained[before - 1].id if before else self._forgotten
        subscription = Subscription(self, replay, complete_from, limit)
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber; nothing happens if it is not there."""
        self._subscriptions.discard(subscription)
