"""Live feed: passes new records to subscribers, in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from hassette_executor.errors import SubscriberTooSlowError
from hassette_executor.records.runs import Record
from hassette_executor.records.sizes import PLAIN_BYTES, total_size


class FeedSubscription:
    """The waiting records of one subscriber: an async context manager and an async iterator of tuples of records.

    Example::

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
        """Number of records that the subscriber has not read yet."""
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
        """End the subscription. An iteration that waits for records also ends."""
        self._feed.remove(self)
        self._closed = True
        self._arrived.set()

    def offer(self, records: Sequence[Record], size: int) -> bool:
        """Add records for the subscriber; if it is too slow, disconnect it and return False."""
        waiting = self._waiting
        # A subscriber without waiting records is not too slow, even if many records are published together.
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
            SubscriberTooSlowError: The subscriber was too slow and is disconnected.
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
    """Passes records to live subscribers, and retains the newest records for subscribers that reconnect.

    Publishing never waits. Each subscriber has a bounded buffer. If the buffer of a subscriber is full, the subscriber
    is disconnected with an error.

    Args:
        retain: How many records to retain.
        max_bytes: How many bytes the retained records may use, by estimate. Above this number, the oldest records are
            dropped. The records that wait for one subscriber may use twice as many bytes.
        before_subscribe: Publishes records that wait. Called before each new subscription.
    """

    def __init__(self, retain: int, max_bytes: int, before_subscribe: Callable[[], None] = lambda: None) -> None:
        self._max_bytes = max_bytes
        self._before_subscribe = before_subscribe
        self._retained: deque[Record] = deque(maxlen=retain)
        # One item for each `publish` whose records have failures or effects: the number of the last record, and the
        # bytes of these failures and effects. The bytes are subtracted when that record is dropped.
        self._details: deque[tuple[int, int]] = deque()
        self._published = 0
        self._details_bytes = 0
        self._subscriptions: set[FeedSubscription] = set()

    @property
    def has_subscribers(self) -> bool:
        """Whether a subscriber waits for records."""
        return bool(self._subscriptions)

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
            records: At least one record, in the order in which the runs ended.
            size: The memory that they use together, in bytes (`total_size`).
        """
        self._retained.extend(records)
        self._published += len(records)
        if (details := size - PLAIN_BYTES * len(records)) > 0:
            self._details.append((self._published, details))
            self._details_bytes += details
        if self._details or self.bytes > self._max_bytes:
            self._drop_oldest()
        for subscription in tuple(self._subscriptions):
            if not subscription.offer(records, size):
                self._subscriptions.discard(subscription)

    def _drop_oldest(self) -> None:
        retained, details = self._retained, self._details
        while details and details[0][0] <= self._published - len(retained):
            self._details_bytes -= details.popleft()[1]  # these records have been dropped by the deque's `maxlen`
        while retained and self.bytes > self._max_bytes:
            retained.popleft()
            if details and details[0][0] == self._published - len(retained):
                self._details_bytes -= details.popleft()[1]

    def subscribe(self, after: int | None = None, *, limit: int = 5_000) -> FeedSubscription:
        """Subscribe from now on.

        Args:
            after: An id. The subscriber first gets all records that were published after the record with this id. If
                that record is no longer retained, it gets all retained records with a higher id. With None, it gets
                only new records.
            limit: How many records may wait for this subscriber. Above this number it is disconnected. If no records
                wait, new records are always accepted, however many there are.
        """
        self._before_subscribe()
        replay: list[Record] = []
        if after is not None:
            # After a step back of the clock, newer records have lower ids. So first look for the record itself.
            for record in reversed(self._retained):
                if record.id == after:
                    break
                replay.append(record)
            else:
                replay = [record for record in replay if record.id > after]
            replay.reverse()
        subscription = FeedSubscription(self, replay, limit, 2 * self._max_bytes)
        self._subscriptions.add(subscription)
        return subscription

    def remove(self, subscription: FeedSubscription) -> None:
        """Remove a subscriber; do nothing if it is not subscribed."""
        self._subscriptions.discard(subscription)
