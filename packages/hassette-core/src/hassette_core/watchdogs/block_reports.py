"""`BlockReports`: record the blocks of the event loop as events, and bound the number of the events."""

import asyncio
import contextvars
from dataclasses import dataclass

from hassette_core.containment import RecordEvent

INTERVAL_S = 60.0
"""The first block of a handler is recorded at once. Further blocks within this time are recorded together."""
MAX_SUBJECTS = 100
"""Above this number of handlers within the interval, the blocks of all further handlers are recorded together."""
OTHERS = "others"
UNKNOWN = "unknown code"
"""The source of a block whose code is not known."""


@dataclass(slots=True)
class _FurtherBlocks:
    """The blocks of one handler, or of one module of the framework, since its last event.

    Attributes:
        subject: The listener, job or method; empty if no app blocked the loop.
        count: Number of blocks.
        total_s: Total duration, in seconds.
        longest_s: Duration of the longest block, in seconds.
        where: The code of the longest block, as a sentence.
    """

    subject: str
    count: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0
    where: str = ""


class BlockReports:
    """Records blocks of the event loop as events ``loop_blocked``, at most one per handler and minute.

    A handler that blocks the loop again and again would otherwise fill the history.

    Args:
        report: Records a lifecycle event.
        interval_s: See `INTERVAL_S`.
    """

    def __init__(self, report: RecordEvent, *, interval_s: float = INTERVAL_S) -> None:
        self._report = report
        self._interval_s = interval_s
        self._further: dict[str, _FurtherBlocks] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def add(self, subject: str, source: str, seconds: float, where: str) -> None:
        """Record a block, now or together with further blocks.

        Args:
            subject: The listener, job or method, such as ``hall.upstairs.on_motion``; empty if it is unknown.
            source: The same as words, such as ``on_motion of hall.upstairs``, or the module of the framework.
            seconds: The duration.
            where: The code that blocked the loop, as a sentence.
        """
        name = subject or source
        if name not in self._further and len(self._further) >= MAX_SUBJECTS:
            name = subject = source = OTHERS
        further = self._further.get(name)
        if further is None:
            self._report(
                "loop_blocked",
                subject,
                f"{source} blocked the event loop for {seconds:.1f} s; all apps waited. {where}",
            )
            self._wait(name, subject)
            return
        further.count += 1
        further.total_s += seconds
        if seconds > further.longest_s:
            further.longest_s, further.where = seconds, where

    def close(self) -> None:
        """Record the further blocks, and end all waits."""
        for timer in self._timers.values():
            timer.cancel()
        for name in tuple(self._further):
            self._report_further(name)
        self._further.clear()
        self._timers.clear()

    def _wait(self, name: str, subject: str) -> None:
        self._further[name] = _FurtherBlocks(subject)
        loop = asyncio.get_running_loop()
        context = contextvars.Context()  # the timer is not code of the app
        self._timers[name] = loop.call_later(self._interval_s, self._end_wait, name, context=context)

    def _end_wait(self, name: str) -> None:
        if self._report_further(name):
            self._wait(name, self._further[name].subject)
        else:
            del self._further[name], self._timers[name]

    def _report_further(self, name: str) -> bool:
        further = self._further[name]
        if further.count:
            times = "once more" if further.count == 1 else f"{further.count} more times"
            self._report(
                "loop_blocked",
                further.subject,
                f"{'Unknown code' if name == UNKNOWN else name} blocked the event loop {times} within"
                f" {self._interval_s:g} s, for {further.total_s:.1f} s in total and"
                f" {further.longest_s:.1f} s at the longest. {further.where}",
            )
        return bool(further.count)
