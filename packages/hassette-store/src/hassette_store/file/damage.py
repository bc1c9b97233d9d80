"""Signs of damage: checks of a file, and errors that mean damage."""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

SQLITE_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""Errors that a statement may raise. Python raises UnicodeDecodeError if SQLite's error message contains text from a
damaged schema that is not UTF-8."""

_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage(error: BaseException) -> bool:
    """Return whether an error means damage, and not for example a lock, a full disk or a missing file."""
    return isinstance(error, UnicodeDecodeError) or (
        isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED
    )


@contextmanager
def impossible_values_are_damage() -> Generator[None]:
    """Raise an error that means damage if a value of a row has a wrong type in the ``with`` block.

    SQLite does not check the values that it reads. A flipped byte can make a number NULL or a text.

    Raises:
        sqlite3.DatabaseError: A value has a wrong type (`is_damage`).
    """
    try:
        yield
    except (AttributeError, TypeError, ValueError, sqlite3.IntegrityError) as error:
        damage = sqlite3.DatabaseError(f"a row has an impossible value: {error}")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage from error


def is_lost_schema(error: BaseException) -> bool:
    """Return whether a statement did not find its table or column. In a history, that means a damaged schema."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_ERROR and any(
        words in str(error) for words in ("no such table", "no such column", "has no column named")
    )


def findings_of(connection: sqlite3.Connection, check: str) -> Iterator[str]:
    """Yield the findings of a check.

    If the newest object of a schema is a view, as in this schema, ``check`` does not look at the list of free pages
    (seen with SQLite 3.40). Therefore a second check looks at that list.

    Args:
        connection: A connection to the file.
        check: ``quick_check`` or ``integrity_check``, with the maximum number of findings in brackets.

    Raises:
        sqlite3.Error: The file cannot be read, or is too damaged for a check.
    """
    for pragma in (check, "quick_check(sqlite_master)"):
        yield from (str(row[0]) for row in connection.execute(f"PRAGMA {pragma}") if row[0] != "ok")
