"""The execution in progress, in a context variable that tasks and threads inherit."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextvars import Context, ContextVar

from hassette_executor.commands import Command
from hassette_executor.errors import HassetteError
from hassette_executor.records.runs import LogLine, ServiceCall, StateRead
from hassette_executor.records.texts import MAX_LABEL, cut_label, redact_and_cut
from hassette_executor.running.effects import GatheredEffects, LateEffects
from hassette_executor.settings import ExecutorSettings

NEVER_NS = (1 << 63) - 1
"""A time that the monotonic clock never reaches."""
LONGEST_S = 1e9
"""Longest deadline in seconds, about thirty years. A longer deadline counts as this one, because ``inf`` seconds cannot
be converted to nanoseconds."""
IGNORED_S = 5.0
"""A run that is still in progress this many seconds after its deadline ignores its cancellation."""
MAX_LINE = 2_000
"""Characters kept of one log line, and of each text of a service call."""


class ExecutionScope:
    """State shared by all executions of one executor.

    Attributes:
        settings: The bounds of effects.
        redact: Masks secrets in log lines, service calls, states and failures.
        wall_ns: Wall clock, in nanoseconds since the Unix epoch.
        executions: The executions in progress.
        late: Counter of late effects: effects of runs that have ended.
    """

    def __init__(
        self,
        settings: ExecutorSettings,
        redact: Callable[[str], str] = str,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.redact = redact
        self.wall_ns = wall_ns
        self.executions: set[Execution] = set()
        self.late = LateEffects()
        # Reentrant: garbage collection may log a line in a thread that already holds the lock.
        self._lock = threading.RLock()

    def effects_of(self, execution: "Execution") -> GatheredEffects | LateEffects:
        """Return the collector of an execution's effects; the counter of late effects if the execution has ended."""
        if execution not in self.executions:
            return self.late
        if execution.effects is None:
            with self._lock:  # two threads of one run may call this at the same time
                execution.effects = execution.effects or GatheredEffects(self.settings, self.late)
        # The executor removes an execution from the set before it reads the effects. If the execution is still in the
        # set, its effects will be read.
        return execution.effects if execution in self.executions else self.late


