"""Parse ids from user input. `hassette_store.ids` defines their layout."""

from typing import Final

from hassette_store.ids import MAX_ID
from hassette_sync.errors import BadQuestionError

_MAX_DIGITS: Final = len(str(MAX_ID))


def id_in(text: str) -> int | None:
    """Return the id that a text consists of; None for any other text, and for a number that SQLite cannot store."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def parse_id(text: str, key: str = "id") -> int:
    """Parse an id.

    Args:
        text: Decimal digits.
        key: Name of the value in the error message.

    Raises:
        BadQuestionError: Not a whole number from 0 to 2**63 - 1.
    """
    if (id_ := id_in(text)) is not None:
        return id_
    raise BadQuestionError(f"must be a whole number from 0 to {MAX_ID}, got {text[:40]!r}.", parameter=key)
