"""`CommandExecutor`: the only way to run handlers and jobs, and the only place that catches all their errors."""

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from hassette_executor.clock import Clock
from hassette_executor.commands import Command
from hassette_executor.delivery.dispatcher import Accounting, RecordDispatcher
from hassette_executor.delivery.sinks import NullSink, RecordSink
from hassette_executor.errors import ExecutionTimeoutError, ExecutorStoppedError
from hassette_executor.records.batches import LifecycleEvent, NotRun
from hassette_executor.records.circumstances import Circumstance, HomeName
from hassette_executor.records.failures import MAX_MESSAGE, Failure, leave_out_frames_of, take_failure
from hassette_executor.records.ids import IdSequence
from hassette_executor.records.registrations import Registration
from hassette_executor.records.runs import Record, RunningExecution, Status, Trigger
from hassette_executor.records.texts import MAX_LABEL, cut, cut_fields, cut_label, redact_and_cut
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.classification import classify, replaces_cancellation
from hassette_executor.running.error_hooks import ErrorContext, ErrorHook, ErrorHooks
from hassette_executor.running.execution import (
    Execution,
    ExecutionLogHandler,
    ExecutionScope,
    current_execution,
    enter,
    leave,
)
from hassette_executor.running.in_flight import SHORT_S, InFlight
from hassette_executor.running.threads import MakeThreads, ThreadPool, finish_call
from hassette_executor.settings import ExecutorLimits, ExecutorSettings

logger = logging.getLogger(__name__)
leave_out_frames_of(__file__)

_SUCCESS = Status.SUCCESS
_current_task = cast("Callable[[asyncio.AbstractEventLoop], asyncio.Task[object]]", asyncio.current_task)


