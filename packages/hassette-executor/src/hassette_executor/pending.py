"""What rides in the next batch beside runs: registrations, lifecycle events, counts, gaps, facts."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from hassette_executor.records import (
    Batch,
    HandlerInvocation,
    JobExecution,
    LifecycleEvent,
    Loss,
    Record,
    Registration,
    RunningExecution,
    SkipCount,
)
from hassette_executor.shedding import Summaries

MAX_SKIPPED = 10_000
"""Counts of what did not run that may wait, by registration, hour and reason; beyond it the oldest hours become one."""
MAX_LIFECYCLE = 1_000
"""Lifecycle events that may wait; more are counted as a loss, the oldest first."""


class Pending:
    """Gathers, within bounds, what is to be said beside runs; counts add up while they wait, so none is dropped.

    Registrations go by their natural key: one that is replaced many times while a sink is down waits only once.
    """

    def __init__(self) -> None:
        self._registered: dict[tuple[str, ...], Registration] = {}
        self._retired: dict[tuple[str, ...], Registration] = {}
        self._lifecycle: deque[LifecycleEvent] = deque()
        self._skipped: dict[tuple[tuple[str, ...], int, str], SkipCount] = {}
        self._skip_hours: Counter[int] = Counter()
        self._losses: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._running: tuple[RunningExecution, ...] | None = None
        self._facts: dict[str, str] = {}
        self.summaries = Summaries()

    def __bool__(self) -> bool:
        return bool(
            self._registered
            or self._retired
            or self._lifecycle
            or self._skipped
            or self._losses
            or self._facts
            or self.summaries
            or self._running is not None
        )

    def register(self, registration: Registration) -> None:
        """Announce a registration. One of the same key that was to be retired lives on in it."""
        self._registered[registration.key] = registration
        self._retired.pop(registration.key, None)

    def retire(self, registration: Registration) -> None:
        """Announce that a registration has ended."""
        self._retired[registration.key] = registration

    def report(self, event: LifecycleEvent) -> None:
        """Announce a lifecycle event."""
        self._lifecycle.append(event)
        self._bound_lifecycle()

    def skip(self, registration: Registration, hour_us: int, reason: str, count: int) -> None:
        """Count what did not run."""
        key = (registration.key, hour_us, reason)
        already = 0
        if key in self._skipped:
            already = self._skipped[key].count
        else:
            # Within one hour there is one for each key and reason, however many those are: nothing is left to join.
            if len(self._skipped) >= MAX_SKIPPED and len(self._skip_hours) > 1:
                self._join_oldest_hours()
                self.skip(registration, hour_us, reason, count)
                return
            self._skip_hours[hour_us] += 1
        self._skipped[key] = SkipCount(registration, hour_us, reason, already + count)

    def lose(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        """Count detail that is given up, between two wall-clock times."""
        already, first, last = self._losses.get((reason, what), (0, first_us, last_us))
        self._losses[reason, what] = (already + count, min(first, first_us), max(last, last_us))

    def set_running(self, running: tuple[RunningExecution, ...]) -> None:
        """Replace the list of runs that have been going on for a while."""
        self._running = running

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Add or change facts about the session."""
        self._facts.update(facts)

    def held(self) -> dict[str, int]:
        """Return how many of each kind wait, but for the list of what runs; of skips and losses what they count."""
        return _named(
            len(self._registered),
            len(self._retired),
            len(self._lifecycle),
            sum(skip.count for skip in self._skipped.values()),
            sum(count for count, _, _ in self._losses.values()),
            len(self._facts),
        )

    def take(self, at_us: int) -> Batch:
        """Return all of it as a batch without runs and without a number, and begin anew."""
        batch = Batch(
            sequence=0,
            at_us=at_us,
            registered=tuple(self._registered.values()),
            retired=tuple(self._retired.values()),
            lifecycle=tuple(self._lifecycle),
            skipped=tuple(self._skipped.values()),
            summaries=self.summaries.take(),
            losses=tuple(Loss(*key, *numbers) for key, numbers in self._losses.items()),
            running=self._running,
            session_facts=tuple(self._facts.items()),
        )
        for gathered in (self._registered, self._retired, self._lifecycle, self._losses, self._facts):
            gathered.clear()
        self._skipped.clear()
        self._skip_hours.clear()
        self._running = None
        return batch

    def _join_oldest_hours(self) -> None:
        oldest, next_us, *_ = sorted(self._skip_hours)
        del self._skip_hours[oldest]
        for skip in [skip for skip in self._skipped.values() if skip.hour_us == oldest]:
            del self._skipped[skip.registration.key, skip.hour_us, skip.reason]
            self.skip(skip.registration, next_us, skip.reason, skip.count)

    def _bound_lifecycle(self) -> None:
        while len(self._lifecycle) > MAX_LIFECYCLE:
            oldest = self._lifecycle.popleft()
            self.lose("queue_full_count", "lifecycle", 1, oldest.at_us, oldest.at_us)


