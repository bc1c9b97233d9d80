"""`Target`: the entities, devices and areas on which a service call acts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from hassette_core.entities import check_entity_id
from hassette_core.errors import RegistrationError
from hassette_core.selection import CheckedSelection, EntitySelection

Target = str | EntitySelection | Iterable[str | EntitySelection] | Mapping[str, Any]
"""One or several entity ids, one or several selections of entities, or Home Assistant's form, such as
``{"area_id": "hall"}``."""

EntityIds = str | EntitySelection | Iterable[str | EntitySelection]
"""One or several entity ids or selections."""

TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")
_NO_ENTITY = frozenset({"all", "none"})
"""Values of ``entity_id`` that Home Assistant accepts in place of an entity id."""
_REGISTRY_ID = re.compile("[0-9a-f]{32}")


def as_target(target: Target, known: Iterable[str]) -> dict[str, Any]:
    """Return a target in Home Assistant's form.

    Args:
        target: The target.
        known: All entity ids. A selection selects from them.

    Raises:
        HomeUnknownError: A selection needs the registries of Home Assistant, which have not been read yet.
        TypeError, ValueError: The target contains no entity, or a wrong entity id. Home Assistant would accept the call
            and do nothing.
    """
    if not isinstance(target, Mapping):
        return {"entity_id": _entities_in("target", target, known)}
    given = cast("Mapping[object, object]", target)
    if not given:
        raise ValueError("target must contain an entity, a device or an area, got {}")
    return {_key(key): _part(key, value, known) for key, value in given.items()}


def _key(key: object) -> str:
    if key not in TARGET_KEYS:
        raise ValueError(f"target must have only the keys {', '.join(TARGET_KEYS)}, got {key!r}")
    return str(key)


def _part(key: object, value: object, known: Iterable[str]) -> str | list[str]:
    """Return the ids of one key of a target. A text remains a text."""
    option = f"target[{key!r}]"
    if key == "entity_id":
        return _entities_in(option, value, known)
    ids = cast("Iterable[object]", value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    found = [str.__str__(each) for each in ids if isinstance(each, str) and each]
    if not found or len(found) < len(tuple(ids)):
        raise ValueError(f"{option} must be an id, such as 'hall', or several ids, got {value!r}")
    return found[0] if isinstance(value, str) else found


def _entities_in(option: str, value: object, known: Iterable[str]) -> str | list[str]:
    """Return the entity ids in a target. A text remains a text."""
    if isinstance(value, str):
        text = str.__str__(value)  # a generated entity id is a subclass of str, which other code must not see
        for entity_id in text.split(","):
            _check_id(option, entity_id.strip())
        return text
    if isinstance(value, EntitySelection):
        return _selected(option, value, known)
    if not isinstance(value, Iterable) or isinstance(value, bytes | Mapping):
        raise TypeError(
            f"{option} must be an entity id, a selection, several of these, or a table such as {{'area_id': 'hall'}},"
            f" got {value!r}"
        )
    found: list[str] = []
    for each in cast("Iterable[object]", value):
        if isinstance(each, EntitySelection):
            found += _selected(option, each, known)
        else:
            found.append(_check_id(option, each))
    if not found:
        raise ValueError(f"{option} must contain at least one entity, got {value!r}")
    return list(dict.fromkeys(found))


def _selected(option: str, selection: EntitySelection, known: Iterable[str]) -> list[str]:
    """Return the entities of a selection, in alphabetical order."""
    if isinstance(selection, CheckedSelection):
        selection.check_known()
    selected = sorted(entity_id for entity_id in known if selection.matches(entity_id))
    if not selected:
        raise ValueError(f"{option} must contain an entity, got {selection.describe()}, which are no entities now")
    return selected


def _check_id(option: str, entity_id: object) -> str:
    if isinstance(entity_id, str) and (entity_id in _NO_ENTITY or _REGISTRY_ID.fullmatch(entity_id)):
        return str.__str__(entity_id)
    return check_one(option, entity_id)


def check_one(option: str, entity_id: object) -> str:
    """Check the id of one entity, and return it.

    Raises:
        TypeError, ValueError: The value is no entity id. The message contains a correction.
    """
    try:
        return check_entity_id(option, entity_id)
    except RegistrationError as error:
        raise (ValueError if isinstance(entity_id, str) else TypeError)(str(error)) from None


def find_ids(option: str, value: EntityIds, known: Iterable[str], *, entities: bool = True) -> list[str]:
    """Return one or several ids, such as those of the entities of a selection, as a list without duplicates.

    Args:
        option: The name of the argument.
        value: The argument.
        known: All entity ids. A selection selects from them.
        entities: False accepts ids that are no entity ids, such as those of statistics.

    Raises:
        HomeUnknownError: A selection needs the registries of Home Assistant, which have not been read yet.
        ValueError: There is no id, or one is wrong.
    """
    single = isinstance(value, str | EntitySelection) or not isinstance(value, Iterable)  # pyright: ignore[reportUnnecessaryIsInstance]  apps are not always type-checked
    items: list[object] = [value] if single else list(cast("Iterable[object]", value))
    found: list[str] = []
    for item in items:
        if not isinstance(item, str) and isinstance(item, EntitySelection):
            found += _selected(option, item, known)
        elif isinstance(item, str) and item:
            found.append(_check_id(option, item) if entities else str.__str__(item))
        else:
            found.clear()
            break
    if not found:
        raise ValueError(f"{option} must be one or several ids, such as 'light.hall', got {value!r}")
    return list(dict.fromkeys(found))


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
