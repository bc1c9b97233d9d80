"""Protocols of the values that the store accepts. An object needs the fields of its protocol, but need not inherit it.

The records of hassette-executor match these protocols, although neither package imports the other
(tests/typing/joins.py checks that). Most fields have the meaning of the column with the same name in the schema
(migrations/sql/0001_initial.sql). The docstrings of the classes describe the other fields.
"""

from hassette_store.rows.batches import (
    BatchRow,
    LifecycleRow,
    LossRow,
    NotRunRow,
    SilenceRow,
    SkipRow,
    SummaryRow,
)
from hassette_store.rows.circumstances import (
    DeployRow,
    FrameworkLogRow,
    HomeCauseRow,
    HomeChangeRow,
    HomeNameRow,
)
from hassette_store.rows.runs import (
    AnyRunRow,
    CommonRegistrationRow,
    DueTriggerRow,
    EffectsRow,
    EventTriggerRow,
    ExecutionRow,
    FailureRow,
    FrameRow,
    InvocationRow,
    JobRow,
    ListenerRow,
    LogLineRow,
    RegistrationRow,
    RunningRow,
    RunRow,
    ServiceCallRow,
    SourceRow,
    TriggerRow,
)

__all__ = [
    "AnyRunRow",
    "BatchRow",
    "CommonRegistrationRow",
    "DeployRow",
    "DueTriggerRow",
    "EffectsRow",
    "EventTriggerRow",
    "ExecutionRow",
    "FailureRow",
    "FrameRow",
    "FrameworkLogRow",
    "HomeCauseRow",
    "HomeChangeRow",
    "HomeNameRow",
    "InvocationRow",
    "JobRow",
    "LifecycleRow",
    "ListenerRow",
    "LogLineRow",
    "LossRow",
    "NotRunRow",
    "RegistrationRow",
    "RunRow",
    "RunningRow",
    "ServiceCallRow",
    "SilenceRow",
    "SkipRow",
    "SourceRow",
    "SummaryRow",
    "TriggerRow",
]
