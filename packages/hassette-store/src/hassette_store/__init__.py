"""Storage of the history in one SQLite database file: schema, migrations, sessions, retention and recovery.

The modules `ids`, `kinds`, `periods`, `rows`, `sketch` and `statuses` are public as well. They describe the stored data
for programs that read it.

Each public name is imported on first use, so that a command that reads the history does not wait for the import of the
parts that write it. ``tests/store/test_exports.py`` compares the lists of the names.
"""

import typing

from hassette_store import lazy_names
from hassette_store.__about__ import __version__

if typing.TYPE_CHECKING:
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

__getattr__, __dir__ = lazy_names.lazy_attributes(
    __name__,
    {
        "hassette_store.backups": ("backup", "check", "restore", "vacuum"),
        "hassette_store.database": ("DatabaseService",),
        "hassette_store.errors": (
            "CorruptDatabaseError",
            "DatabaseAccessError",
            "DatabaseInUseError",
            "MaintenanceError",
            "NewerDatabaseError",
            "RejectedBatchError",
            "ReplacedFileError",
            "StoreError",
            "StoreUnavailableError",
            "UnusableFileError",
            "UpgradeFailedError",
        ),
        "hassette_store.file.connections": (
            "ImmutableFileConnection",
            "connect_read_only",
            "connect_to_read",
            "deadline",
        ),
        "hassette_store.file.schema": ("LATEST_REVISION",),
        "hassette_store.history": ("HistoryService",),
        "hassette_store.rows": (
            "BatchRow",
            "ExecutionRow",
            "InvocationRow",
            "JobRow",
            "ListenerRow",
            "RegistrationRow",
        ),
        "hassette_store.settings": ("StoreSettings",),
    },
    ("ids", "kinds", "periods", "rows", "sketch", "statuses"),
)

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
