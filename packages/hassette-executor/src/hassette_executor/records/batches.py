"""Batches: the runs and announcements that the write queue passes to a sink together.

An announcement is everything in a batch except a run: a registration, lifecycle event, circumstance, count, loss or
session fact, or the list of runs in progress. Times are wall-clock microseconds since the Unix epoch (``_us``).

The store does not import these classes. ``hassette_store.rows`` declares the fields that it reads, and
tests/typing/joins.py compares both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hassette_executor.records.circumstances import (
    FIELDS,
    Deploy,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
)
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import (
    HandlerInvocation,
    JobExecution,
    Record,
    RunningExecution,
    Status,
    Trigger,
)


@dataclass(frozen=True, slots=True)
class SkipCount:
    """How many triggers of a registration led to no run, for one reason within one hour.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) of the triggers.
        reason: For example ``condition``, ``rate_limited``, ``overlap``, ``back_pressure``, ``misfire`` or
            ``predicate_failed``.
        count: Number of triggers since the last batch.
    """

    registration: Registration
    hour_us: int
    reason: str
    count: int


class NotRun(NamedTuple):
    """One trigger that led to no run. The newest of each registration are kept; `SkipCount` counts all of them.

    Attributes:
        registration: The listener or job.
        at_us: When it was decided that the trigger leads to no run.
        reason: As in `SkipCount`.
        detail: One sentence, for example which condition did not hold; may be empty.
        trigger: The event or the due time; None if it is not known, for example for runs that were missed.
    """

    registration: Registration
    at_us: int
    reason: str
    detail: str = ""
    trigger: Trigger | None = None


class ShedSummary(NamedTuple):
    """Sums over the evicted or rejected records of one registration and hour, for correct totals and percentiles.

    Attributes:
        registration: The listener or job.
        hour_us: Start of the hour (UTC) in which the runs ended, by their ids.
        counts: Number of runs by status.
        total_us: Sum of the durations of these runs.
        max_us: Longest duration.
        waited_us: Sum of the waiting times of these runs.
        buckets: Latency sketch with 1 % relative accuracy, as pairs of bucket and count. A duration of d microseconds
            is in bucket ``ceil(log(max(d, 1), 101/99))`` (DDSketch, Masson et al. 2019).
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
    """Number of records, effects or announcements that are lost for one reason, with their time range.

    Attributes:
        reason: ``queue_full_count`` or ``queue_full_bytes`` (evicted), ``rejected_row`` (the sink can never store it),
            ``late_effect`` (the record of the run was already made) or ``slow_reader`` (Home Assistant discarded it).
            The store adds ``file_lost`` (the open database file was removed, replaced or damaged).
        what: ``runs`` (their counts are in a `ShedSummary`); ``log_lines`` or ``service_calls`` with ``late_effect``;
            ``lifecycle``, ``silences`` or a field of circumstances, such as ``home_changes``, with
            ``queue_full_count``; such a field with ``too_many`` (they came too often); ``events`` of Home Assistant
            with ``slow_reader``; another field of `Batch` with ``rejected_row``.
        count: Number of lost items.
        first_us: Time of the first lost item.
        last_us: Time of the last lost item.
    """

    reason: str
    what: str
    count: int
    first_us: int
    last_us: int


class LifecycleEvent(NamedTuple):
    """An event of the framework itself.

    Attributes:
        id: Id of the event. Lifecycle events and records share one sequence of ids.
        at_us: Time of the event.
        kind: A name such as ``connection_lost``, ``app_failed`` or ``service_starting``.
        subject: The app instance, service or address.
        detail: One sentence; may be empty.
    """

    id: int
    at_us: int
    kind: str
    subject: str
    detail: str


class Silence(NamedTuple):
    """The silence of an error group: until its end, the group is marked, and no alert reports it.

    Attributes:
        fingerprint: Fingerprint of the error group, as the sink computes it.
        until_us: End of the silence. None ends the silence now.
    """

    fingerprint: str
    until_us: int | None