class CommandExecutor:
    """Runs commands and records the results. A service: `start`, `serve`, `stop`, or ``async with``.

    Each `execute` makes exactly one record, however the run ends. The subscribers of the live feed receive the
    record within 0.1 s, and every sink within the flush interval. `execute` waits for neither.

    Call all methods on the event loop. Only the methods that announce (`register`, `retire`, `count_skip`, `report`,
    `note`, `set_session_facts`) may also be called in a thread.

    Args:
        sinks: Receivers of the records. Without a sink, records are not stored.
        settings: Bounds, intervals, deadlines.
        redact: Masks secrets in log lines, service calls, failures and reports, before the executor truncates them.
        limits: Fixed limits; tests make them small.
        clock: Wall clock and monotonic clock; tests replace them.
        make_threads: Creates the threads of handlers, error hooks and the log; tests replace them.

    Attributes:
        name: ``"command executor"``.
        feed: The live feed of records.
        hooks: Error hooks, called when a run has failed.
        in_flight: The runs in progress.

    Example::

        async with CommandExecutor(MemorySink()) as executor:
            executor.register(hall)
            command = InvokeHandler(registration=hall, call=on_hall, trigger=event, ready_ns=time.monotonic_ns())
            record = await executor.execute(command)
    """

    name = "command executor"

    def __init__(
        self,
        *sinks: RecordSink,
        settings: ExecutorSettings | None = None,
        redact: Callable[[str], str] = str,
        limits: ExecutorLimits | None = None,
        clock: Clock | None = None,
        make_threads: MakeThreads = ThreadPool,
    ) -> None:
        self._settings = settings = settings or ExecutorSettings()
        self._timeout_s = settings.timeout_s
        self._clock = clock = clock or Clock()
        self._monotonic_ns = clock.monotonic_ns
        self._scope = ExecutionScope(settings, redact, clock.wall_ns)
        self._executions = self._scope.executions
        sinks = sinks or (NullSink(),)
        self._dispatcher = RecordDispatcher(sinks, settings, self._scope.late, limits, clock, make_threads)
        self._buffer = self._dispatcher.buffer
        self.feed = self._dispatcher.feed
        self.in_flight = InFlight(self._executions, self._dispatcher.announce_running, clock)
        self._threads = make_threads(settings.threads, "run", RepeatedLog(logger, settings.log_interval_s))
        # Hooks have their own pool, so that a hung hook cannot starve handlers.
        self._hook_threads = make_threads(settings.hooks_at_once, "hook", RepeatedLog(logger, settings.log_interval_s))
        self.hooks = ErrorHooks(settings, self._hook_threads)
        self._ids = IdSequence()
        self._active: dict[tuple[str, ...], dict[int, Registration]] = {}  # by key and identity
        self._log_handler = ExecutionLogHandler(self._scope)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = asyncio.Event()
        self._stopping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to accept commands. May be called again after `stop`.

        New ids are higher than the sinks' last ids, unless the wall clock is more than ten seconds behind these ids.
        """
        if self._stopping is not None and not self._stopping.done():
            # A previous stop() may still be running. Wait for it, or it would close what start() opens.
            await asyncio.wait({self._stopping})
        self._ids.start_after(await self._dispatcher.last_id())
        self._stopped = asyncio.Event()  # a new event, because an earlier start may have used another event loop
        self.in_flight.open()
        self._threads.open()
        self._hook_threads.open()
        self._dispatcher.start()
        logging.getLogger().addHandler(self._log_handler)
        self._loop = asyncio.get_running_loop()

    async def serve(self) -> None:
        """Wait until the executor is stopped. Cancelling `serve` stops neither commands nor the flush.

        Raises:
            RuntimeError: The task of a write queue has failed or was cancelled; `start` replaces it.
        """
        await self._dispatcher.watch(self._stopped)

    async def stop(self) -> None:
        """Refuse new commands, then wait for runs, error hooks and writes, within the stop timeout.

        Safe to call twice and after a failed start. Records that cannot be written in time are counted and logged.
        """
        if self._loop is not None or (self._stopping is not None and self._stopping.cancelled()):
            self._loop = None
            self._stopping = asyncio.create_task(self._stop(), name="hassette-executor-stop")
        if self._stopping is not None:
            # Cancelling a caller must not cancel the flush, and a second caller must wait for it too.
            await asyncio.shield(self._stopping)
        self._stopped.set()

    async def _stop(self) -> None:
        loop, timeout_s = asyncio.get_running_loop(), self._settings.stop_timeout_s
        until = loop.time() + timeout_s
        await self.in_flight.wait_until_empty(timeout_s / 2, except_for=current_execution())
        self.in_flight.close()
        # Hung runs and hooks must leave enough time for a healthy sink to store the rest.
        await self.hooks.close(min(self._settings.hook_timeout_s, timeout_s / 4))
        try:
            await self._dispatcher.close(until - loop.time())
        finally:
            logging.getLogger().removeHandler(self._log_handler)
            self._threads.close()
            self._hook_threads.close()
            self._stopped.set()

    async def __aenter__(self) -> "CommandExecutor":
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def execute(self, command: Command) -> Record:
        """Run a command and return its record.

        An exception of the callable is classified, recorded and logged. `execute` raises only in the following cases.
        In the first two cases, the record of the run has been made.

        Raises:
            asyncio.CancelledError: The callable raised it, or the task was cancelled from outside and the callable then
                raised another exception.
            BaseException: The callable raised an exception that is not an `Exception`, such as ``KeyboardInterrupt`` or
                ``SystemExit``.
            ExecutorStoppedError: The executor is not running. The command did not run, and there is no record.
        """
        # The hot path: a short successful run without effects makes two objects and ends here, others end in _end.
        loop = self._loop
        if loop is None:
            raise ExecutorStoppedError
        registration = command.registration
        started_ns = self._monotonic_ns()
        execution = Execution(command, started_ns, self._scope)
        timeout_s = self._timeout_s if registration.timeout_s is None else registration.timeout_s
        if timeout_s:
            execution.timeout_s = timeout_s
            execution.task = task = _current_task(loop)
            execution.cancelling = task.cancelling()
            if timeout_s < SHORT_S:
                self.in_flight.watch(execution)
        executions = self._executions
        executions.add(execution)
        if started_ns - command.ready_ns > self.in_flight.late_ns:
            self.in_flight.explain_wait(execution)
        if not self.in_flight.sweeps_regularly:
            self.in_flight.watch(execution)
        token = enter(execution)
        try:
            if registration.runs_in == "async":
                await command.call()  # pyright: ignore[reportGeneralTypeIssues]  it returns an awaitable
            else:
                await self._run_in_thread(execution)
                started_ns = execution.started_ns
        except BaseException as error:
            leave(token)
            record, reraise = self._end(execution, error)
            if reraise or execution.keeps_cancellation(error):
                raise
            if replaces_cancellation(error, execution.cancelling):
                raise asyncio.CancelledError from error
            return record
        leave(token)
        # Discard the execution before reading its effects: from here on, threads and tasks of the run add no effects.
        executions.discard(execution)
        if self.in_flight.ends_with_runs and not executions:
            self.in_flight.cancel_timer()
        if execution.expired or execution.effects is not None or execution.run_number:
            return self._end(execution, None)[0]
        # No await until the record is in the buffer: a cancellation cannot lose the record.
        duration_us = (self._monotonic_ns() - started_ns) // 1000
        started_us = (started_ns + self.in_flight.wall_offset_ns) // 1000
        ended_us, ids = started_us + duration_us, self._ids
        if ids.next_from_us <= ended_us < ids.next_until_us:
            ids.last = record_id = ids.last + 1  # like IdSequence.next, but without a call and two divisions
        else:
            record_id = ids.next(ended_us)
        waited_us = (started_ns - command.ready_ns) // 1000
        record = command.make_record(
            (record_id, registration, command.trigger, started_us, duration_us, waited_us, _SUCCESS, None, None)
        )
        buffer = self._buffer
        buffer.append(record)
        if len(buffer) >= self._dispatcher.notify_at or started_ns >= self._dispatcher.notify_from_ns:
            self._dispatcher.record_added()
        return record

    def _end(self, execution: Execution, raised: BaseException | None) -> tuple[Record, bool]:
        """Make the record of a run that failed, expired, was listed as in progress, or has effects.

        Returns:
            The record, and whether the caller must raise the exception again.
        """
        command, now_ns = execution.command, self._monotonic_ns()
        self.in_flight.remove(execution, now_ns)
        started_ns = now_ns if execution.waits_for_thread else execution.started_ns
        duration_us = (now_ns - started_ns) // 1000
        started_us = (started_ns + self.in_flight.wall_offset_ns) // 1000
        waited_us = (started_ns - command.ready_ns) // 1000
        if raised is None and execution.effects is not None:
            raised = execution.effects.problem
        status, failure, reraise = self._judge(execution, raised)
        execution.failed = status is not _SUCCESS
        effects = execution.effects.take(all_lines=status is not _SUCCESS) if execution.effects is not None else None
        record_id = self._ids.next(started_us + duration_us)
        registration, trigger = command.registration, command.trigger
        record = command.make_record(
            (record_id, registration, trigger, started_us, duration_us, waited_us, status, failure, effects)
        )
        self._buffer.append(record)
        if failure is not None or effects is not None:
            self._dispatcher.with_details.append(record)
        if len(self._buffer) >= self._dispatcher.notify_at or now_ns >= self._dispatcher.notify_from_ns:
            self._dispatcher.record_added()
        if failure is not None:
            self.hooks.observer.run_failed(record)
            if not reraise and (hook := self.hooks.find(registration)) is not None:
                self._call_hook(hook, raised, execution, record)
        return record, reraise

    async def _run_in_thread(self, execution: Execution) -> None:
        def begin() -> object:
            if execution.expired:
                return None  # the deadline passed while the call waited; the task is being cancelled
            # Waiting for a thread does not count as running time. The time until the deadline starts again here.
            execution.started_ns = self._monotonic_ns()
            execution.waits_for_thread = False
            return execution.command.call()

        execution.waits_for_thread = True
        await finish_call(await self._threads.run(begin, execution.command.registration.app))

    def _judge(self, execution: Execution, raised: BaseException | None) -> tuple[Status, Failure | None, bool]:
        cancelled_too = execution.expired and execution.withdraw_expiry()
        outcome = classify(raised, expired=execution.expired, cancelled=cancelled_too)
        if outcome.kind is None:
            return outcome.status, None, outcome.reraise
        if outcome.status is not Status.TIMED_OUT:
            assert raised is not None  # a failure that is not a timeout always has an exception
            failure = take_failure(outcome.kind, raised, with_frames=outcome.with_frames, redact=self._scope.redact)
            return outcome.status, failure, outcome.reraise
        text = str(ExecutionTimeoutError(execution.timeout_s))
        if execution.waits_for_thread:
            text = f"the deadline of {execution.timeout_s:g} s passed before a thread became free"
        # The frames of the CancelledError show where the run was stopped. If the run replaced the CancelledError by
        # another exception, that exception is recorded as the cause.
        taken = take_failure(outcome.kind, raised, redact=self._scope.redact) if raised is not None else None
        frames = taken.frames if taken else ()
        cause = taken if taken and not issubclass(type(raised), asyncio.CancelledError) else None
        failure = Failure(outcome.kind, "TimeoutError", text, frames, cause, redact=self._scope.redact)
        return outcome.status, failure, outcome.reraise

    def _call_hook(self, hook: ErrorHook, raised: BaseException | None, execution: Execution, record: Record) -> None:
        exception = raised
        if record.status is Status.TIMED_OUT:
            exception = ExecutionTimeoutError(execution.timeout_s)
            exception.__cause__ = raised
        assert exception is not None  # a failure was recorded
        self.hooks.call(hook, ErrorContext(exception=exception, command=execution.command, record=record))

    def register(self, registration: Registration) -> None:
        """Announce a listener or job, before its first command. Several of them may have one key."""
        self._active.setdefault(registration.key, {})[id(registration)] = registration
        self._dispatcher.announce(lambda builder: builder.register(registration))

    def retire(self, registration: Registration, *, announce: bool = True) -> None:
        """Announce that no listener or job with a key is registered any more, and remove the error hook of this one.

        Args:
            registration: The registration.
            announce: False announces nothing, because the next start registers the listener or job again.
        """
        self.hooks.set(None, registration=registration)
        active = self._active.get(registration.key, {})
        if active.pop(id(registration), None) is None or active:
            return
        del self._active[registration.key]
        if announce:
            self._dispatcher.announce(lambda builder: builder.retire(registration))

    def count_skip(
        self, registration: Registration, reason: str, count: int = 1, trigger: Trigger | None = None, detail: str = ""
    ) -> None:
        """Count triggers that led to no run, and keep the newest ones. The arguments are fields of `NotRun`.

        ``count`` is the number of triggers. ``trigger`` and ``detail`` describe the last one.
        """
        text = redact_and_cut(detail, MAX_MESSAGE, self._scope.redact) if detail else ""
        trigger = trigger and cut_fields(trigger, MAX_LABEL)
        not_run = NotRun(registration, self._clock.wall_ns() // 1000, cut_label(reason), text, trigger)
        self._dispatcher.announce(lambda builder: builder.skip(not_run, count))

    def count_loss(self, reason: str, what: str, count: int, first_us: int, last_us: int) -> None:
        """Count lost items that are not records, such as events. The arguments are the fields of `Loss`."""
        self._dispatcher.announce(lambda builder: builder.count_loss(reason, what, count, first_us, last_us))

    def report(self, kind: str, subject: str, detail: str = "") -> None:
        """Announce an event of the framework itself. The arguments are fields of `LifecycleEvent`."""
        at_us, text = self._clock.wall_ns() // 1000, redact_and_cut(detail, MAX_MESSAGE, self._scope.redact)

        def announce() -> None:  # on the loop, because only the loop assigns ids
            event = LifecycleEvent(self._ids.next(at_us), at_us, cut_label(kind), cut_label(subject), text)
            self._dispatcher.announce(lambda builder: builder.report(event))
            self.hooks.observer.reported(event)

        self._dispatcher.call_on_loop(announce)

    def silence(self, fingerprint: str, until_us: int | None) -> None:
        """Announce the silence of an error group, or its end. The arguments are fields of `Silence`."""
        self._dispatcher.announce(lambda builder: builder.silence(fingerprint, until_us, self._clock.wall_ns() // 1000))

    def note(self, circumstance: Circumstance) -> None:
        """Announce a circumstance of the runs. It gets its id. The caller masks secrets."""
        at_us = self._clock.wall_ns() // 1000
        circumstance = cut_fields(circumstance, MAX_MESSAGE)

        def announce() -> None:
            named = isinstance(circumstance, HomeName)  # a name has a key instead of an id
            noted = circumstance if named else circumstance._replace(id=self._ids.next(at_us))
            self._dispatcher.announce(lambda builder: builder.note(noted, at_us))

        self._dispatcher.call_on_loop(announce)

    def set_session_facts(self, **facts: str) -> None:
        """Add or change facts about the session, such as ``home_assistant="2025.4.4"`` or ``reason="SIGTERM"``."""
        bounded = {cut_label(name): cut(fact, MAX_MESSAGE) for name, fact in facts.items()}
        self._dispatcher.announce(lambda builder: builder.set_facts(bounded))

    def running(self) -> tuple[RunningExecution, ...]:
        """Return all runs in progress, oldest first, except runs of sync handlers that still wait for a thread."""
        return self.in_flight.running()

    def renew_threads(self, app: str) -> None:
        """Forget the hung handlers and error hooks of an app, because a newer version of it starts."""
        self._threads.renew(app)
        self._hook_threads.renew(app)

    @property
    def threads_at_work(self) -> int:
        """Number of sync handlers and error hooks at work, see `ThreadPool.at_work`."""
        return self._threads.at_work + self._hook_threads.at_work

    def accounting(self, sink: int = 0) -> Accounting:
        """Return the numbers of stored, lost and waiting runs of a sink, by its position in the arguments."""
        return self._dispatcher.accounting(sink)

    async def force_flush(self, timeout_s: float = 5.0) -> bool:
        """Write all waiting records and announcements. Return False if this takes longer than the timeout."""
        return await self._dispatcher.flush(timeout_s)
