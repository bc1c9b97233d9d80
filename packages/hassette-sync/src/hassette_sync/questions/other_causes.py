"""Find changes that are not the effect of the call to which Home Assistant attributes them.

For some seconds after a call, Home Assistant gives the context of the call to each change of the entity, also to those
that the device makes by itself.
"""

from typing import Final

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import CallMade, StateChange
from hassette_sync.formatting import plural
from hassette_sync.queries import causes as queries
from hassette_sync.questions.calls import contradicts, is_for
from hassette_sync.questions.device_reports import ENDS
from hassette_sync.questions.wording import shortened
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MILLISECOND_US, SECOND_US

_AT_ONCE_US = SECOND_US // 4
_ADDING: Final = frozenset(("create", "delete", "publish", "reload", "reload_all", "remove", "set"))
"""Names of services that add or remove entities, such as ``scene.create`` and ``group.set``."""


async def contradiction_of(
    transaction: ReadTransaction, call: CallMade | None, change: StateChange | None, before_id: int
) -> str:
    """Return why a change is not the effect of a call; empty if it may be its effect.

    Args:
        transaction: Read transaction of the question.
        call: The call of the context that fits the change best; None if no call is known.
        change: The change; None if something else is explained.
        before_id: The id of the change, or the first id after it.
    """
    if call is None or change is None:
        return ""
    if None in (change.old_state, change.new_state) and _acts_on_existing(call, change.entity.entity_id):
        return (
            f"the entity was added or removed, and {call.service}, to which Home Assistant attributes it, does neither."
        )
    if change.new_state in ENDS.get(change.old_state or "", ()) or not is_for(call, change.entity.entity_id):
        return ""
    before: Parameters = {"context_id": change.context_id or "", "end_id": before_id}
    rows = await transaction.all(queries.CHANGES_OF_CONTEXT, before)
    since_us = call.at_us // MILLISECOND_US * MILLISECOND_US
    earlier = [row for row in rows if row["entity_id"] == change.entity.entity_id and time_of(row["id"]) >= since_us]
    seconds = plural(max((change.at_us - call.at_us) // SECOND_US, 1), "second")
    attributed = f"Home Assistant attributes it to {call.service}, called {seconds} earlier"
    if contradicts(call, change) and not (_is_at_once(call, change) and not earlier):
        return (
            f"{attributed}, which does not lead to {shortened(change.new_state or 'this state')}. The device may have "
            "changed by itself."
        )
    toggles = call.service.partition(".")[2].startswith("toggle")
    if toggles and earlier and change.new_state == earlier[0]["old_state"]:
        return f"{attributed}, but the device had followed that call before. It may have changed back by itself."
    return ""


def _acts_on_existing(call: CallMade, entity_id: str) -> bool:
    """Return whether a service acts on the entities of a domain, and adds or removes none."""
    domain, _, name = call.service.partition(".")
    return domain in (entity_id.partition(".")[0], "homeassistant") and name not in _ADDING


def _is_at_once(call: CallMade, change: StateChange) -> bool:
    """Return whether a change followed a call so soon that it is its effect: brightness 0 turns a light off."""
    return change.new_state != "unavailable" and 0 <= change.at_us - call.at_us <= _AT_ONCE_US