class Batch(NamedTuple):
    """Runs and announcements that a sink stores together: all of them or none.

    Attributes:
        sequence: Number of the batch, strictly increasing in a process. A retry repeats the number; a sink ignores a
            batch if its number is already stored.
        at_us: Time at which the batch was made.
        invocations: Runs of handlers, oldest first.
        executions: Runs of jobs, oldest first.
        registered: New registrations since the last batch. A registration is in the same batch as the first record that
            refers to it, or in an earlier batch.
        retired: Listeners and jobs that are no longer registered.
        lifecycle: Lifecycle events, oldest first.
        skipped: Counts of triggers that led to no run.
        not_runs: The newest of these triggers, oldest first.
        summaries: Sums over evicted and rejected records.
        losses: Counts of lost records, effects and announcements.
        running: All runs that have been in progress for at least 250 ms. Replaces the list of the previous batch; None
            if the list has not changed.
        silences: New or ended silences of error groups.
        home_changes: Changes of states of the home, oldest first.
        home_causes: Automations, scripts and service calls of Home Assistant, oldest first.
        home_names: New or changed names of entities, users, devices and areas.
        deploys: Versions of apps that were started.
        framework_log: Warnings and errors that were logged outside runs, oldest first.
        session_facts: New or changed facts about the session, such as ``("home_assistant", "2025.4.4")``. ``outcome``
            and ``reason`` are added when the stop is requested or the framework fails.
    """

    sequence: int
    at_us: int
    invocations: tuple[HandlerInvocation, ...] = ()
    executions: tuple[JobExecution, ...] = ()
    registered: tuple[Registration, ...] = ()
    retired: tuple[Registration, ...] = ()
    lifecycle: tuple[LifecycleEvent, ...] = ()
    skipped: tuple[SkipCount, ...] = ()
    not_runs: tuple[NotRun, ...] = ()
    summaries: tuple[ShedSummary, ...] = ()
    losses: tuple[Loss, ...] = ()
    running: tuple[RunningExecution, ...] | None = None
    silences: tuple[Silence, ...] = ()
    home_changes: tuple[HomeChange, ...] = ()
    home_causes: tuple[HomeCause, ...] = ()
    home_names: tuple[HomeName, ...] = ()
    deploys: tuple[Deploy, ...] = ()
    framework_log: tuple[FrameworkLogLine, ...] = ()
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
        """Return a copy with ``records`` in place of the runs of this batch. Runs of each kind keep their order."""
        invocations = tuple([record for record in records if isinstance(record, HandlerInvocation)])
        executions: tuple[JobExecution, ...] = ()
        if len(invocations) < len(records):
            executions = tuple([record for record in records if isinstance(record, JobExecution)])
        return self._replace(invocations=invocations, executions=executions)

    def without_records(self) -> "Batch":
        """Return a copy with the announcements only."""
        return self._replace(invocations=(), executions=())

    def split(self) -> "tuple[Batch, ...]":
        """Return smaller batches, to find a row that the sink rejects; an empty tuple if this batch is a single row.

        The first split separates the announcements from the runs. Further splits halve the runs, and separate the
        fields of the announcements and halve each field.

        Each piece gets its number when it is written; until then, ``sequence`` is 0. Suppose all pieces got their
        numbers in this method, and the sink rejected the first piece. The parts of the first piece would get higher
        numbers than the remaining pieces, but would be written first. The sink would then ignore the remaining pieces
        as already stored.
        """
        records, empty = self.records(), Batch(0, self.at_us)
        if records and self.has_announcements:
            return self.without_records()._replace(sequence=0), empty.with_records(records)
        if len(records) > 1:
            middle = len(records) // 2
            return empty.with_records(records[:middle]), empty.with_records(records[middle:])
        if records:
            return ()
        pieces = [empty._replace(**{field: items}) for field, items in self._announcements()]
        if len(pieces) == 1:
            field, items = next(self._announcements())
            middle = len(items) // 2
            halves = (items[:middle], items[middle:]) if middle and field != "running" else ()
            pieces = [empty._replace(**{field: half}) for half in halves]
        return tuple(pieces)

    def _announcements(self) -> "Iterator[tuple[str, Sequence[object]]]":
        for field in _ANNOUNCEMENTS:
            if items := getattr(self, field):
                yield field, items
        if self.running is not None:
            yield "running", self.running

    def announcement_counts(self) -> dict[str, int]:
        """Return the number of announcements by field, except summaries and the list of runs in progress.

        A `NotRun` is not counted, because a `SkipCount` contains it. A `SkipCount` or `Loss` counts as many
        announcements as its ``count``.
        """
        counts = {
            "registered": len(self.registered),
            "retired": len(self.retired),
            "lifecycle": len(self.lifecycle),
            "skipped": sum(skip.count for skip in self.skipped),
            "losses": sum(loss.count for loss in self.losses),
            "silences": len(self.silences),
            **{field: len(getattr(self, field)) for field in FIELDS.values()},
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
        """Number of runs in the summaries."""
        return sum(count for summary in self.summaries for _, count in summary.counts)


_ANNOUNCEMENTS = (
    "registered",
    "retired",
    "lifecycle",
    "skipped",
    "not_runs",
    "summaries",
    "losses",
    "silences",
    *FIELDS.values(),
    "session_facts",
)
"""Fields of `Batch` in which each item is an announcement. In `running`, the whole list is one announcement."""
