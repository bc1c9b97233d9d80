"""Runs that are going on: one set, with one shared timer for deadlines and for what has been running for long.

A timer per run (`asyncio.timeout`) costs about 6 µs; a set entry costs a twentieth of that.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import Context

from hassette_executor.context import NEVER_NS, Execution
from hassette_executor.records import RunningExecution

SWEEP_NS = 250_000_000
"""A run is reported as running after this long, and looked at this often: together with the flush interval, what has
been running for a second is in the store before it is lost."""


SHORT_S = SWEEP_NS / 1e9
"""A deadline shorter than this has the timer set for it."""


class InFlight:
    """The runs that are going on.

    Args:
        executions: The runs; the executor's hot path adds and discards directly.
        report: Called with the runs that have been going on for a while, whenever that list has changed.

    Attributes:
        awake: Whether the sweeper is set to look within `SWEEP_NS`. While all that goes on is reported already, it
            sleeps until the next deadline.
        wall_offset_ns: What to add to the monotonic clock for the wall clock. Renewed whenever the sweeper looks or is
            set to look: a run that begins after a step of the wall clock sees it within `SWEEP_NS`, and the hot path
            saves a clock read.
    """

    def __init__(self, executions: set[Execution], report: Callable[[tuple[RunningExecution, ...]], None]) -> None:
        self._executions = executions
        self.awake = False
        self._wake_ns = NEVER_NS
        self.wall_offset_ns = time.time_ns() - time.monotonic_ns()
        self._report = report
        self._reported: frozenset[int] = frozenset()
        self._last_run = 0
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        self._tells = True

    def open(self) -> None:
        """Report again, after `close`."""
        self._tells = True

    def attend(self, execution: Execution) -> None:
        """See to it that the sweeper looks in time for this run, which has just begun."""
        now = execution.started_ns
        wake_ns = min(now + SWEEP_NS, execution.deadline_ns)
        if wake_ns < self._wake_ns:
            self.wake_at(wake_ns, now)

    def reported_run_ended(self, now_ns: int) -> None:
        """See to it that the sweeper looks soon, to report the list without a run that has ended."""
        if not self.awake and self._tells:
            self.wake_at(min(self._wake_ns, now_ns + SWEEP_NS), now_ns)

    def wake_at(self, at_ns: int, now_ns: int) -> None:
        """Have the sweeper look at this time at the latest."""
        if self._timer is not None:
            self._timer.cancel()
        self.awake = True
        self._wake_ns = at_ns
        self.wall_offset_ns = time.time_ns() - time.monotonic_ns()
        self._timer = asyncio.get_running_loop().call_later(
            max(0, at_ns - now_ns) / 1e9, self._sweep, context=Context()
        )

    def running(self) -> tuple[RunningExecution, ...]:
        """Return every run that is going on, the oldest first."""
        return self._told(self._executions)

    async def wait_until_empty(self, timeout_s: float, but: Execution | None) -> None:
        """Wait until nothing is going on (but this one run), or until the timeout has passed."""
        until = time.monotonic() + timeout_s
        while self._executions - {but} and (left := until - time.monotonic()) > 0:
            self._emptied = asyncio.Event()
            self.wake_at(time.monotonic_ns() + 10_000_000, time.monotonic_ns())
            try:
                await asyncio.wait_for(self._emptied.wait(), left)
            except TimeoutError:
                return

    def close(self) -> None:
        """Report once more, so that the list of what is running is true at the end, and no more after that.

        Runs that outlive the stop keep their deadlines.
        """
        self._report_long(time.monotonic_ns())
        self._tells = False
        self._sweep()

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.awake = False
        self._wake_ns = NEVER_NS

    def _sweep(self) -> None:
        now = time.monotonic_ns()
        self._rest()
        next_ns = NEVER_NS
        for execution in tuple(self._executions):
            if execution.deadline_ns <= now:
                execution.expired = True
                assert execution.task is not None  # it has a deadline
                execution.task.cancel()
            next_ns = min(next_ns, execution.deadline_ns)
        if self._tells:
            self._report_long(now)
        if self._emptied is not None:
            self._emptied.set()
        if self._tells and any(run.waits_for_thread or now - run.started_ns < SWEEP_NS for run in self._executions):
            self.wake_at(min(next_ns, now + SWEEP_NS), now)
        elif next_ns != NEVER_NS:
            self.wake_at(next_ns, now)
            self.awake = False

    def _report_long(self, now_ns: int) -> None:
        told = self._told({run for run in self._executions if now_ns - run.started_ns >= SWEEP_NS})
        if (numbers := frozenset(run.run for run in told)) != self._reported:
            self._reported = numbers
            self._report(told)

    def _told(self, executions: set[Execution]) -> tuple[RunningExecution, ...]:
        begun = [execution for execution in executions if not execution.waits_for_thread]
        for execution in sorted(begun, key=lambda execution: execution.started_ns):
            if not execution.run:
                self._last_run += 1
                execution.run = self._last_run
        return tuple(
            RunningExecution(
                execution.run,
                execution.command.registration,
                execution.command.trigger,
                (execution.started_ns + self.wall_offset_ns) // 1000,
            )
            for execution in sorted(begun, key=lambda execution: execution.run)
        )
