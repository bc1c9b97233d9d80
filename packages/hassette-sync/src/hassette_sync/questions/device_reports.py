"""Find the beginning of a change that a device reports late: it has no context then, but something else caused it."""

from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.explanations import CallMade, StateChange
from hassette_sync.queries import causes as queries
from hassette_sync.questions.calls import call_by_home, call_of
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MINUTE_US, SECOND_US

_LONGEST_US = 10 * MINUTE_US
_LATE_US = MINUTE_US
# A run has the id of its end, so the run that made the call may end after the change.
_LATER_END_US = 10 * MINUTE_US
_EXAMINED = 1_000
_IN_PROGRESS: Final = frozenset(
    ("opening", "closing", "locking", "unlocking", "arming", "disarming", "returning", "starting", "buffering")
)
"""States that a device leaves when it has carried out a call."""
_OPPOSITE: Final = (
    ("turn_on", "off"),
    ("turn_off", "on"),
    ("open", "closed"),
    ("close", "open"),
    ("unlock", "locked"),
    ("lock", "unlocked"),
)
"""Beginnings of the names of services, and a state to which such a service does not lead."""


async def beginning_of(transaction: ReadTransaction, change: StateChange) -> Row | None:
    """Return the change that began what this change ends: a cover is open after it was opening, a timer has run."""
    in_progress = change.old_state in _IN_PROGRESS
    if not in_progress and not (change.entity.entity_id.startswith("timer.") and change.old_state == "active"):
        return None
    row = await transaction.one(
        queries.CHANGES_BEFORE,
        {
            "entity": change.entity.entity_id,
            "first_id": first_id_at(change.at_us - _LONGEST_US) if in_progress else 0,
            "end_id": first_id_at(change.at_us),
            "limit": 1,
        },
    )
    return row if row is not None and row["new_state"] == change.old_state else None


async def pending_call(transaction: ReadTransaction, change: StateChange) -> CallMade | None:
    """Return a service call for the entity in the minute before, if the change may be its late effect.

    It is not if the entity has changed with the context of the call, or if the service leads to another state.
    """
    entity_id, at_us = change.entity.entity_id, change.at_us
    near: Parameters = {
        "entity": entity_id,
        "service": "",
        "first_id": first_id_at(at_us - _LATE_US),
        "end_id": first_id_at(at_us + _LATER_END_US),
        "since_us": at_us - _LATE_US,
        "until_us": at_us,
        "examined": _EXAMINED,
        "limit": 20,
    }
    calls = [(row, call_of(row)) for row in await transaction.all(queries.CALLS_ON_ENTITY, near)]
    near["end_id"] = first_id_at(at_us)
    calls += [(row, call_by_home(row)) for row in await transaction.all(queries.CALLS_BY_HOME, near)]
    for row, call in sorted(calls, key=lambda pair: -pair[1].at_us):
        if call.rehearsed or entity_id not in entities_of(call.target) or _leads_elsewhere(call, change):
            continue
        changed = await transaction.all(queries.CHANGES_OF_CONTEXT, {"context_id": row["context_id"] or ""})
        if not any(one["entity_id"] == entity_id and time_of(one["id"]) <= at_us + SECOND_US for one in changed):
            return call
    return None


def _leads_elsewhere(call: CallMade, change: StateChange) -> bool:
    name = call.service.partition(".")[2]
    return any(name.startswith(begin) and change.new_state == state for begin, state in _OPPOSITE)
