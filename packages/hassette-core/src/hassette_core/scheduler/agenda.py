"""All planned runs, the earliest first."""

import heapq

from hassette_core.scheduler.job import PlannedJob

SLACK = 64
"""How many void entries may lie around before they are swept out."""


class Agenda:
    """A heap of jobs by the moment at which they are due.

    A job that is put in again, or has ended, leaves a void entry behind: nothing is ever taken out of the middle. Void
    entries are passed over when they come up, and swept out when they are the greater part.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, PlannedJob]] = []
        self._tickets = 0
        self._swept = 0

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, job: PlannedJob) -> None:
        """Put a job in at its planned moment, in place of where it was; one without a plan is only taken out."""
        self._tickets += 1
        job.ticket = self._tickets
        if job.plan is not None:
            heapq.heappush(self._heap, (job.plan.due_ns, job.ticket, job))
        if len(self._heap) > 2 * self._swept + SLACK:
            self._heap = [entry for entry in self._heap if _valid(entry)]
            heapq.heapify(self._heap)
            self._swept = len(self._heap)

    def first_ns(self) -> int | None:
        """Return the moment of the first job, by the monotonic clock; None without any."""
        while self._heap and not _valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ns: int) -> PlannedJob | None:
        """Take the first job out if its moment has come."""
        first_ns = self.first_ns()
        if first_ns is None or first_ns > now_ns:
            return None
        return heapq.heappop(self._heap)[2]


def _valid(entry: tuple[int, int, PlannedJob]) -> bool:
    _, ticket, job = entry
    return ticket == job.ticket and job.active
