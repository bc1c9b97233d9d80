"""`Registries`: the areas, floors, labels, devices and registered entities of the simulated home."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from hassette_core.simulation.home.core import HomeCore, Json

TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")


class ResolvedTarget(NamedTuple):
    """The entities of a target.

    Attributes:
        named: The entity ids that the target contains.
        found: The entities of its devices, areas, floors and labels.
        devices: The devices that were considered.
        areas: The areas that were considered.
        missing: Unknown ids, by key.
    """

    named: tuple[str, ...]
    found: tuple[str, ...]
    devices: tuple[str, ...]
    areas: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]


class Registries:
    """Home Assistant's registries. The rows have the form of the APIs, and each change fires its event.

    Args:
        core: The states and events of the home.

    Attributes:
        areas: The areas by id.
        floors: The floors by id.
        labels: The labels by id.
        devices: The devices by id.
        entities: The registered entities by entity id. Other entities have no area, no device and no label.
    """

    def __init__(self, core: HomeCore) -> None:
        self._core = core
        self.areas: dict[str, Json] = {}
        self.floors: dict[str, Json] = {}
        self.labels: dict[str, Json] = {}
        self.devices: dict[str, Json] = {}
        self.entities: dict[str, Json] = {}

    def add_floor(self, name: str, *, level: int | None = None, aliases: Iterable[str] = ()) -> str:
        """Add a floor, and return its id."""
        row = {"aliases": list(aliases), "icon": None, "level": level, "name": name}
        return self._add("floor", self.floors, row)

    def add_area(
        self,
        name: str,
        *,
        floor: str | None = None,
        labels: Iterable[str] = (),
        aliases: Iterable[str] = (),
        icon: str | None = None,
    ) -> str:
        """Add an area, and return its id.

        Args:
            name: For example ``Living room``.
            floor: The id or the name of its floor.
            labels: Ids or names of its labels.
            aliases: Other names.
            icon: For example ``mdi:sofa``.
        """
        row: Json = {
            "aliases": list(aliases),
            "floor_id": self._find("floor", self.floors, floor),
            "humidity_entity_id": None,
            "icon": icon,
            "labels": self._find_labels(labels),
            "name": name,
            "picture": None,
            "temperature_entity_id": None,
        }
        return self._add("area", self.areas, row)

    def add_label(self, name: str, *, color: str | None = None, icon: str | None = None) -> str:
        """Add a label, and return its id."""
        return self._add("label", self.labels, {"color": color, "description": None, "icon": icon, "name": name})

    def add_device(
        self,
        name: str,
        *,
        area: str | None = None,
        labels: Iterable[str] = (),
        manufacturer: str | None = None,
        model: str | None = None,
        identifiers: Iterable[tuple[str, str]] = (),
    ) -> str:
        """Add a device, and return its id. ``area`` and ``labels`` are ids or names."""
        device_id = self._core.new_id()
        row: Json = {
            "area_id": self._find("area", self.areas, area),
            "config_entries": [],
            "config_entries_subentries": {},
            "configuration_url": None,
            "connections": [],
            "disabled_by": None,
            "entry_type": None,
            "hw_version": None,
            "id": device_id,
            "identifiers": [list(pair) for pair in identifiers] or [["simulated", device_id]],
            "labels": self._find_labels(labels),
            "manufacturer": manufacturer,
            "model": model,
            "model_id": None,
            "name": name,
            "name_by_user": None,
            "primary_config_entry": None,
            "serial_number": None,
            "sw_version": None,
            "via_device_id": None,
        }
        if self._core.since("2026.8"):
            newer = ("config_entry_id", "config_subentry_id", "next_name_part", "parent_device_id")
            row |= dict.fromkeys(newer)
        self.devices[device_id] = row | self._times()
        self._core.fire("device_registry_updated", {"action": "create", "device_id": device_id})
        return device_id

    def register_entity(
        self,
        entity_id: str,
        *,
        area: str | None = None,
        device: str | None = None,
        labels: Iterable[str] = (),
        name: str | None = None,
        platform: str = "simulated",
        hidden: bool = False,
        entity_category: str | None = None,
    ) -> None:
        """Register an entity, or change its row. An entity without a state gets the state ``unknown``.

        Args:
            entity_id: For example ``light.hall``.
            area: The id or the name of its area. None leaves the area to the device.
            device: The id or the name of its device.
            labels: Ids or names of its labels.
            name: The name that the user has given.
            platform: The integration of the entity.
            hidden: Whether the user has hidden the entity.
            entity_category: ``config`` or ``diagnostic``.
        """
        values: Json = {
            "area_id": self._find("area", self.areas, area),
            "device_id": self._find("device", self.devices, device),
            "entity_category": entity_category,
            "hidden_by": "user" if hidden else None,
            "labels": self._find_labels(labels),
            "name": name,
            "platform": platform,
        }
        if entity_id in self.entities:
            self.update_entity(entity_id, **values)
            return
        if entity_id not in self._core.entities:
            self._core.set(entity_id, "unknown", {"friendly_name": name or _title(entity_id)})
        row: Json = {
            "categories": {},
            "config_entry_id": None,
            "config_subentry_id": None,
            "disabled_by": None,
            "entity_id": entity_id,
            "icon": None,
            "id": self._core.new_id(),
            "options": {},
            "original_name": _title(entity_id),
            "translation_key": None,
            "unique_id": entity_id,
        }
        row |= {"next_name_part": None} if self._core.since("2026.8") else {"has_entity_name": False}
        self.entities[entity_id] = row | values | self._times()
        self._core.fire("entity_registry_updated", {"action": "create", "entity_id": entity_id})

    def update_entity(self, entity_id: str, **values: Any) -> None:
        """Change the given fields of a registered entity, such as ``area_id="kitchen"``, and fire the event."""
        row = self.entities[entity_id]
        changes = {key: row[key] for key, value in values.items() if row[key] != value}
        if changes:
            row.update(values, modified_at=self._core.clock.now().timestamp())
            data = {"action": "update", "entity_id": entity_id, "changes": changes}
            self._core.fire("entity_registry_updated", data)

    def rename_entity(self, entity_id: str, new_entity_id: str) -> None:
        """Give an entity another entity id, as a user does. Its state moves."""
        row = self.entities.pop(entity_id)
        row["entity_id"] = new_entity_id
        self.entities[new_entity_id] = row
        if (entity := self._core.entities.get(entity_id)) is not None:
            self._core.remove(entity_id)
            self._core.set(new_entity_id, entity.state, entity.attributes)
        self._core.fire(
            "entity_registry_updated",
            {
                "action": "update",
                "entity_id": new_entity_id,
                "old_entity_id": entity_id,
                "changes": {"entity_id": entity_id},
            },
        )

    def update_device(self, device: str, **values: Any) -> None:
        """Change the given fields of a device, such as ``area_id``, and fire the event."""
        device_id = str(self._find("device", self.devices, device))
        row = self.devices[device_id]
        changes = {key: row[key] for key, value in values.items() if row[key] != value}
        if changes:
            row.update(values, modified_at=self._core.clock.now().timestamp())
            data = {"action": "update", "device_id": device_id, "changes": changes}
            self._core.fire("device_registry_updated", data)

    def update_area(self, area: str, **values: Any) -> None:
        """Change the given fields of an area, such as ``name`` or ``floor_id``, and fire the event."""
        area_id = str(self._find("area", self.areas, area))
        self.areas[area_id].update(values, modified_at=self._core.clock.now().timestamp())
        self._core.fire("area_registry_updated", {"action": "update", "area_id": area_id})

    def remove(self, kind: str, id_or_name: str) -> None:
        """Remove an ``area``, ``floor``, ``label``, ``device`` or ``entity``. References to it are removed."""
        table = self._table(kind)
        id_ = str(self._find(kind, table, id_or_name))
        if kind == "entity":
            del table[id_]
            self._core.fire("entity_registry_updated", {"action": "remove", "entity_id": id_})
            self._core.remove(id_)
            return
        for entity_id, row in self.entities.items():
            self.update_entity(entity_id, **self._without(row, kind, id_))
        for device_id, row in self.devices.items():
            self.update_device(device_id, **self._without(row, kind, id_))
        for area_id, row in self.areas.items():
            if changes := self._without(row, kind, id_):
                self.update_area(area_id, **changes)
        del table[id_]
        self._core.fire(f"{kind}_registry_updated", {"action": "remove", f"{kind}_id": id_})

    def _without(self, row: Json, kind: str, id_: str) -> Json:
        """Return the changes that remove the references to an area, floor, label or device from a row."""
        key = f"{kind}_id"
        if kind == "label":
            return {"labels": [each for each in row["labels"] if each != id_]} if id_ in row["labels"] else {}
        refers = row.get(key) == id_ and row is not self._table(kind).get(id_)
        return {key: None} if refers else {}

    def resolve(self, target: Mapping[str, list[str]]) -> ResolvedTarget:
        """Find the entities of a target, with Home Assistant's rules.

        Entities that are hidden, or that have an entity category, belong to a device, area, floor or label of a target
        only if they have the label themselves.
        """
        known = {"device_id": self.devices, "area_id": self.areas, "floor_id": self.floors, "label_id": self.labels}
        wanted = {key: target.get(key, []) for key in TARGET_KEYS}
        missing = {key: tuple(i for i in wanted[key] if i not in rows) for key, rows in known.items()}
        labels = set(wanted["label_id"])
        areas = [*wanted["area_id"]]
        areas += [
            area_id
            for area_id, row in self.areas.items()
            if row["floor_id"] in wanted["floor_id"] or labels & set(row["labels"])
        ]
        devices = [*wanted["device_id"]]
        devices += [device_id for device_id, row in self.devices.items() if labels & set(row["labels"])]
        in_areas = {device_id for device_id, row in self.devices.items() if row["area_id"] in areas}
        found = [
            entity_id
            for entity_id, row in self.entities.items()
            if row["hidden_by"] is None
            and (
                labels & set(row["labels"])
                or (
                    row["entity_category"] is None
                    and (
                        row["area_id"] in areas
                        or row["device_id"] in devices
                        or (row["area_id"] is None and row["device_id"] in in_areas)
                    )
                )
            )
        ]
        all_devices = dict.fromkeys([*devices, *in_areas])
        return ResolvedTarget(
            tuple(wanted["entity_id"]), tuple(found), tuple(all_devices), tuple(dict.fromkeys(areas)), missing
        )

    def area_of(self, entity_id: str) -> str | None:
        """Return the area of an entity: its area in the registry, or the area of its device."""
        row = self.entities.get(entity_id)
        if row is None:
            return None
        return row["area_id"] or self.devices.get(row["device_id"], {}).get("area_id")

    def _add(self, kind: str, table: dict[str, Json], row: Json) -> str:
        if any(each["name"].casefold() == row["name"].casefold() for each in table.values()):
            raise ValueError(f"name must be the name of a new {kind}, got {row['name']!r}")
        id_ = _slug(row["name"])
        while id_ in table:
            id_ += "_2"
        table[id_] = {f"{kind}_id": id_, **row, **self._times()}
        self._core.fire(f"{kind}_registry_updated", {"action": "create", f"{kind}_id": id_})
        return id_

    def _table(self, kind: str) -> dict[str, Json]:
        tables = {
            "area": self.areas,
            "floor": self.floors,
            "label": self.labels,
            "device": self.devices,
            "entity": self.entities,
        }
        if kind not in tables:
            raise ValueError(f"kind must be one of {', '.join(tables)}, got {kind!r}")
        return tables[kind]

    def _find(self, kind: str, table: dict[str, Json], wanted: str | None) -> str | None:
        if wanted is None or wanted in table:
            return wanted
        for id_, row in table.items():
            if (row["name"] or "").casefold() == wanted.casefold():
                return id_
        raise ValueError(f"{kind} must be the id or the name of an existing {kind}, got {wanted!r}")

    def _find_labels(self, labels: Iterable[str]) -> list[str]:
        return [str(self._find("label", self.labels, label)) for label in labels]

    def _times(self) -> Json:
        now = self._core.clock.now().timestamp()
        return {"created_at": now, "modified_at": now}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9_]+", "_", name.lower()).strip("_") or "unnamed"


def _title(entity_id: str) -> str:
    return entity_id.partition(".")[2].replace("_", " ").capitalize()
