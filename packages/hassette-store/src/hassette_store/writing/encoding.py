"""Encoding of a batch as rows for each table. The encoder runs in the writer's thread, to keep the event loop free."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from hassette_store.errors import RejectedBatchError
from hassette_store.ids import time_of
from hassette_store.insertion import RowValues
from hassette_store.kinds import (
    FLAGS,
    HANDLER,
    JOB,
    KINDS,
    LEFT_OUT,
    NAMED_COLUMNS,
    RunKind,
    kind_of,
    trigger_field,
)
from hassette_store.periods import HOUR_US
from hassette_store.rows import (
    BatchRow,
    ExecutionRow,
    FailureRow,
    InvocationRow,
    NotRunRow,
    RegistrationRow,
    RunningRow,
    RunRow,
)
from hassette_store.writing.events import EVENTS, encode_events
from hassette_store.writing.failing_lines import FailingLines
from hassette_store.writing.row_ids import NameIds, RegistrationIds
from hassette_store.writing.statements import EncodedBatch
from hassette_store.writing.texts import cleaned_text, json_object
from hassette_store.writing.totals import BatchTotals
from hassette_store.writing.used_ids import NO_NEW_IDS, NewIds, with_new_ids


class BatchEncoder:
    """Encoder of the batches of one session.

    Args:
        session_id: The session.
        names: Ids of the names in the file.
        registrations: Ids of the registrations in the file.
        last_sequence: Sequence number of the last batch of the session in the file; 0 if there is none.
        max_known_groups: Number of stored error groups that the encoder remembers. Above this number, it forgets all
            of them, and renders their tracebacks again when they occur again.

    Attributes:
        last_sequence: Sequence number of the last stored batch of the session.
    """

    def __init__(
        self,
        session_id: int,
        names: NameIds,
        registrations: RegistrationIds,
        *,
        last_sequence: int = 0,
        max_known_groups: int = 10_000,
    ) -> None:
        self.session_id = session_id
        self.names = names
        self.registrations = registrations
        self.last_sequence = last_sequence
        self._sequence = last_sequence  # of the batch that was encoded last
        self._max_known_groups = max_known_groups
        # Fingerprints of groups whose traceback is stored, and need not be rendered again. Rendering a traceback costs
        # as much as writing a hundred rows.
        self._known_groups: set[str] = set()
        self._new_groups: set[str] = set()

    def encode(self, batch: BatchRow, now_us: int, new_ids: NewIds = NO_NEW_IDS) -> EncodedBatch:
        """Return a batch as rows. Call `finish` after that. Until then, the same batch may be encoded again.

        Args:
            batch: The batch.
            now_us: Time of the session's new heartbeat.
            new_ids: New ids of runs and events.

        Raises:
            RejectedBatchError: A value does not fit the protocols in `hassette_store.rows`.
        """
        try:
            return self._encode(batch, now_us, new_ids)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # The value breaks its protocol, for example an unknown status or text in place of a number.
            raise RejectedBatchError(f"{type(error).__name__}: {error}") from error

    def finish(self, *, stored: bool) -> None:
        """End the last batch: keep its new names, registrations and error groups if it was stored, or else forget them.

        Args:
            stored: Whether the batch was stored.
        """
        self.names.finish(stored=stored)
        self.registrations.finish(stored=stored)
        if stored:
            self.last_sequence = self._sequence
            if len(self._known_groups) > self._max_known_groups:
                self._known_groups.clear()
            self._known_groups.update(self._new_groups)
        self._new_groups.clear()

    def forget_groups(self) -> None:
        """Forget the known error groups after some have been deleted, so that tracebacks are rendered again."""
        self._known_groups.clear()

    def forget_registrations(self, ids: Sequence[int]) -> None:
        """Forget registrations that were deleted from the file."""
        self.registrations.forget(ids)

    def begin_to_note_names(self) -> None:
        """Note from now on which names the batches use."""
        self.names.begin_to_note_use()

    def unused_names(self, names: Sequence[str]) -> Sequence[str]:
        """Return those of these names that no batch has used since `begin_to_note_names`."""
        return [name for name in names if name in self.names.unused]

    def forget_names(self, names: Sequence[str]) -> None:
        """Forget some unused names that were deleted from the file."""
        for name in names:
            del self.names.unused[name]

    def _encode(self, batch: BatchRow, now_us: int, new_ids: NewIds) -> EncodedBatch:
        names, ids, session_id = self.names, self.registrations, self.session_id
        self._sequence = batch.sequence
        runs = {kind.name: with_new_ids(getattr(batch, kind.batch_field), new_ids) for kind in KINDS}
        ids.register(batch.registered)
        totals = BatchTotals(session_id, names)
        rows: dict[str, Sequence[RowValues]] = {
            kind.runs_table: self._runs(kind, runs[kind.name], totals) for kind in KINDS if runs[kind.name]
        }
        for summary in batch.summaries:
            totals.add_summary(summary, ids[summary.registration])
        rows |= totals.details
        if totals.failures:
            rows |= self._failures(totals.failures)
        if any(_ANNOUNCED(batch)):
            # Most batches of a quiet home contain runs only.
            rows |= encode_events(batch, session_id, names, new_ids)
            rows |= self._counts(batch)
        if batch.running:
            rows["running_executions"] = [self._running(row) for row in batch.running]
        retired = [(now_us, id_) for id_ in ids.retire(batch.retired)]
        # Encode new names and registrations last, because the encoding of the rows above may have added some.
        if ids.new:
            rows |= self._registrations(now_us)
        if names.new:
            rows["names"] = tuple(names.new)
        return EncodedBatch(
            rows,
            retired,
            [(silence.until_us, cleaned_text(silence.fingerprint)) for silence in batch.silences],
            None if batch.running is None else session_id,
            self._session_update(batch, runs.values(), totals, now_us),
            totals.evicted,
        )

    def _runs(self, kind: RunKind, runs: Sequence[RunRow], totals: BatchTotals) -> list[RowValues]:
        ids = self.registrations
        triggers = _ENCODE_TRIGGERS_OF_RUNS[kind.name](runs, self.names)
        return [
            (*totals.add_run(run, ids[run.registration]), *trigger) for run, trigger in zip(runs, triggers, strict=True)
        ]

    def _failures(self, failures: Sequence[tuple[int, str, FailureRow]]) -> dict[str, Sequence[RowValues]]:
        lines = FailingLines()
        return {
            "error_groups": self._groups(failures, lines),
            "failures": [
                (run_id, fingerprint, failure.message, *lines.of(failure)) for run_id, fingerprint, failure in failures
            ],
        }

    def _counts(self, batch: BatchRow) -> dict[str, Sequence[RowValues]]:
        ids, names, session_id = self.registrations, self.names, self.session_id
        return {
            "losses": [
                (session_id, loss.reason, loss.what, loss.count, loss.first_us, loss.last_us) for loss in batch.losses
            ],
            "skips": [
                (skip.hour_us // HOUR_US, ids[skip.registration], names[skip.reason], skip.count)
                for skip in batch.skipped
            ],
            "not_runs": [self._not_run(row) for row in batch.not_runs],
        }

    def _running(self, row: RunningRow) -> RowValues:
        trigger = _all_trigger_columns(row.registration, row.trigger, self.names)
        return (self.session_id, row.run, self.registrations[row.registration], row.started_us, *trigger)

    def _not_run(self, row: NotRunRow) -> RowValues:
        trigger = _all_trigger_columns(row.registration, row.trigger, self.names)
        reason = self.names[row.reason]
        return (self.registrations[row.registration], self.session_id, row.at_us, reason, row.detail or None, *trigger)

    def _registrations(self, now_us: int) -> dict[str, Sequence[RowValues]]:
        rows: dict[str, list[RowValues]] = {kind.registrations_table: [] for kind in KINDS}
        for id_, registration in self.registrations.new.items():
            kind = kind_of(registration)
            rows[kind.registrations_table].append(_registration_row(id_, registration, kind, now_us))
        return dict(rows)

    def _groups(self, failures: Sequence[tuple[int, str, FailureRow]], lines: FailingLines) -> list[RowValues]:
        groups: dict[str, _Group] = {}
        for run_id, fingerprint, failure in failures:
            group = groups.get(fingerprint)
            if group is None:
                groups[fingerprint] = _Group(failure, first_id=run_id, last_id=run_id)
            else:
                # The runs of handlers come before those of jobs, and ids are lower after a step back of the clock.
                if run_id < group.first_id:
                    group.first_id, group.failure = run_id, failure
                group.last_id = max(group.last_id, run_id)
                group.count += 1
        self._new_groups.update(groups)
        return [
            (
                fingerprint,
                group.failure.kind,
                group.failure.type,
                group.failure.message,
                *lines.of(group.failure),
                "" if fingerprint in self._known_groups else group.failure.traceback,
                time_of(group.first_id),
                time_of(group.last_id),
                group.first_id,
                group.last_id,
                group.count,
            )
            for fingerprint, group in groups.items()
        ]

    def _session_update(
        self, batch: BatchRow, runs: Iterable[Sequence[RunRow]], totals: BatchTotals, now_us: int
    ) -> Mapping[str, object]:
        ids = [run.id for some in runs for run in some]
        return {
            "heartbeat_us": now_us,
            "sequence": batch.sequence,
            "previous_sequence": self.last_sequence,
            "first_id": min(ids, default=None),
            "last_id": max(ids, default=None),
            "runs": totals.runs,
            "failures": totals.errors_and_timeouts,
            "lost_runs": sum(loss.count for loss in batch.losses if loss.what == "runs"),
            "lost_details": sum(loss.count for loss in batch.losses if loss.what != "runs" and loss.reason != LEFT_OUT),
            "facts": json_object(batch.session_facts) if batch.session_facts else None,
            "session_id": self.session_id,
        }


_ANNOUNCED: Final = attrgetter(*EVENTS, "losses", "skipped", "not_runs")
"""Returns the fields of a batch that `encode_events` and `BatchEncoder._counts` encode."""


@dataclass(slots=True)
class _Group:
    """Failures of a batch with the same fingerprint."""

    failure: FailureRow
    first_id: int
    last_id: int
    count: int = 1


def _trigger_encoder(kind: RunKind) -> Callable[[object, NameIds], RowValues]:
    """Return a function that encodes a trigger as the values of the kind's ``running_columns``."""
    fields = attrgetter(*map(trigger_field, kind.running_columns))
    places_of_names = tuple(place for place, column in enumerate(kind.running_columns) if column in NAMED_COLUMNS)
    places_of_flags = tuple(place for place, column in enumerate(kind.running_columns) if column in FLAGS)

    def encode(trigger: object, names: NameIds) -> RowValues:
        values = list(fields(trigger))
        for place in places_of_names:
            values[place] = names[values[place]]
        # Python's sqlite3 needs ten times as long to bind a bool as to bind an int.
        for place in places_of_flags:
            values[place] = int(values[place])
        return values

    return encode


