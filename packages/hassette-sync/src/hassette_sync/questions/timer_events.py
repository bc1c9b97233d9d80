"""Find the change that an event of a timer reports. The events of timers have a context without a cause."""

from collections.abc import Sequence
from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at
from hassette_sync.queries import causes as queries
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import SECOND_US

_STATES: Final = {
    "timer.started": "active",
    "timer.restarted": "active",
    "timer.changed": "active",
    "timer.paused": "paused",
    "timer.cancelled": "idle",
    "timer.finished": "idle",
}
"""The state of the timer after each of its events."""
_BEFORE_US: Final = 2 * SECOND_US
_MAX_CHANGES = 10


def timer_in(rows: Sequence[Row]) -> tuple[str, str] | None:
    """Return the type and the timer of an event of a timer among causes; None if there is none."""
    for row in rows:
        if row["kind"] == "event" and row["service"] in _STATES and (timers := entities_of(row["target"])):
            return row["service"], timers[0]
    return None


async def change_of_timer(
    transaction: ReadTransaction, event_type: str, entity_id: str | None, at_us: int
) -> Row | None:
    """Return the recorded change of a timer that an event reports; None if there is none.

    Args:
        transaction: Read transaction of the question.
        event_type: Any type of event, for example ``timer.finished``.
        entity_id: The entity in the data of the event.
        at_us: The time of the event. Its change may be recorded shortly before or after it.
    """
    if event_type not in _STATES or entity_id is None:
        return None
    near: Parameters = {
        "entity": entity_id,
        "first_id": first_id_at(at_us - _BEFORE_US),
        "end_id": first_id_at(at_us + SECOND_US),
        "limit": _MAX_CHANGES,
    }
    rows = await transaction.all(queries.CHANGES_BEFORE, near)
    return next((row for row in rows if row["new_state"] == _STATES[event_type]), None)
