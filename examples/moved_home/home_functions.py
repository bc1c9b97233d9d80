"""Names and functions that several apps import."""

from collections.abc import Iterable

from hassette_core import States

HOME_MODE = "input_select.home_mode"
AWAKE_MODES = ["Home", "Night"]


def name_of(states: States, entity_id: str) -> str:
    return str(states[entity_id].attributes.get("friendly_name", entity_id))


def open_windows(states: States, windows: Iterable[str]) -> list[str]:
    """Return the names of the open windows."""
    return [name_of(states, window) for window in windows if states[window].state == "on"]