_ENCODE_TRIGGER: Final = {kind.name: _trigger_encoder(kind) for kind in KINDS}


def _all_trigger_columns(registration: RegistrationRow, trigger: object, names: NameIds) -> RowValues:
    """Return the values of `TRIGGER_COLUMNS`. All are None if there is no trigger."""
    kind = kind_of(registration)
    columns: list[object] = []
    for other in KINDS:
        known = other is kind and trigger is not None
        columns.extend(_ENCODE_TRIGGER[kind.name](trigger, names) if known else (None,) * len(other.running_columns))
    return columns


def _events(runs: Iterable[InvocationRow], names: NameIds) -> Iterator[RowValues]:
    # Several handlers often receive the same event: encode it once.
    encode = _ENCODE_TRIGGER[HANDLER.name]
    trigger: object = None
    values: RowValues = ()
    for run in runs:
        if run.trigger is not trigger:
            trigger = run.trigger
            values = encode(trigger, names)
        yield values


def _due_before(runs: Iterable[ExecutionRow], names: NameIds) -> Iterator[RowValues]:
    del names
    return ((run.started_us - run.trigger.due_us, int(run.trigger.manual)) for run in runs)


# For each kind, a function that returns the values of its ``trigger_columns`` for each run.
_ENCODE_TRIGGERS_OF_RUNS: Final[dict[str, Callable[[Any, NameIds], Iterator[RowValues]]]] = {
    HANDLER.name: _events,
    JOB.name: _due_before,
}


def _registration_row(id_: int, registration: RegistrationRow, kind: RunKind, now_us: int) -> RowValues:
    source = registration.source
    return (
        id_,
        registration.app,
        registration.instance,
        registration.name,
        getattr(registration, kind.trigger_source),
        registration.handler,
        json_object(registration.settings),
        source.file if source else None,
        source.line if source else None,
        (source.snippet or None) if source else None,
        registration.runs_in,
        registration.timeout_s,
        now_us,
        now_us,
    )
