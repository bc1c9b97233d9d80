"""Statuses of a run, and the numbers that stand for them in rows (table ``statuses``)."""

from typing import Final

SUCCESS: Final = 0
ERROR: Final = 1
CANCELLED: Final = 2
TIMED_OUT: Final = 3
INTERRUPTED: Final = 4
"""The run had not ended when the process stopped or crashed. Only the store writes this status: at a stop, or at the
first start after a crash."""

STATUS_NUMBERS: Final[dict[str, int]] = {
    "success": SUCCESS,
    "error": ERROR,
    "cancelled": CANCELLED,
    "timed_out": TIMED_OUT,
    "interrupted": INTERRUPTED,
}
STATUS_NAMES: Final[tuple[str, ...]] = tuple(STATUS_NUMBERS)
"""Names of the statuses; the position of a name is its number."""

FAILED_STATUSES: Final = ("error", "timed_out", "interrupted")
"""Statuses that count as a failure."""
