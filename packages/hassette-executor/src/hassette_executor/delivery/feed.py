"""Live feed: passes new records to subscribers, in order, as they are made."""

import asyncio
from collections import deque
from collections.abc import Sequence
from types import TracebackType

from hassette_executor.errors import SubscriberTooSlowError
from hassette_executor.records.runs import Record
from hassette_executor.records.sizes import PLAIN_BYTES, total_size


class FeedSubscription:
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
        self._reported_limit = limit
        self._arrived = asyncio.Event()
        self._disconnected = False
        self._closed = False
        if self._waiting:
            self._arrived.set()

    @property
    def waiting(self) -> int:
        """Number of records that wait for the subscriber."""
        return len(self._waiting)

    @property
    def bytes(self) -> int:
        """Memory of the waiting records in bytes, by estimate."""
        return self._bytes

    async def __aenter__(self) -> "FeedSubscription":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription; an iteration that waits for records ends."""
        self._feed.remove(self)
        self._closed = True
        self._arrived.set()

    def offer(self, records: Sequence[Record], size: int) -> bool:
        """Take records from the feed; return False if the subscriber is too slow and is disconnected."""
        waiting = self._waiting
        # A subscriber that has read everything is not too slow, however many records come at once.
        if waiting and (len(waiting) + len(records) > self._limit or self._bytes + size > self._max_bytes):
            self._disconnected = True
            self._reported_limit = min(self._limit, len(waiting) + len(records) - 1)
            waiting.clear()
            self._bytes = 0
        else:
            waiting.extend(records)
            self._bytes += size
        self._arrived.set()
        return not self._disconnected

    def __aiter__(self) -> "FeedSubscription":
        return self

    async def __anext__(self) -> tuple[Record, ...]:
        """Wait for records.

        Raises:
            SubscriberTooSlowError: The subscriber was too slow; it receives no more records.
        """
        await self._arrived.wait()
        if self._disconnected:
            raise SubscriberTooSlowError(self._reported_limit)
        if self._closed:
            raise StopAsyncIteration
        records = tuple(self._waiting)
        self._waiting.clear()
        self._bytes = 0
        self._arrived.clear()
        return records


class Feed:
    """Passes records to live subscribers and retains the newest for subscribers that return.

    Publishing never waits: each subscriber has a bounded buffer, and a subscriber that lets it overflow is disconnected
    with an error.

    Args:
        retain: How many records to retain.
        max_bytes: How many bytes they may hold, by estimate; the oldest are dropped. Twice as many may wait for one
            subscriber.
    """

    def __init__(self, retain: int, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._retained: deque[Record] = deque(maxlen=retain)
        # Bytes of failures and effects in retained batches, each with the id of its last record. Few batches have any.
        self._details: deque[tuple[int, int]] = deque()
        self._details_bytes = 0
        self._subscriptions: set[FeedSubscription] = set()

    @property
    def subscribers(self) -> int:
        """Number of subscribers."""
        return len(self._subscriptions)

    @property
    def retained(self) -> tuple[Record, ...]:
        """The retained records, oldest first."""
        return tuple(self._retained)

    @property
    def bytes(self) -> int:
        """Memory of the retained records in bytes, by estimate."""
        return PLAIN_BYTES * len(self._retained) + self._details_bytes

    def publish(self, records: Sequence[Record], size: int) -> None:
        """Pass records to the subscribers.

        Args:
            records: At least one record, ordered by id.
            size: The memory that they hold together, in bytes (`total_size`).
        """
        self._retained.extend(records)
        if (details := size - PLAIN_BYTES * len(records)) > 0:
            self._details.append((records[-1].id, details))
            self._details_bytes += details
        if self._details or self.bytes > self._max_bytes:
            self._drop_oldest()
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(records, size):
                self._subscriptions.discard(subscription)

    def _drop_oldest(self) -> None:
        retained, details = self._retained, self._details
        while details and details[0][0] < retained[0].id:
            self._details_bytes -= details.popleft()[1]  # the deque's bound has dropped its records already
        while retained and self.bytes > self._max_bytes:
            dropped = retained.popleft()
            if details and details[0][0] == dropped.id:
                self._details_bytes -= details.popleft()[1]

    def subscribe(self, after: int | None = None, *, limit: int = 5_000) -> FeedSubscription:
        """Subscribe from now on.

        Args:
            after: First replay all retained records with a higher id; None replays nothing.
            limit: How many records may wait for this subscriber before it is disconnected. Records that arrive while
                none wait are always accepted.
        """
        replay: list[Record] = []
        if after is not None:
            replay = [record for record in self._retained if record.id > after]
        subscription = FeedSubscription(self, replay, limit, 2 * self._max_bytes)
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: FeedSubscription) -> None:
        """Remove a subscriber; do nothing if it is not subscribed."""
        self._subscriptions.discard(subscription)
