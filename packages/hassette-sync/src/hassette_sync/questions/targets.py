"""Read the targets of service calls."""

import json
from collections.abc import Iterator, Mapping

_KINDS = {
    "area_id": "area",
    "device_id": "device",
    "floor_id": "floor",
    "label_id": "label",
}


def entities_of(target: str | None) -> tuple[str, ...]:
    """Return the entity ids in the JSON text of a target."""
    return tuple(_texts(_fields_of(target).get("entity_id")))


def others_of(target: str | None) -> tuple[str, ...]:
    """Return the areas, devices, floors and labels in the JSON text of a target, for display: ``area kitchen``."""
    fields = _fields_of(target)
    return tuple(f"{kind} {text}" for key, kind in _KINDS.items() for text in _texts(fields.get(key)))


def _fields_of(target: str | None) -> Mapping[str, object]:
    try:
        value: object = json.loads(target or "{}")
    except ValueError:  # the text was cut because of its length
        return {}
    return value if isinstance(value, dict) else {}  # pyright: ignore[reportUnknownVariableType]  keys of JSON are texts


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from (part.strip() for part in value.split(",") if part.strip())
    elif isinstance(value, list):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _texts(item)  # pyright: ignore[reportUnknownArgumentType]
