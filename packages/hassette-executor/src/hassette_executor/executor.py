"""`CommandExecutor`: the single way to run anything, and the only place that catches everything (ADR-0001)."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from time import monotonic, monotonic_ns, time_ns
from types import TracebackType
from typing import cast

from hassette_executor.accounting import Accounting
from hassette_executor.capture import ExecutionLogHandler
from hassette_executor.classification import classify, replaces_cancellation
from hassette_executor.commands import Command
from hassette_executor.context import Circle, Execution, current_execution, enter, leave
from hassette_executor.errors import ExecutionTimeoutError, ExecutorStoppedError
from hassette_executor.failures import Failure, leave_out_frames_of, take_failure
from hassette_executor.handover import Handover
from hassette_executor.hooks import ErrorContext, ErrorHook, ErrorHooks
from hassette_executor.ids import COUNTER_BITS, id_at
from hassette_executor.inflight import SHORT_S, InFlight
from hassette_executor.records import LifecycleEvent, Record, Registration, RunningExecution, Status
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings
from hassette_executor.shedding import hour_of
from hassette_executor.sink import NullSink, RecordSink
from hassette_executor.threads import HandlerThreads

logger = logging.getLogger(__name__)
leave_out_frames_of(__file__)

_SUCCESS = Status.SUCCESS
_current_task = cast("Callable[[asyncio.AbstractEventLoop], asyncio.Task[object]]", asyncio.current_task)
_new_record = cast("Callable[[type[Record], tuple[object, ...]], Record]", tuple.__new__)  # pyright: ignore[reportUnknownMemberType]


class CommandExecutor:
    """Runs commands and says what happened. A Service by shape: `start`, `serve`, `stop`; also ``async with``.

    Exactly one record is made per `execute`, on every path. It goes to the live feed at once and to every sink within
    the flush interval; neither can slow `execute` down.

    Args:
        sinks: Where records go; none keeps nothing.
        settings: Bounds, intervals, deadlines.
        redact: Masks secrets in log lines, failures and reports; called before they are cut to their maximum length.

    Attributes:
        name: ``"command executor"``.
        feed: Records, live.
        hooks: What is called when a run fails.
    """

    name = "command executor"

    def __init__(
        self,
        *sinks: RecordSink,
        settings: ExecutorSettings | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._settings = settings = settings or ExecutorSettings()
        self._timeout_s = settings.timeout_s
        self._circle = Circle(settings, redact)
        self._executions = self._circle.executions
        self._handover = handover = Handover(sinks or (NullSink(),), settings, self._circle.late)
        self._inbox = handover.inbox
        self.feed = handover.feed
        self._inflight = InFlight(
            self._executions, lambda running: handover.announce(lambda pending: pending.set_running(running))
        )
        self._threads = HandlerThreads(settings.threads, log=RepeatedLog(logger, settings.log_interval_s))
        # Of their own: hooks that hang must not take the handlers' threads.
        self._hook_threads = HandlerThreads(
            settings.hooks_at_once, "hook", RepeatedLog(logger, settings.log_interval_s)
        )
        self.hooks = ErrorHooks(settings, self._hook_threads)
        self._last_id = 0
        self._active: dict[tuple[str, ...], Registration] = {}
        self._log_handler = ExecutionLogHandler(self._circle)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to take commands; also again, after `stop`. Ids go on from the highest that a sink has kept."""
        if self._stopping is not None and not self._stopping.done():
            # Whoever asked for the stop did not wait for it; opened now, it would close what has just been opened.
            await asyncio.wait({self._stopping})
        self._last_id = max(self._last_id, await self._handover.last_id())
        self._stopped = asyncio.Event()  # a new one: the last start may have been in another event loop
        self._inflight.open()
        self._threads.open()
        self._hook_threads.open()
        self._handover.start()
        logging.getLogger().addHandler(self._log_handler)
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Wait until the executor is stopped. Cancelling this stops neither commands nor the flush: `stop` does.

        Raises:
            RuntimeError: A write queue has ended by a defect, or somebody cancelled its task; starting again mends it.
        """
        await self._handover.watch(self._stopped)

    async def stop(self) -> None:
        """Take no more commands, wait for what runs and for what is to be written, each within the stop timeout.

        Safe to call twice and after a failed start. What cannot be written in time is counted and said.
        """
        if self._loop is not None:
            self._loop = None
            self._stopping = asyncio.create_task(self._stop(), name="hassette-executor-stop")
        if self._stopping is not None:
            # A task of its own: cancelling one who waits for the flush does not cancel the flush, and who stops a
            # second time waits for it as well, instead of ending the loop under it.
            await asyncio.shield(self._stopping)
        self._stopped.set()

    async def _stop(self) -> None:
        timeout_s = self._settings.stop_timeout_s
        until = monotonic() + timeout_s
        await self._inflight.wait_until_empty(timeout_s / 2, but=current_execution())
        self._inflight.close()
        # Neither runs nor hooks that hang may use up the time in which a healthy sink could have kept everything.
        await self.hooks.close(min(self._settings.hook_timeout_s, timeout_s / 4))
        try:
            await self._handover.close(until - monotonic())
        finally:
            logging.getLogger().removeHandler(self._log_handler)
            self._threads.close()
            self._hook_threads.close()
            self._stopped.set()

    async def __aenter__(self) -> "CommandExecutor":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    # ---- running ----------------------------------------------------------------------------------------------

    async def execute(self, command: Command) -> Record:
        """Run a command and return its record.

        What the callable raises is classified, recorded, logged and swallowed, with two exceptions.

        Raises:
            asyncio.CancelledError: The task was cancelled by somebody else than our deadline, also if the callable
                raised something else on its way out; after recording.
            KeyboardInterrupt, SystemExit: Raised by the callable; after recording.
            ExecutorStoppedError: The executor does not take commands; nothing was run, nothing is recorded.
        """
        # The hot path: every event of the house comes through here, once per handler. It makes two objects, the
        # execution and the record; a short run that succeeds without a word ends in this method, all else in _end.
        loop = self._loop
        if loop is None:
            raise ExecutorStoppedError
        registration = command.registration
        started_ns = monotonic_ns()
        execution = Execution(command, started_ns, self._circle)
        timeout_s = registration.timeout_s
        if timeout_s is None:
            timeout_s = self._timeout_s
        if timeout_s:
            execution.timeout_s = timeout_s
            execution.task = task = _current_task(loop)
            execution.cancelling = task.cancelling()
            if timeout_s < SHORT_S:
                self._inflight.attend(execution)
        executions = self._executions
        executions.add(execution)
        if not self._inflight.awake:
            self._inflight.attend(execution)
        token = enter(execution)
        try:
            if registration.runs_in == "async":
                await command.call()  # pyright: ignore[reportGeneralTypeIssues]  Call promises an awaitable for "async"
            else:
                await self._run_in_thread(execution)
                started_ns = execution.started_ns
        except BaseException as error:
            leave(token)
            record, reraise = self._end(execution, error)
            if reraise:
                raise
            if replaces_cancellation(error):
                raise asyncio.CancelledError from error
            return record
        leave(token)
        # First this, then the look at its effects: from here on, a thread that it has left behind adds none.
        executions.discard(execution)
        if execution.expired or execution.effects is not None or execution.run:
            return self._end(execution, None)[0]
        # No await between here and the inbox: a cancellation cannot come in between.
        duration_us = (monotonic_ns() - started_ns) // 1000
        started_us = (started_ns + self._inflight.wall_offset_ns) // 1000
        record_id = (started_us + duration_us) // 1000 << COUNTER_BITS
        if record_id <= self._last_id:
            record_id = self._last_id + 1
        self._last_id = record_id
        # tuple.__new__ skips the named tuple's keyword handling: 150 ns instead of 700.
        record = _new_record(
            command.record_type,
            (
                record_id,
                registration,
                command.trigger,
                started_us,
                duration_us,
                (started_ns - command.ready_ns) // 1000,
                _SUCCESS,
                None,
                None,
            ),
        )
        inbox = self._inbox
        inbox.append(record)
        if len(inbox) >= self._handover.mark:
            self._handover.mark_reached()
        return record

    def _end(self, execution: Execution, raised: BaseException | None) -> tuple[Record, bool]:
        """Make the record of a run that failed, was told to end, or has effects; return it and whether to re-raise."""
        self._executions.discard(execution)
        command, now_ns = execution.command, monotonic_ns()
        if execution.run:
            self._inflight.reported_run_ended(now_ns)
        started_ns = now_ns if execution.waits_for_thread else execution.started_ns
        duration_us = (now_ns - started_ns) // 1000
        started_us = (started_ns + self._inflight.wall_offset_ns) // 1000
        status, failure, reraise = self._judge(execution, raised)
        effects = None
        if execution.effects is not None:
            effects = execution.effects.take(failed=status is not _SUCCESS)
        record = _new_record(
            command.record_type,
            (
                self._next_id(started_us + duration_us),
                command.registration,
                command.trigger,
                started_us,
                duration_us,
                (started_ns - command.ready_ns) // 1000,
                status,
                failure,
                effects,
            ),
        )
        self._inbox.append(record)
        if failure is not None or effects is not None:
            self._handover.not_plain.append(record)
        if len(self._inbox) >= self._handover.mark:
            self._handover.mark_reached()
        if failure is not None and not reraise and (hook := self.hooks.find(command.registration)) is not None:
            self._run_error_hooks(hook, raised, execution, record)
        return record, reraise

    async def _run_in_thread(self, execution: Execution) -> None:
        def begin() -> object:
            if execution.expired:
                return None  # the deadline came while it waited; its task is about to hear of it
            # To wait for a free thread is to wait, not to run; the deadline counts from here as well.
            execution.started_ns = monotonic_ns()
            execution.waits_for_thread = False
            return execution.command.call()

        execution.waits_for_thread = True
        outcome = await self._threads.run(begin)
        if inspect.isawaitable(outcome):
            # A sync callable may turn out to return a coroutine (a lambda around an async function, say).
            await cast("Awaitable[object]", outcome)

    def _judge(self, execution: Execution, raised: BaseException | None) -> tuple[Status, Failure | None, bool]:
        cancelled_too = False
        if execution.expired:
            assert execution.task is not None  # only a run with a deadline expires
            # As asyncio.timeout does: take our own request back; if another one is left, it is not ours to swallow.
            cancelled_too = execution.task.uncancel() > execution.cancelling
        outcome = classify(raised, expired=execution.expired, cancelled=cancelled_too)
        if outcome.kind is None:
            return outcome.status, None, outcome.reraise
        if outcome.status is not Status.TIMED_OUT:
            assert raised is not None  # a kind names what was raised
            failure = take_failure(outcome.kind, raised, with_frames=outcome.with_frames, redact=self._circle.redact)
            return outcome.status, failure, outcome.reraise
        text = str(ExecutionTimeoutError(execution.timeout_s))
        if execution.waits_for_thread:
            text = f"no thread became free within its deadline of {execution.timeout_s:g} s"
        # The frames of the cancellation say where the run was hanging; what it raised besides is the cause.
        taken = take_failure(outcome.kind, raised, redact=self._circle.redact) if raised is not None else None
        failure = Failure(
            outcome.kind,
            "TimeoutError",
            text,
            taken.frames if taken else (),
            taken if taken and not isinstance(raised, asyncio.CancelledError) else None,
        )
        return outcome.status, failure, outcome.reraise

    def _run_error_hooks(
        self, hook: ErrorHook, raised: BaseException | None, execution: Execution, record: Record
    ) -> None:
        exception = raised
        if record.status is Status.TIMED_OUT:
            exception = ExecutionTimeoutError(execution.timeout_s)
            exception.__cause__ = raised
        assert exception is not None  # a failure was recorded
        self.hooks.call(hook, ErrorContext(exception=exception, command=execution.command, record=record))

    # ---- telling ----------------------------------------------------------------------------------------------

    def register(self, registration: Registration) -> None:
        """Announce a listener or job, before any command refers to it. It replaces one with the same key."""
        self._active[registration.key] = registration
        self._handover.announce(lambda pending: pending.register(registration))

    def retire(self, registration: Registration) -> None:
        """Announce that a listener or job has ended; nothing happens if another one has taken over its key."""
        self.hooks.set(None, registration=registration)
        if self._active.get(registration.key) is not registration:
            return
        del self._active[registration.key]
        self._handover.announce(lambda pending: pending.retire(registration))

    def count_skip(self, registration: Registration, reason: str, count: int = 1) -> None:
        """Count what did not run.

        Args:
            registration: What would have run.
            reason: ``rate_limited``, ``overlap``, ``back_pressure``, ``misfire`` or ``predicate_failed``.
            count: How often.
        """
        hour_us = hour_of(time_ns() // 1000)
        self._handover.announce(lambda pending: pending.skip(registration, hour_us, reason, count))

    def report(self, kind: str, subject: str, detail: str = "") -> None:
        """Announce something that happened to the framework itself (see `LifecycleEvent`)."""
        at_us = time_ns() // 1000
        event = LifecycleEvent(self._next_id(at_us), at_us, kind, subject, self._circle.redact(detail))
        self._handover.announce(lambda pending: pending.report(event))

    def set_session_facts(self, **facts: str) -> None:
        """Add or change facts about the session, such as ``home_assistant="2025.4.4"`` or ``reason="SIGTERM"``."""
        self._handover.announce(lambda pending: pending.set_facts(facts))

    def _next_id(self, at_us: int) -> int:
        # When the clock stands still or goes back, ids go on from the last one: order holds.
        self._last_id = max(id_at(at_us), self._last_id + 1)
        return self._last_id

    # ---- asking -----------------------------------------------------------------------------------------------

    @property
    def leaked_threads(self) -> int:
        """How many threads still run a handler or an error hook whose deadline has passed."""
        return self._threads.leaked + self._hook_threads.leaked

    def running(self) -> tuple[RunningExecution, ...]:
        """Return what is going on now, the oldest first."""
        return self._inflight.running()

    def accounting(self, sink: int = 0) -> Accounting:
        """Return where every run went.

        Args:
            sink: Of several sinks, which one's account.
        """
        return self._handover.accounting(sink)

    async def force_flush(self, timeout_s: float = 5.0) -> bool:
        """Write what waits now; return whether all of it was settled in time.

        Args:
            timeout_s: How long to wait, in seconds.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._handover.flush()
        except TimeoutError:
            return False
        return True
