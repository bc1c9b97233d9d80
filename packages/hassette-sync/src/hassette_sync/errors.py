"""What can go wrong, named by situation.

    Exception
    └── SyncError                    anything that sync itself raises
        ├── HistoryUnavailableError  there is no history to read
        │   ├── DatabaseMissingError     no file there
        │   ├── NotADatabaseError        the file is something else, or empty of tables
        │   ├── NewerDatabaseError       written by a newer hassette-store
        │   └── DatabaseUnreadableError  SQLite could not read it: permission, lock, damage
        ├── QueryTimeoutError        a question took longer than its deadline
        ├── NotFoundError            no run, registration, session or error group with that id
        ├── BadQuestionError         a filter, cursor or time that cannot be understood
        └── WebNotInstalledError     the pages were asked for without hassette-sync[web]

The texts are shown to people as they are, in the terminal and on the pages.
"""

from pathlib import Path


class SyncError(Exception):
    """Root of every error that sync raises on purpose."""


class HistoryUnavailableError(SyncError):
    """There is no history to read, and the text says why."""


class DatabaseMissingError(HistoryUnavailableError):
    """No file at that path."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no history at {path}: no file of that name. "
            f"It appears when Hassette first runs with hassette-store installed."
        )


class NotADatabaseError(HistoryUnavailableError):
    """The file is not a Hassette history."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is not a Hassette history: {why}.")


class NewerDatabaseError(HistoryUnavailableError):
    """A newer hassette-store wrote the file; this version would misread it."""

    def __init__(self, path: Path, revision: str, known: str) -> None:
        super().__init__(
            f"{path} was written by a newer Hassette (schema {revision}; this version knows up to {known}). "
            f"Upgrade hassette-sync and hassette-store to read it."
        )


class DatabaseUnreadableError(HistoryUnavailableError):
    """SQLite could not read the file."""

    def __init__(self, path: Path, detail: str) -> None:
        super().__init__(f"The history at {path} cannot be read: {detail}.")


class QueryTimeoutError(SyncError):
    """A question took longer than its deadline and was stopped."""

    def __init__(self, question: str, deadline_s: float) -> None:
        super().__init__(
            f"The question “{question}” took longer than {deadline_s:g} s and was stopped. "
            f"Ask about a shorter time, or filter by one app or handler."
        )


class NotFoundError(SyncError):
    """Nothing with that id."""

    def __init__(self, what: str, id_: int) -> None:
        super().__init__(f"There is no {what} with the id {id_}; it may have aged out of the history.")


class BadQuestionError(SyncError):
    """A filter, cursor or time that cannot be understood."""


class WebNotInstalledError(SyncError, ImportError):
    """The pages and the HTTP API need the extra ``web``."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"The pages need {missing}, which is not installed. Install them with: pip install 'hassette-sync[web]'"
        )
