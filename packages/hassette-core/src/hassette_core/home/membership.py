"""`Membership`: the entities of an area, a floor, a label or a device, by the rules of Home Assistant's targets."""

from collections.abc import Iterable
from typing import Literal

from hassette_core.home.entries import EntityEntry, HomeEntries

HomePart = Literal["area", "floor", "label", "device"]


class Membership:
    """Finds the entities of an area, a floor, a label or a device.

    The rules are those of Home Assistant for the target of an action. An entity belongs to the area that it has itself,
    or else to the area of its device. A label on an area or a device counts for its entities. Hidden entities, and
    entities of the categories ``config`` and ``diagnostic``, are left out.

    Args:
        registries: The registries.
    """

    def __init__(self, registries: HomeEntries) -> None:
        self._registries = registries
        self._by_area: dict[str, list[EntityEntry]] = {}
        self._by_device: dict[str, list[EntityEntry]] = {}
        for entry in registries.entities.values():
            if entry.hidden or entry.disabled or entry.category is not None:
                continue
            if entry.device_id is not None:
                self._by_device.setdefault(entry.device_id, []).append(entry)
            area_id = self.area_of(entry)
            if area_id is not None:
                self._by_area.setdefault(area_id, []).append(entry)

    def area_of(self, entry: EntityEntry) -> str | None:
        """Return the id of the entity's area."""
        if entry.area_id is not None:
            return entry.area_id
        device = self._registries.devices.get(entry.device_id or "")
        return None if device is None else device.area_id

    def labels_of(self, entry: EntityEntry) -> frozenset[str]:
        """Return the ids of the labels that count for an entity: its own, those of its device and of its area."""
        device = self._registries.devices.get(entry.device_id or "")
        area = self._registries.areas.get(self.area_of(entry) or "")
        return entry.labels.union(*(found.labels for found in (device, area) if found is not None))

    def members(self, kind: HomePart, key: str) -> frozenset[str]:
        """Return the entity ids of an area, a floor, a label or a device, by its id."""
        if kind == "area":
            found = self._in_areas([key])
        elif kind == "device":
            found = self._in_devices(self._parts({key}))
        elif kind == "floor":
            found = self._in_areas(area.id for area in self._registries.areas.values() if area.floor_id == key)
        else:
            found = [
                entry
                for entry in self._registries.entities.values()
                if key in entry.labels and not entry.hidden and not entry.disabled and entry.category is None
            ]
            devices = {device.id for device in self._registries.devices.values() if key in device.labels}
            found += self._in_devices(self._parts(devices))
            found += self._in_areas(area.id for area in self._registries.areas.values() if key in area.labels)
        return frozenset(entry.entity_id for entry in found)

    def _parts(self, devices: set[str]) -> set[str]:
        """Return the devices, their parts, and the devices that had one of the ids before."""
        return {
            device.id
            for device in self._registries.devices.values()
            if not devices.isdisjoint((device.id, device.parent_id, device.former_id))
        }

    def _in_areas(self, keys: Iterable[str]) -> list[EntityEntry]:
        return [entry for key in keys for entry in self._by_area.get(key, ())]

    def _in_devices(self, keys: Iterable[str]) -> list[EntityEntry]:
        return [entry for key in keys for entry in self._by_device.get(key, ())]
