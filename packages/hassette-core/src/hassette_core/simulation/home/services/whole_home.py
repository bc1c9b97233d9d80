"""Services of Home Assistant itself and of groups, which act on entities of any domain."""

from hassette_core.simulation.home.services.fields import ANY, BOOLEAN, ENTITIES, NUMBER, TEXT
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService
from hassette_core.simulation.home.services.switches import change_to, unchanged

_SAME: dict[tuple[str, str], str] = {
    ("cover", "turn_on"): "open_cover",
    ("cover", "turn_off"): "close_cover",
    ("valve", "turn_on"): "open_valve",
    ("valve", "turn_off"): "close_valve",
}


def _of_any_domain(service: str) -> ServiceAction:
    """Return the action of ``homeassistant.<service>``. It calls ``<service>`` in the domain of each entity.

    The service of the domain receives all fields, and may refuse them.
    """

    def act(call: EntityCall) -> None:
        domains: dict[str, list[str]] = {}
        for entity_id in _expanded(call, list(call.call.entity_ids)):
            domains.setdefault(entity_id.partition(".")[0], []).append(entity_id)
        for domain, entity_ids in domains.items():
            name = service if call.services.has(domain, service) else _SAME.get((domain, service), service)
            if call.services.has(domain, name):
                call.services.call(domain, name, {**call.data, "entity_id": entity_ids}, call.context)

    return act


def _expanded(call: EntityCall, entity_ids: list[str]) -> list[str]:
    """Replace groups by their members."""
    found: list[str] = []
    for entity_id in entity_ids:
        members = call._replace(entity_id=entity_id).listed("entity_id") if entity_id.startswith("group.") else None
        found += [entity_id] if members is None else _expanded(call, members)
    return list(dict.fromkeys(found))


def _restart(call: EntityCall) -> None:
    call.model.restart()


def _simple(*names: str) -> dict[str, SimulatedService]:
    return {name: SimulatedService(unchanged, targeted=False) for name in names}


HOMEASSISTANT = {
    **{
        name: SimulatedService(
            _of_any_domain(name), targeted=False, of_any_domain=True, accepts_all=True, shows_target=True
        )
        for name in ("turn_on", "turn_off", "toggle")
    },
    "update_entity": SimulatedService(unchanged, {"entity_id": ENTITIES.as_required}, targeted=False),
    "restart": SimulatedService(_restart, {"safe_mode": BOOLEAN.replace(hidden=True)}, targeted=False),
    "stop": SimulatedService(_restart, targeted=False),
    "set_location": SimulatedService(
        unchanged,
        {"latitude": NUMBER.as_required, "longitude": NUMBER.as_required, "elevation": NUMBER},
        targeted=False,
    ),
    **_simple("check_config", "reload_all", "reload_core_config", "reload_custom_templates", "save_persistent_states"),
}


def _set_group(call: EntityCall) -> None:
    data, entity_id = call.data, f"group.{call.data['object_id']}"
    before = call.core.entities.get(entity_id)
    members = [] if before is None else call._replace(entity_id=entity_id).listed("entity_id") or []
    members = data.get("entities", members)
    members = [*members, *(each for each in data.get("add_entities", []) if each not in members)]
    members = [each for each in members if each not in data.get("remove_entities", [])]
    name = data.get("name", data["object_id"])
    attributes = {"entity_id": members, "friendly_name": name, "order": 0}
    if "all" in data:
        attributes["all"] = data["all"]
    call.core.set(entity_id, before.state if before is not None else "unknown", attributes, call.context)


def _remove_group(call: EntityCall) -> None:
    call.core.remove(f"group.{call.data['object_id']}", call.context)


GROUP = {
    "set": SimulatedService(
        _set_group,
        {
            "object_id": TEXT.as_required,
            "name": TEXT,
            "icon": TEXT.replace(selector="icon"),
            "entities": ENTITIES,
            "add_entities": ENTITIES,
            "remove_entities": ENTITIES,
            "all": BOOLEAN,
        },
        targeted=False,
    ),
    "remove": SimulatedService(
        _remove_group, {"object_id": TEXT.replace(selector="object").as_required}, targeted=False
    ),
    **_simple("reload"),
}


def _see(call: EntityCall) -> None:
    name = call.data.get("dev_id") or call.data.get("mac", "").replace(":", "").lower()
    entity_id = f"device_tracker.{name}"
    before = call.core.entities.get(entity_id)
    attributes = dict(before.attributes) if before is not None else {"friendly_name": name}
    if "gps" in call.data:
        attributes |= {"latitude": call.data["gps"][0], "longitude": call.data["gps"][1]}
    call.core.set(entity_id, call.data.get("location_name", "home"), attributes, call.context)


DEVICE_TRACKER = {
    "see": SimulatedService(
        _see,
        {
            "mac": TEXT,
            "dev_id": TEXT,
            "host_name": TEXT,
            "location_name": TEXT,
            "gps": ANY,
            "gps_accuracy": NUMBER,
            "battery": NUMBER,
        },
        one_of=("mac", "dev_id"),
        targeted=False,
    )
}

UPDATE = {
    "install": SimulatedService(
        lambda call: call.change("off", installed_version=call.entity.attributes.get("latest_version")),
        {"version": TEXT, "backup": BOOLEAN},
        features=1,
    ),
    "skip": SimulatedService(
        lambda call: call.change("off", skipped_version=call.entity.attributes.get("latest_version"))
    ),
    "clear_skipped": SimulatedService(lambda call: call.change("on", skipped_version=None)),
}
REMOTE = {
    "turn_on": SimulatedService(change_to("on"), {"activity": TEXT}),
    "turn_off": SimulatedService(change_to("off")),
    "toggle": SimulatedService(lambda call: call.change("off" if call.entity.state == "on" else "on")),
    "send_command": SimulatedService(
        unchanged,
        {
            "command": ANY.as_required,
            "device": TEXT,
            "num_repeats": NUMBER,
            "delay_secs": NUMBER,
            "hold_secs": NUMBER,
        },
    ),
}
