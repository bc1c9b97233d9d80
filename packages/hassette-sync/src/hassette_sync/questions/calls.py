"""Convert rows of service calls, made by apps or by Home Assistant."""

from collections.abc import Sequence
from sqlite3 import Row
from typing import Final

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import CallMade, StateChange
from hassette_sync.questions.targets import entities_of, others_of

_OPPOSITES: Final = (
    ("turn_on", ("off",)),
    ("turn_off", ("on",)),
    ("open", ("closed", "closing", "locked", "locking")),
    ("close", ("open", "opening")),
    ("unlock", ("locked", "locking")),
    ("lock", ("unlocked", "unlocking", "open", "opening")),
)
"""Beginnings of the names of services, and the states to which such a service does not lead."""


def is_by_app(row: Row) -> bool:
    """Return whether a row is a service call that an app made."""
    return "run_id" in row.keys()  # noqa: SIM118  a row has no `in`


def call_of(row: Row) -> CallMade:
    """Convert a row of a service call."""
    return CallMade(
        at_us=row["at_us"],
        service=row["service"] or "?",
        target=row["target"],
        data=row["data"],
        error=row["error"],
        rehearsed=bool(row["rehearsed"]),
    )


def call_of_context(rows: Sequence[Row], change: StateChange | None) -> CallMade | None:
    """Return the service call among causes with one context that fits a change best.

    A call that names the entity comes first, then a call for an area, a device or a group that may contain the entity,
    and then any other call. Among several such calls, a call that can lead to the new state is preferred.
    """
    calls = [call_by_home(row) for row in rows if row["kind"] == "service_call"]
    if change is None:
        return next(iter(calls), None)
    entity_id = change.entity.entity_id
    named = [call for call in calls if entity_id in entities_of(call.target)]
    named = named or [call for call in calls if may_mean(call, entity_id)]
    fitting = [call for call in named if leads_to(call.service, change.new_state)]
    return next(iter(fitting or named or calls), None)


def call_by_home(row: Row) -> CallMade:
    """Convert a row of a service call that no app made."""
    return CallMade(at_us=time_of(row["id"]), service=row["service"] or "?", target=row["target"] or None)


def may_mean(call: CallMade, entity_id: str) -> bool:
    """Return whether an entity that the target of a call does not name may be in its areas, devices or groups."""
    if call.service.partition(".")[0] not in (entity_id.partition(".")[0], "homeassistant"):
        return False
    entities = entities_of(call.target)
    return bool(others_of(call.target)) or any(one == "all" or one.startswith("group.") for one in entities)


def leads_to(service: str, state: str | None) -> bool:
    """Return whether a service can lead to a state. Only its opposite is excluded: ``turn_on`` does not lead to off."""
    name = service.partition(".")[2]
    return not any(name.startswith(begin) and state in states for begin, states in _OPPOSITES)


def contradicts(call: CallMade, change: StateChange) -> bool:
    """Return whether a change is the opposite of what a call for its entity does.

    For some seconds after a call, Home Assistant gives the context of the call to each change of the entity, also to
    those that the device makes by itself. A script is off when it has ended, and brightness 0 turns a light off.
    No call for an entity makes it unavailable.
    """
    if "brightness" in (call.data or "") or not is_for(call, change.entity.entity_id):
        return False
    return change.new_state == "unavailable" or not leads_to(call.service, change.new_state)


def is_for(call: CallMade, entity_id: str) -> bool:
    """Return whether a call is for an entity that only such calls and the device change.

    A script changes by itself when it ends, and a group when one of its members changes.
    """
    if entity_id.partition(".")[0] in ("script", "group"):
        return False
    return entity_id in entities_of(call.target) or may_mean(call, entity_id)
