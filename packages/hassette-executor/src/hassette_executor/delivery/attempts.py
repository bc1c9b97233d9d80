"""Attempts to write to a sink: the pause between retries, and the log of failures and of slow writes."""

import asyncio
import logging
import random
from collections.abc import Callable

from hassette_executor.delivery.sinks import RecordSink
from hassette_executor.errors import RecordsRefusedError
from hassette_executor.records.batches import Batch
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings


class WriteAttempts:
    """Writes batches to one sink, counts failures in a row, and logs failures, recovery and slow writes.

    Args:
        sink: The sink.
        settings: Pauses and intervals.
        log: The log.
        waiting: Returns the number of waiting runs, for log lines.

    Attributes:
        failures: Number of failed writes in a row.
        refused: Whether the last write failed because the sink stores nothing until a setting is corrected.
    """

    def __init__(
        self, sink: RecordSink, settings: ExecutorSettings, log: RepeatedLog, waiting: Callable[[], int]
    ) -> None:
        self.failures = 0
        self.refused = False
        self._sink = sink
        self._settings = settings
        self._log = log
        self._waiting = waiting
        self._slow_timer: asyncio.TimerHandle | None = None

    async def write(self, batch: Batch) -> Exception | None:
        """Write a batch; return the error of the sink, or None if the sink has stored the batch.

        A hung sink raises no error, so a warning is logged when a write takes longer than `retry_max_s`.

        Raises:
            asyncio.CancelledError: The writing task was cancelled.
        """
        loop = asyncio.get_running_loop()
        self.stop_watching()  # an earlier write that ignored its cancellation may still be in progress
        self._slow_timer = loop.call_later(self._settings.retry_max_s, self._warn_slow, loop.time())
        try:
            await self._sink.write(batch)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return RuntimeError("the sink's task was cancelled")
        except Exception as error:  # noqa: BLE001  the batch is retried after any error of the sink
            return error
        finally:
            self.stop_watching()
        return None

    def stop_watching(self) -> None:
        """Stop the warnings about a slow write, because the write has ended or the queue no longer waits for it."""
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None

    def succeeded(self) -> None:
        """Log the recovery after failures, and reset the number of failures."""
        if self.failures:
            # This line is limited to one per interval, as the line about failures is: a sink may fail and recover with
            # every batch.
            facts = {"failed_writes": self.failures, "waiting": self._waiting()}
            self._log.log("recovered", logging.WARNING, "Sink stores records again", extra=facts)
        self.failures, self.refused = 0, False

    def failed(self, error: Exception, *, closing: bool) -> float:
        """Count and log a failure; return the pause before the next attempt, in seconds.

        Args:
            error: The error of the sink.
            closing: Whether the queue is being closed. If so, the pause is `retry_min_s` at most.
        """
        settings = self._settings
        pause_s = min(settings.retry_max_s, settings.retry_min_s * 2 ** min(self.failures, 30))
        self.failures += 1
        self.refused = isinstance(error, RecordsRefusedError)
        if not self.refused:
            self._log.log(
                "retry",
                logging.WARNING,
                "Records could not be written; they stay in memory and are retried",
                extra={
                    "error": f"{type(error).__name__}: {error}",
                    "waiting": self._waiting(),
                    "failed_writes": self.failures,
                },
            )
        if closing:
            pause_s = min(pause_s, settings.retry_min_s)
        # The pause is partly random, so that several queues do not retry at the same moment.
        return pause_s * random.uniform(0.5, 1)  # noqa: S311  no secret

    def _warn_slow(self, since: float) -> None:
        loop = asyncio.get_running_loop()
        self._log.log(
            "slow",
            logging.WARNING,
            "Sink has not responded for a while; new records are queued",
            extra={"seconds": round(loop.time() - since), "waiting": self._waiting()},
        )
        self._slow_timer = loop.call_later(self._settings.log_interval_s, self._warn_slow, since)
