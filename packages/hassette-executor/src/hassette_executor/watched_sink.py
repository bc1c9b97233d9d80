"""A sink, and a watch on how long it takes: one that hangs raises nothing, and must be named all the same."""

import asyncio
import logging
from collections.abc import Callable

from hassette_executor.records import Batch
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings
from hassette_executor.sink import RecordSink


class WatchedSink:
    """Writes to a sink, and says so once per interval while it does not answer.

    Args:
        sink: The sink.
        settings: How long it may take before it is said (`retry_max_s`), and how often after that (`log_interval_s`).
        log: Where to say it.
        waiting: How many runs wait.
    """

    def __init__(
        self, sink: RecordSink, settings: ExecutorSettings, log: RepeatedLog, waiting: Callable[[], int]
    ) -> None:
        self._sink = sink
        self._settings = settings
        self._log = log
        self._waiting = waiting
        self._watch: asyncio.TimerHandle | None = None

    async def write(self, batch: Batch) -> None:
        """Have the sink write the batch.

        Raises:
            BaseException: Whatever the sink raises.
        """
        self._look_in(self._settings.retry_max_s, asyncio.get_running_loop().time())
        try:
            await self._sink.write(batch)
        finally:
            self.look_no_more()

    def look_no_more(self) -> None:
        """Leave the sink to itself, even if it has not answered."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _look_in(self, seconds: float, since: float) -> None:
        self._watch = asyncio.get_running_loop().call_later(seconds, self._say, since)

    def _say(self, since: float) -> None:
        self._log.log(
            "slow",
            logging.WARNING,
            "A sink has not answered for long; what comes waits for it",
            extra={"seconds": round(asyncio.get_running_loop().time() - since), "waiting": self._waiting()},
        )
        self._look_in(self._settings.log_interval_s, since)
