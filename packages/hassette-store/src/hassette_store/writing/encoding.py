"""A batch as rows of the tables that it goes to.

All of this runs in the writer's thread: the event loop pays for the hop and for nothing else.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, cast

from hassette_store.errors import RejectedBatchError
from hassette_store.ids import time_of
from hassette_store.periods import HOUR_US
from hassette_store.rows import (
    BatchRow,
    DueTriggerRow,
    EffectsRow,
    EventTriggerRow,
    FailureRow,
    InvocationRow,
    JobRow,
    RegistrationRow,
    RunningRow,
    RunRow,
    SummaryRow,
    is_event,
    is_listener,
)
from hassette_store.sketch import bucket_of
from hassette_store.statuses import ERROR, STATUS_NAMES, STATUS_NUMBERS, TIMED_OUT
from hassette_store.writing.fingerprints import fingerprint
from hassette_store.writing.numbering import NameNumbers, RegistrationNumbers
from hassette_store.writing.statements import Encoded, Row

_SHED: Final = 5
_TOTAL: Final = 6
_MAX: Final = 7
_WAITED: Final = 8
"""Places in a line of statistics: five counts by status, then these."""


class BatchEncoder:
    """Encodes batches against what the file knows already.

    Args:
        session_id: The session that batches belong to.
        names: Numbers of names.
        registrations: Numbers of registrations.
    """

    def __init__(self, session_id: int, names: NameNumbers, registrations: RegistrationNumbers) -> None:
        self.session_id = session_id
        self.names = names
        self.registrations = registrations
        # Groups whose traceback is in the file: formatting one costs as much as writing a hundred rows.
        self._known_groups: set[str] = set()
        self._fresh_groups: dict[str, list[object]] = {}

    def encoded(self, batch: BatchRow, now_us: int) -> Encoded:
        """Return a batch as rows.

        Args:
            batch: What to write.
            now_us: The session's new heartbeat.

        Raises:
            RejectedBatchError: A row is not of the shape that `rows` describes.
        """
        try:
            return self._encoded(batch, now_us)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Not what the protocols promise, such as a status that nobody knows or a number that is none.
            raise RejectedBatchError(f"{type(error).__name__}: {error}") from error

    def _encoded(self, batch: BatchRow, now_us: int) -> Encoded:
        names, numbers, session_id = self.names, self.registrations, self.session_id
        numbers.register(batch.registered)
        work = _Work(self)
        invocations = [
            (*work.run(run, numbers[run.registration]), *heard)
            for run, heard in zip(batch.invocations, self._heard(batch.invocations), strict=True)
        ]
        executions = [
            (
                *work.run(run, numbers[run.registration]),
                run.started_us - run.trigger.due_us,
                1 if run.trigger.manual else 0,
            )
            for run in batch.executions
        ]
        for summary in batch.summaries:
            work.add_summary(numbers[summary.registration], summary)
        skips = [
            (skip.hour_us // HOUR_US, numbers[skip.registration], names[skip.reason], skip.count)
            for skip in batch.skipped
        ]
        running = [self._running(row) for row in batch.running or ()]
        retired = [(now_us, number) for number in numbers.retire(batch.retired)]
        ids = [run.id for runs in (batch.invocations, batch.executions) for run in (*runs[:1], *runs[-1:])]
        # What may still bring new names and registrations has been walked: now they can be told.
        rows: dict[str, Sequence[Row]] = {
            "names": tuple(names.fresh),
            "listeners": [_registered(item, now_us) for item in numbers.fresh.items() if is_listener(item[1])],
            "jobs": [_registered(item, now_us) for item in numbers.fresh.items() if not is_listener(item[1])],
            "invocations": invocations,
            "executions": executions,
            "error_groups": self._groups(work.failures),
            "failures": [(run_id, mark, failure.message) for run_id, mark, failure in work.failures],
            "service_calls": work.service_calls,
            "log_lines": work.log_lines,
            "dropped": work.dropped,
            "lifecycle": [
                (one.id, session_id, one.at_us, one.kind, one.subject, one.detail) for one in batch.lifecycle
            ],
            "losses": [
                (session_id, loss.reason, loss.what, loss.count, loss.first_us, loss.last_us) for loss in batch.losses
            ],
            "running": running,
            "statistics": [(*key, *line) for key, line in work.statistics.items()],
            "latency": [(*key, count) for key, count in work.latency.items()],
            "skips": skips,
        }
        first_id, last_id = min(ids, default=None), max(ids, default=None)
        sign = (
            now_us,
            batch.sequence,
            first_id,
            first_id,
            last_id,
            last_id,
            work.runs,
            work.failed,
            sum(loss.count for loss in batch.losses if loss.what == "runs"),
            sum(loss.count for loss in batch.losses if loss.what != "runs"),
            _json(batch.session_facts),
            session_id,
        )
        return Encoded(rows, retired, None if batch.running is None else session_id, sign)

    def _heard(self, invocations: Iterable[InvocationRow]) -> Iterator[Row]:
        """Yield the columns of each run's trigger; one event is often heard by several handlers, which share it."""
        names = self.names
        trigger: EventTriggerRow | None = None
        heard: Row = ()
        for run in invocations:
            if run.trigger is not trigger:
                trigger = run.trigger
                heard = _heard(trigger, names)
            yield heard

    def settle(self, *, kept: bool) -> None:
        """Remember what the batch brought, or forget it; call it once after each `encoded`."""
        self.names.settle(kept=kept)
        self.registrations.settle(kept=kept)
        if kept:
            if len(self._known_groups) > _MAX_KNOWN_GROUPS:
                self._known_groups.clear()
            self._known_groups.update(self._fresh_groups)
        self._fresh_groups.clear()

    def forget_groups(self) -> None:
        """Send tracebacks again: groups have been taken out of the file."""
        self._known_groups.clear()

    def _groups(self, failures: Sequence[tuple[int, str, FailureRow]]) -> list[Row]:
        """Fold failures by group, as the columns of ``error_groups`` from the fingerprint on."""
        groups = self._fresh_groups
        for run_id, mark, failure in failures:
            seen_us = time_of(run_id)
            group = groups.get(mark)
            if group is None:
                traceback = "" if mark in self._known_groups else failure.traceback
                groups[mark] = [
                    mark,
                    failure.kind,
                    failure.type,
                    failure.message,
                    traceback,
                    seen_us,
                    seen_us,
                    run_id,
                    1,
                ]
            else:
                group[6:] = seen_us, run_id, int(str(group[8])) + 1
        return list(groups.values())

    def _running(self, row: RunningRow) -> Row:
        number = self.registrations[row.registration]
        trigger = row.trigger
        if is_event(trigger):
            return (self.session_id, row.run, number, row.started_us, *_heard(trigger, self.names), None, None)
        due = cast("DueTriggerRow", trigger)
        return (self.session_id, row.run, number, row.started_us, *(None,) * 7, due.due_us, 1 if due.manual else 0)


