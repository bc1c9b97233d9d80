"""`NameRecorder`: record the names that Home Assistant shows for entities, devices, areas and users.

An entity that follows another one, such as a threshold sensor, changes without a cause. So the name of the followed
entity is recorded, or that of the integration if the followed entities are not known.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hassette_core.events import State
from hassette_core.home.entries import HomeEntries
from hassette_core.home.membership import Membership
from hassette_core.recording.causes import MAX_TEXT
from hassette_executor import HomeName, redact_and_cut

MAX_NAMES: Final = 50_000
"""Number of names that are remembered and recorded."""

FOLLOWERS: Final = frozenset(
    (
        *("compensation", "derivative", "filter", "generic_hygrostat", "history_stats", "integration", "min_max"),
        *("mold_indicator", "plant", "proximity", "statistics", "switch_as_x", "threshold", "trend", "utility_meter"),
    )
)
"""Integrations whose entities follow other entities, and change without the context of the change that they follow."""

_SOURCES: Final = ("entity_id", "source", "source_entity")
"""Attributes with which such an entity names the entity that it follows."""
_ENTITY_ID: Final = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


class NameRecorder:
    """Finds the names that differ from the recorded ones.

    Args:
        states: The current states, which have the friendly names.
        redact: Masks secrets.
    """

    def __init__(self, states: Mapping[str, State], redact: Callable[[str], str] = str) -> None:
        self._states = states
        self._redact = redact
        self._recorded: dict[tuple[str, str], HomeName] = {}

    def changed(self, entries: HomeEntries) -> list[HomeName]:
        """Return the names that are new or differ from those of the last call. They count as recorded.

        Args:
            entries: The registries.
        """
        found: list[HomeName] = []
        for name in self._names(entries):
            key = (name.kind, name.key)
            if self._recorded.get(key) != name and (key in self._recorded or len(self._recorded) < MAX_NAMES):
                self._recorded[key] = name
                found.append(name)
        return found

    def _names(self, entries: HomeEntries) -> Iterator[HomeName]:
        membership = Membership(entries)
        for user in entries.users.values():
            yield self._name("user", user.id, user.name)
        for area in entries.areas.values():
            yield self._name("area", area.id, area.name)
        areas = {area.id: area.name for area in entries.areas.values()}
        for device in entries.devices.values():
            yield self._name("device", device.id, device.name, areas.get(device.area_id or ""))
        for entity_id, state in list(self._states.items()):
            entry = entries.entities.get(entity_id)
            friendly = state.attributes.get("friendly_name")
            name = friendly if isinstance(friendly, str) and friendly else entry.name if entry is not None else ""
            area = None if entry is None else areas.get(membership.area_of(entry) or "")
            if name or area:
                yield self._name("entity", entity_id, name or entity_id, area)
            if followed := _followed(state) or (entry.integration if entry and entry.integration in FOLLOWERS else ""):
                yield self._name("follower", entity_id, followed)

    def _name(self, kind: str, key: str, name: str, area: str | None = None) -> HomeName:
        return HomeName(kind, key, self._text(name), None if area is None else self._text(area))

    def _text(self, text: str) -> str:
        return redact_and_cut(text, MAX_TEXT, self._redact)


def _followed(state: State) -> str:
    """Return the only entity that a sensor follows, as its attributes name it; empty for any other entity.

    A group lists its members. It changes with their contexts.
    """
    if state.entity_id.partition(".")[0] not in ("sensor", "binary_sensor"):
        return ""
    named = (state.attributes.get(key) for key in _SOURCES)
    return next((one for one in named if isinstance(one, str) and _ENTITY_ID.fullmatch(one)), "")
