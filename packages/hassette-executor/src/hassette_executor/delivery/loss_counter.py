"""Counts and log lines of the records and announcements that do not reach a sink."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from hassette_executor.delivery.batch_builder import BatchBuilder
from hassette_executor.records.batches import Batch
from hassette_executor.records.runs import Record
from hassette_executor.repeated_log import RepeatedLog


class LossCounter:
    """Counts and logs the losses of one write queue.

    Evicted and rejected runs are also added to the next batch, so that the totals in the sink stay right.

    Args:
        builder: Builder of the next batch.
        log: The log.

    Attributes:
        shed: Number of records that did not reach the sink, by reason (see `Accounting`).
    """

    def __init__(self, builder: BatchBuilder, log: RepeatedLog) -> None:
        self.shed: Counter[str] = Counter()
        self._builder = builder
        self._log = log

    def count_evicted(self, reason: str, records: Sequence[Record], waiting: int) -> None:
        """Count runs that were evicted because the queue is full.

        Args:
            reason: ``queue_full_count`` or ``queue_full_bytes``.
            records: At least one record, in the order in which the runs ended.
            waiting: Number of runs that still wait.
        """
        self._count_summarised(reason, records)
        self._log.log(
            "full",
            logging.WARNING,
            "Write queue is full; records are evicted but still count in the totals",
            extra={"evicted": self.shed[reason], "reason": reason, "waiting": waiting},
        )

    def count_rejected(self, batch: Batch, error: ValueError) -> None:
        """Count the loss of a batch that contains a single row, and that the sink has rejected."""
        if records := batch.records():
            message, count = "Row was rejected by the sink and is lost; it still counts in the totals", 1
            row = repr(records[0].registration.key)
            self._count_summarised("rejected_row", records)
        else:
            message = "Announcement was rejected by the sink and is lost"
            row, count = batch.only_announcement()
            if not batch.losses:
                self._builder.count_loss("rejected_row", row, count, batch.at_us, batch.at_us)
        extra = {"error": str(error), "row": row, "lost": count}
        self._log.log(("rejected", bool(records)), logging.ERROR, message, extra=extra)

    def count_left(self, runs: int, summarised: int, announcements: Mapping[str, int], deadline_s: float) -> None:
        """Count and log the runs and announcements that were not written before the stop deadline.

        Args:
            runs: Number of these runs.
            summarised: Number of evicted and rejected runs whose summaries were not written.
            announcements: Number of announcements that wait for the next start, by field.
            deadline_s: The stop deadline, in seconds.
        """
        if runs:
            self.shed["stop_deadline"] += runs
        facts: dict[str, object] = {"waiting": dict(announcements), "deadline_s": deadline_s}
        if runs or summarised:
            message = "Records were not written before the stop deadline and are lost"
            self._log.write(logging.ERROR, message, extra={"lost": runs, "lost_counts": summarised, **facts})
        elif announcements:
            message = "Announcements were not written before the stop deadline; they wait for the next start"
            self._log.write(logging.ERROR, message, extra=facts)

    def count_after_stop(self, runs: int) -> None:
        """Count runs that ended after the queue was closed."""
        self.shed["after_stop"] += runs
        extra = {"lost": self.shed["after_stop"]}
        self._log.log("after_stop", logging.ERROR, "Runs that ended after the stop are lost", extra=extra)

    def _count_summarised(self, reason: str, records: Sequence[Record]) -> None:
        self._builder.count_shed(reason, records)
        self.shed[reason] += len(records)
