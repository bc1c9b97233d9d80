"""Counts what a demonstration ran, as it happens."""

from collections import Counter

from hassette_executor import Feed, Record


class Tally:
    """Follows a feed and counts runs.

    Attributes:
        statuses: How many runs ended how.
        failures: How often each handler or job failed, by ``app.instance.name``.
    """

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    def count(self, record: Record) -> None:
        """Count one run."""
        self.statuses[record.status] += 1
        if record.failure is not None:
            registration = record.registration
            self.failures[f"{registration.app}.{registration.instance}.{registration.name}"] += 1

    async def follow(self, feed: Feed) -> None:
        """Count every run from now on, until cancelled."""
        async with feed.subscribe(limit=1_000_000) as subscription:
            async for records in subscription:
                for record in records:
                    self.count(record)
