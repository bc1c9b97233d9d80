"""Why an entity is in a state, or was in it at a moment: the last change before the moment."""

from collections.abc import Sequence
from sqlite3 import Row
from typing import Final

from hassette_store.ids import first_id_at, time_of
from hassette_sync.answers.explanations import Explained, Why
from hassette_sync.asked_time import AskedTime
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.causes import CHANGES_BEFORE, SESSION_AT
from hassette_sync.questions.changes import MEASURING
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.states import states_meant
from hassette_sync.questions.why import why
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import MILLISECOND_US, MINUTE_US

_MOST_CHANGES: Final = 50
_MOST_IN_MOMENT: Final = 20
_MAX_SUGGESTED: Final = 6


async def why_in_state(transaction: ReadTransaction, subject: str, state: str, at: AskedTime | None) -> Why:
    """Return why an entity is in a state, or was in it: the last change at or before the moment.

    If it was in another state, the answer states this, and adds the last change to the state in the question. For a day
    or another span, a change to the state in it comes first, and then the state at its start. If the last change is not
    recorded, the answer is that of `why`.

    Args:
        transaction: Read transaction of the question.
        subject: Id of an entity, or words of its name. If several fit, the answer is about the entity in the state.
        state: The state, such as ``on``.
        at: The moment or span; None for now.
    """
    if at is None or not at.is_span:
        return await _at_moment(transaction, subject, state, at) or await why(
            transaction, entity=subject, state=state, at=at
        )
    answer = await why(transaction, entity=subject, state=state, at=at)
    if any(one.change and one.change.new_state in states_meant(answer.subject, state) for one in answer.found):
        return answer
    return await _at_moment(transaction, subject, state, AskedTime(at.at_us, 0), only_in_state=True) or answer


async def _at_moment(
    transaction: ReadTransaction, subject: str, state: str, at: AskedTime | None, *, only_in_state: bool = False
) -> Why | None:
    """Return the answer about a moment; None if no change before it is recorded."""
    named = await HomeNames(transaction).find(subject)
    entities = [one.entity_id for one in named.fitting] if named.entity_id is None else [named.entity_id]
    before_us = at.at_us + at.length_us if at is not None else transaction.at_us
    last: list[tuple[bool, list[Row], str]] = []
    most = 1 if at is None else _MOST_IN_MOMENT
    for entity_id in entities:
        if entity_id.partition(".")[0] in MEASURING:
            continue  # not all changes of a sensor are recorded, so its state is not known
        before = {"entity": entity_id, "first_id": 0, "end_id": first_id_at(before_us), "limit": most}
        if rows := await transaction.all(CHANGES_BEFORE, dict(before)):
            rows = rows[change_at(rows, states_meant(entity_id, state), at) :]
            last.append((rows[0]["new_state"] in states_meant(entity_id, state), rows, entity_id))
    if not last:
        return None
    is_in_state, rows, entity_id = max(last, key=lambda one: (one[0], one[1][0]["id"]))
    if not is_in_state:  # the answer also has the last change to the state
        until = {"entity": entity_id, "first_id": 0, "end_id": rows[0]["id"] + 1, "limit": _MOST_CHANGES}
        rows = await transaction.all(CHANGES_BEFORE, dict(until))
    if only_in_state and not is_in_state:
        return None
    answer = await _about(transaction, entity_id, rows[0])
    if answer is None:
        return None
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    newest, others = answer.found[0], answer.found[1:]
    sentence = newest.sentence
    title = answer.entity.title if answer.entity is not None else entity_id
    if at is not None:
        sentence = (
            f"{title} was {rows[0]['new_state']} at {times(at.at_us, seconds=at.length_us < MINUTE_US)}. {sentence}"
        )
    elif not is_in_state:
        sentence = f"{title} has been {rows[0]['new_state']} since {times(newest.at_us)}. {sentence}"
    found: tuple[Explained, ...] = (newest,)
    if not is_in_state:
        to_state = next((row for row in rows[1:] if row["new_state"] in states_meant(entity_id, state)), None)
        earlier = await _about(transaction, entity_id, to_state) if to_state is not None else None
        if earlier is not None:
            sentence = f"{sentence} Before that, {earlier.found[0].sentence}"
            found = (newest, earlier.found[0])
    if await transaction.one(SESSION_AT, {"at_us": min(before_us, transaction.at_us)}) is None:
        sentence = f"{sentence} Hassette was not running then, so a later change may not be recorded."
    known = {one.at_us for one in found}
    return answer.model_copy(
        update={
            "at_us": at.at_us if at is not None else None,
            "sentence": sentence,
            "found": (*found, *(one for one in others if one.at_us not in known)),
            "suggestions": tuple(one for one in named.fitting if one.entity_id != entity_id)[:_MAX_SUGGESTED],
        }
    )


def change_at(rows: Sequence[Row], states: Sequence[str], at: AskedTime | None) -> int:
    """Return the position of the change that led to the state at a moment.

    At 03:12 means any time in this minute, so one of the states may also have ended in it.

    Args:
        rows: Changes before the end of the moment, the newest first.
        states: The states in the question. If none of them fits, the newest change is meant.
        at: The moment; None for now.
    """
    in_it = 0 if at is None else sum(time_of(row["id"]) >= at.at_us for row in rows)
    return next((number for number, row in enumerate(rows[: in_it + 1]) if row["new_state"] in states), 0)


async def _about(transaction: ReadTransaction, entity_id: str, row: Row) -> Why | None:
    """Return the answer about one recorded change; None if the answer is about another change."""
    answer = await why(transaction, entity=entity_id, at=AskedTime(time_of(row["id"]), MILLISECOND_US))
    change = answer.found[0].change if answer.found else None
    return answer if change is not None and change.new_state == row["new_state"] else None
