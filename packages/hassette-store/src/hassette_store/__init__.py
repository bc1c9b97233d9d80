"""Storage of the history in one SQLite database file: schema, migrations, sessions, retention and recovery.

The modules `ids`, `kinds`, `periods`, `rows`, `sketch` and `statuses` are public as well. They describe the stored data
for programs that read it.
"""

from hassette_store.__about__ import __version__
from hassette_store.backups import backup, check, restore, vacuum
from hassette_store.database import DatabaseService
from hassette_store.errors import (
    CorruptDatabaseError,
    DatabaseAccessError,
    DatabaseInUseError,
    MaintenanceError,
    NewerDatabaseError,
    RejectedBatchError,
    ReplacedFileError,
    StoreError,
    StoreUnavailableError,
    UnusableFileError,
    UpgradeFailedError,
)
from hassette_store.file.connections import ImmutableFileConnection, connect_read_only, connect_to_read, deadline
from hassette_store.file.schema import LATEST_REVISION
from hassette_store.history import HistoryService
from hassette_store.rows import (
    BatchRow,
    ExecutionRow,
    InvocationRow,
    JobRow,
    ListenerRow,
    RegistrationRow,
)
from hassette_store.settings import StoreSettings

__all__ = [
    "LATEST_REVISION",
    "BatchRow",
    "CorruptDatabaseError",
    "DatabaseAccessError",
    "DatabaseInUseError",
    "DatabaseService",
    "ExecutionRow",
    "HistoryService",
    "ImmutableFileConnection",
    "InvocationRow",
    "JobRow",
    "ListenerRow",
    "MaintenanceError",
    "NewerDatabaseError",
    "RegistrationRow",
    "RejectedBatchError",
    "ReplacedFileError",
    "StoreError",
    "StoreSettings",
    "StoreUnavailableError",
    "UnusableFileError",
    "UpgradeFailedError",
    "__version__",
    "backup",
    "check",
    "connect_read_only",
    "connect_to_read",
    "deadline",
    "restore",
    "vacuum",
]
