"""Run a command and record the result: commands, `CommandExecutor`, records, and sinks.

One run takes this path, on the event loop:

1. `CommandExecutor.execute` (`executor`) calls the callable of the command. `running` supervises it: deadline, thread,
   log lines and service calls, classification of its error.
2. `execute` makes an immutable record (`records`) and adds it to a buffer.
3. Within 100 ms, the dispatcher (`delivery`) passes the records in the buffer to the live feed, to the log, and to one
   write queue per sink.
4. Within the flush interval, each write queue passes a `Batch` to its `RecordSink`, and repeats failed writes.
"""

from hassette_executor.__about__ import __version__
from hassette_executor.clock import Clock
from hassette_executor.commands import Command, ExecuteJob, InvokeHandler
from hassette_executor.delivery.dispatcher import Accounting
from hassette_executor.delivery.feed import Feed, FeedSubscription
from hassette_executor.delivery.sinks import MemorySink, NullSink, RecordSink, SinkWithLosses, SinkWithStopLimit
from hassette_executor.errors import (
    CalledOnLoopError,
    DependencyError,
    ExecutionTimeoutError,
    ExecutorStoppedError,
    GeneratorReturnedError,
    HassetteError,
    LoopCallsClosedError,
    RecordsRefusedError,
    SettingError,
    SubscriberTooSlowError,
)
from hassette_executor.executor import CommandExecutor
from hassette_executor.records.batches import Batch, LifecycleEvent, Loss, NotRun, ShedSummary, Silence, SkipCount
from hassette_executor.records.circumstances import (
    Circumstance,
    Deploy,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
)
from hassette_executor.records.failures import Failure, Frame, format_exception
from hassette_executor.records.registrations import (
    JobRegistration,
    ListenerRegistration,
    Registration,
    SourceLocation,
)
from hassette_executor.records.runs import (
    DueTrigger,
    Effects,
    EventTrigger,
    HandlerInvocation,
    JobExecution,
    LogLine,
    Record,
    RunningExecution,
    ServiceCall,
    StateRead,
    Status,
    Trigger,
)
from hassette_executor.records.texts import MAX_LABEL, cut_fields, redact_and_cut
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.running.error_hooks import ErrorContext, ErrorHook, ErrorHooks, ExecutionObserver
from hassette_executor.running.execution import (
    Execution,
    current_execution,
    execution_in,
    is_in_run,
    record_service_call,
    record_state_read,
)
from hassette_executor.running.hook_calls import HookCall, current_hook_call, hook_call
from hassette_executor.running.loop_calls import LoopCalls
from hassette_executor.running.threads import MakeThreads, ThreadCall, ThreadPool, current_thread_call, finish_call
from hassette_executor.settings import ExecutorLimits, ExecutorSettings

__all__ = [
    "MAX_LABEL",
    "Accounting",
    "Batch",
    "CalledOnLoopError",
    "Circumstance",
    "Clock",
    "Command",
    "CommandExecutor",
    "DependencyError",
    "Deploy",
    "DueTrigger",
    "Effects",
    "ErrorContext",
    "ErrorHook",
    "ErrorHooks",
    "EventTrigger",
    "ExecuteJob",
    "Execution",
    "ExecutionObserver",
    "ExecutionTimeoutError",
    "ExecutorLimits",
    "ExecutorSettings",
    "ExecutorStoppedError",
    "Failure",
    "Feed",
    "FeedSubscription",
    "Frame",
    "FrameworkLogLine",
    "GeneratorReturnedError",
    "HandlerInvocation",
    "HassetteError",
    "HomeCause",
    "HomeChange",
    "HomeName",
    "HookCall",
    "InvokeHandler",
    "JobExecution",
    "JobRegistration",
    "LifecycleEvent",
    "ListenerRegistration",
    "LogLine",
    "LoopCalls",
    "LoopCallsClosedError",
    "Loss",
    "MakeThreads",
    "MemorySink",
    "NotRun",
    "NullSink",
    "Record",
    "RecordSink",
    "RecordsRefusedError",
    "Registration",
    "RepeatedLog",
    "RunningExecution",
    "ServiceCall",
    "SettingError",
    "ShedSummary",
    "Silence",
    "SinkWithLosses",
    "SinkWithStopLimit",
    "SkipCount",
    "SourceLocation",
    "StateRead",
    "Status",
    "SubscriberTooSlowError",
    "ThreadCall",
    "ThreadPool",
    "Trigger",
    "__version__",
    "current_execution",
    "current_hook_call",
    "current_thread_call",
    "cut_fields",
    "execution_in",
    "finish_call",
    "format_exception",
    "hook_call",
    "is_in_run",
    "record_service_call",
    "record_state_read",
    "redact_and_cut",
]
