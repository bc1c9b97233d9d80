"""A batch as the parameters of the one statement that writes it (write_batch.sql).

All of this runs in the writer's thread: the event loop pays for the hop and for nothing else.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, cast

from hassette_store.errors import RejectedBatchError
from hassette_store.fingerprints import fingerprint
from hassette_store.identities import NameNumbers, RegistrationNumbers
from hassette_store.rows import (
    BatchRow,
    DueTriggerRow,
    EffectsRow,
    EventTriggerRow,
    FailureRow,
    JobRow,
    RegistrationRow,
    RunningRow,
    RunRow,
    is_event,
    is_listener,
)
from hassette_store.sketch import bucket_of
from hassette_store.statuses import ERROR, STATUS_NAMES, STATUS_NUMBERS, TIMED_OUT

ID_BITS: Final = 21
"""A run's id is its end in milliseconds since the epoch, shifted by this, and a counter."""
HOUR_MS: Final = 3_600_000
HOUR_US: Final = 3_600_000_000

STATEMENT: Final = f"INSERT INTO write_batch VALUES ({', '.join('?' * 27)})"  # noqa: S608  marks only

_SHED: Final = 5
_TOTAL: Final = 6
_MAX: Final = 7
_WAITED: Final = 8
"""Places in a line of statistics: five counts by status, then these."""

