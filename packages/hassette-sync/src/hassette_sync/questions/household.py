"""Question for the people of the home: what did the automations do today?"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time

from hassette_sync.answers.household import Household, HouseholdItem, HouseholdRoom
from hassette_sync.answers.overview import Live, Restriction
from hassette_sync.answers.sessions import Session
from hassette_sync.home_time import ShownTimes
from hassette_sync.queries.household import ACTIONS, HOME_NAMES_OF
from hassette_sync.questions.failing import failing_now
from hassette_sync.questions.registrations import failing_registrations
from hassette_sync.questions.restrictions import recorded_restrictions, restrictions
from hassette_sync.questions.sessions import home_time, newest_session
from hassette_sync.questions.targets import entities_of
from hassette_sync.reader import ReadTransaction
from hassette_sync.time_range import SECOND_US, TimeRange
from hassette_sync.verdict import framework_state

MAX_ACTIONS = 2_000
"""Maximum number of actions of a day that are counted, the newest ones."""
_SCHEDULE, _BY_HAND = "by a schedule", "by hand"
_MAX_ITEMS = 40
_MAX_PROBLEMS = 8
_MAX_NAME = 60
_RESTRICTED = {"disabled": "switched off", "rehearsing": "in rehearsal", "paused": "paused"}

# Past participles for the services of a domain. All other domains are "used".
_VERBS = {
    **dict.fromkeys(("light", "switch", "fan", "input_boolean", "siren", "humidifier"), "switched"),
    **dict.fromkeys(("cover", "valve"), "moved"),
    **dict.fromkeys(("climate", "water_heater", "number", "select", "input_number", "input_select"), "set"),
    **dict.fromkeys(("scene", "script", "button"), "started"),
}

# Words for the kinds of devices that people name.
_KINDS = {
    **{domain: domain for domain in ("light", "switch", "fan", "cover", "siren", "humidifier", "valve", "lock")},
    **dict.fromkeys(("climate", "water_heater"), "heating"),
    "media_player": "player",
    "vacuum": "vacuum cleaner",
}


@dataclass(slots=True)
class _Actions:
    """Actions on one entity."""

    count: int = 0
    problems: int = 0
    causes: Counter[str] = field(default_factory=Counter[str])


async def household(transaction: ReadTransaction, live: Live | None) -> Household:
    """Return what the automations did today, without names from code.

    The answer counts the newest 2,000 actions of the day.

    Args:
        transaction: Read transaction of the question.
        live: Present state of the framework; None outside of its process.
    """
    home = await home_time(transaction)
    at_us = transaction.at_us
    midnight = datetime.combine(home.local(at_us).date(), time())
    today = TimeRange(min(home.moment_us(midnight), at_us), at_us + SECOND_US, ends_now=True)
    rows = await transaction.all(ACTIONS, {"first_id": today.first_id, "end_id": today.end_id, "limit": MAX_ACTIONS})
    by_entity: defaultdict[str, _Actions] = defaultdict(_Actions)
    # A home has few different targets, and many rows with each.
    entities = {target: entities_of(target) for target in {row["target"] for row in rows}}
    for row in rows:
        scheduled = _BY_HAND if row["is_manual"] else _SCHEDULE
        cause = scheduled if row["is_scheduled"] else row["entity_id"] or ""
        for entity_id in entities[row["target"]]:
            actions = by_entity[entity_id]
            actions.count += row["count"]
            actions.problems += row["problems"]
            actions.causes[cause] += row["count"]
    names = await _names(transaction, {*by_entity, *(one for each in by_entity.values() for one in each.causes if one)})
    _, failing, _ = await failing_registrations(transaction, today, limit=_MAX_PROBLEMS)
    failing_refs, failing_count = await failing_now(transaction, failing, limit=_MAX_PROBLEMS)
    session = await newest_session(transaction)
    state = framework_state(session, live)
    shown = ShownTimes(home, at_us)
    restricted = await restrictions(transaction)
    since = {(one.kind, one.subject): one.since_us for one in await recorded_restrictions(transaction)}
    problems = [
        *(_restricted(one, one.since_us or since.get((one.kind, one.subject)), shown) for one in restricted),
        *(f"{_plain(ref.app)} does not work at the moment." for ref in failing_refs),
    ]
    return Household(
        level="warning" if state.level == "good" and problems else state.level,
        sentence=_sentence(state.label, failing_count, restricted, shown, session),
        problems=tuple(dict.fromkeys(problems))[:_MAX_PROBLEMS],
        rooms=_rooms(by_entity, names),
        complete=sum(row["count"] for row in rows) < MAX_ACTIONS,
        since_us=today.since_us,
        at_us=at_us,
    )


async def _names(transaction: ReadTransaction, entities: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return the name and the area of each entity that has a name in the home."""
    rows = await transaction.all(HOME_NAMES_OF, {"entities": json.dumps(sorted(entities))})
    return {row["key"]: (row["name"], row["area"] or "") for row in rows}


