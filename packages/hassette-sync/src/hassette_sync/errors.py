"""Errors of hassette-sync, named by situation.

    Exception
    └── SyncError                    base class of all errors of hassette-sync
        ├── HistoryUnavailableError  the history cannot be read
        │   ├── DatabaseMissingError     the file does not exist
        │   ├── NotADatabaseError        the file is not a Hassette history
        │   ├── NewerDatabaseError       a newer hassette-store wrote the file (a subclass of the store's error)
        │   └── DatabaseUnreadableError  SQLite cannot read the file: permission, lock, damage
        ├── QueryTimeoutError        a question exceeded its deadline
        ├── NotFoundError            no run, registration, session or error group has this id
        ├── BadQuestionError         a filter, cursor or time is invalid
        │   └── UnclearWordsError        a question in words names no entity, service, handler or text
        ├── DroppedError             the live stream ended for one follower
        ├── FollowerTooSlowError     a follower of a `MemoryFeed` is too far behind
        ├── ActionError              the running framework has refused an action of the terminal
        ├── NotRunningError          no framework answers at the address
        ├── AssistantsNotInstalledError  access for assistants needs hassette-sync[mcp]
        └── WebNotInstalledError     the pages need hassette-sync[web]

The terminal and the pages show the messages unchanged.
"""

from collections.abc import Sequence
from pathlib import Path

import hassette_store
from hassette_sync.formatting import plural


class SyncError(Exception):
    """Base class of all errors of hassette-sync. The message is a short text for the user."""


class HistoryUnavailableError(SyncError):
    """The history cannot be read. The message gives the reason."""


class DatabaseMissingError(HistoryUnavailableError):
    """There is no file at the path."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no history at {path}: the file does not exist. "
            f"Hassette creates it at its first start with hassette-store installed."
        )


class NotADatabaseError(HistoryUnavailableError):
    """The file is not a Hassette history."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not a Hassette history: {reason}.")


class NewerDatabaseError(HistoryUnavailableError, hassette_store.NewerDatabaseError):
    """A newer hassette-store wrote the file. The installed version could misinterpret the file."""


class DatabaseUnreadableError(HistoryUnavailableError):
    """SQLite cannot read the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"The history at {path} cannot be read: {reason}.")


class QueryTimeoutError(SyncError):
    """A question exceeded its deadline and was stopped."""

    def __init__(self, question: str, deadline_s: float) -> None:
        super().__init__(
            f"The question “{question}” took longer than {deadline_s:g} s and was stopped. "
            f"Ask for a shorter time range, or filter by one app or handler."
        )


class NotFoundError(SyncError):
    """No run, registration, session or error group has this id, or no app has this name."""

    def __init__(self, what: str, id_: int | str, similar: Sequence[str] = ()) -> None:
        named = f"called {id_[:100]}" if isinstance(id_, str) else f"with the id {id_}"
        hint = f"Did you mean {' or '.join(similar)}?" if similar else "It may have been deleted because of its age."
        super().__init__(f"There is no {what} {named}. {hint}")


class BadQuestionError(SyncError):
    """A filter, cursor or time is invalid.

    Args:
        problem: Text about the wrong value and the right ones. With a parameter, the message begins with its name.
        parameter: Name of the invalid parameter in Python and in the API; None if the problem has no single parameter.
    """

    def __init__(self, problem: str, *, parameter: str | None = None) -> None:
        self.problem = problem
        self.parameter = parameter
        super().__init__(self.named(parameter))

    def named(self, name: str | None) -> str:
        """Return the message with another name of the parameter, such as ``--since``."""
        return self.problem if name is None else f"{name} {self.problem}"


class UnclearWordsError(BadQuestionError):
    """A question in words names no entity, service, handler or text."""


class DroppedError(SyncError):
    """The live stream ended for one follower: it was too slow, or Hassette is stopping.

    The follower may start again with the last id that it received.
    """


class FollowerTooSlowError(SyncError):
    """A follower of `MemoryFeed` is too far behind."""

    def __init__(self, waiting: int) -> None:
        super().__init__(f"The follower was dropped: it fell {plural(waiting, 'run')} behind.")


class ActionError(SyncError):
    """The running framework has refused an action of the terminal, or its address is not known."""


class NotRunningError(SyncError):
    """No framework answers at the address."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"Hassette does not answer at {url}: {reason}. Start it with “hassette run”, or pass its address: --url."
        )


class WebNotInstalledError(SyncError, ImportError):
    """The pages and the HTTP API need the extra ``web``."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"The pages need {missing}, which is not installed. Install it with: pip install 'hassette-sync[web]'"
        )


class AssistantsNotInstalledError(SyncError, ImportError):
    """Access for assistants needs the extra ``mcp``."""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"Access for assistants needs {missing}, which is not installed. "
            f"Install it with: pip install 'hassette-sync[mcp]'"
        )
