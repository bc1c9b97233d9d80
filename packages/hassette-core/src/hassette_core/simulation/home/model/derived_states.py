"""`DerivedStates`: groups, persons and zones, whose states follow from other states."""

from typing import Any, cast

from hassette_core.simulation.home.core import HomeContext, HomeCore, Json

_ON = ("on", "home", "open", "unlocked")


class DerivedStates:
    """Updates groups from their members, persons from their device trackers, and zones from the persons in them.

    Args:
        core: The states and events of the home.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core
        self._derived: tuple[int, list[str]] = (-1, [])
        core.listen_to_changes(self._on_change)

    def _on_change(self, changed: str, _old: Json | None, _new: Json | None, context: HomeContext) -> None:
        domain = changed.partition(".")[0]
        for entity_id in self._candidates():
            kind = entity_id.partition(".")[0]
            entity = self._core.entities.get(entity_id)
            if entity is None or entity_id == changed:
                continue
            if kind == "group" and changed in _ids(entity.attributes.get("entity_id")):
                self._update_group(entity_id, context)
            elif kind == "person" and changed in _ids(entity.attributes.get("device_trackers")):
                self._update_person(entity_id, context)
            elif kind == "zone" and domain == "person":
                self._update_zone(entity_id, context)

    def _candidates(self) -> list[str]:
        """Return all groups, persons and zones. The list is kept, because a busy home changes states often."""
        count, found = self._derived
        if count != len(self._core.entities):
            found = [each for each in self._core.entities if each.partition(".")[0] in ("group", "person", "zone")]
            self._derived = (len(self._core.entities), found)
        return found

    def _update_group(self, entity_id: str, context: HomeContext) -> None:
        group = self._core.entities[entity_id]
        states = [self._state(each) for each in _ids(group.attributes.get("entity_id"))]
        active = [state for state in states if state in _ON]
        is_on = len(active) == len(states) if group.attributes.get("all") else bool(active)
        pairs = {"home": "not_home", "open": "closed", "unlocked": "locked"}
        on = active[0] if active else "on"
        off = next((state for state in states if state in pairs.values()), "off")
        self._core.change(entity_id, on if is_on else pairs.get(on, off), context=context)

    def _update_person(self, entity_id: str, context: HomeContext) -> None:
        trackers = _ids(self._core.entities[entity_id].attributes.get("device_trackers"))
        known = [(each, self._state(each)) for each in trackers]
        known = [(each, state) for each, state in known if state not in (None, "unknown", "unavailable")]
        home = [(each, state) for each, state in known if state == "home"]
        source, state = (home or known or [(None, "unknown")])[0]
        self._core.change(entity_id, state, context=context, source=source)

    def _update_zone(self, entity_id: str, context: HomeContext) -> None:
        attributes = self._core.entities[entity_id].attributes
        names = {"home"} if entity_id == "zone.home" else {attributes.get("friendly_name"), entity_id.partition(".")[2]}
        persons = [each for each in self._core.states if each.startswith("person.") and self._state(each) in names]
        self._core.change(entity_id, len(persons), context=context, persons=persons)

    def _state(self, entity_id: str) -> str | None:
        state = self._core.states.get(entity_id)
        return None if state is None else state["state"]


def _ids(value: Any) -> list[str]:
    return [str(each) for each in cast("list[Any]", value)] if isinstance(value, list | tuple) else []
