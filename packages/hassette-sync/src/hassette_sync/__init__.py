"""Read the history of Hassette: methods answer questions with typed values."""

from hassette_sync.__about__ import __version__
from hassette_sync.errors import (
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
from hassette_sync.live import LiveFeed, LiveRow, LiveSnapshot, MemoryFeed, NoFeed
from hassette_sync.questions.runs import RunFilter
from hassette_sync.service import DataSyncService
from hassette_sync.time_range import TimeRange

__all__ = [
    "BadQuestionError",
    "DataSyncService",
    "DatabaseMissingError",
    "DatabaseUnreadableError",
    "DroppedError",
    "HistoryUnavailableError",
    "LiveFeed",
    "LiveRow",
    "LiveSnapshot",
    "MemoryFeed",
    "NewerDatabaseError",
    "NoFeed",
    "NotADatabaseError",
    "NotFoundError",
    "QueryTimeoutError",
    "RunFilter",
    "SyncError",
    "TimeRange",
    "WebNotInstalledError",
    "__version__",
]
