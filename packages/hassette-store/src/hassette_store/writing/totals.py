"""Totals of a batch: numbers, failures and side effects of its runs, and statistics of evicted runs."""

from typing import Final

from hassette_store.derived.statistics import TotalsByPeriod
from hassette_store.ids import time_of
from hassette_store.insertion import RowValues
from hassette_store.periods import HOUR_US
from hassette_store.rows import EffectsRow, FailureRow, RunRow, SummaryRow
from hassette_store.statuses import ERROR, STATUS_NUMBERS, TIMED_OUT
from hassette_store.writing.fingerprints import fingerprint
from hassette_store.writing.row_ids import NameIds

_ERRORS_AND_TIMEOUTS: Final = (ERROR, TIMED_OUT)


class BatchTotals:
    """Totals of one batch.

    Attributes:
        runs: Number of runs, including evicted runs.
        errors_and_timeouts: Number of runs with the status ``error`` or ``timed_out``.
        evicted: Statistics of evicted runs, by hour and registration. The other runs are counted later.
        failures: Run id, fingerprint and failure of each run that has a failure.
        details: Rows of effects, by table.
    """

    def __init__(self, session_id: int, names: NameIds) -> None:
        self._names = names
        self._session_id = session_id
        self.runs = 0
        self.errors_and_timeouts = 0
        self.evicted = TotalsByPeriod()
        self.failures: list[tuple[int, str, FailureRow]] = []
        self.details: dict[str, list[RowValues]] = {}

    def add_run(self, run: RunRow, registration_id: int) -> RowValues:
        """Count a run; return the columns that runs of all kinds have in common."""
        run_id, duration_us, waited_us = run.id, run.duration_us, run.waited_us
        status = STATUS_NUMBERS[run.status]
        ended_us = time_of(run_id)
        self.runs += 1
        if status:
            self.errors_and_timeouts += status in _ERRORS_AND_TIMEOUTS
            if run.failure is not None:
                self.failures.append((run_id, fingerprint(run.failure), run.failure))
        if run.effects is not None:
            self._add_effects(run_id, run.effects)
        return (run_id, registration_id, self._session_id, status, ended_us - run.started_us, duration_us, waited_us)

    def add_summary(self, summary: SummaryRow, registration_id: int) -> None:
        """Count runs whose records were evicted."""
        totals = self.evicted[summary.hour_us // HOUR_US, registration_id]
        for name, count in summary.counts:
            status = STATUS_NUMBERS[name]
            totals.by_status[status] += count
            totals.shed += count
            self.runs += count
            self.errors_and_timeouts += count if status in _ERRORS_AND_TIMEOUTS else 0
        totals.total_us += summary.total_us
        totals.waited_us += summary.waited_us
        totals.max_us = max(totals.max_us, summary.max_us)
        for bucket, count in summary.buckets:
            totals.buckets[bucket] += count
        totals.columns()  # raises ValueError for a bucket out of range

    def _add_effects(self, run_id: int, effects: EffectsRow) -> None:
        names, rows_of = self._names, self._rows_of
        for position, line in enumerate(effects.log_lines):
            rows_of("log_lines").append((run_id, position, line.at_us, line.level, names[line.logger], line.message))
        for position, call in enumerate(effects.service_calls):
            rows_of("service_calls").append(
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
                    call.attempt,
                    call.confirmed_us,
                    int(call.rehearsed),
                )
            )
        for position, read in enumerate(effects.state_reads):
            rows_of("state_reads").append((run_id, position, read.at_us, names[read.entity_id], read.state))
        dropped = (effects.dropped_log_lines, effects.dropped_service_calls, effects.dropped_state_reads)
        if any(dropped):
            rows_of("dropped_effects").append((run_id, *dropped))

    def _rows_of(self, table: str) -> list[RowValues]:
        return self.details.setdefault(table, [])
