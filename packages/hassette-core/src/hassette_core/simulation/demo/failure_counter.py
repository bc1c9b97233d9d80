"""`FailureCounter`: count the failed runs of a demo as they end."""

import asyncio
from collections import Counter

from hassette_executor import Feed, Record

MAX_BUFFERED_RUNS = 1_000_000
"""Counting is quick, so with this limit no run is dropped before it is counted."""


class FailureCounter:
    """Follows a feed and counts the failed runs.

    Attributes:
        failures: Number of failures by ``app.instance.name`` of the listener or job.
    """

    def __init__(self) -> None:
        self.failures: Counter[str] = Counter()
        self._last_id = 0

    def count(self, record: Record) -> None:
        """Count a run if it failed."""
        self._last_id = record.id
        if record.failure is not None:
            registration = record.registration
            self.failures[f"{registration.app}.{registration.instance}.{registration.name}"] += 1

    async def follow(self, feed: Feed) -> None:
        """Count from now on, until cancelled."""
        async with feed.subscribe(limit=MAX_BUFFERED_RUNS) as subscription:
            async for records in subscription:
                for record in records:
                    self.count(record)

    async def catch_up(self, feed: Feed) -> None:
        """Count the failed runs that ended after `follow` was cancelled, for example the last run of the process."""
        async with feed.subscribe(after=self._last_id, limit=MAX_BUFFERED_RUNS) as rest:
            # The feed returns the retained records immediately. After the loop below has read them, `call_soon` closes
            # the subscription, so that the loop ends.
            asyncio.get_running_loop().call_soon(rest.close)
            async for records in rest:
                for record in records:
                    self.count(record)
