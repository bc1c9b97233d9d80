"""Run a command, and say what happened: the commands, `CommandExecutor`, records, and where they go."""

from hassette_executor.__about__ import __version__
from hassette_executor.accounting import Accounting
from hassette_executor.commands import Command, ExecuteJob, InvokeHandler
from hassette_executor.context import record_service_call
from hassette_executor.errors import (
    DependencyError,
    ExecutionTimeoutError,
    ExecutorStoppedError,
    HassetteError,
    SettingError,
    SubscriberTooSlowError,
)
from hassette_executor.executor import CommandExecutor
from hassette_executor.failures import Failure, Frame
from hassette_executor.feed import Feed, Subscription
from hassette_executor.hooks import ErrorContext, ErrorHook, ErrorHooks
from hassette_executor.records import (
    Batch,
    Effects,
    HandlerInvocation,
    JobExecution,
    LifecycleEvent,
    LogLine,
    Loss,
    Record,
    RunningExecution,
    ServiceCall,
    ShedSummary,
    SkipCount,
    Status,
)
from hassette_executor.registrations import JobRegistration, ListenerRegistration, Registration, SourceLocation
from hassette_executor.repeated_log import RepeatedLog
from hassette_executor.settings import ExecutorSettings
from hassette_executor.sink import MemorySink, NullSink, RecordSink
from hassette_executor.triggers import DueTrigger, EventTrigger

__all__ = [
    "Accounting",
    "Batch",
    "Command",
    "CommandExecutor",
    "DependencyError",
    "DueTrigger",
    "Effects",
    "ErrorContext",
    "ErrorHook",
    "ErrorHooks",
    "EventTrigger",
    "ExecuteJob",
    "ExecutionTimeoutError",
    "ExecutorSettings",
    "ExecutorStoppedError",
    "Failure",
    "Feed",
    "Frame",
    "HandlerInvocation",
    "HassetteError",
    "InvokeHandler",
    "JobExecution",
    "JobRegistration",
    "LifecycleEvent",
    "ListenerRegistration",
    "LogLine",
    "Loss",
    "MemorySink",
    "NullSink",
    "Record",
    "RecordSink",
    "Registration",
    "RepeatedLog",
    "RunningExecution",
    "ServiceCall",
    "SettingError",
    "ShedSummary",
    "SkipCount",
    "SourceLocation",
    "Status",
    "SubscriberTooSlowError",
    "Subscription",
    "__version__",
    "record_service_call",
]
