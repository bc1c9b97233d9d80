"""Builder of the next batch: collects its announcements."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from hassette_executor.delivery.summaries import Summaries
from hassette_executor.records.batches import Batch, LifecycleEvent, Loss, NotRun, Silence, SkipCount
from hassette_executor.records.circumstances import FIELDS, Circumstance
from hassette_executor.records.ids import hour_of, time_of
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Record, RunningExecution
from hassette_executor.settings import ExecutorLimits


class BatchBuilder:
    """Collects announcements within bounds. Counts of the same kind are added up, so no count is dropped.

    Registrations are collected by natural key. If a registration is replaced many times while the sink is down, it is
    announced once.

    Args:
        limits: The bounds.
    """

    def __init__(self, limits: ExecutorLimits) -> None:
        self._limits = limits
        self._registered: dict[tuple[str, ...], Registration] = {}
        self._retired: dict[tuple[str, ...], Registration] = {}
        self._lifecycle: deque[LifecycleEvent] = deque()
        self._skipped: dict[tuple[tuple[str, ...], int, str], SkipCount] = {}
        self._skip_hours: Counter[int] = Counter()
        self._not_runs: dict[tuple[str, ...], deque[NotRun]] = {}
        self._not_run_count = 0
        self._losses: dict[tuple[str, str], Loss] = {}
        self._circumstances: dict[str, deque[Circumstance]] = {field: deque() for field in FIELDS.values()}
        self._running: tuple[RunningExecution, ...] | None = None
        self._silences: dict[str, Silence] = {}
        self._facts: dict[str, str] = {}
        self._summaries = Summaries(limits.summaries)

    def __bool__(self) -> bool:
        return bool(
            self._registered
            or self._retired
            or self._lifecycle
            or self._skipped
            or self._losses
            or self._silences
            or any(self._circumstances.values())
            or self._facts
            or self._summaries
            or self._running is not None
        )

    def register(self, registration: Registration) -> None:
        """Add a registration, and drop a waiting retirement of the same key."""
        self._registered[registration.key] = registration
        self._retired.pop(registration.key, None)

    def retire(self, registration: Registration) -> None:
        """Add the retirement of a registration: its listener or job is no longer registered."""
        self._retired[registration.key] = registration

    def report(self, event: LifecycleEvent) -> None:
        """Add a lifecycle event. Above the bound, the oldest events are dropped and counted as a loss."""
        self._lifecycle.append(event)
        while len(self._lifecycle) > self._limits.lifecycle_events:
            oldest = self._lifecycle.popleft()
            self.count_loss("queue_full_count", "lifecycle", 1, oldest.at_us, oldest.at_us)

    def note(self, circumstance: Circumstance, at_us: int) -> None:
        """Add a circumstance. Above the bound of its kind, the oldest are dropped and counted as a loss.

        Args:
            circumstance: The circumstance.
            at_us: The time of the loss, if one is dropped.
        """
        field = FIELDS[type(circumstance)]
        waiting = self._circumstances[field]
        waiting.append(circumstance)
        if len(waiting) > self._limits.circumstances:
            waiting.popleft()
            self.count_loss("queue_full_count", field, 1, at_us, at_us)

    def count_skip(self, registration: Registration, hour_us: int, reason: str, count: int) -> None:
        """Count triggers of one hour that led to no run."""
        key = (registration.key, hour_us, reason)
        if (counted := self._skipped.get(key)) is not None:
            count += counted.count
        else:
            # If all counts belong to the same hour, there is no older hour to merge, so the limit may be exceeded.
            if len(self._skipped) >= self._limits.skip_counts and len(self._skip_hours) > 1:
                self._merge_oldest_hours()
                self.count_skip(registration, hour_us, reason, count)
                return
            self._skip_hours[hour_us] += 1
        self._skipped[key] = SkipCount(registration, hour_us, reason, count)

    def skip(self, not_run: NotRun, count: int) -> None:
        """Count triggers that led to no run, and keep the last one. Above the bounds, the oldest ones are dropped."""
        self.count_skip(not_run.registration, hour_of(not_run.at_us), not_run.reason, count)
        newest = self._not_runs.setdefault(not_run.registration.key, deque())
        newest.append(not_run)
        self._not_run_count += 1
        if len(newest) > self._limits.not_runs:
            newest.popleft()
            self._not_run_count -= 1
        if self._not_run_count > self._limits.all_not_runs:
            oldest = next(iter(self._not_runs))
            self._not_run_count -= len(self._not_runs.pop(oldest))

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        """Count lost items between two wall-clock times. The arguments are the fields of `Loss`."""
        if (counted := self._losses.get((reason, what))) is not None:
            count += counted.count
            first_us, last_us = min(first_us, counted.first_us), max(last_us, counted.last_us)
        self._losses[reason, what] = Loss(reason, what, count, first_us, last_us)

    def count_shed(self, reason: str, records: Sequence[Record]) -> None:
        """Add evicted or rejected records to the summaries, and count them as a loss.

        Args:
            reason: The reason of the loss.
            records: At least one record.
        """
        for record in records:
            self._summaries.add(record)
        # If the clock went back in between, the first and the last record do not have the lowest and the highest id.
        ids = [record.id for record in records]
        self.count_loss(reason, "runs", len(records), time_of(min(ids)), time_of(max(ids)))

    def drop_summaries(self) -> int:
        """Drop the summaries; return the number of runs in them."""
        return Batch(0, 0, summaries=self._summaries.take()).summarised_runs

    def set_running(self, running: tuple[RunningExecution, ...]) -> None:
        """Replace the list of runs that have been in progress for at least 250 ms."""
        self._running = running

    def silence(self, fingerprint: str, until_us: int | None, at_us: int) -> None:
        """Add the silence of an error group, or its end. The last one of each error group counts.

        Above the bound of the lifecycle events, the oldest silences are dropped and counted as a loss.
        """
        self._silences[fingerprint] = Silence(fingerprint, until_us)
        while len(self._silences) > self._limits.lifecycle_events:
            del self._silences[next(iter(self._silences))]
            self.count_loss("queue_full_count", "silences", 1, at_us, at_us)

    def set_facts(self, facts: Mapping[str, str]) -> None:
        """Add or change facts about the session."""
        self._facts.update(facts)

    def announcement_counts(self) -> dict[str, int]:
        """Return `Batch.announcement_counts` of the waiting announcements."""
        return self._peek(0).announcement_counts()

    def build(self, at_us: int) -> Batch:
        """Return a batch of all announcements, with no runs and no number yet, and start to collect the next batch."""
        if not self:  # as in most batches of a quiet home
            return Batch(0, at_us)
        batch = self._peek(at_us)._replace(summaries=self._summaries.take())
        for collected in (
            *(self._registered, self._retired, self._lifecycle, self._skipped, self._losses, self._silences),
            self._facts,
        ):
            collected.clear()
        for circumstances in self._circumstances.values():
            circumstances.clear()
        self._skip_hours.clear()
        self._not_runs.clear()
        self._not_run_count = 0
        self._running = None
        return batch

    def _peek(self, at_us: int) -> Batch:
        return Batch(
            sequence=0,
            at_us=at_us,
            registered=tuple(self._registered.values()),
            retired=tuple(self._retired.values()),
            lifecycle=tuple(self._lifecycle),
            skipped=tuple(self._skipped.values()),
            not_runs=tuple(not_run for newest in self._not_runs.values() for not_run in newest),
            losses=tuple(self._losses.values()),
            running=self._running,
            silences=tuple(self._silences.values()),
            session_facts=tuple(self._facts.items()),
        )._replace(**{field: tuple(waiting) for field, waiting in self._circumstances.items()})

    def _merge_oldest_hours(self) -> None:
        oldest_us, next_us, *_ = sorted(self._skip_hours)
        del self._skip_hours[oldest_us]
        for skip in [skip for skip in self._skipped.values() if skip.hour_us == oldest_us]:
            del self._skipped[skip.registration.key, skip.hour_us, skip.reason]
            self.count_skip(skip.registration, next_us, skip.reason, skip.count)