_dumps: Final[Callable[[object], str]] = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
).encode
# An escaped NUL, and not the letters u0000 after an escaped backslash.
_NUL: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


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

    def parameters(self, batch: BatchRow, now_us: int) -> Iterator[tuple[object, ...]]:
        """Yield the statement's parameters, once.

        It is a generator so that ``executemany`` runs it where it runs the statement: in the writer's thread.

        Raises:
            RejectedBatchError: A row is not of the shape that `rows` describes.
        """
        try:
            encoded = self.encoded(batch, now_us)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # Not what the protocols promise, such as a status that nobody knows or a number that is none.
            raise RejectedBatchError(f"{type(error).__name__}: {error}") from error
        yield encoded

    def encoded(self, batch: BatchRow, now_us: int) -> tuple[object, ...]:
        """Return the statement's parameters.

        Args:
            batch: What to write.
            now_us: The session's new heartbeat.
        """
        names, numbers = self.names, self.registrations
        numbers.register(batch.registered)
        work = _Work(self)
        invocations: list[tuple[object, ...]] = []
        trigger: EventTriggerRow | None = None
        heard: tuple[object, ...] = ()
        for run in batch.invocations:
            # One event is often heard by several handlers, which share its trigger.
            if run.trigger is not trigger:
                trigger = run.trigger
                heard = _heard(trigger, names)
            invocations.append((*work.run(run, numbers[run.registration]), *heard))
        executions: list[tuple[object, ...]] = []
        for run in batch.executions:
            due = run.trigger
            executions.append(
                (*work.run(run, numbers[run.registration]), run.started_us - due.due_us, 1 if due.manual else 0)
            )
        for summary in batch.summaries:
            work.add_summary(
                numbers[summary.registration],
                summary.hour_us // HOUR_US,
                summary.counts,
                (summary.total_us, summary.max_us, summary.waited_us),
                summary.buckets,
            )
        skips = [
            (skip.hour_us // HOUR_US, numbers[skip.registration], names[skip.reason], skip.count)
            for skip in batch.skipped
        ]
        running = None if batch.running is None else [self._running(row) for row in batch.running]
        retired = numbers.retire(batch.retired)
        ids = sorted(run.id for runs in (batch.invocations, batch.executions) for run in (*runs[:1], *runs[-1:]))
        groups = self._groups(work.failures)
        # Names come last in the making, because all else may bring new ones.
        return (
            self.session_id,
            now_us,
            batch.sequence,
            ids[0] if ids else None,
            ids[-1] if ids else None,
            work.runs,
            work.failed,
            sum(loss.count for loss in batch.losses if loss.what == "runs"),
            sum(loss.count for loss in batch.losses if loss.what != "runs"),
            _text(dict(batch.session_facts)) if batch.session_facts else None,
            _rows(names.fresh),
            _rows(_registered(item) for item in numbers.fresh.items() if is_listener(item[1])),
            _rows(_registered(item) for item in numbers.fresh.items() if not is_listener(item[1])),
            _rows(retired),
            _rows(invocations),
            _rows(executions),
            _rows(groups),
            _rows((run_id, mark, failure.message) for run_id, mark, failure in work.failures),
            _rows(work.service_calls),
            _rows(work.log_lines),
            _rows(work.dropped),
            _rows((event.id, event.at_us, event.kind, event.subject, event.detail) for event in batch.lifecycle),
            _rows((loss.reason, loss.what, loss.count, loss.first_us, loss.last_us) for loss in batch.losses),
            None if running is None else _text(running),
            _rows((*key, *line) for key, line in work.statistics.items()),
            _rows((*key, count) for key, count in work.latency.items()),
            _rows(skips),
        )

    def settle(self, *, kept: bool) -> None:
        """Remember what the batch brought, or forget it; call it once after each `encoded`."""
        self.names.settle(kept=kept)
        self.registrations.settle(kept=kept)
        if kept:
            if len(self._known_groups) > _MAX_KNOWN_GROUPS:
                self._known_groups.clear()
            self._known_groups.update(self._fresh_groups)
        self._fresh_groups.clear()

    def _groups(self, failures: Sequence[tuple[int, str, FailureRow]]) -> Iterable[Sequence[object]]:
        """Fold failures by group, as the columns of ``error_groups`` from the fingerprint on."""
        groups = self._fresh_groups
        for run_id, mark, failure in failures:
            seen_us = (run_id >> ID_BITS) * 1000
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
        return groups.values()

    def _running(self, row: RunningRow) -> tuple[object, ...]:
        number = self.registrations[row.registration]
        trigger = row.trigger
        if is_event(trigger):
            return (row.run, number, row.started_us, *_heard(trigger, self.names), None, None)
        due = cast("DueTriggerRow", trigger)
        return (row.run, number, row.started_us, *(None,) * 7, due.due_us, 1 if due.manual else 0)


_MAX_KNOWN_GROUPS: Final = 10_000


class _Work:
    """What is summed up while a batch's runs are walked once."""

    def __init__(self, encoder: BatchEncoder) -> None:
        self._names = encoder.names
        self.runs = 0
        self.failed = 0
        self.statistics: dict[tuple[int, int], list[int]] = {}
        self.latency: dict[tuple[int, int, int], int] = {}
        self.failures: list[tuple[int, str, FailureRow]] = []
        self.service_calls: list[tuple[object, ...]] = []
        self.log_lines: list[tuple[object, ...]] = []
        self.dropped: list[tuple[int, int, int]] = []

    def run(self, run: RunRow, number: int) -> tuple[object, ...]:
        run_id, duration_us, waited_us = run.id, run.duration_us, run.waited_us
        status = STATUS_NUMBERS[run.status]
        ended_ms = run_id >> ID_BITS
        hour = ended_ms // HOUR_MS
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
        return (run_id, number, status, ended_ms * 1000 - run.started_us, duration_us, waited_us)

    def add_summary(
        self,
        number: int,
        hour: int,
        counts: Iterable[tuple[str, int]],
        sums: tuple[int, int, int],
        buckets: Iterable[tuple[int, int]],
    ) -> None:
        line = self._line(hour, number)
        for status, count in counts:
            line[STATUS_NUMBERS[status]] += count
            line[_SHED] += count
            self.runs += count
            self.failed += count if status in ("error", "timed_out") else 0
        total_us, max_us, waited_us = sums
        line[_TOTAL] += total_us
        line[_WAITED] += waited_us
        line[_MAX] = max(line[_MAX], max_us)
        for bucket, count in buckets:
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


def _heard(trigger: EventTriggerRow, names: NameNumbers) -> tuple[object, ...]:
    return (
        names[trigger.event_type],
        names[trigger.entity_id],
        trigger.old_state,
        trigger.new_state,
        trigger.context_id,
        trigger.parent_id,
        names[trigger.user_id],
    )


def _registered(item: tuple[int, RegistrationRow]) -> tuple[object, ...]:
    number, row = item
    source = row.source
    return (
        number,
        row.app,
        row.instance,
        row.name,
        row.topic if is_listener(row) else cast("JobRow", row).schedule,
        row.handler,
        _text(dict(row.settings)),
        source.file if source else None,
        source.line if source else None,
        (source.snippet or None) if source else None,
        row.runs_in,
        row.timeout_s,
    )


def _rows(rows: Iterable[object]) -> str | None:
    """Return rows as one JSON text, None if there are none."""
    listed = rows if isinstance(rows, list) else list(rows)
    return _text(listed) if listed else None


def _text(value: object) -> str:
    """Return a value as JSON that SQLite takes whole.

    What apps and entities say may hold lone surrogates, which have no UTF-8 form, and NULs, at which SQLite would cut
    the text off; both are replaced rather than the row refused.
    """
    text = _dumps(value)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode("utf-8")
    if "\\u0000" in text:
        text = _NUL.sub(r"\1�", text)
    return text
