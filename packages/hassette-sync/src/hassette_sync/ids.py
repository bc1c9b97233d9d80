"""Run ids and times: an id carries the millisecond at which the run ended, in the bits above the lowest 21."""

from hassette_sync.errors import BadQuestionError

COUNTER_BITS = 21
MAX_ID = 2**63 - 1


def first_id_at(at_us: int) -> int:
    """Return the lowest id that a run ending at or after this moment can have, to the millisecond.

    Args:
        at_us: Microseconds since the Unix epoch.
    """
    return min(max(at_us // 1000, 0) << COUNTER_BITS, MAX_ID)


def ended_us(run_id: int) -> int:
    """Return when the run ended, in microseconds since the Unix epoch, to the millisecond."""
    return (run_id >> COUNTER_BITS) * 1000


def parse_id(text: str, what: str = "id") -> int:
    """Read an id that came from outside.

    Args:
        text: Decimal digits.
        what: What to call it in the error.

    Raises:
        BadQuestionError: Not a whole number from 0 to 2**63 - 1.
    """
    if text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= MAX_ID:
        return int(text)
    raise BadQuestionError(f"{text[:40]!r} is not a valid {what}: expected a whole number such as 3720938471424000000.")
