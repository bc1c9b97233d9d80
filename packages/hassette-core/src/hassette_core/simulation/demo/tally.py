"""Counts what a demonstration ran, as it happens."""

import asyncio
from collections import Counter

from hassette_executor import Feed, Record

MOST_WAITING = 1_000_000
"""Runs that may wait to be counted: to count is quick, and none must be left out."""


class Tally:
    """Follows a feed and counts runs.

    Attributes:
        statuses: How many runs ended how.
        failures: How often each handler or job failed, by ``app.instance.name``.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self._last_id = 0

    def count(self, record: Record) -> None:
        """Count one run."""
        self._last_id = record.id
        self.statuses[record.status] += 1
        if record.failure is not None:
            registration = record.registration
            self.failures[f"{registration.app}.{registration.instance}.{registration.name}"] += 1

    async def follow(self, feed: Feed) -> None:
        """Count every run from now on, until cancelled."""
        async with feed.subscribe(limit=MOST_WAITING) as subscription:
            async for records in subscription:
                for record in records:
                    self.count(record)

    async def catch_up(self, feed: Feed) -> None:
        """Count what `follow` was cancelled before it came to, such as the run whose failure ended everything."""
        async with feed.subscribe(after=self._last_id, limit=MOST_WAITING) as rest:
            asyncio.get_running_loop().call_soon(rest.close)  # what is retained is there at once; no more comes
            async for records in rest:
                for record in records:
                    self.count(record)
