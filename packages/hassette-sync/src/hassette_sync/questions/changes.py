"""State changes, as the history contains them: recorded ones, and those that triggered runs."""

from collections.abc import Iterable
from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import StateChange
from hassette_sync.answers.kinds import EventTrigger
from hassette_sync.answers.runs import Run
from hassette_sync.questions.entities import HomeNames
from hassette_sync.time_range import MILLISECOND_US

MEASURING = frozenset(
    ("binary_sensor", "sensor", "sun", "weather", "person", "device_tracker", "zone", "event", "image", "calendar")
)
"""Domains of entities that only measure: no automation can change them."""

SELDOM_RECORDED = (
    "A change of an entity that only measures, such as a sensor, is recorded only if a handler received it or if a "
    "person, an automation or a script caused it."
)
"""Sentence that explains why a change of an entity in `MEASURING` may be missing."""

RECORDED_LATER_US = 100 * MILLISECOND_US
"""A message is recorded when it is read. On a busy machine, that is some time after its arrival."""


async def change_of_row(names: HomeNames, row: Row) -> StateChange:
    """Convert a row of a recorded change."""
    return StateChange(
        at_us=time_of(row["id"]),
        entity=await names.entity(row["entity_id"]),
        old_state=row["old_state"],
        new_state=row["new_state"],
        context_id=row["context_id"],
        parent_id=row["parent_id"],
    )


def event_time_of(run: Run) -> int:
    """Return when the event of a run arrived. If the handler has a debounce or a duration, it may be earlier."""
    return run.started_us - run.waited_us


async def change_of_run(names: HomeNames, run: Run) -> StateChange | None:
    """Return the state change that triggered a run, or None if something else triggered it."""
    trigger = run.trigger
    if not isinstance(trigger, EventTrigger) or not trigger.entity_id or trigger.event_type != "state_changed":
        return None
    return StateChange(
        at_us=event_time_of(run),
        entity=await names.entity(trigger.entity_id),
        old_state=trigger.old_state,
        new_state=trigger.new_state,
        context_id=trigger.context_id,
        parent_id=trigger.parent_id,
    )


def is_row_of(row: Row, changes: Iterable[StateChange]) -> bool:
    """Return whether a row is the record of one of some changes. It may be later than the time of the change."""
    return any(
        time_of(row["id"]) >= change.at_us // MILLISECOND_US * MILLISECOND_US
        and row["entity_id"] == change.entity.entity_id
        and (row["context_id"], row["old_state"], row["new_state"])
        == (change.context_id, change.old_state, change.new_state)
        for change in changes
    )
