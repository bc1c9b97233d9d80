"""Parse ids from user input. `hassette_store.ids` defines their layout."""

from hassette_store.ids import MAX_ID
from hassette_sync.errors import BadQuestionError


def parse_id(text: str, key: str = "id") -> int:
    """Parse an id.

    Args:
        text: Decimal digits.
        key: Name of the value in the error message.

    Raises:
        BadQuestionError: Not a whole number from 0 to 2**63 - 1.
    """
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_ID:
        return int(text)
    raise BadQuestionError(f"must be a whole number from 0 to {MAX_ID}, got {text[:40]!r}.", parameter=key)
