"""Convert rows of service calls, made by apps or by Home Assistant."""

from collections.abc import Sequence
from sqlite3 import Row

from hassette_store.ids import time_of
from hassette_sync.answers.explanations import CallMade, StateChange
from hassette_sync.questions.targets import entities_of


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
    """Return the service call among causes with one context: the call that names the entity, or else the last call."""
    calls = [row for row in rows if row["kind"] == "service_call"]
    named = [row for row in calls if change is not None and change.entity.entity_id in entities_of(row["target"])]
    return call_by_home((named or calls)[0]) if calls else None


def call_by_home(row: Row) -> CallMade:
    """Convert a row of a service call that no app made."""
    return CallMade(at_us=time_of(row["id"]), service=row["service"] or "?", target=row["target"] or None)
