"""`Target`: the entities, devices and areas on which a service call acts."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from hassette_core.selection import EntitySelection

Target = str | Iterable[str] | Mapping[str, Any] | EntitySelection
"""One or several entity ids, a selection of entities, or Home Assistant's form, such as ``{"area_id": "hall"}``."""

TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")


def as_target(target: Target, known: Iterable[str]) -> dict[str, Any]:
    """Return a target in Home Assistant's form.

    Args:
        target: The target.
        known: All entity ids. A selection selects from them.

    Raises:
        ValueError: A selection contains no entity. Home Assistant would accept the call and do nothing.
    """
    if isinstance(target, str):
        # A generated entity id is a subclass of str, which other code must not see.
        return {"entity_id": str.__str__(target)}
    if isinstance(target, Mapping):
        return dict(cast("Mapping[str, Any]", target))
    if isinstance(target, EntitySelection):
        selected = [entity_id for entity_id in known if target.matches(entity_id)]
        if not selected:
            raise ValueError(f"target must contain an entity, got {target.describe()}, which are no entities now")
        return {"entity_id": sorted(selected)}
    return {"entity_id": list(target)}


def entities_of(target: Mapping[str, Any], data: Mapping[str, Any]) -> Sequence[str]:
    """Return the entity ids in the target and in the data of a service call."""
    found: list[str] = []
    for fields in (target, data):
        given: Any = fields.get("entity_id")
        if isinstance(given, str):
            found += [entity_id.strip() for entity_id in given.split(",")]
        elif isinstance(given, list | tuple):
            found += [each for each in cast("Sequence[object]", given) if isinstance(each, str)]
    return found
