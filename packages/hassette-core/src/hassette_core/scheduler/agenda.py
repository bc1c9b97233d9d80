"""`Agenda`: all jobs, ordered by their next run."""

import heapq
from operator import attrgetter

from hassette_core.scheduler.planned_job import PlannedJob, UpcomingJob

SLACK = 64
"""The heap is rebuilt when it has more entries than this number plus twice the entries after the last rebuild."""
MAX_SKIPPED = 500
"""`Agenda.upcoming` reads the whole heap if it finds more void entries and paused jobs than this."""
_DUE = attrgetter("due_us")


class Agenda:
    """A heap of jobs, ordered by the time of their next run. Jobs with equal times are in the order of registration.

    Entries are never removed from the middle of the heap. When a job is planned again or ends, its entry becomes void.
    Void entries are removed when they reach the top, or all at once when there are too many of them.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, PlannedJob]] = []
        self._tickets = 0
        self._swept = 0
        self._ended = 0

    def __len__(self) -> int:
        """Return the number of entries, including void entries."""
        return len(self._heap)

    def put(self, job: PlannedJob) -> None:
        """Add an entry for the next run of a job, and make its previous entry void.

        A job without a plan gets no entry.
        """
        self._tickets += 1
        job.ticket = self._tickets
        if not job.number:
            job.number = self._tickets
        if job.plan is not None:
            heapq.heappush(self._heap, (job.plan.due_ns, job.number, job.ticket, job))
        if len(self._heap) > 2 * self._swept + SLACK:
            self._sweep()

    def first_ns(self) -> int | None:
        """Return the time of the earliest run, by the monotonic clock; None if no run is planned."""
        if 4 * self._ended > len(self._heap):
            # One pass is faster than the loop below, which takes one entry after the other from the heap.
            self._sweep()
        while self._heap and not _valid(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def note_ended(self, count: int) -> None:
        """Note that jobs have ended or are suspended, so that their entries are void."""
        self._ended += count

    def take_due(self, now_ns: int) -> PlannedJob | None:
        """Remove and return the job with the earliest run if it is due."""
        first_ns = self.first_ns()
        if first_ns is None or first_ns > now_ns:
            return None
        return heapq.heappop(self._heap)[-1]

    def upcoming(self, limit: int) -> list[UpcomingJob]:
        """Return the next runs of the jobs that are not paused, soonest first.

        The cost grows with the limit, and not with the number of jobs: only the upper part of the heap is read. Very
        many void entries or paused jobs in that part are the exception, for which the whole heap is read.

        Args:
            limit: Maximum number of runs.
        """
        found: list[UpcomingJob] = []
        skipped = 0
        places = [(*self._heap[0][:2], 0)] if self._heap else []
        while places and len(found) < limit:
            place = heapq.heappop(places)[-1]
            entry = self._heap[place]
            if _valid(entry) and (upcoming := entry[-1].upcoming) is not None:
                found.append(upcoming)
            elif (skipped := skipped + 1) > MAX_SKIPPED:
                return self._first_of_all(limit)
            for below in (2 * place + 1, 2 * place + 2):
                if below < len(self._heap):
                    heapq.heappush(places, (*self._heap[below][:2], below))
        return sorted(found, key=_DUE)

    def _first_of_all(self, limit: int) -> list[UpcomingJob]:
        self._sweep()
        found = (upcoming for entry in self._heap if (upcoming := entry[-1].upcoming) is not None)
        return heapq.nsmallest(limit, found, key=_DUE)

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if _valid(entry)]
        heapq.heapify(self._heap)
        self._swept = len(self._heap)
        self._ended = 0


def _valid(entry: tuple[int, int, int, PlannedJob]) -> bool:
    job = entry[3]
    return entry[2] == job.ticket and job.active
