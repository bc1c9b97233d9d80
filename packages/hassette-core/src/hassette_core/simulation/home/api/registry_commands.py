"""Commands of the WebSocket API for registries, users and persons."""

from collections.abc import Callable
from typing import Any, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.command import CommandClient, WebSocketCommand, check, with_value
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model import HomeModel, Registries
from hassette_core.simulation.home.model.registries import TARGET_KEYS
from hassette_core.simulation.home.services.refusals import unknown_key
from hassette_core.simulation.home.services.registry import parse_ids


def _list(rows_of: Callable[[Registries], dict[str, Json]]) -> WebSocketCommand:
    return WebSocketCommand(
        lambda client, message: client.answer(message, list(rows_of(client.model.registries).values()))
    )


def _list_for_display(client: CommandClient, message: Json) -> None:
    categories = {"config": 0, "diagnostic": 1}
    rows: list[Json] = []
    for entity_id, row in client.model.registries.entities.items():
        optional = {
            "ai": row["area_id"],
            "di": row["device_id"],
            "ec": categories.get(row["entity_category"]),
            "en": row["name"] or row["original_name"],
            "hb": row["hidden_by"] is not None or None,
            "ic": row["icon"],
            "tk": row["translation_key"],
        }
        if row["disabled_by"] is None:
            rows.append(
                {"ei": entity_id, "pl": row["platform"], "lb": row["labels"]}
                | {key: value for key, value in optional.items() if value is not None}
            )
    client.answer(message, {"entity_categories": {"0": "config", "1": "diagnostic"}, "entities": rows})


def _get_entity(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, entity_id=(str, True))
    row = client.model.registries.entities.get(message["entity_id"])
    if row is None:
        raise RefusedError("not_found", "Entity not found")
    client.answer(message, row)


def _list_users(client: CommandClient, message: Json) -> None:
    client.answer(message, client.model.users.describe())


def _current_user(client: CommandClient, message: Json) -> None:
    assert client.user is not None  # a client without a user is disconnected
    client.answer(message, client.model.users.describe_current(client.user))


def _list_persons(client: CommandClient, message: Json) -> None:
    client.answer(message, {"storage": list(_persons(client.model)), "config": []})


def _persons(model: HomeModel) -> list[Json]:
    return [
        {
            "id": entity.attributes.get("id", entity_id.partition(".")[2]),
            "name": entity.attributes.get("friendly_name", entity_id),
            "user_id": entity.attributes.get("user_id"),
            "device_trackers": entity.attributes.get("device_trackers", []),
            "picture": None,
        }
        for entity_id, entity in model.core.entities.items()
        if entity_id.startswith("person.")
    ]


def _extract(client: CommandClient, message: Json) -> None:
    core = client.model.core
    check(core, message, target=(dict, True), expand_group=(bool, False), primary_entities_only=(bool, False))
    wanted: dict[str, list[str]] = {}
    for key, value in message["target"].items():
        if key not in TARGET_KEYS:
            raise with_value(unknown_key(core, "target", key), value)
        wanted[key] = parse_ids(core, value, "target", key)
    found = client.model.registries.resolve(wanted)
    entities = [*found.named, *found.found]
    if message.get("expand_group"):
        entities = [member for each in entities for member in _members(client.model, each)]
    answer: dict[str, Any] = {
        "referenced_entities": sorted(set(entities)),
        "referenced_devices": sorted(found.devices),
        "referenced_areas": sorted(found.areas),
    }
    for kind in ("device", "area", "floor", "label"):
        answer[f"missing_{kind}s"] = sorted(found.missing[f"{kind}_id"])
    client.answer(message, answer)


def _members(model: HomeModel, entity_id: str) -> list[str]:
    state = model.core.states.get(entity_id)
    members: Any = None if state is None else state["attributes"].get("entity_id")
    if not entity_id.startswith("group.") or not isinstance(members, list):
        return [entity_id]
    return [str(each) for each in cast("list[Any]", members)]


def _create(kind: str, **keys: str) -> WebSocketCommand:
    """Return the command that adds a row. ``keys`` has the arguments of ``add_<kind>`` for keys of the message."""

    def run(client: CommandClient, message: Json) -> None:
        registries = client.model.registries
        names = {"name": "name", **keys}
        given = {names[key]: value for key, value in message.items() if key in names}
        try:
            id_ = getattr(registries, f"add_{kind}")(**given)
        except ValueError as problem:
            raise RefusedError("invalid_info", str(problem)) from None
        client.answer(message, getattr(registries, f"{kind}s")[id_])

    return WebSocketCommand(run)


def _delete(kind: str) -> WebSocketCommand:
    def run(client: CommandClient, message: Json) -> None:
        check(client.model.core, message, **{f"{kind}_id": (str, True)})
        try:
            client.model.registries.remove(kind, message[f"{kind}_id"])
        except ValueError:
            raise RefusedError("invalid_info", f"{kind.capitalize()} ID doesn't exist") from None
        client.answer(message, "success" if kind == "area" else None)

    return WebSocketCommand(run)


def _update_entity(client: CommandClient, message: Json) -> None:
    registries, entity_id = client.model.registries, message["entity_id"]
    if entity_id not in registries.entities:
        raise RefusedError("not_found", "Entity not found")
    allowed = ("area_id", "labels", "name", "icon", "hidden_by", "disabled_by")
    registries.update_entity(entity_id, **{key: message[key] for key in allowed if key in message})
    if "new_entity_id" in message:
        registries.rename_entity(entity_id, message["new_entity_id"])
        entity_id = message["new_entity_id"]
    client.answer(message, {"entity_entry": registries.entities[entity_id]})


REGISTRY_COMMANDS: dict[str, WebSocketCommand] = {
    "auth/current_user": WebSocketCommand(_current_user),
    "config/area_registry/list": _list(lambda registries: registries.areas),
    "config/area_registry/create": _create("area", floor_id="floor", labels="labels", aliases="aliases", icon="icon"),
    "config/area_registry/delete": _delete("area"),
    "config/auth/list": WebSocketCommand(_list_users),
    "config/device_registry/list": _list(lambda registries: registries.devices),
    "config/entity_registry/get": WebSocketCommand(_get_entity),
    "config/entity_registry/list": _list(lambda registries: registries.entities),
    "config/entity_registry/update": WebSocketCommand(_update_entity),
    "config/entity_registry/list_for_display": WebSocketCommand(_list_for_display),
    "config/floor_registry/create": _create("floor", level="level", aliases="aliases"),
    "config/floor_registry/delete": _delete("floor"),
    "config/floor_registry/list": _list(lambda registries: registries.floors),
    "config/label_registry/create": _create("label", color="color", icon="icon"),
    "config/label_registry/delete": _delete("label"),
    "config/label_registry/list": _list(lambda registries: registries.labels),
    "extract_from_target": WebSocketCommand(_extract, HomeModel.has_target_command),
    "person/list": WebSocketCommand(_list_persons),
}
