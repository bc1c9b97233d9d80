"""Batches: the unit in which the write queue hands runs and announcements to a sink.

An announcement is everything in a batch that is no run: registrations, lifecycle events, counts, losses, session facts.
Times are wall-clock microseconds since the Unix epoch (``_us``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import HandlerInvocation, JobExecution, Record, RunningExecution, Status


@dataclass(frozen=True, slots=True)
class SkipCount:
    """How many triggers of a registration led to no run, for one reason within one hour.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) in which it would have run.
        reason: ``rate_limited``, ``overlap``, ``back_pressure``, ``misfire``, ``predicate_failed``.
        count: How many since the last batch.
    """

    registration: Registration
    hour_us: int
    reason: str
    count: int


class ShedSummary(NamedTuple):
    """Sums over evicted records, so that totals and percentiles stay right without them.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) in which the runs ended, by their ids.
        counts: Number of runs by status.
        total_us: Sum of their durations.
        max_us: Longest duration.
        waited_us: Sum of their waiting times.
        buckets: Latency sketch: (bucket, count), where a duration of d microseconds falls in bucket
            ``ceil(log(max(d, 1), 101/99))``; 1 % relative accuracy (DDSketch, Masson et al. 2019).
    """

    registration: Registration
    hour_us: int
    counts: tuple[tuple[Status, int], ...]
    total_us: int
    max_us: int
    waited_us: int
    buckets: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """Details that were not kept, counted and dated.

    Attributes:
        reason: ``queue_full_count``, ``queue_full_bytes``, ``rejected_row``, ``stop_deadline``, ``late_effect``.
        what: ``runs`` (their counts are in a `ShedSummary`), ``log_lines``, ``service_calls``, ``lifecycle``.
        count: How many.
        first_us: Start of the gap.
        last_us: End of the gap.
    """

    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class LifecycleEvent(NamedTuple):
    """An event in the framework itself.

    Attributes:
        id: From the same sequence as the ids of records.
        at_us: When it happened.
        kind: ``connection_lost``, ``connection_restored``, ``app_started``, ``app_failed``, ``app_reloaded``,
            ``app_stopped``, ``service_crashed``, ``service_restarted``, ``service_exhausted``.
        subject: The app instance, service or address.
        detail: One sentence; may be empty.
    """

    id: int
    at_us: int
    kind: str
    subject: str
    detail: str


class Batch(NamedTuple):
    """Runs and announcements that a sink keeps together: all of them or none.

    Attributes:
        sequence: Strictly increasing in a process. A repeated number marks a retry of the same batch; a sink that has
            kept it already does nothing.
        at_us: When the batch was made.
        invocations: Runs of handlers, oldest first.
        executions: Runs of jobs, oldest first.
        registered: Registrations that are new since the last batch; they come before any record that refers to them.
        retired: Registrations that have ended.
        lifecycle: Lifecycle events, oldest first.
        skipped: Counts of triggers that led to no run.
        summaries: Sums over evicted records.
        losses: Details that were not kept.
        running: All runs that have been running for a while. Replaces the list of the batch before; None: no change.
        session_facts: New or changed facts about the session, such as ``("home_assistant", "2025.4.4")``;
            ``("outcome", …)`` and ``("reason", …)`` come with the last batch.
    """

    sequence: int
    at_us: int
    invocations: tuple[HandlerInvocation, ...] = ()
    executions: tuple[JobExecution, ...] = ()
    registered: tuple[Registration, ...] = ()
    retired: tuple[Registration, ...] = ()
    lifecycle: tuple[LifecycleEvent, ...] = ()
    skipped: tuple[SkipCount, ...] = ()
    summaries: tuple[ShedSummary, ...] = ()
    losses: tuple[Loss, ...] = ()
    running: tuple[RunningExecution, ...] | None = None
    session_facts: tuple[tuple[str, str], ...] = ()

    @property
    def run_count(self) -> int:
        """Number of runs of both kinds."""
        return len(self.invocations) + len(self.executions)

    @property
    def has_announcements(self) -> bool:
        """Whether the batch contains anything other than runs."""
        return self.running is not None or any(getattr(self, field) for field in _ANNOUNCEMENTS)

    @property
    def is_empty(self) -> bool:
        """Whether the batch contains neither runs nor announcements."""
        return not (self.invocations or self.executions or self.has_announcements)

    def records(self) -> list[Record]:
        """Return the runs of both kinds, ordered by id."""
        return sorted((*self.invocations, *self.executions), key=lambda record: record.id)

    def with_records(self, records: Sequence[Record]) -> "Batch":
        """Return a copy with other runs; ``records`` is ordered by id."""
        invocations = tuple([record for record in records if isinstance(record, HandlerInvocation)])
        executions: tuple[JobExecution, ...] = ()
        if len(invocations) < len(records):
            executions = tuple([record for record in records if isinstance(record, JobExecution)])
        return self._replace(invocations=invocations, executions=executions)

    def without_records(self) -> "Batch":
        """Return a copy with the announcements only."""
        return self._replace(invocations=(), executions=())

    def split(self) -> "tuple[Batch, ...]":
        """Return smaller batches, to find a row that the sink rejects; empty if this batch is a single row.

        Announcements are separated from runs first. Runs are then halved; announcements are few, so each goes alone.
        """
        records = self.records()
        if records and self.has_announcements:
            return self.without_records(), Batch(0, self.at_us).with_records(records)
        if len(records) > 1:
            middle = len(records) // 2
            return self.with_records(records[:middle]), self.with_records(records[middle:])
        if records:
            return ()
        empty = Batch(0, self.at_us)
        pieces = [empty._replace(**{field: (item,)}) for field in _ANNOUNCEMENTS for item in getattr(self, field)]
        if self.running is not None:
            pieces.append(empty._replace(running=self.running))
        return tuple(pieces) if len(pieces) > 1 else ()

    def announcement_counts(self) -> dict[str, int]:
        """Return the number of announcements by field, except summaries and the list of running runs.

        Skips and losses count what they stand for.
        """
        counts = {
            "registered": len(self.registered),
            "retired": len(self.retired),
            "lifecycle": len(self.lifecycle),
            "skipped": sum(skip.count for skip in self.skipped),
            "losses": sum(loss.count for loss in self.losses),
            "session_facts": len(self.session_facts),
        }
        return {field: count for field, count in counts.items() if count}

    def only_announcement(self) -> tuple[str, int]:
        """Return the field of the single announcement in this batch, and how many items or runs it stands for."""
        field = next((field for field in _ANNOUNCEMENTS if getattr(self, field)), "running")
        stands_for = sum(item.count for item in (*self.skipped, *self.losses)) + self.summarised_runs
        return field, stands_for or 1

    @property
    def summarised_runs(self) -> int:
        """Number of evicted runs in the summaries."""
        return sum(count for summary in self.summaries for _, count in summary.counts)


_ANNOUNCEMENTS = ("registered", "retired", "lifecycle", "skipped", "summaries", "losses", "session_facts")
"""Fields of `Batch` that hold announcements, item by item; `running` is one announcement as a whole."""
