"""Plain words for changes and causes, for the sentences of the answers."""

from typing import Final

from hassette_sync.answers.explanations import Cause, Entity, StateChange
from hassette_sync.answers.kinds import DueTrigger
from hassette_sync.home_time import ShownTimes

_SWITCHED: Final = frozenset(
    ("light", "switch", "fan", "humidifier", "siren", "input_boolean", "media_player", "group", "automation", "remote")
)
_OPENED: Final = frozenset(("cover", "valve"))
_VERBS: Final = {
    **{(domain, state): f"turned {state}" for domain in _SWITCHED for state in ("on", "off")},
    **{(domain, "open"): "opened" for domain in _OPENED},
    **{(domain, "closed"): "closed" for domain in _OPENED},
    **{(domain, "opening"): "began to open" for domain in _OPENED},
    **{(domain, "closing"): "began to close" for domain in _OPENED},
    ("lock", "locked"): "was locked",
    ("lock", "unlocked"): "was unlocked",
    ("binary_sensor", "on"): "turned on",
    ("binary_sensor", "off"): "turned off",
    ("person", "home"): "came home",
    ("person", "not_home"): "left home",
    ("device_tracker", "home"): "came home",
    ("device_tracker", "not_home"): "left home",
}
_ANY_STATE: Final = {"unavailable": "became unavailable", "unknown": "became unknown"}
# Domains whose state is the time of their last use.
_MOMENTS: Final = {
    **dict.fromkeys(("button", "input_button"), "was pressed"),
    "scene": "was activated",
    "event": "happened",
}
_LONGEST = 60


def shortened(text: str) -> str:
    """Return the beginning of a text, with an ellipsis if it is longer than 60 characters."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def change_clause(change: StateChange) -> str:
    """Return the words for a change: ``Hall light turned on``."""
    return f"{shortened(change.entity.title)} {change_verb(change.entity, change.old_state, change.new_state)}"


def change_verb(entity: Entity, old: str | None, new: str | None) -> str:
    """Return the verb for a change: ``turned on``, ``changed from 20.1 to 20.4``."""
    domain = entity.entity_id.partition(".")[0]
    if new is None:
        return "was removed" if old is not None else "changed"
    if new in _ANY_STATE:
        return _ANY_STATE[new]
    if domain in _MOMENTS:
        return _MOMENTS[domain]
    if old == new and domain == "timer":
        return "got a new end time"
    if old == new:
        return f"was reported again as {shortened(new)}"
    if (domain, new) in _VERBS:
        return _VERBS[domain, new]
    if old is None or old in _ANY_STATE:
        return f"became {shortened(new)}"
    return f"changed from {shortened(old)} to {shortened(new)}"


def explanation(clause: str, at_us: int, causes: tuple[Cause, ...], missing: str, times: ShownTimes) -> str:
    """Return the plain sentence about a change or call: what, when, and why.

    Args:
        clause: The event, such as ``Hall light turned on``.
        at_us: When it happened.
        causes: The chain of causes, the nearest first.
        missing: The reason why the chain breaks off; empty for a complete chain.
        times: Formats times in the home's time zone.
    """
    text = f"{clause} at {times(at_us)}"
    nearest, first, steps = causes[0], causes[-1], len(causes)
    if nearest.kind == "device":
        return f"{text} by itself: no person, app or automation caused it."
    if nearest.kind == "unknown" and steps == 1:
        text = f"{text}. Its cause is not known: {missing}"
    else:
        text = f"{text} because {nearest.text}"
    if steps == 1 or (steps == 2 and first.kind == "device"):
        return f"{text.removesuffix('.')}." if first.kind == "unknown" or not missing else f"{text}. {missing}"
    if first.kind == "unknown":
        return f"{text}. The first cause is not known: {missing}"
    return f"{text}. It began {_beginning(first)}."


def _beginning(first: Cause) -> str:
    if first.kind == "app":
        return f"with your app {first.title}"
    if first.kind == "scheduled":
        return f"with the schedule of {first.title}"
    if first.kind in ("automation", "script"):
        return f"with the {first.kind} {first.title}"
    if first.kind == "device" and first.change is not None:
        return f"when {change_clause(first.change)}"
    return f"with {first.title}"


def app_clause(title: str, trigger: StateChange | None, event_type: str | None) -> str:
    """Return the cause of a handler's run: ``Hall motion turned on and your app motion_light reacted to it``."""
    if trigger is not None:
        return f"{change_clause(trigger)} and your app {title} reacted to it"
    return f"the event {shortened(event_type or '?')} arrived and your app {title} reacted to it"


def job_clause(title: str, due: DueTrigger, schedule: str) -> str:
    """Return the cause of a job's run."""
    if due.manual:
        return f"the job {title} of your app was started by hand or by an app"
    return f"the job {title} of your app ran" + (f" ({shortened(schedule)})" if schedule else " as scheduled")
