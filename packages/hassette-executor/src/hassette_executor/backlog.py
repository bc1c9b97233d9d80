"""The runs that wait for a sink: in their order, and once they are many, also in the order in which they would go.

The cheapest go first: successes of the busiest registrations, down to a level that all of them share, oldest first;
then runs that were cancelled, then those that timed out, errors last.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heapreplace

from hassette_executor.records import Record, Status
from hassette_executor.shedding import size_of, total_size

CHEAPEST_FIRST = (Status.SUCCESS, Status.CANCELLED, Status.TIMED_OUT, Status.ERROR)


class Backlog:
    """Runs that wait, oldest first.

    All of this runs on the event loop, so which are to go is found without looking at all. While they are few, they
    only stand in their order. From `line_up_from` on they also stand in line by status and natural key, and those to go
    are at the heads of the longest lines. One that has gone so is let go of when its turn in the order comes.

    Args:
        line_up_from: How many may wait before they are lined up.

    Attributes:
        bytes: The memory that they hold together, by estimate.
    """

    def __init__(self, line_up_from: int) -> None:
        self.bytes = 0
        self._line_up_from = line_up_from
        self._records: deque[Record] = deque()
        self._lines: dict[Status, defaultdict[tuple[str, ...], deque[Record]]] = {}
        self._gone: dict[int, int] = {}  # sizes by id
        self._gone_bytes = 0

    def __len__(self) -> int:
        return len(self._records) - len(self._gone)

    @property
    def oldest_id(self) -> int | None:
        """The oldest one's id; None when nothing waits."""
        return self._records[0].id if self._records else None

    def extend(self, records: Sequence[Record], size: int) -> None:
        """Add runs that are newer than all that wait; ``size`` is what they hold together, in bytes."""
        self._records.extend(records)
        self.bytes += size
        if self._lines:
            self._line_up(records)
        elif len(self._records) > self._line_up_from:
            self._line_up(self._records)

    def put_back(self, records: Sequence[Record], size: int) -> None:
        """Add runs that are older than all that wait; ``size`` is what they hold together, in bytes."""
        self._records.extendleft(reversed(records))
        self.bytes += size
        if self._lines:
            for record in reversed(records):
                self._lines[record.status][record.registration.key].appendleft(record)

    def take(self, count: int) -> tuple[tuple[Record, ...], int]:
        """Remove the oldest, ``count`` at most; return them and the memory that they hold together, in bytes."""
        records, gone = self._records, self._gone
        if len(records) - len(gone) <= count:
            taken = tuple([record for record in records if record[0] not in gone] if gone else records)
            size, self.bytes, self._gone_bytes = self.bytes, 0, 0
            for emptied in (records, gone, self._lines):
                emptied.clear()
            return taken, size
        if self._lines:
            taken = tuple([self._take_from_its_line() for _ in range(count)])
        else:
            taken = tuple([records.popleft() for _ in range(count)])
        size = total_size(taken)
        self.bytes -= size
        return taken, size

    def _take_from_its_line(self) -> Record:
        record = self._records.popleft()
        lines, key = self._lines[record.status], record.registration.key
        lines[key].popleft()
        if not lines[key]:
            del lines[key]
        self._let_go()
        return record

    def give_up(self, max_records: int, max_bytes: int) -> list[Record]:
        """Remove the cheapest until what waits fits; return them in their order.

        Args:
            max_records: How many may stay.
            max_bytes: How many bytes may stay.
        """
        if not self._lines:
            self._line_up(self._records)
        going: list[Record] = []
        for status in CHEAPEST_FIRST:
            lines = self._lines[status]
            longest = [(-len(line), number, line) for number, line in enumerate(lines.values())]
            heapify(longest)
            while longest and (len(self) > max_records or self.bytes > max_bytes):
                _, number, line = longest[0]
                record = line.popleft()
                going.append(record)
                self._gone[record.id] = size = size_of(record)
                self._gone_bytes += size
                self.bytes -= size
                if line:
                    heapreplace(longest, (-len(line), number, line))
                else:
                    heappop(longest)
                    del lines[record.registration.key]
        self._let_go()
        return sorted(going, key=lambda record: record.id)

    def _line_up(self, records: Iterable[Record]) -> None:
        if not self._lines:
            self._lines = {status: defaultdict(deque) for status in CHEAPEST_FIRST}
        lines = self._lines
        for record in records:
            # By place, not by name: this runs on the event loop for every record of a long backlog.
            lines[record[6]][record[1].key].append(record)

    def _let_go(self) -> None:
        # What was given up leaves the order where that is cheap: at its head, or all at once when it has become much.
        records, gone = self._records, self._gone
        while gone and records[0].id in gone:
            self._gone_bytes -= gone.pop(records.popleft().id)
        if self._gone_bytes > self.bytes // 16:
            self._records = deque([record for record in records if record[0] not in gone])
            gone.clear()
            self._gone_bytes = 0
