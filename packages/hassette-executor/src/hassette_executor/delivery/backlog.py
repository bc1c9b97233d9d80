"""Backlog: runs that wait for a sink, ordered by age. If there are many, they are also indexed for eviction.

The least important runs are evicted first: successes, then cancelled runs, then timed-out runs, then errors. Within a
status, the registration that has the most waiting runs at that moment loses its oldest run.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace

from hassette_executor.records.runs import Record, Status
from hassette_executor.records.sizes import size_of, total_size

LEAST_IMPORTANT_FIRST = (Status.SUCCESS, Status.CANCELLED, Status.TIMED_OUT, Status.ERROR)


class Backlog:
    """Runs that wait for a sink, oldest first.

    The backlog is used on the event loop, so an eviction must not search all records. Above `index_above` runs, the
    runs are also in queues, one for each status and natural key. The runs to evict are at the heads of the longest
    queues. The main list, in which all runs are ordered by age, keeps an evicted run until removing it is cheap.

    Args:
        index_above: Above this number of runs, they are indexed.

    Attributes:
        bytes: The memory that the runs use together, by estimate.
    """

    def __init__(self, index_above: int) -> None:
        self.bytes = 0
        self._index_above = index_above
        self._records: deque[Record] = deque()
        self._queues: dict[Status, defaultdict[tuple[str, ...], deque[Record]]] = {}
        self._evicted: dict[int, int] = {}  # size by id; only evicted runs that are still in self._records
        self._evicted_bytes = 0

    def __len__(self) -> int:
        return len(self._records) - len(self._evicted)

    @property
    def oldest_id(self) -> int | None:
        """Id of the oldest run; None if the backlog is empty."""
        return self._records[0].id if self._records else None

    @property
    def indexed(self) -> bool:
        """Whether runs are indexed by status and natural key."""
        return bool(self._queues)

    @property
    def held_bytes(self) -> int:
        """Memory of the backlog in bytes, including evicted runs that are still in the main list."""
        return self.bytes + self._evicted_bytes

    def extend(self, records: Sequence[Record], size: int) -> None:
        """Add runs that are newer than all others; ``size`` is their memory in bytes (`total_size`)."""
        self._records.extend(records)
        self.bytes += size
        if self._queues:
            self._index(records)
        elif len(self._records) > self._index_above:
            self._index(self._records)

    def take(self, count: int) -> tuple[tuple[Record, ...], int]:
        """Remove the oldest runs, at most ``count``; return them and their memory in bytes."""
        records, evicted = self._records, self._evicted
        if len(records) - len(evicted) <= count:
            taken = tuple([record for record in records if record.id not in evicted] if evicted else records)
            size, self.bytes, self._evicted_bytes = self.bytes, 0, 0
            for emptied in (records, evicted, self._queues):
                emptied.clear()
            return taken, size
        if self._queues:
            taken = tuple([self._take_indexed() for _ in range(count)])
        else:
            taken = tuple([records.popleft() for _ in range(count)])
        size = total_size(taken)
        self.bytes -= size
        return taken, size

    def _take_indexed(self) -> Record:
        record = self._records.popleft()
        queues, key = self._queues[record.status], record.registration.key
        queues[key].popleft()
        if not queues[key]:
            del queues[key]
        self._compact()
        return record

    def evict(self, max_records: int, max_bytes: int) -> list[Record]:
        """Remove the least important runs until the rest is within the limits; return the removed runs, oldest first.

        Args:
            max_records: How many runs may stay.
            max_bytes: How many bytes may stay.
        """
        if not self._queues:
            self._index(self._records)
        evicted: list[Record] = []
        for status in LEAST_IMPORTANT_FIRST:
            queues = self._queues[status]
            longest = [(-len(queue), number, queue) for number, queue in enumerate(queues.values())]
            heapify(longest)
            while longest and (len(self) > max_records or self.bytes > max_bytes):
                _, number, queue = longest[0]
                record = queue.popleft()
                evicted.append(record)
                self._evicted[record.id] = size = size_of(record)
                self._evicted_bytes += size
                self.bytes -= size
                if queue:
                    heapreplace(longest, (-len(queue), number, queue))
                else:
                    heappop(longest)
                    del queues[record.registration.key]
        self._compact()
        return sorted(evicted, key=lambda record: record.id)

    def _index(self, records: Iterable[Record]) -> None:
        if not self._queues:
            self._queues = {status: defaultdict(deque) for status in LEAST_IMPORTANT_FIRST}
        for record in records:
            self._queues[record.status][record.registration.key].append(record)

    def _compact(self) -> None:
        # Removing an evicted run from the head of the main list is cheap. The other evicted runs are removed together,
        # when they use more than a sixteenth of the memory of the waiting runs.
        records, evicted = self._records, self._evicted
        while evicted and records[0].id in evicted:
            self._evicted_bytes -= evicted.pop(records.popleft().id)
        if self._evicted_bytes > self.bytes // 16:
            self._records = deque([record for record in records if record.id not in evicted])
            evicted.clear()
            self._evicted_bytes = 0
