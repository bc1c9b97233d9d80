"""`HomeEntries`: the entries of Home Assistant's registries as values."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar


class Area(NamedTuple):
    """An area of the home, such as a room.

    Attributes:
        id: For example ``kitchen``. It stays the same when the area gets another name.
        name: For example ``Kitchen``.
        aliases: Other names.
        floor_id: The floor; None if there is none.
        labels: The ids of its labels.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    floor_id: str | None = None
    labels: frozenset[str] = frozenset()


class Floor(NamedTuple):
    """A floor of the home.

    Attributes:
        id: For example ``first_floor``.
        name: For example ``First floor``.
        aliases: Other names.
        level: The number of the floor; None if it has none.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    level: int | None = None


class Label(NamedTuple):
    """A label of entities, devices and areas.

    Attributes:
        id: For example ``night``.
        name: For example ``Night``.
        aliases: Always empty, because a label has no other names.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()


class Device(NamedTuple):
    """A device.

    Attributes:
        id: The id of 32 characters.
        name: The name that the user gave, or that of the integration.
        aliases: Always empty, because a device has no other names.
        area_id: The area; None if there is none. A part of another device is in the area of that device.
        labels: The ids of its labels.
        manufacturer: The manufacturer; None if unknown.
        model: The model; None if unknown.
        parent_id: The device of which it is a part; None if there is none.
        former_id: The id that Home Assistant before 2026.8 gave to several devices together; None if there is none.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    area_id: str | None = None
    labels: frozenset[str] = frozenset()
    manufacturer: str | None = None
    model: str | None = None
    parent_id: str | None = None
    former_id: str | None = None


class User(NamedTuple):
    """A user of Home Assistant.

    Attributes:
        id: The id, as in `Context.user_id`. Empty for no user.
        name: The name. Empty if there is no such user.
        is_active: Whether the user may log in.
        is_owner: Whether the user is the owner of the home.
        system_generated: Whether the user is a part of Home Assistant, such as the Supervisor.
        aliases: Always empty, because a user has no other names.
    """

    id: str
    name: str
    is_active: bool = True
    is_owner: bool = False
    system_generated: bool = False
    aliases: tuple[str, ...] = ()


class EntityEntry(NamedTuple):
    """An entry of the entity registry.

    Attributes:
        entity_id: For example ``light.hall``.
        name: The name of the entity; empty if the registry has none.
        area_id: The area of the entity itself; None if there is none. `HomeRegistry.area_of` also considers the device.
        device_id: The device; None if there is none.
        labels: The ids of the labels of the entity itself.
        category: ``config`` or ``diagnostic``; None for a main entity of its device.
        hidden: Whether the entity is hidden. A target such as an area leaves it out.
        disabled: Whether the entity is disabled. It then has no state.
        integration: The integration, such as ``zha``.
    """

    entity_id: str
    name: str = ""
    area_id: str | None = None
    device_id: str | None = None
    labels: frozenset[str] = frozenset()
    category: str | None = None
    hidden: bool = False
    disabled: bool = False
    integration: str = ""


class NamedEntry(Protocol):
    """An entry that can be found by its name."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


_E = TypeVar("_E", bound=NamedEntry)


class HomeEntries(NamedTuple):
    """All registries at one moment.

    Attributes:
        areas: By id.
        floors: By id.
        labels: By id.
        devices: By id.
        users: By id.
        entities: By entity id.
    """

    areas: Mapping[str, Area]
    floors: Mapping[str, Floor]
    labels: Mapping[str, Label]
    devices: Mapping[str, Device]
    users: Mapping[str, User]
    entities: Mapping[str, EntityEntry]


def parse_areas(answer: Any) -> Mapping[str, Area]:
    """Parse the answer to ``config/area_registry/list``. Leave malformed entries out."""
    return _by_id(
        answer,
        lambda raw: Area(
            raw["area_id"], _text(raw["name"]), _texts(raw.get("aliases")), raw.get("floor_id"), _set(raw.get("labels"))
        ),
    )


def parse_floors(answer: Any) -> Mapping[str, Floor]:
    """Parse the answer to ``config/floor_registry/list``. Leave malformed entries out."""
    return _by_id(
        answer, lambda raw: Floor(raw["floor_id"], _text(raw["name"]), _texts(raw.get("aliases")), raw.get("level"))
    )


def parse_labels(answer: Any) -> Mapping[str, Label]:
    """Parse the answer to ``config/label_registry/list``. Leave malformed entries out."""
    return _by_id(answer, lambda raw: Label(raw["label_id"], _text(raw["name"])))


def parse_devices(answer: Any) -> Mapping[str, Device]:
    """Parse the answer to ``config/device_registry/list``. Leave malformed entries out."""
    devices = _by_id(
        answer,
        lambda raw: Device(
            raw["id"],
            _text(raw.get("name_by_user") or raw.get("name") or ""),
            (),
            raw.get("area_id"),
            _set(raw.get("labels")),
            raw.get("manufacturer"),
            raw.get("model"),
            raw.get("parent_device_id"),
            raw.get("composite_device_id"),
        ),
    )
    parts = [device for device in devices.values() if device.area_id is None and device.parent_id in devices]
    areas = {device.id: devices[device.parent_id].area_id for device in parts if device.parent_id is not None}
    return MappingProxyType(
        {key: device._replace(area_id=areas[key]) if key in areas else device for key, device in devices.items()}
    )


def parse_users(answer: Any) -> Mapping[str, User]:
    """Parse the answer to ``config/auth/list``. Leave malformed entries out."""
    return _by_id(
        answer,
        lambda raw: User(
            raw["id"],
            _text(raw.get("name") or ""),
            bool(raw.get("is_active", True)),
            bool(raw.get("is_owner")),
            bool(raw.get("system_generated")),
        ),
    )


def parse_persons(answer: Any) -> Mapping[str, User]:
    """Parse the answer to ``person/list`` as users. Persons without a user are left out."""
    persons: list[Any] = []
    for source in ("storage", "config"):
        persons += answer.get(source) or []
    known = [person for person in persons if isinstance(person, dict) and person.get("user_id")]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  JSON
    return _by_id(known, lambda raw: User(raw["user_id"], _text(raw["name"])))


def parse_entities(answer: Any) -> Mapping[str, EntityEntry]:
    """Parse the answer to ``config/entity_registry/list``. Leave malformed entries out."""
    found: dict[str, EntityEntry] = {}
    for entry in _parsed(
        answer,
        lambda raw: EntityEntry(
            raw["entity_id"],
            _text(raw.get("name") or raw.get("original_name") or ""),
            raw.get("area_id"),
            raw.get("device_id"),
            _set(raw.get("labels")),
            raw.get("entity_category"),
            raw.get("hidden_by") is not None,
            raw.get("disabled_by") is not None,
            _text(raw.get("platform") or ""),
        ),
    ):
        found[entry.entity_id] = entry
    return MappingProxyType(found)


def _by_id(answer: Any, parse: Callable[[Any], _E]) -> Mapping[str, _E]:
    return MappingProxyType({entry.id: entry for entry in _parsed(answer, parse)})


_T = TypeVar("_T")


def _parsed(answer: Any, parse: Callable[[Any], _T]) -> Iterable[_T]:
    for raw in answer:
        try:
            yield parse(raw)
        except (LookupError, TypeError, AttributeError):
            continue  # a malformed entry; the others are still known


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name must be a string, got {value!r}")
    return value


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values or () if isinstance(value, str))


def _set(values: Any) -> frozenset[str]:
    return frozenset(_texts(values))
