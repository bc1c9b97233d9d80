"""How a run can end, and the number that stands for it in a row (table ``statuses``)."""

from typing import Final

SUCCESS: Final = 0
ERROR: Final = 1
CANCELLED: Final = 2
TIMED_OUT: Final = 3
INTERRUPTED: Final = 4
"""Was running when the process died; only the store writes it, at the next start."""

STATUS_NUMBERS: Final[dict[str, int]] = {
    "success": SUCCESS,
    "error": ERROR,
    "cancelled": CANCELLED,
    "timed_out": TIMED_OUT,
    "interrupted": INTERRUPTED,
}
STATUS_NAMES: Final[tuple[str, ...]] = tuple(STATUS_NUMBERS)
