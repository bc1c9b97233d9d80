"""Find the cause of a change that a device reports without a context: it may end or follow something earlier."""

import re
from itertools import islice
from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at, time_of
from hassette_store.kinds import HISTORY_SINCE
from hassette_sync.answers.explanations import CallMade, StateChange
from hassette_sync.queries import causes as queries
from hassette_sync.questions.calls import call_by_home, call_of, leads_to, may_mean
from hassette_sync.questions.changes import MEASURING
from hassette_sync.questions.evidence import LATER_END_US
from hassette_sync.questions.rows import facts_of, time_of_fact
from hassette_sync.questions.targets import entities_of, others_of
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import MILLISECOND_US, MINUTE_US, SECOND_US

_LATE_US = MINUTE_US
_NEAR_US = 2 * MINUTE_US
_SECOND_STEP_US = 2 * SECOND_US
_ULID_DIGITS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID: Final = re.compile(f"[0-7][{_ULID_DIGITS}]{{25}}")
_MAX_CALLS = 20
_MAX_CONTEXTS = 100
_MIN_CONTEXTS = 3
_ARMED: Final = ("armed_home", "armed_away", "armed_night", "armed_vacation", "armed_custom_bypass")
ENDS: Final = {
    "opening": frozenset(("open",)),
    "closing": frozenset(("closed", "open")),
    "locking": frozenset(("locked", "jammed")),
    "unlocking": frozenset(("unlocked", "open", "jammed")),
    "arming": frozenset(_ARMED),
    "pending": frozenset(("triggered", *_ARMED)),
    "disarming": frozenset(("disarmed",)),
    "returning": frozenset(("docked", "idle")),
    "buffering": frozenset(("playing", "paused", "idle")),
}
"""States in which a device carries out a call, and the states that end them. Another state has its own cause."""
_ACTIVE_STATES: Final = {"timer": ("active", "idle"), "script": ("on", "off")}
"""Active and inactive state of timers and scripts, which become inactive by themselves."""
_NO_STATE: Final = (None, "unavailable", "unknown")


async def recording_of(transaction: ReadTransaction, change: StateChange) -> tuple[int, str]:
    """Return since when the home had been recorded without a gap, and why the cause of a change may be missing.

    Args:
        transaction: Read transaction of the question.
        change: A change whose context has no user and no parent.

    Returns:
        The time of the last connection, or the start of the session if that is not known. The reason is empty if no
        cause can be missing.
    """
    at_us = change.at_us
    session = await transaction.one(queries.SESSION_AT, {"at_us": at_us})
    if session is None:
        return at_us, "Hassette was not running at that time."
    history_us = time_of_fact(facts_of(session["facts"]).get(HISTORY_SINCE, ""))
    since_us: int = max(session["started_us"], history_us)
    if at_us < history_us:
        return since_us, "the earlier history was lost, and the cause may have been in that history."
    domain = change.entity.entity_id.partition(".")[0]
    if domain not in MEASURING and "user" not in facts_of(session["facts"]):
        return since_us, "the automations, scripts and service calls of Home Assistant were not recorded at that time."
    within: Parameters = {
        "session_id": session["id"],
        "first_id": first_id_at(since_us),
        "end_id": first_id_at(at_us + SECOND_US),
    }
    link = await transaction.one(queries.CONNECTION_AT, within)
    if link is not None and link["kind"] == "connection_lost":
        return since_us, "Hassette was not connected to Home Assistant at that time, so the cause is not recorded."
    if link is not None:
        since_us = link["at_us"]
    else:
        connected_us = time_of_fact(facts_of(session["facts"]).get("connected", ""))
        # A clock that was corrected later can have given the fact another time than the changes.
        since_us = max(since_us, connected_us) if connected_us <= at_us + SECOND_US else since_us
    # A device may carry out a call later. A sensor reports at once, so its cause is not in an earlier file.
    earliest_us = history_us if domain in MEASURING else 0
    near: Parameters = {"since_us": max(at_us - _NEAR_US, earliest_us), "until_us": at_us + _NEAR_US}
    lost = await transaction.one(queries.LOST_IN, near)
    if lost is not None and lost["count"]:
        return since_us, "records of that time were lost, so the cause of the change may be among them."
    return since_us, _unreported(change) if domain not in MEASURING else ""


