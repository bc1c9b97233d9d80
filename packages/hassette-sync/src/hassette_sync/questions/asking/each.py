"""How often something changed, and which of several entities changed or were in a state."""

from collections.abc import Sequence
from typing import Final

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import Entity
from hassette_sync.asked_time import AskedTime
from hassette_sync.formatting import plural
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.causes import CHANGES_BEFORE
from hassette_sync.questions.changes import MEASURING
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.evidence import MAX_NEWEST, changes_of
from hassette_sync.questions.moment_states import change_at
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.states import changes_to, states_meant
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import AROUND_US, DAY_US, TimeRange

_USUAL_DAYS: Final = 7
_MOST_NAMED: Final = 8
_MOST_CHANGES: Final = 20


async def each_of(
    transaction: ReadTransaction, subject: str, state: str, at: AskedTime | None, *, is_lasting: bool
) -> str:
    """Return a sentence about each entity that a text means; empty if it means none.

    Args:
        transaction: Read transaction of the question.
        subject: Id of an entity, or words that fit one or several.
        state: The state, such as ``on``; empty for all changes.
        at: The moment or span; None for the last 7 days, or for the present state.
        is_lasting: Whether the question is about being in the state, and not about the change to it.
    """
    names = HomeNames(transaction)
    named = await names.find(subject)
    entities = named.fitting if named.entity_id is None else (await names.entity(named.entity_id),)
    if is_lasting and (at is None or not at.is_span):
        return await _in_state(transaction, entities, state, at)
    now_us = await end_of_now(transaction)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    searched = TimeRange(max(now_us - _USUAL_DAYS * DAY_US, 0), now_us)
    when = f"in the last {_USUAL_DAYS} days"
    if at is not None:
        searched = at.around(AROUND_US)
        searched = TimeRange(searched.since_us, min(searched.until_us, max(now_us, searched.since_us + 1)))
        when = f"from {times.span(searched.since_us, searched.until_us)}" if at.is_span else at.describe(times)
    counts: dict[str, int] = {}
    for entity in entities:
        changes = await changes_of(transaction, names, entity.entity_id, searched, None)
        if number := len(changes_to(changes, state) if state else changes):
            counts[entity.title] = number
    if not counts:
        return ""
    ordered = sorted(counts, key=lambda title: -counts[title])
    listed = ", ".join(f"{title} {_times(counts[title])}" for title in ordered[:_MOST_NAMED])
    more = f", and {len(ordered) - _MOST_NAMED} more" if len(ordered) > _MOST_NAMED else ""
    return f"Changes{f' to {state}' if state else ''} {when}: {listed}{more}."


async def _in_state(transaction: ReadTransaction, entities: Sequence[Entity], state: str, at: AskedTime | None) -> str:
    """Return a sentence about the entities in a state at a moment; empty if the question is about one entity."""
    if len(entities) < 2:
        return ""
    before_us = at.at_us + at.length_us if at is not None else transaction.at_us
    known = 0
    found: list[str] = []
    for entity in entities:
        if entity.entity_id.partition(".")[0] in MEASURING:
            continue  # not all changes of a sensor are recorded, so its state is not known
        before = {"entity": entity.entity_id, "first_id": 0, "end_id": first_id_at(before_us), "limit": _MOST_CHANGES}
        if rows := await transaction.all(CHANGES_BEFORE, dict(before)):
            known += 1
            meant = states_meant(entity.entity_id, state)
            found += [entity.title] if rows[change_at(rows, meant, at)]["new_state"] in meant else []
    if not known:
        return f"Not all changes of these {len(entities)} entities are recorded, so their states are not known."
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    when = f"at {times(at.at_us, seconds=False)}" if at is not None else "now"
    listed = f": {', '.join(found)}" if found else ""
    of_known = f"{len(found)} of {plural(known, 'entity', 'entities')} with a known state"
    return f"{of_known} {_be(found, at)} {state} {when}{listed}."


def _be(found: list[str], at: AskedTime | None) -> str:
    if at is None:
        return "is" if len(found) == 1 else "are"
    return "was" if len(found) == 1 else "were"


def _times(number: int) -> str:
    text = plural(number, "time")
    return f"at least {text}" if number >= MAX_NEWEST else text
