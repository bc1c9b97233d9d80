"""How often something changed, and which of several entities changed or were in a state."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from hassette_store.ids import first_id_at
from hassette_sync.answers.explanations import Entity
from hassette_sync.asked_time import AskedTime
from hassette_sync.formatting import plural
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.causes import CHANGES_BEFORE, EXAMINED, LOST_CHANGES_IN
from hassette_sync.queries.changes import COUNTED_CHANGES, STATES_BEFORE, TRIGGERING_CHANGES
from hassette_sync.questions.changes import MEASURING
from hassette_sync.questions.entities import HomeNames
from hassette_sync.questions.evidence import changes_of
from hassette_sync.questions.moment_states import change_at
from hassette_sync.questions.periods import end_of_now
from hassette_sync.questions.sessions import home_time
from hassette_sync.questions.states import changes_to, states_meant
from hassette_sync.reader import Parameters, ReadTransaction
from hassette_sync.time_range import AROUND_US, DAY_US, TimeRange

_USUAL_DAYS: Final = 7
_MOST_COUNTED: Final = 8
_MOST_NAMED: Final = 20
_MOST_CHANGES: Final = 20
# A question reads about 5,000 changes, and at least this many of each entity.
_FEWEST_READ: Final = 20


class _Count(NamedTuple):
    """Number of changes of an entity. ``is_whole`` is whether no other change can have occurred in the range."""

    number: int
    is_whole: bool


async def each_of(
    transaction: ReadTransaction, subject: str, state: str, at: AskedTime | None, *, is_lasting: bool
) -> str:
    """Return a sentence about each entity that a text means; empty if it means none.

    Args:
        transaction: Read transaction of the question.
        subject: Id of an entity, or words that fit one or several.
        state: The state, such as ``on``; empty for all changes.
        at: The moment or span; None for the last 7 days, or for the present state.
        is_lasting: Whether the question is about being in the state, and not about the change to it. For a span, this
            includes the entities that were in the state at its start.
    """
    names = HomeNames(transaction)
    named = await names.find(subject)
    entities = named.fitting if named.entity_id is None else (await names.entity(named.entity_id),)
    cut = f" Only {len(entities)} of the entities that fit were examined." if named.more_fit else ""
    if is_lasting and (at is None or not at.is_span):
        return f"{await _in_state(transaction, entities, state, at)}{cut}"
    now_us = await end_of_now(transaction)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    searched = TimeRange(max(now_us - _USUAL_DAYS * DAY_US, 0), now_us)
    when = f"in the last {_USUAL_DAYS} days"
    if at is not None:
        searched = at.around(AROUND_US)
        searched = TimeRange(searched.since_us, min(searched.until_us, max(now_us, searched.since_us + 1)))
        when = f"from {times.span(searched.since_us, searched.until_us)}" if at.is_span else at.describe(times)
    counts = await _counts(transaction, names, entities, state, searched)
    sentence = _counted(
        [(one.title, counts[one.entity_id]) for one in entities if one.entity_id in counts], state, when
    )
    if is_lasting:
        sentence = f"{await _in_state_within(transaction, entities, state, searched, when, counts)} {sentence}".strip()
    return f"{sentence}{cut}" if sentence else ""


async def _counts(
    transaction: ReadTransaction, names: HomeNames, entities: Sequence[Entity], state: str, searched: TimeRange
) -> dict[str, _Count]:
    """Return the number of changes of each entity that changed, to a state if there is one."""
    ids = [one.entity_id for one in entities]
    limits = {"first_id": searched.first_id, "end_id": searched.end_id}
    triggers = await transaction.all(TRIGGERING_CHANGES, {**limits, "entities": json.dumps(ids), "examined": EXAMINED})
    lost = await transaction.one(LOST_CHANGES_IN, {"since_us": searched.since_us, "until_us": searched.until_us})
    counts: dict[str, _Count] = {}
    left = EXAMINED
    for position, entity_id in enumerate(ids):
        meant = states_meant(entity_id, state) if state else ()
        limit = max(left // (len(ids) - position), _FEWEST_READ)
        asked: Parameters = {**limits, "entity": entity_id, "states": json.dumps(meant), "limit": limit}
        (row,) = await transaction.all(COUNTED_CHANGES, asked)
        left = max(left - row["examined"], 0)
        # As in changes_to, a change from one meant state to another counts only if there is no other one.
        recorded = (row["begun"] if len(meant) > 1 else 0) or row["meant"] if state else row["examined"]
        of_it = [one for one in triggers if one["entity_id"] == entity_id and (not state or one["new_state"] in meant)]
        triggering = sum(one["count"] for one in of_it if not state or one["old_state"] not in meant)
        is_whole = row["examined"] < limit and entity_id.partition(".")[0] not in MEASURING
        is_whole = is_whole and triggering <= recorded and not (lost and lost["count"])
        if number := max(recorded, triggering):
            counts[entity_id] = _Count(number, is_whole)
    if not counts and len(ids) == 1:  # it may have changed without a run of its handlers
        changes = await changes_of(transaction, names, ids[0], searched, None)
        if number := len(changes_to(changes, state) if state else changes):
            counts[ids[0]] = _Count(number, is_whole=False)
    return counts


def _counted(counts: Sequence[tuple[str, _Count]], state: str, when: str) -> str:
    """Return a sentence with the number of changes of each entity, the largest first; empty without entities."""
    changed = f"changed to {state}" if state else "changed"
    if len(counts) < 2:
        return "".join(f"{title} {changed} {_times(count)} {when}." for title, count in counts)
    ordered = sorted(counts, key=lambda one: -one[1].number)
    listed = [f"{title} {_times(count)}" for title, count in ordered]
    return f"These entities {changed} {when}: {_listed(listed, _MOST_COUNTED)}."


async def _in_state(transaction: ReadTransaction, entities: Sequence[Entity], state: str, at: AskedTime | None) -> str:
    """Return a sentence about the entities in a state at a moment; empty if the question is about one entity."""
    if len(entities) < 2:
        return ""
    states: Mapping[str, str | None]
    if at is None:
        states = await _states_before(transaction, entities, transaction.at_us)
    else:
        states = await _states_at(transaction, entities, state, at)
    if not states:
        return _unknown(entities)
    times = ShownTimes(await home_time(transaction), transaction.at_us)
    found = [one.title for one in entities if _is_in(one, states, state)]
    when = f"at {times(at.at_us, seconds=False)}" if at is not None else "now"
    return _of_known(found, len(states), f"{state} {when}", is_past=at is not None)


async def _in_state_within(
    transaction: ReadTransaction,
    entities: Sequence[Entity],
    state: str,
    searched: TimeRange,
    when: str,
    changed: Iterable[str],
) -> str:
    """Return a sentence about the entities in a state at the start of a range or later in it.

    It is empty if the question is about one entity, or if only the changes are known.
    """
    if len(entities) < 2:
        return ""
    known = await _states_before(transaction, entities, searched.until_us)
    if not known:
        return "" if changed else _unknown(entities)
    at_start = await _states_before(transaction, entities, searched.since_us)
    reached = set(changed)
    found = [
        one.title
        for one in entities
        if one.entity_id in known and (_is_in(one, at_start, state) or one.entity_id in reached)
    ]
    return _of_known(found, len(known), f"{state} at some time {when}", is_past=True)


def _is_in(entity: Entity, states: Mapping[str, str | None], state: str) -> bool:
    return states.get(entity.entity_id) in states_meant(entity.entity_id, state)


async def _states_before(
    transaction: ReadTransaction, entities: Sequence[Entity], before_us: int
) -> dict[str, str | None]:
    """Return the known states of entities before a moment."""
    asked = {"entities": json.dumps(_with_states(entities)), "end_id": first_id_at(before_us)}
    return {row["entity_id"]: row["state"] for row in await transaction.all(STATES_BEFORE, dict(asked))}


async def _states_at(
    transaction: ReadTransaction, entities: Sequence[Entity], state: str, at: AskedTime
) -> dict[str, str | None]:
    """Return the known states of entities at a moment: the state in the question, if an entity had it in the moment."""
    found: dict[str, str | None] = {}
    end_id = first_id_at(at.at_us + at.length_us)
    for entity_id in _with_states(entities):
        before = {"entity": entity_id, "first_id": 0, "end_id": end_id, "limit": _MOST_CHANGES}
        if rows := await transaction.all(CHANGES_BEFORE, dict(before)):
            found[entity_id] = rows[change_at(rows, states_meant(entity_id, state), at)]["new_state"]
    return found


def _with_states(entities: Sequence[Entity]) -> list[str]:
    """Return the ids of the entities with known states. Not all changes of a sensor are recorded, so it has none."""
    return [one.entity_id for one in entities if one.entity_id.partition(".")[0] not in MEASURING]


def _unknown(entities: Sequence[Entity]) -> str:
    return f"Not all changes of these {len(entities)} entities are recorded, so their states are not known."


def _of_known(found: list[str], known: int, what: str, *, is_past: bool) -> str:
    one, several = ("was", "were") if is_past else ("is", "are")
    be = one if len(found) == 1 else several
    listed = f": {_listed(found, _MOST_NAMED)}" if found else ""
    return f"{len(found)} of {plural(known, 'entity', 'entities')} with a known state {be} {what}{listed}."


def _listed(names: Sequence[str], most: int) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


def _times(count: _Count) -> str:
    text = plural(count.number, "time")
    return text if count.is_whole else f"at least {text}"
