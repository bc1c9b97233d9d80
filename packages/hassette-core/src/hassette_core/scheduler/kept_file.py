"""`KeptFile`: write the kept jobs into a file after each change, and read them at the next start."""

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hassette_core.clock import Timer, TimerClock
from hassette_core.containment import RecordEvent
from hassette_core.json_file import JsonFile
from hassette_core.scheduler.kept_jobs import BadEntry, KeptJobs
from hassette_executor import RepeatedLog

logger = logging.getLogger(__name__)

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
"""The pause after a failed write. It begins with `FIRST_RETRY_S` and doubles with each failure."""

NAMED = 3
"""Number of bad entries of an app instance that are described."""


class KeptFile:
    """Reads and writes the file of the kept jobs.

    A failed write is logged, recorded, and repeated after a pause, and at the next change. The file is written in a
    separate thread, because hung calls of apps may occupy the threads of the event loop.

    Args:
        path: The file.
        kept: The kept jobs.
        clock: Measures the pause after a failed write.
        report: Records a damaged file, and failed writes.
    """

    def __init__(self, path: Path, kept: KeptJobs, clock: TimerClock, report: RecordEvent) -> None:
        self._file = JsonFile(path)
        self._kept = kept
        self._clock = clock
        self._report = report
        self._log = RepeatedLog(logger, monotonic_ns=clock.monotonic_ns)
        self._threads: ThreadPoolExecutor | None = None
        self._loaded = False
        self._damaged = False  # the present file has content that must not be destroyed
        self._written = 0  # the version of the kept jobs in the file
        self._failure = ""
        self._retry_s = FIRST_RETRY_S
        self._retry: Timer | None = None

    def load(self) -> None:
        """Read the file, at the first call only. If a part of it cannot be read, keep a copy of the file."""
        if self._loaded:
            return
        self._loaded = True
        try:
            value = self._file.load()
            bad = [] if value is None else self._kept.read(value)
        except (OSError, ValueError, RecursionError) as error:
            bad = [BadEntry("scheduler", f"it is not a JSON file: {_reason(error)}")]
        if bad:
            self._written = -1  # write a file without the damage, also if there is no change
            self._kept.changed.set()
            self._report_damage(bad)
        else:
            self._written = self._kept.version
            self._kept.changed.clear()

    def _report_damage(self, bad: Sequence[BadEntry]) -> None:
        self._damaged = True
        try:
            copy = f"the whole file is kept as {self._set_aside()}"
        except OSError as error:
            copy = f"the file cannot be copied yet ({_reason(error)}), and is not replaced before that"
        problems: dict[str, list[str]] = {}
        for subject, problem in bad:
            problems.setdefault(subject, []).append(problem)
        for subject, texts in problems.items():
            more = f" (and {len(texts) - NAMED} more)" if len(texts) > NAMED else ""
            named = "; ".join(texts[:NAMED])
            detail = f"a part of {self._file.path} cannot be read and is left out: {named}{more}; {copy}"
            logger.error("File of the scheduler is damaged", extra={"subject": subject, "problem": detail})
            self._report("scheduler_file_damaged", subject, detail)

    def _set_aside(self) -> Path:
        aside = self._file.set_aside()
        self._damaged = False
        return aside

    async def serve(self) -> None:
        """Write the file after each change, until cancelled."""
        while True:
            await self._kept.changed.wait()
            await self.save()

    async def save(self) -> None:
        """Write the file if something has changed. A failure is logged and recorded, and leads to another call."""
        self._kept.changed.clear()
        version = self._kept.version
        if self._written == version:
            return
        value = self._kept.value()
        if self._threads is None:
            self._threads = ThreadPoolExecutor(1, "hassette-scheduler-file")
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._write, value, version)
        except Exception as error:  # noqa: BLE001  an unexpected error must not end the writer for all apps
            self._failed(_reason(error))
        else:
            self._succeeded()

    async def close(self) -> None:
        """Write the last changes, and end the thread."""
        await self.save()
        self._cancel_retry()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None

    def _write(self, value: dict[str, Any], version: int) -> None:
        # The thread makes the writes in order. After a cancelled `save`, the same version may come twice.
        if version > self._written:
            if self._damaged:
                self._set_aside()
            self._file.save(value)
            self._written = version

    def _failed(self, reason: str) -> None:
        detail = (
            f"cannot write {self._file.path}: {reason}; the write is repeated. Until then, a restart loses new"
            " persistent timers and pauses, and repeats persistent timers that have run"
        )
        self._log.log("save", logging.ERROR, "File of the scheduler cannot be written", extra={"problem": detail})
        if reason != self._failure:
            self._failure = reason
            self._report("scheduler_file_failed", "scheduler", detail)
        self._cancel_retry()
        self._retry = self._clock.call_later(self._retry_s, self._kept.changed.set)
        self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)

    def _succeeded(self) -> None:
        self._cancel_retry()
        self._retry_s = FIRST_RETRY_S
        if self._failure:
            self._failure = ""
            logger.info("File of the scheduler can be written again", extra={"path": str(self._file.path)})

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error) or type(error).__name__
