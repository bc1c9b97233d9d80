"""`Agenda`: all planned runs, in the order in which they are due."""

import heapq

from hassette_core.scheduler.planned_job import PlannedJob


class Agenda:
    """A heap of jobs by the moment at which they are due.

    Entries are never removed from the middle of the heap. A job that is planned again, or has ended, leaves a void
    entry behind. Void entries are skipped when they reach the top, and removed when they outnumber the valid ones.

    Args:
        slack: How many void entries are always allowed, so that a small heap is not rebuilt again and again.
    """

    def __init__(self, *, slack: int = 64) -> None:
        self._slack = slack
        self._heap: list[tuple[int, int, PlannedJob]] = []
        self._tickets = 0
        self._swept = 0

    def __len__(self) -> int:
        """Return the number of entries, void ones included."""
        return len(self._heap)

    def put(self, job: PlannedJob) -> None:
        """Enter a job at its planned moment and void its previous entry. A job without a plan gets no entry."""
        self._tickets += 1
        job.ticket = self._tickets
        if job.plan is not None:
            heapq.heappush(self._heap, (job.plan.due_ns, job.ticket, job))
        if len(self._heap) > 2 * self._swept + self._slack:
            self._heap = [entry for entry in self._heap if _valid(entry)]
            heapq.heapify(self._heap)
            self._swept = len(self._heap)

    def first_ns(self) -> int | None:
        """Return the moment of the first job, by the monotonic clock; None without a job."""
        while self._heap and not _valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ns: int) -> PlannedJob | None:
        """Remove and return the first job if it is due."""
        first_ns = self.first_ns()
        if first_ns is None or first_ns > now_ns:
            return None
        return heapq.heappop(self._heap)[2]


def _valid(entry: tuple[int, int, PlannedJob]) -> bool:
    _, ticket, job = entry
    return ticket == job.ticket and job.active