class Execution:
    """One run in progress, from its start to its record.

    Attributes:
        command: The command.
        started_ns: Start of the run by the monotonic clock. When a sync handler begins to run in its thread, this value
            is set again.
        timeout_s: The deadline in seconds from the start; 0 for none.
        task: The task to cancel at the deadline; None without a deadline.
        cancelling: Number of cancellation requests that were pending for the task at the start; 0 without a deadline.
        cancelling_at_deadline: The same number at the deadline.
        expired: Whether the deadline has passed and the task was cancelled.
        failed: Whether the run has ended without success.
        reported_ignored: Whether it was reported that the run ignores its cancellation.
        run_number: Number of the run, once it has appeared in a list of runs in progress; 0 before.
        waits_for_thread: Whether this is a run of a sync handler that still waits for a thread.
        effects: Collector of log lines, service calls and reads; None if there are none so far.
        scope: State shared with the other executions of the executor.
    """

    __slots__ = (
        "cancelling",
        "cancelling_at_deadline",
        "command",
        "effects",
        "expired",
        "failed",
        "reported_ignored",
        "run_number",
        "scope",
        "started_ns",
        "task",
        "timeout_s",
        "waits_for_thread",
    )

    def __init__(self, command: Command, started_ns: int, scope: ExecutionScope) -> None:
        self.command = command
        self.started_ns = started_ns
        self.scope = scope
        self.timeout_s: float = 0
        self.task: asyncio.Task[object] | None = None
        self.cancelling = 0
        self.cancelling_at_deadline = 0
        self.expired = False
        self.failed = False
        self.reported_ignored = False
        self.run_number = 0
        self.waits_for_thread = False
        self.effects: GatheredEffects | None = None

    def add_line(self, level: int, logger: str, text: str) -> None:
        """Add a line to the log lines of the run. May be called in any thread."""
        message = redact_and_cut(text, MAX_LINE, self.scope.redact)
        line = LogLine(self.scope.wall_ns() // 1000, level, cut_label(logger), message)
        self.scope.effects_of(self).add_line(line)

    def expire(self) -> None:
        """Cancel the run, because its deadline has passed."""
        assert self.task is not None  # an execution with a deadline has a task
        self.expired = True
        self.cancelling_at_deadline = self.task.cancelling()
        self.task.cancel()

    def withdraw_expiry(self) -> bool:
        """Withdraw the request to cancel of `expire`, as `asyncio.timeout` does.

        Return whether the task was also cancelled from outside since then.
        """
        assert self.task is not None  # only a run with a deadline expires
        return self.task.uncancel() > self.cancelling_at_deadline

    def keeps_cancellation(self, raised: BaseException) -> bool:
        """Return whether the run must raise its CancelledError, although it is recorded as timed out.

        This is so if a request to cancel from before the deadline is pending. The task may have been cancelled from
        outside at nearly the same time. Or, on Python 3.11 and 3.12, an `asyncio.TaskGroup` has failed in the run.
        """
        if not self.expired or not issubclass(type(raised), asyncio.CancelledError):
            return False
        return self.task is not None and self.task.cancelling() > self.cancelling

    def fail(self, problem: HassetteError) -> bool:
        """Let the run fail with this error, even if its callable returns. May be called in any thread.

        Return False, without an effect, if the run has ended with success.
        """
        if self not in self.scope.executions:
            return self.failed
        self.scope.effects_of(self).add_problem(problem)
        return True

    @property
    def deadline_ns(self) -> int:
        """The deadline by the monotonic clock; `NEVER_NS` if there is none.

        After the deadline has passed, the moment at which a run that is still in progress ignores its cancellation.
        """
        if not self.timeout_s or self.reported_ignored:
            return NEVER_NS
        until_s = self.timeout_s + (IGNORED_S if self.expired else 0)
        return self.started_ns + int(min(until_s, LONGEST_S) * 1e9)


_current: ContextVar[Execution | None] = ContextVar("hassette_current_execution", default=None)
current_execution = _current.get
"""Return the execution that the calling code belongs to; None outside a run."""


def is_in_run() -> bool:
    """Return whether the calling code belongs to a run in progress.

    A task that outlives its run keeps `current_execution`, but the record of the run is complete.
    """
    execution = current_execution()
    return execution is not None and execution in execution.scope.executions


def execution_in(context: Context) -> Execution | None:
    """Return the execution to which code in this context belongs; None outside a run."""
    return context.get(_current)


enter = _current.set
"""Make an execution the current one, and return a token for `leave`."""
leave = _current.reset
"""Restore the execution that was current before `enter`; the argument is the token of `enter`."""


def record_service_call(call: ServiceCall) -> None:
    """Attach a service call to the current run; do nothing outside a run.

    Example::

        record_service_call(ServiceCall(sent_us, "light", "turn_on", "{}", "{}", 1_200, context_id, None))
    """
    if (execution := current_execution()) is not None:
        redact = execution.scope.redact
        call = call._replace(
            domain=redact_and_cut(call.domain, MAX_LABEL, redact),
            service=redact_and_cut(call.service, MAX_LABEL, redact),
            target=redact_and_cut(call.target, MAX_LINE, redact),
            data=redact_and_cut(call.data, MAX_LINE, redact),
            context_id=None if call.context_id is None else cut_label(call.context_id),
            error=None if call.error is None else redact_and_cut(call.error, MAX_LINE, redact),
        )
        execution.scope.effects_of(execution).add_call(call)


def record_state_read(entity_id: str, state: str | None) -> None:
    """Attach a read of a state to the current run; do nothing outside a run, or if the setting `state_reads` is 0.

    Args:
        entity_id: The entity, or all entities of a domain such as ``light.*``.
        state: The value; None if there is no such entity. For a domain, the number of its entities.
    """
    execution = current_execution()
    if execution is None or not execution.scope.settings.state_reads:
        return

    def make() -> StateRead:
        shown = None if state is None else redact_and_cut(state, MAX_LABEL, execution.scope.redact)
        return StateRead(execution.scope.wall_ns() // 1000, cut_label(str(entity_id)), shown)

    execution.scope.effects_of(execution).add_read(entity_id, state, make)


class ExecutionLogHandler(logging.Handler):
    """Logging handler that attaches each log record to the run that logged it.

    Log records from outside a run are ignored. This handler receives only lines at or above the level of their logger.
    `ExecutorSettings` then limits them further.

    Args:
        scope: The scope of this executor. This handler ignores the runs of other executors in the process, because
            those executors have handlers themselves.
    """

    def __init__(self, scope: ExecutionScope) -> None:
        super().__init__()
        self._scope = scope

    def emit(self, record: logging.LogRecord) -> None:
        """Attach one line."""
        execution = current_execution()
        if execution is None or execution.scope is not self._scope:
            return
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                error = record.exc_info[1]
                message = f"{message} [{type(error).__name__}: {error}]"
        except Exception:  # noqa: BLE001  handleError reports a wrong format string or a failing __str__
            self.handleError(record)
            return
        message = redact_and_cut(message, MAX_LINE, self._scope.redact)
        name = redact_and_cut(record.name, MAX_LABEL, self._scope.redact)
        line = LogLine(int(record.created * 1_000_000), record.levelno, name, message)
        self._scope.effects_of(execution).add_line(line)
