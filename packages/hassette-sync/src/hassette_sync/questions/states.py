"""States of an entity that words of a question such as *on* and *open* mean: a climate device that heats is on."""

from collections.abc import Iterable
from typing import Final

from hassette_sync.questions.evidence import FoundChange

_OPEN: Final = ("open", "opening")
_CLOSED: Final = ("closed",)
_LOCKED: Final = ("locked",)
_UNLOCKED: Final = ("unlocked", "unlocking", "open", "opening")
_RUNNING: Final = ("cleaning", "returning", "paused", "on")
_STOPPED: Final = ("docked", "idle", "off")
_COVER: Final = {"on": _OPEN, "open": _OPEN, "off": _CLOSED, "closed": _CLOSED}
_MEANT: Final = {
    "climate": {"on": ("heat", "cool", "heat_cool", "auto", "dry", "fan_only", "on")},
    "water_heater": {"on": ("eco", "electric", "performance", "high_demand", "heat_pump", "gas", "on")},
    "media_player": {"on": ("on", "playing", "paused", "idle", "buffering"), "off": ("off", "standby")},
    "vacuum": {"on": _RUNNING, "off": _STOPPED},
    "cover": _COVER,
    "valve": _COVER,
    "lock": {"locked": _LOCKED, "closed": _LOCKED, "unlocked": _UNLOCKED, "open": _UNLOCKED},
    # A binary sensor of a door is "on" if the door is open.
    "binary_sensor": {
        **dict.fromkeys(("on", "open", "unlocked", "home"), ("on",)),
        **dict.fromkeys(("off", "closed", "locked", "not_home"), ("off",)),
    },
}
"""For each domain and word of a question the states of Home Assistant that it means."""


def states_meant(entity_id: str, word: str) -> tuple[str, ...]:
    """Return the states of an entity that words such as ``on`` mean. Any other word means the state of this name."""
    return _MEANT.get(entity_id.partition(".")[0], {}).get(word, (word,))


def changes_to(changes: list[FoundChange], word: str) -> list[FoundChange]:
    """Return the changes into the states that the word means.

    If there are none, return the changes between two such states.

    A climate device turns on when it changes from off to heat, and not when it changes from heat to auto. The history
    may contain only the last step, such as the change of a cover from opening to open. Then this change is returned.
    """
    found = [one for one in changes if one.change.new_state in states_meant(one.change.entity.entity_id, word)]
    begun = [one for one in found if not _is_meant_twice(one, word)]
    return begun or found


def _is_meant_twice(one: FoundChange, word: str) -> bool:
    """Return whether a change leads from one meant state to another."""
    states = states_meant(one.change.entity.entity_id, word)
    return len(states) > 1 and one.change.old_state in states


def named_states(entity_ids: Iterable[str], word: str | None) -> list[str] | None:
    """Return texts such as ``light.hall=on`` for the meant states of some entities; None if there is no word."""
    if word is None:
        return None
    return [f"{entity_id}={state}" for entity_id in entity_ids for state in states_meant(entity_id, word)]
