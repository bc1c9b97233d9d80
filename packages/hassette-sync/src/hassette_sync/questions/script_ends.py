"""Find what ended a script: a call that stopped it, or the end of its last run."""

from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import StateChange
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.queries import causes as queries
from hassette_sync.queries.runs import RUN
from hassette_sync.questions.calls import is_by_app
from hassette_sync.questions.device_reports import calls_near, changes_before
from hassette_sync.questions.rows import run_of
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import SECOND_US

_STOPPING_US: Final = 2 * SECOND_US
_STOPPING: Final = frozenset(
    f"{domain}.{name}" for domain in ("script", "homeassistant") for name in ("turn_off", "toggle")
)


def is_end_of_script(change: StateChange) -> bool:
    """Return whether a change is the end of a script."""
    ended = (change.old_state, change.new_state) == ("on", "off")
    return ended and change.entity.entity_id.startswith("script.")


async def stopping_call(transaction: ReadTransaction, change: StateChange) -> Row | None:
    """Return the call that stopped a script; None if no such call is recorded.

    Home Assistant before 2026 reports the end with the context of the last start.
    """
    calls = [
        (call.at_us, row)
        for row, call in await calls_near(transaction, change)
        if call.service in _STOPPING
        and change.entity.entity_id in entities_of(call.target)
        and change.at_us - call.at_us <= _STOPPING_US
        and not (call.rehearsed or call.error)
    ]
    for _, row in sorted(calls, key=lambda one: -one[0]):
        if not await _is_reaction(transaction, row, change):
            return row
    return None


async def _is_reaction(transaction: ReadTransaction, row: Row, change: StateChange) -> bool:
    """Return whether a run that the change triggered made a call. Both may have the same time."""
    if not is_by_app(row):
        return False
    found = await transaction.one(RUN, {"id": row["run_id"]})
    trigger = run_of(found).trigger if found is not None else None
    return isinstance(trigger, EventTrigger) and (
        (trigger.entity_id, trigger.context_id, trigger.old_state, trigger.new_state)
        == (change.entity.entity_id, change.context_id, change.old_state, change.new_state)
    )


async def was_started_again(transaction: ReadTransaction, change: StateChange) -> bool:
    """Return whether a script was started again while it ran, so that it is not known which of its runs ended.

    The mode of the script decides whether the new run replaces the old one, follows it, runs at the same time, or is
    refused. Home Assistant reports a start in each case.
    """
    rows = await changes_before(transaction, change, 0)
    begun = next((row for row in rows if row["new_state"] == "on"), None)
    if begun is None:
        return False
    running: Parameters = {
        "entity": change.entity.entity_id,
        "first_id": begun["id"],
        "end_id": first_id_at(change.at_us),
        "examined": queries.EXAMINED,
    }
    return await transaction.one(queries.STARTS_OF_SCRIPT, running) is not None