_MAX_KNOWN_GROUPS: Final = 10_000


class _Work:
    """What is summed up while a batch's runs are walked once."""

    def __init__(self, encoder: BatchEncoder) -> None:
        self._names = encoder.names
        self._session_id = encoder.session_id
        self.runs = 0
        self.failed = 0
        self.statistics: dict[tuple[int, int], list[int]] = {}
        self.latency: dict[tuple[int, int, int], int] = {}
        self.failures: list[tuple[int, str, FailureRow]] = []
        self.service_calls: list[Row] = []
        self.log_lines: list[Row] = []
        self.dropped: list[Row] = []

    def run(self, run: RunRow, number: int) -> Row:
        run_id, duration_us, waited_us = run.id, run.duration_us, run.waited_us
        status = STATUS_NUMBERS[run.status]
        ended_us = time_of(run_id)
        hour = ended_us // HOUR_US
        line = self._line(hour, number)
        line[status] += 1
        line[_TOTAL] += duration_us
        line[_WAITED] += waited_us
        line[_MAX] = max(line[_MAX], duration_us)
        bucket = (hour, number, bucket_of(duration_us))
        self.latency[bucket] = self.latency.get(bucket, 0) + 1
        self.runs += 1
        if status:
            self.failed += status in (ERROR, TIMED_OUT)
            if run.failure is not None:
                self.failures.append((run_id, fingerprint(run.failure), run.failure))
        if run.effects is not None:
            self._add_effects(run_id, run.effects)
        return (run_id, number, self._session_id, status, ended_us - run.started_us, duration_us, waited_us)

    def add_summary(self, number: int, summary: SummaryRow) -> None:
        hour = summary.hour_us // HOUR_US
        line = self._line(hour, number)
        for name, count in summary.counts:
            status = STATUS_NUMBERS[name]
            line[status] += count
            line[_SHED] += count
            self.runs += count
            self.failed += count if status in (ERROR, TIMED_OUT) else 0
        line[_TOTAL] += summary.total_us
        line[_WAITED] += summary.waited_us
        line[_MAX] = max(line[_MAX], summary.max_us)
        for bucket, count in summary.buckets:
            key = (hour, number, bucket)
            self.latency[key] = self.latency.get(key, 0) + count

    def _line(self, hour: int, number: int) -> list[int]:
        line = self.statistics.get((hour, number))
        if line is None:
            line = self.statistics[hour, number] = [0] * (len(STATUS_NAMES) + 4)
        return line

    def _add_effects(self, run_id: int, effects: EffectsRow) -> None:
        names = self._names
        for position, line in enumerate(effects.log_lines):
            self.log_lines.append((run_id, position, line.at_us, line.level, names[line.logger], line.message))
        for position, call in enumerate(effects.service_calls):
            self.service_calls.append(
                (
                    run_id,
                    position,
                    call.at_us,
                    names[f"{call.domain}.{call.service}"],
                    call.target or None,
                    call.data or None,
                    call.duration_us,
                    call.context_id,
                    call.error,
                )
            )
        if effects.dropped_log_lines or effects.dropped_service_calls:
            self.dropped.append((run_id, effects.dropped_log_lines, effects.dropped_service_calls))


def _heard(trigger: EventTriggerRow, names: NameNumbers) -> Row:
    return (
        names[trigger.event_type],
        names[trigger.entity_id],
        trigger.old_state,
        trigger.new_state,
        trigger.context_id,
        trigger.parent_id,
        names[trigger.user_id],
    )


def _registered(item: tuple[int, RegistrationRow], now_us: int) -> Row:
    number, row = item
    source = row.source
    return (
        number,
        row.app,
        row.instance,
        row.name,
        row.topic if is_listener(row) else cast("JobRow", row).schedule,
        row.handler,
        _json(row.settings),
        source.file if source else None,
        source.line if source else None,
        (source.snippet or None) if source else None,
        row.runs_in,
        row.timeout_s,
        now_us,
        now_us,
    )


def _json(pairs: Iterable[tuple[str, str]]) -> str:
    """Return pairs as a JSON object that SQLite's JSON functions take whole: they stop at a NUL."""
    clean = {name: value.replace("\0", "") for name, value in pairs}
    text = json.dumps(clean, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
