"""Keep the history: one SQLite file, with its schema, migrations, sessions, retention and recovery.

The modules `ids`, `kinds`, `periods`, `rows`, `sketch` and `statuses` are public, too: they describe the stored data
for programs that read it.
"""

from hassette_store.__about__ import __version__
from hassette_store.backups import backup, check, restore, vacuum
from hassette_store.database import DatabaseService
from hassette_store.errors import (
    BackupError,
    CorruptDatabaseError,
    DatabaseInUseError,
    NewerDatabaseError,
    RejectedBatchError,
    StoreError,
    StoreUnavailableError,
    UnusableFileError,
    UpgradeFailedError,
    WriteFailedError,
)
from hassette_store.file.connections import UnchangingConnection, connect_read_only, connect_to_read, deadline
from hassette_store.file.schema import HEAD
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
    "HEAD",
    "BackupError",
    "BatchRow",
    "CorruptDatabaseError",
    "DatabaseInUseError",
    "DatabaseService",
    "ExecutionRow",
    "InvocationRow",
    "JobRow",
    "ListenerRow",
    "NewerDatabaseError",
    "RegistrationRow",
    "RejectedBatchError",
    "StoreError",
    "StoreSettings",
    "StoreUnavailableError",
    "UnchangingConnection",
    "UnusableFileError",
    "UpgradeFailedError",
    "WriteFailedError",
    "__version__",
    "backup",
    "check",
    "connect_read_only",
    "connect_to_read",
    "deadline",
    "restore",
    "vacuum",
]
