"""Limits and cursors of pages."""

from hassette_store.ids import MAX_ID
from hassette_sync.errors import BadQuestionError
from hassette_sync.ids import id_in, parse_id

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


def parse_pair(cursor: str, of: str) -> tuple[int, int]:
    """Return the two numbers of a cursor such as ``17.3``.

    Args:
        cursor: The cursor.
        of: The items of the page in words, for the error message.

    Raises:
        BadQuestionError: The cursor is not two numbers that SQLite can store.
    """
    first, _, second = cursor.partition(".")
    pair = id_in(first), id_in(second)
    if pair[0] is None or pair[1] is None:
        raise BadQuestionError(f"must be the next_cursor of a page of {of}, got {cursor[:40]!r}.", parameter="cursor")
    return pair[0], pair[1]
