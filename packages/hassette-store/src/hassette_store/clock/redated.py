"""Sessions whose rows got other times, because a wrong clock had dated them (see `hassette_store.retention.redating`).

A run of such a session has another id in an older state of the file. All its other columns are equal in both states.
"""

import re
import sqlite3
from datetime import timedelta
from itertools import accumulate
from typing import Final

from hassette_store.periods import SECOND_US

EVENT: Final = "clock_corrected"
"""Kind of the lifecycle event that reports a redating."""
PREFIX: Final = "redating_"
"""Prefix of the names in ``store_state`` of a redating in progress."""
SESSION: Final = f"{PREFIX}session"
"""Name of the row of ``store_state`` with the session whose rows are being moved."""
BY_US: Final = f"{PREFIX}by_us"
"""Name of the row of ``store_state`` with the time by which these rows move."""

REDATED_SESSIONS: Final = (
    f"SELECT session_id FROM lifecycle_events WHERE kind = '{EVENT}' "
    f"UNION SELECT value FROM store_state WHERE name = '{SESSION}'"
)
"""Select the redated sessions."""

_SENTENCE: Final = re.compile(r"wrong by (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)\. .* moved (ahead|back)\.")


def describe_move(by_us: int) -> str:
    """Return the text of the event that reports a redating.

    Args:
        by_us: The time by which the rows moved.
    """
    by = timedelta(seconds=round(abs(by_us) / SECOND_US))
    return f"The clock was wrong by {by}. Times of this session were moved {'ahead' if by_us > 0 else 'back'}."


def moves_of(db: sqlite3.Connection) -> dict[int, set[int]]:
    """Return by which times the rows of each redated session have moved or are being moved, to the second.

    After several redatings of a session, a row may have moved by the sum of successive moves.
    """
    moves: dict[int, list[int]] = {}
    events = f"SELECT session_id, detail FROM lifecycle_events WHERE kind = '{EVENT}' ORDER BY id"
    for session, detail in db.execute(events):
        if found := _SENTENCE.search(detail):
            days, hours, minutes, seconds = (int(number or 0) for number in found.groups()[:4])
            by_us = ((days * 24 + hours) * 60 + minutes) * 60 * SECOND_US + seconds * SECOND_US
            moves.setdefault(session, []).append(by_us if found[5] == "ahead" else -by_us)
    state = dict(db.execute(f"SELECT name, value FROM store_state WHERE name IN ('{SESSION}', '{BY_US}')"))
    if len(state) == 2:
        moves.setdefault(state[SESSION], []).append(state[BY_US])
    return {
        session: {total for start in range(len(some)) for total in accumulate(some[start:])}
        for session, some in moves.items()
    }
