"""Read the history of Hassette: methods answer questions with typed values.

One question takes this path:

1. A page or the HTTP API (`web`), or a command (`cli`), calls a method of `DataSyncService` (`service`).
2. The reader runs a function of `questions` in a read transaction, in a worker thread (`reader`, `lanes`).
3. That function runs SQL statements of `queries` and returns a typed answer (`answers`).
4. `web.rendering` makes HTML from the answer with ``templates``; `terminal` makes text.
"""

from hassette_sync.__about__ import __version__
from hassette_sync.asked_time import AskedTime
from hassette_sync.control import Control, ControlAction, ControlResult, MemoryControl, NoControl
from hassette_sync.errors import (
    AssistantsNotInstalledError,
    BadQuestionError,
    DatabaseMissingError,
    DatabaseUnreadableError,
    DroppedError,
    HistoryUnavailableError,
    NewerDatabaseError,
    NotADatabaseError,
    NotFoundError,
    QueryTimeoutError,
    SyncError,
    WebNotInstalledError,
)
from hassette_sync.home_time import HomeTime
from hassette_sync.live import LiveFeed, LiveRow, LiveSnapshot, MemoryFeed, NoFeed
from hassette_sync.questions.events import FrameworkEventFilter
from hassette_sync.questions.logs import LogFilter
from hassette_sync.questions.not_runs import NotRunFilter
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import TimeRange

__all__ = [
    "AskedTime",
    "AssistantsNotInstalledError",
    "BadQuestionError",
    "Control",
    "ControlAction",
    "ControlResult",
    "DataSyncService",
    "DatabaseMissingError",
    "DatabaseUnreadableError",
    "DroppedError",
    "FrameworkEventFilter",
    "HistoryUnavailableError",
    "HomeTime",
    "LiveFeed",
    "LiveRow",
    "LiveSnapshot",
    "LogFilter",
    "MemoryControl",
    "MemoryFeed",
    "NewerDatabaseError",
    "NoControl",
    "NoFeed",
    "NotADatabaseError",
    "NotFoundError",
    "NotRunFilter",
    "QueryTimeoutError",
    "RunFilter",
    "SyncError",
    "TimeRange",
    "WebNotInstalledError",
    "__version__",
]
