"""Keep what happened: one SQLite file, its schema, migrations, sessions, retention and recovery."""

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
from hassette_store.sketch import bucket_of, quantile, value_of
from hassette_store.statuses import STATUS_NAMES, STATUS_NUMBERS

__all__ = [
    "HEAD",
    "STATUS_NAMES",
    "STATUS_NUMBERS",
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
    "bucket_of",
    "check",
    "connect_read_only",
    "connect_to_read",
    "deadline",
    "quantile",
    "restore",
    "vacuum",
    "value_of",
]
