"""Limits and cursors of pages."""

from hassette_store.ids import MAX_ID
from hassette_sync.errors import BadQuestionError
from hassette_sync.ids import parse_id

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


def check_limit(limit: int) -> None:
    """Check the number of items on a page.

    Raises:
        BadQuestionError: The limit is out of range.
    """
    if not 1 <= limit <= MAX_LIMIT:
        raise BadQuestionError(f"must be from 1 to {MAX_LIMIT}, got {limit!r}.", parameter="limit")


def id_below(cursor: str | None) -> int:
    """Return the exclusive upper limit of the ids on a page: the cursor, or the highest possible id without a cursor.

    Raises:
        BadQuestionError: The cursor is not an id.
    """
    return parse_id(cursor, "cursor") if cursor else MAX_ID
