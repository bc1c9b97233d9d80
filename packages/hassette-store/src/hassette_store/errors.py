"""Errors of the store, named by situation.

Exception
└── StoreError                    root of all errors that the store raises on purpose
    ├── RejectedBatchError        a row can never be stored (also a ValueError: the write queue isolates the row)
    ├── StoreUnavailableError     the service is not running
    ├── DatabaseAccessError       lock, full disk, I/O error: retry
    ├── CorruptDatabaseError      the file is damaged; the next start recovers it
    ├── ReplacedFileError         another program removed or changed the open file; the next start opens or creates one
    ├── UnusableFileError         a directory, another program's file, or a missing permission: the user must act
    ├── DatabaseInUseError        another framework owns the file
    ├── NewerDatabaseError        a newer hassette-store wrote the file
    ├── UpgradeFailedError        the schema could not be upgraded; the file is unchanged
    └── MaintenanceError          a backup, restore, check or vacuum failed
        └── DamagedSourceError    the file to be copied is damaged
"""

from pathlib import Path
from typing import Final


class StoreError(Exception):
    """Root of all errors that hassette-store raises on purpose. The text is one paragraph for the user."""


class RejectedBatchError(StoreError, ValueError):
    """A batch contains a row that can never be stored. No row of the batch is stored."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"a row of the batch can never be stored: {reason}")


class StoreUnavailableError(StoreError):
    """The database is not open: `DatabaseService.start` has not succeeded, or `stop` was called."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"the database {path} is not open")


class DatabaseAccessError(StoreError):
    """The database could not be read or written, for example because of a lock, a full disk or an I/O error.

    After a failed write, it is unknown whether the batch is stored. Retry the batch: the store does not store it twice.
    """

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"the database {path} could not be read or written: {reason}")


class CorruptDatabaseError(StoreError):
    """The file is damaged.

    Attributes:
        finding: The damage that was found.
    """

    def __init__(self, path: Path, finding: object) -> None:
        super().__init__(
            f"the database {path} is damaged ({finding}). The next start will move the file aside and copy all "
            "readable rows into a new one."
        )
        self.finding = str(finding)


OTHER_ROWS: Final = "was overwritten by another program, for example with the SQLite command .restore,"
"""Finding of a `ReplacedFileError` if SQLite itself has replaced the rows of the open file."""


class ReplacedFileError(StoreError):
    """Another program has removed, moved, replaced or overwritten the open database file or its write-ahead log.

    Attributes:
        finding: The change of the file, such as ``was removed or moved away``.
    """

    def __init__(self, path: Path, finding: str) -> None:
        super().__init__(
            f"the database {path} {finding} while it was open. The next start opens the file that is there now, or "
            "creates a new one."
        )
        self.finding = finding


class UnusableFileError(StoreError):
    """The path cannot be used for the database. The store leaves an existing file or directory unchanged.

    Args:
        path: The path.
        reason: Why it cannot be used.
        fix: One sentence that explains to the user how to fix it.
    """

    def __init__(self, path: Path, reason: str, fix: str) -> None:
        super().__init__(f"no history can be stored in {path}: {reason}. {fix}")


class DatabaseInUseError(StoreError):
    """Another framework owns the file.

    Attributes:
        pid: Process id of the owner; 0 if unknown.
        host: Machine of the owner; empty if unknown.
    """

    def __init__(self, path: Path, pid: int, host: str) -> None:
        owner = f"process {pid} on {host}" if pid else "another process"
        super().__init__(
            f"the database {path} belongs to {owner}, which is still running. Stop that process, or set another "
            "data_dir for this one."
        )
        self.pid = pid
        self.host = host


class NewerDatabaseError(StoreError):
    """A newer hassette-store wrote the file.

    Attributes:
        revision: The file's schema revision.
    """

    def __init__(self, path: Path, revision: str, known: str) -> None:
        super().__init__(
            f"the database {path} has schema revision {revision}, but this hassette-store supports revisions up to "
            f"{known}. The file is unchanged. Install the newer hassette-store again, or move the file away to start a "
            "new history."
        )
        self.revision = revision


class UpgradeFailedError(StoreError):
    """The schema could not be upgraded. The file is unchanged.

    Attributes:
        backup: The verified copy from before the upgrade.
    """

    def __init__(self, path: Path, reason: object, backup: Path) -> None:
        super().__init__(
            f"the database {path} could not be upgraded: {reason}. The file is unchanged, and {backup} is a copy of it."
        )
        self.backup = backup


class MaintenanceError(StoreError):
    """A backup, restore, check or vacuum failed. The history is unchanged."""


class DamagedSourceError(MaintenanceError):
    """A file could not be copied because it is damaged."""