def _restricted(one: Restriction, since_us: int | None, shown: ShownTimes) -> str:
    app = _plain(one.subject.partition(".")[0])
    since = f" since {shown(since_us, seconds=False)}" if since_us is not None else ""
    who = f"A schedule of {app}" if one.kind == "paused" else app
    return f"{who} {'has been' if since else 'is'} {_RESTRICTED[one.kind]}{since}."


def _sentence(
    label: str, failing: int, restricted: Sequence[Restriction], shown: ShownTimes, session: Session | None
) -> str:
    if label == "never ran":
        return "The automations have not run yet."
    if label == "not running":
        until_us = session.until_us if session is not None else None
        return f"The automations have not been running since {shown(until_us, seconds=False)}."
    if label == "degraded":
        return "The automations run, but something needs attention."
    if failing:
        return "The automations run, but some of them have problems."
    if restricted:
        words = " or ".join(dict.fromkeys(_RESTRICTED[one.kind] for one in restricted))
        return f"The automations run, but some of them are {words}."
    return "All automations work."


def _rooms(by_entity: dict[str, _Actions], names: dict[str, tuple[str, str]]) -> tuple[HouseholdRoom, ...]:
    rooms: defaultdict[str, list[HouseholdItem]] = defaultdict(list)
    for entity_id, actions in by_entity.items():
        name, area = names.get(entity_id, ("", ""))
        rooms[area].append(
            HouseholdItem(
                title=_title(entity_id, name, area),
                sentence=_what(entity_id, actions, names),
                count=actions.count,
                problems=actions.problems,
            )
        )
    return tuple(
        HouseholdRoom(name=area, items=tuple(sorted(items, key=lambda item: (-item.count, item.title))[:_MAX_ITEMS]))
        # Devices without an area come last.
        for area, items in sorted(rooms.items(), key=lambda pair: (not pair[0], pair[0].casefold()))
    )


def _what(entity_id: str, actions: _Actions, names: dict[str, tuple[str, str]]) -> str:
    verb = _VERBS.get(entity_id.partition(".")[0], "used")
    causes = [
        cause if cause in (_SCHEDULE, _BY_HAND) else f"by {names.get(cause, ('', ''))[0] or _plain_entity(cause)}"
        for cause, _ in actions.causes.most_common(2)
        if cause
    ]
    by = f" {' and '.join(causes)}" if causes else ""
    return f"{verb} {_times(actions.count)} today{by}, {_result(actions)}"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _result(actions: _Actions) -> str:
    if not actions.problems:
        return "all well"
    if actions.problems < actions.count:
        return f"but it failed {_times(actions.problems)}"
    return "but it failed" if actions.count == 1 else "but it failed each time"


def _title(entity_id: str, name: str, area: str) -> str:
    """Return the name of an entity. Devices are often called like their room: then the kind of the device is added."""
    if not name:
        return _plain_entity(entity_id)
    kind = _KINDS.get(entity_id.partition(".")[0], "")
    return f"{name} {kind}" if kind and name.casefold() == area.casefold() else name


def _plain_entity(entity_id: str) -> str:
    """Return readable words for the id of an entity without a name: ``light.hall`` becomes ``Hall light``."""
    domain, _, name = entity_id.partition(".")
    words, kind = name.replace("_", " "), domain.replace("_", " ")
    return _plain(words if kind in words or domain in ("binary_sensor", "sensor") else f"{words} {kind}")


def _plain(name: str) -> str:
    text = name.replace("_", " ").strip()
    return (text[:1].upper() + text[1:])[:_MAX_NAME] or "An automation"
