"""Executions in progress: one timer for all deadlines and for the list of long runs.

The timer calls the *sweeper* (`InFlight._sweep`), which cancels runs whose deadline has passed and reports the list. A
timer per run (`asyncio.timeout`) takes about 6 µs; an entry in a set takes a twentieth of that time.
"""

import asyncio
import logging
from collections.abc import Callable
from contextvars import Context

from hassette_executor.clock import Clock
from hassette_executor.records.runs import RunningExecution
from hassette_executor.running.execution import IGNORED_S, NEVER_NS, Execution

SWEEP_NS = 250_000_000
"""Interval of the sweeper, and the age at which a run is reported as in progress. This time plus the flush interval is
below one second, so a run is in the store within a second of its start."""
SHORT_S = SWEEP_NS / 1e9
"""The same interval in seconds. If a run has a shorter deadline, the timer is set to that deadline."""
BUSY_NS = 20_000_000
"""If runs begin at shorter intervals, the timer stays set after their end, because setting it for each run would cost
more than a wake-up. Otherwise, the end of the last run cancels it. So a short run in a quiet home causes no wake-up."""
_DRAIN_POLL_NS = 10_000_000


ExplainWait = Callable[[Execution], str | None]
"""Returns a sentence about why a run has waited, or None."""


class InFlight:
    """Executions in progress.

    Args:
        executions: The executions. The executor's hot path adds and discards them directly.
        report: Called each time that the list of runs in progress for at least `SWEEP_NS` has changed. Its argument is
            the new list.
        clock: Wall clock and monotonic clock.

    Attributes:
        sweeps_regularly: Whether the timer calls the sweeper within `SWEEP_NS`. It is False if all executions are
            already reported, because then the sweeper need not run before the next deadline.
        ends_with_runs: Whether `cancel_timer` must be called as soon as no execution is in progress.
        wall_offset_ns: Wall clock minus monotonic clock. The difference is stored, so that the hot path reads only one
            clock. It is computed again each time the timer is set. After a step of the wall clock, it is therefore
            correct again within `SWEEP_NS`.
        late_ns: A run that begins so many nanoseconds after its trigger gets a log line from `explain_wait`.
    """

    def __init__(
        self, executions: set[Execution], report: Callable[[tuple[RunningExecution, ...]], None], clock: Clock
    ) -> None:
        self._executions = executions
        self._report = report
        self._clock = clock
        self.sweeps_regularly = False
        self.ends_with_runs = False
        self.wall_offset_ns = clock.wall_ns() - clock.monotonic_ns()
        self._wake_ns = NEVER_NS
        self._watched_ns = 0
        self._context = Context()  # otherwise the callbacks would run in the context of a run
        self._reported: frozenset[int] = frozenset()
        self._last_run = 0
        self._timer: asyncio.TimerHandle | None = None
        self._swept: asyncio.Event | None = None
        self._reporting = True
        self.late_ns = NEVER_NS
        self._explain: ExplainWait | None = None
        self._report_ignored: Callable[[Execution, float], None] | None = None

    def open(self) -> None:
        """Report runs in progress again, after `close`."""
        self._reporting = True

    def watch(self, execution: Execution) -> None:
        """Make sure that the sweeper is called for an execution that has just begun."""
        now = execution.started_ns
        quiet = self._timer is None and now - self._watched_ns >= BUSY_NS
        self._watched_ns = now
        wake_ns = min(now + SWEEP_NS, execution.deadline_ns)
        if wake_ns < self._wake_ns:
            self._arm(wake_ns, now)
            self.ends_with_runs = quiet

    def cancel_timer(self) -> None:
        """Cancel the timer. `watch` or `remove` sets it again for the next execution."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.sweeps_regularly = self.ends_with_runs = False
        self._wake_ns = NEVER_NS

    def explain_waits(self, explain: ExplainWait) -> None:
        """Let a function explain why a run has waited. Set `late_ns` to the wait for which it is called."""
        self._explain = explain

    def explain_wait(self, execution: Execution) -> None:
        """Add a log line to a run that began late, if the reason is known."""
        if self._explain is not None and (text := self._explain(execution)) is not None:
            execution.add_line(logging.WARNING, __name__, text)

    def report_ignored_cancellations(self, report: Callable[[Execution, float], None]) -> None:
        """Call a function with each run that is in progress `IGNORED_S` after its deadline, and with this time."""
        self._report_ignored = report

    def executions(self) -> tuple[Execution, ...]:
        """Return the executions in progress."""
        return tuple(self._executions)

    def remove(self, execution: Execution, now_ns: int) -> None:
        """Remove an execution that has ended. If it was reported, set the timer to report a list without it."""
        self._executions.discard(execution)
        if self.ends_with_runs and not self._executions:
            self.cancel_timer()
        if execution.run_number and self._reporting and (self.ends_with_runs or not self.sweeps_regularly):
            self._arm(min(self._wake_ns, now_ns + SWEEP_NS), now_ns)

    def running(self) -> tuple[RunningExecution, ...]:
        """Return all runs in progress, oldest first, except runs of sync handlers that still wait for a thread."""
        return self._snapshot(self._executions)

    async def wait_until_empty(self, timeout_s: float, except_for: Execution | None) -> None:
        """Wait until no other execution is in progress, or until the timeout has passed.

        Args:
            timeout_s: Timeout in seconds.
            except_for: The execution in which the caller runs, if any. The caller must not wait for itself.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while self._executions - {except_for} and loop.time() < until:
            self._swept = asyncio.Event()
            now = self._clock.monotonic_ns()
            self._arm(now + _DRAIN_POLL_NS, now)
            await self._swept.wait()

    def close(self) -> None:
        """Report the list of runs in progress for the last time.

        Runs that are still in progress after the stop keep their deadlines.
        """
        self._report_long_runs(self._clock.monotonic_ns())
        self._reporting = False
        self._sweep()

    def _arm(self, at_ns: int, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.sweeps_regularly, self.ends_with_runs = True, False
        self._wake_ns = at_ns
        self._read_clocks()
        self._timer = asyncio.get_running_loop().call_later(
            max(0, at_ns - now_ns) / 1e9, self._sweep, context=self._context
        )

    def _read_clocks(self) -> None:
        self.wall_offset_ns = self._clock.wall_ns() - self._clock.monotonic_ns()

    def _sweep(self) -> None:
        now = self._clock.monotonic_ns()
        self.cancel_timer()
        next_ns = NEVER_NS
        for execution in tuple(self._executions):
            if execution.deadline_ns <= now:
                if execution.expired:
                    self._ignores_cancellation(execution)
                else:
                    execution.expire()
            next_ns = min(next_ns, execution.deadline_ns)
        if self._reporting:
            self._report_long_runs(now)
        if self._swept is not None:
            self._swept.set()
        if self._reporting and any(
            execution.waits_for_thread or now - execution.started_ns < SWEEP_NS for execution in self._executions
        ):
            self._arm(min(next_ns, now + SWEEP_NS), now)
        elif next_ns != NEVER_NS:
            self._arm(next_ns, now)
            self.sweeps_regularly = False

    def _ignores_cancellation(self, execution: Execution) -> None:
        execution.reported_ignored = True
        text = f"the run goes on {IGNORED_S:g} s after its deadline, because its code ignores the cancellation"
        execution.add_line(logging.ERROR, __name__, text)
        if self._report_ignored is not None:
            self._report_ignored(execution, IGNORED_S)

    def _report_long_runs(self, now_ns: int) -> None:
        running = self._snapshot(
            {execution for execution in self._executions if now_ns - execution.started_ns >= SWEEP_NS}
        )
        if (numbers := frozenset(run.run for run in running)) != self._reported:
            self._reported = numbers
            self._report(running)

    def _snapshot(self, executions: set[Execution]) -> tuple[RunningExecution, ...]:
        begun = [execution for execution in executions if not execution.waits_for_thread]
        for execution in sorted(begun, key=lambda execution: execution.started_ns):
            if not execution.run_number:
                self._last_run += 1
                execution.run_number = self._last_run
        return tuple(
            RunningExecution(
                execution.run_number,
                execution.command.registration,
                execution.command.trigger,
                (execution.started_ns + self.wall_offset_ns) // 1000,
            )
            for execution in sorted(begun, key=lambda execution: execution.run_number)
        )
