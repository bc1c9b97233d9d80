"""What can go wrong with the history, named by situation.

Exception
└── StoreError                    anything that the store raises on purpose
    ├── RejectedBatchError        a row can never be stored (a ValueError, too: the queue isolates the row)
    ├── StoreUnavailableError     not started, or stopped
    ├── WriteFailedError          locked, full, I/O: the batch is to be tried again
    ├── CorruptDatabaseError      the file is damaged; the next start sets it aside and begins anew
    ├── UnusableFileError         a directory, a foreign file, no permission: a person has to look
    ├── DatabaseInUseError        another framework owns the file
    ├── NewerDatabaseError        a newer hassette-store wrote it
    ├── UpgradeFailedError        the schema could not be upgraded; the file is as it was
    └── BackupError             a backup could not be made, verified or restored
        └── DamagedSourceError    because what was to be copied is damaged
"""

from pathlib import Path


class StoreError(Exception):
    """Root of every error that hassette-store raises on purpose; its text is one paragraph for a person."""


class RejectedBatchError(StoreError, ValueError):
    """A batch holds a row that can never be stored; nothing of the batch was kept."""

    def __init__(self, reason: object) -> None:
        super().__init__(f"a row of the batch can never be stored: {reason}")


class StoreUnavailableError(StoreError):
    """The database is not open: `DatabaseService.start` has not succeeded, or `stop` was called."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"the history {path} is not open")


class WriteFailedError(StoreError):
    """A batch could not be written now; nothing of it was kept, and it may be tried again."""

    def __init__(self, path: Path, reason: object) -> None:
        super().__init__(f"the history {path} could not be written: {reason}")


class CorruptDatabaseError(StoreError):
    """The file is damaged.

    Attributes:
        finding: What is wrong with it.
    """

    def __init__(self, path: Path, finding: object) -> None:
        super().__init__(
            f"the history {path} is damaged ({finding}). It will be moved aside whole at the next start, and what can "
            "be read will be carried over into a new file."
        )
        self.finding = str(finding)


class UnusableFileError(StoreError):
    """The path cannot serve as a history, and the store will not touch it.

    Args:
        path: Which file.
        finding: What it is or lacks.
        mend: What a person can do, as one sentence.
    """

    def __init__(self, path: Path, finding: str, mend: str) -> None:
        super().__init__(f"no history can be kept in {path}: {finding}. {mend}")


class DatabaseInUseError(StoreError):
    """Another framework owns the file.

    Attributes:
        pid: Its process, 0 if unknown.
        host: Its machine, empty if unknown.
    """

    def __init__(self, path: Path, pid: int, host: str) -> None:
        owner = f"process {pid} on {host}" if pid else "another process"
        super().__init__(
            f"the history {path} belongs to {owner}, which is still running. Stop that one, or give this one a "
            "data_dir of its own."
        )
        self.pid = pid
        self.host = host


class NewerDatabaseError(StoreError):
    """The file was written by a newer hassette-store.

    Attributes:
        revision: The file's schema revision.
    """

    def __init__(self, path: Path, revision: str, known: str) -> None:
        super().__init__(
            f"the history {path} has schema revision {revision}; this hassette-store knows revisions up to {known}. "
            "It is left as it is: install the newer hassette-store again, or move the file away to begin a new one."
        )
        self.revision = revision


class UpgradeFailedError(StoreError):
    """The schema could not be upgraded; the file has been put back as it was.

    Attributes:
        backup: The verified copy from before the upgrade.
    """

    def __init__(self, path: Path, reason: object, backup: Path) -> None:
        super().__init__(
            f"the history {path} could not be upgraded: {reason}. It is as it was before; a copy of it is {backup}."
        )
        self.backup = backup


class BackupError(StoreError):
    """A backup could not be made, verified or restored; the history is as it was."""


class DamagedSourceError(BackupError):
    """What was to be copied is damaged, so that no copy of it is whole."""