def records_of(batch: Batch) -> list[Record]:
    """Return a batch's runs of both kinds, in the order of their ids."""
    return sorted((*batch.invocations, *batch.executions), key=_id_of)


def _id_of(record: Record) -> int:
    return record.id


def held_by(batch: Batch) -> dict[str, int]:
    """Return how many of each kind a batch says beside runs, as `Pending.held` does."""
    return _named(
        len(batch.registered),
        len(batch.retired),
        len(batch.lifecycle),
        sum(skip.count for skip in batch.skipped),
        sum(loss.count for loss in batch.losses),
        len(batch.session_facts),
    )


def _named(*counts: int) -> dict[str, int]:
    names = ("registered", "retired", "lifecycle", "skipped", "losses", "session_facts")
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def count_of(batch: Batch) -> int:
    """Return how many runs a batch holds."""
    return len(batch.invocations) + len(batch.executions)


def kind_of(batch: Batch) -> str:
    """Return what a batch of one item, which is no run, holds."""
    return next((name for name in batch._fields[4:] if getattr(batch, name)), "running")


def stands_for(batch: Batch) -> int:
    """Return what a batch of one item, which is no run, counts: skips and summaries stand for many."""
    summed_up = sum(count for summary in batch.summaries for _, count in summary.counts)
    return sum(item.count for item in (*batch.skipped, *batch.losses)) + summed_up or 1


def with_records(batch: Batch, records: Sequence[Record]) -> Batch:
    """Return the batch with these runs in place of its own."""
    # Most batches hold runs of handlers only, and this runs on the event loop: counting types in C is the quick way.
    if [*map(type, records)].count(HandlerInvocation) == len(records):
        return batch._replace(invocations=tuple(records), executions=())
    return batch._replace(
        invocations=tuple([record for record in records if type(record) is HandlerInvocation]),
        executions=tuple([record for record in records if type(record) is JobExecution]),
    )


def without_records(batch: Batch) -> Batch:
    """Return the batch with everything but its runs."""
    return batch._replace(invocations=(), executions=())


def is_empty(batch: Batch) -> bool:
    """Whether a batch says nothing at all."""
    return batch.running is None and not any(batch[2:10]) and not batch.session_facts


def halved(batch: Batch) -> tuple[Batch, ...]:
    """Return the pieces in which to look for a row that the sink rejects; empty when the batch is one row itself."""
    records = records_of(batch)
    rest = without_records(batch)
    if records and not is_empty(rest):
        return rest, with_records(Batch(0, batch.at_us), records)
    if len(records) > 1:
        middle = len(records) // 2
        return with_records(batch, records[:middle]), with_records(batch, records[middle:])
    if records:
        return ()
    # Beside runs there are few items: each goes alone.
    empty = Batch(0, batch.at_us)
    pieces = [empty._replace(**{name: (item,)}) for name in _ITEM_FIELDS for item in getattr(batch, name)]
    if batch.running is not None:
        pieces.append(empty._replace(running=batch.running))
    return tuple(pieces) if len(pieces) > 1 else ()


_ITEM_FIELDS = ("registered", "retired", "lifecycle", "skipped", "summaries", "losses", "session_facts")
