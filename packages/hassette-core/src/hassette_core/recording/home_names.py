"""`NameRecorder`: record the names that Home Assistant shows for entities, devices, areas and users."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from hassette_core.events import State
from hassette_core.home.entries import HomeEntries
from hassette_core.home.membership import Membership
from hassette_core.recording.causes import MAX_TEXT
from hassette_executor import HomeName, redact_and_cut

MAX_NAMES: Final = 50_000
"""Number of names that are remembered and recorded."""


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

    def _name(self, kind: str, key: str, name: str, area: str | None = None) -> HomeName:
        return HomeName(kind, key, self._text(name), None if area is None else self._text(area))

    def _text(self, text: str) -> str:
        return redact_and_cut(text, MAX_TEXT, self._redact)
