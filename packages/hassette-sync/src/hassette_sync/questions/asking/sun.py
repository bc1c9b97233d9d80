"""The last sunset or sunrise: the change of the entity of the sun."""

import re
from typing import Final

from hassette_store.ids import time_of
from hassette_sync.errors import BadQuestionError
from hassette_sync.queries.causes import CHANGES_BEFORE
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import DAY_US, MINUTE_US, TimeRange

SUN: Final = re.compile(r"sun(?:set|rise)$")
"""Finds sunset or sunrise at the end of a time."""

_STATES: Final = {"sunset": "below_horizon", "sunrise": "above_horizon"}
_MOST_CHANGES: Final = 20


async def time_of_sun(transaction: ReadTransaction, name: str, within: TimeRange | None) -> int:
    """Return the minute of the last sunset or sunrise, in microseconds since the Unix epoch.

    Args:
        transaction: Read transaction of the question.
        name: ``sunset`` or ``sunrise``.
        within: Day of the sunset; None for the last 7 days.

    Raises:
        BadQuestionError: The history has no such change of ``sun.sun`` in this time.
    """
    at_us = transaction.at_us
    within = within or TimeRange(max(at_us - 7 * DAY_US, 0), at_us)
    rows = await transaction.all(
        CHANGES_BEFORE,
        {"entity": "sun.sun", "first_id": within.first_id, "end_id": within.end_id, "limit": _MOST_CHANGES},
    )
    found = [time_of(row["id"]) for row in rows if row["new_state"] == _STATES[name]]
    if not found:
        raise BadQuestionError(
            f"must be a time such as 17:30, got {name!r}. No change of sun.sun to "
            f"{_STATES[name]} is recorded in this time.",
            parameter="moment",
        )
    return found[0] // MINUTE_US * MINUTE_US