async def began_before(transaction: ReadTransaction, change: StateChange, since_us: int) -> bool:
    """Return whether the context of a change is older than the recording, so that its cause cannot be recorded.

    An automation, a script or a call that began before the connection makes changes later, with its context. For some
    seconds after a call, Home Assistant gives the context of the call to each change of the entity.
    The id of a context contains its time by the clock of Home Assistant. The id of a change contains its time by the
    clock of Hassette. Earlier changes show the difference between the clocks, because most contexts begin with their
    change.

    Args:
        transaction: Read transaction of the question.
        change: A change whose context has no user, no parent and no recorded cause.
        since_us: Since when the home had been recorded without a gap.
    """
    began_us = _time_of_context(change.context_id)
    if began_us is None:
        return False
    near: Parameters = {
        "first_id": first_id_at(since_us),
        "end_id": first_id_at(change.at_us + MILLISECOND_US),
        "limit": _MAX_CONTEXTS,
    }
    rows = await transaction.all(queries.CONTEXTS_BEFORE, near)
    known = [(time_of(row["id"]), _time_of_context(row["context_id"])) for row in rows]
    delays_us = [at_us - context_us for at_us, context_us in known if context_us is not None]
    clocks_differ_us = min(delays_us) if len(delays_us) >= _MIN_CONTEXTS else 0
    return began_us + clocks_differ_us < since_us


def _time_of_context(context_id: str | None) -> int | None:
    """Return the time in the id of a context; None if the id is no ULID."""
    if context_id is None or _ULID.fullmatch(context_id) is None:
        return None
    milliseconds = 0
    for character in context_id[:10]:
        milliseconds = milliseconds << 5 | _ULID_DIGITS.index(character)
    return milliseconds * MILLISECOND_US


def _unreported(change: StateChange) -> str:
    """Return why the cause of a change to or from no state is not known; empty for a change between two states."""
    if change.new_state in _NO_STATE:
        return (
            "Home Assistant does not report why an entity has no state: its device or its integration may have stopped."
        )
    if change.old_state in _NO_STATE:
        return "the entity had no state before, so the device may have had this state for a longer time."
    return ""


async def ended_state(transaction: ReadTransaction, change: StateChange) -> str | None:
    """Return the state in progress that a change ends, such as ``opening``; None if it ends none.

    A device may report the end in two steps: a cover stops closing, which is shown as open, and is closed then.
    """
    domain = change.entity.entity_id.partition(".")[0]
    if domain in _ACTIVE_STATES:
        return change.old_state if (change.old_state, change.new_state) == _ACTIVE_STATES[domain] else None
    if change.new_state in ENDS.get(change.old_state or "", ()):
        return change.old_state
    rows = await changes_before(transaction, change, change.at_us - _SECOND_STEP_US)
    if rows and rows[0]["new_state"] == change.old_state and change.new_state in ENDS.get(rows[0]["old_state"], ()):
        return rows[0]["old_state"]
    return None


async def beginning_of(transaction: ReadTransaction, change: StateChange, state: str, since_us: int) -> Row | None:
    """Return the change that began what a change ends; None if it is not recorded, or if there is a gap in between.

    Args:
        transaction: Read transaction of the question.
        change: The end.
        state: The state in progress that it ends.
        since_us: Since when the home had been recorded without a gap.
    """
    rows = await changes_before(transaction, change, since_us)
    begun = next((row for row in rows if row["new_state"] == state), None)
    if begun is None or rows[0]["new_state"] != change.old_state:
        return None
    between: Parameters = {"since_us": time_of(begun["id"]), "until_us": change.at_us}
    lost = await transaction.one(queries.LOST_CHANGES_IN, between)
    return None if lost is not None and lost["count"] else begun


