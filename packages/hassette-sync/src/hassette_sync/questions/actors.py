"""Find the automations and scripts that acted at a moment, among all of one context.

A script has the context of its caller. So the changes of one context may be those of the caller, of a script that has
ended since, or of a script that began later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.explanations import StateChange
from hassette_sync.answers.runs import Run
from hassette_sync.queries import causes as queries
from hassette_sync.questions.calls import leads_to
from hassette_sync.questions.changes import RECORDED_LATER_US, event_time_of
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MILLISECOND_US, MINUTE_US

_AT_ONCE_US = 100 * MILLISECOND_US
SENT: Final = ("service_call", "event")
"""Kinds of causes that are no automation and no script."""
_WITHOUT_WAIT: Final = frozenset(
    f"{domain}.{name}" for domain in ("script", "homeassistant") for name in ("turn_on", "toggle")
)
"""Services that start a script and do not wait for its end."""


@dataclass(frozen=True, slots=True)
class ActingPart:
    """An automation or script that acted.

    Attributes:
        row: Its start.
        parallel: Scripts that it started and that were still in progress. One of them may have acted instead.
    """

    row: Row
    parallel: tuple[str, ...] = ()


async def moment_of_change(transaction: ReadTransaction, change: StateChange) -> int:
    """Return the id of the record of a change. If the change is not recorded, return the first id after it.

    A change that is known from a run has the time at which its message arrived. Its record may be somewhat later.
    """
    near: Parameters = {"context_id": change.context_id or "", "end_id": first_id_at(change.at_us + MINUTE_US)}
    rows = await transaction.all(queries.CHANGES_OF_CONTEXT, near)
    known = (change.entity.entity_id, change.old_state, change.new_state)
    same = [row["id"] for row in rows if (row["entity_id"], row["old_state"], row["new_state"]) == known]
    nearest = min(same, key=lambda id_: abs(time_of(id_) - change.at_us), default=None)
    return after_moment(change.at_us + RECORDED_LATER_US) if nearest is None else nearest


def moment_of_event(run: Run) -> int:
    """Return the first id after the event that triggered a run, and after the causes that came before the event."""
    return after_moment(min(run.started_us, event_time_of(run) + RECORDED_LATER_US))


def after_moment(at_us: int) -> int:
    """Return the first id after the millisecond of a moment."""
    return first_id_at(at_us + MILLISECOND_US)


def possible_causes(rows: Sequence[Row], before_id: int) -> list[Row]:
    """Return the causes that may have led to a moment: those before it, and then calls and events recorded late.

    A call or an event with a user may have been recorded later than it happened, if the user is that of Hassette. Such
    rows come last.
    """
    before = [row for row in rows if row["id"] < before_id]
    return before + [row for row in rows if row["id"] >= before_id and row["kind"] in SENT and row["user_id"]]


async def actors_of(
    transaction: ReadTransaction, rows: Sequence[Row], change: StateChange | None, before_id: int
) -> list[ActingPart]:
    """Return the automations and scripts of a context that acted at a moment, the innermost first.

    Args:
        transaction: Read transaction of the question.
        rows: The causes with the context, newest first.
        change: The change that they made; None if they did something else.
        before_id: The id of the change, or the first id after the moment.
    """
    ran = [row for row in rows if row["kind"] in ("automation", "script") and row["id"] < before_id]
    if len(ran) < 2:
        return [ActingPart(row) for row in ran]
    moment = _moment_of_call(rows, change, before_id)
    *inner, outermost = [row for row in ran if row["id"] < moment] or ran[-1:]
    found: list[ActingPart] = []
    parallel: tuple[str, ...] = ()
    for row in inner:
        if await _has_ended(transaction, row, moment):
            continue
        if _is_unawaited(rows, row) and not await _ends_at_once(transaction, row, before_id):
            parallel += (row["entity_id"],)
            continue
        found.append(ActingPart(row, parallel))
        parallel = ()
    return [*found, ActingPart(outermost, parallel)]


def _moment_of_call(rows: Sequence[Row], change: StateChange | None, before_id: int) -> int:
    """Return the id of the last call for the changed entity. A device may report the effect later than the call."""
    if change is None:
        return before_id
    calls = (
        row["id"]
        for row in rows
        if row["kind"] == "service_call"
        and row["id"] < before_id
        and change.entity.entity_id in entities_of(row["target"])
        and leads_to(row["service"] or "?", change.new_state)
    )
    return max(calls, default=before_id)


async def _has_ended(transaction: ReadTransaction, row: Row, moment: int) -> bool:
    """Return whether a script had ended at a moment."""
    between: Parameters = {"entity": row["entity_id"], "first_id": row["id"], "end_id": moment, "limit": 1}
    last = await transaction.one(queries.CHANGES_BEFORE, between)
    return last is not None and last["new_state"] == "off"


async def _ends_at_once(transaction: ReadTransaction, row: Row, before_id: int) -> bool:
    """Return whether a script ended together with what happened, so that it was the last action of the script."""
    after: Parameters = {
        "entity": row["entity_id"],
        "first_id": before_id,
        "end_id": first_id_at(time_of(before_id) + _AT_ONCE_US),
        "limit": 1,
    }
    ended = await transaction.one(queries.CHANGES_FROM, after)
    return ended is not None and ended["new_state"] == "off"


def _is_unawaited(rows: Sequence[Row], row: Row) -> bool:
    """Return whether the starter of a script did not wait for its end."""
    services = {
        one["service"]
        for one in rows
        if one["kind"] == "service_call" and row["entity_id"] in (one["service"], *entities_of(one["target"]))
    }
    return bool(services & _WITHOUT_WAIT) and row["entity_id"] not in services