async def changes_before(transaction: ReadTransaction, change: StateChange, since_us: int) -> list[Row]:
    """Return the last recorded changes of the entity before a change, newest first, at least two if there are so many.

    The changes before it may be of the same millisecond, so their order is that of the ids.
    """
    before: Parameters = {
        "entity": change.entity.entity_id,
        "first_id": first_id_at(since_us),
        "end_id": first_id_at(change.at_us + MILLISECOND_US),
        "limit": 5,
    }
    rows = await transaction.all(queries.CHANGES_BEFORE, before)
    recorded = (change.context_id, change.old_state, change.new_state)
    known = [(row["context_id"], row["old_state"], row["new_state"]) for row in rows]
    return rows[known.index(recorded) + 1 :] if recorded in known else rows


async def pending_call(transaction: ReadTransaction, change: StateChange) -> tuple[CallMade, str] | None:
    """Return a service call in the minute before for the entity, or for an area or group that may contain it.

    The change may be a late effect of the call. It is no effect of the call if the entity has already changed with the
    context of the call, or if the service leads to another state. If the call names neither the entity nor its area,
    the change is also no effect of the call if any entity has changed with that context.

    Returns:
        The call, and its target in words: ``it``, or for example ``area kitchen``.
    """
    entity_id, at_us = change.entity.entity_id, change.at_us
    calls = sorted(await calls_near(transaction, change), key=lambda pair: -pair[1].at_us)
    # The targets are parsed only as far as they are needed, because a busy minute has many calls.
    possible = (
        (row, call, is_named)
        for row, call in calls
        if leads_to(call.service, change.new_state)
        and not call.rehearsed
        and ((is_named := entity_id in entities_of(call.target)) or may_mean(call, entity_id))
    )
    for row, call, is_named in islice(possible, _MAX_CALLS):
        areas = set[str]() if is_named else await _areas_of(transaction, call)
        if areas and change.entity.area and change.entity.area not in areas:
            continue
        of_call: Parameters = {"context_id": row["context_id"] or "", "end_id": first_id_at(at_us + SECOND_US)}
        changed = {one["entity_id"] for one in await transaction.all(queries.CHANGES_OF_CONTEXT, of_call)}
        if entity_id not in changed and (is_named or change.entity.area in areas or not changed):
            return call, "it" if is_named else ", ".join((others_of(call.target) or entities_of(call.target))[:2])
    return None


async def _areas_of(transaction: ReadTransaction, call: CallMade) -> set[str]:
    """Return the names of the areas of a call; empty if its target contains anything else."""
    others = others_of(call.target)
    if entities_of(call.target) or not all(one.startswith("area ") for one in others):
        return set()
    keys = [one.removeprefix("area ") for one in others]
    rows = [await transaction.one(queries.HOME_NAME, {"kind": "area", "key": key}) for key in keys]
    return {row["name"] for row in rows if row is not None}


async def calls_near(transaction: ReadTransaction, change: StateChange) -> list[tuple[Row, CallMade]]:
    """Return the calls with a target by apps and by Home Assistant in the minute before a change.

    The time of a recorded change is a whole millisecond. A call may be of the same millisecond.
    """
    since_us = change.at_us - _LATE_US
    near: Parameters = {
        "first_id": first_id_at(since_us),
        "end_id": first_id_at(change.at_us + LATER_END_US),
        "since_us": since_us,
        "until_us": change.at_us + MILLISECOND_US - 1,
        "examined": queries.EXAMINED,
        "limit": queries.EXAMINED,
    }
    calls = [(row, call_of(row)) for row in await transaction.all(queries.CALLS_WITH_TARGET, near)]
    near["end_id"] = first_id_at(change.at_us + MILLISECOND_US)
    return calls + [(row, call_by_home(row)) for row in await transaction.all(queries.CALLS_BY_HOME_WITH_TARGET, near)]
