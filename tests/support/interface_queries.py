"""Queries about registries, triggers, templates, history and service descriptions, for both kinds of homes."""

from collections.abc import Awaitable, Callable
from typing import Any

from hassette_core.errors import CallFailedError, NoAnswerError
from hassette_core.simulation.home.services.table import SERVICES
from support.home_queries import HomeClient
from support.waiting import patience

# Domains of the simulated home that the real Home Assistant of the tests does not set up.
_NOT_SET_UP = {"camera", "device_tracker", "lawn_mower", "logbook", "mqtt", "notify", "remote", "todo", "tts"}
# Services that only act on a real installation, and fields that the simulated home ignores.
_ADMINISTRATION = {"homeassistant.set_location", "update.install"}


async def outcome(client: HomeClient, command: str, /, **fields: Any) -> Any:
    """Return the result of a command, or its error code. A command without an answer returns ``no answer``."""
    connection = client.link.require_connection("ask")
    try:
        return await connection.command("ask", command, timeout_s=patience(1), **fields)
    except CallFailedError as error:
        return error.code
    except NoAnswerError:
        return "no answer"


async def service_descriptions(client: HomeClient) -> Any:
    """Describe each service of the simulated home that Home Assistant has, in one line."""
    described = await outcome(client, "get_services")
    lines: list[str] = []
    for domain in sorted(set(SERVICES) - _NOT_SET_UP):
        for name in sorted(SERVICES[domain]):
            service = described.get(domain, {}).get(name)
            if service is not None and f"{domain}.{name}" not in _ADMINISTRATION:
                lines.append(f"{domain}.{name}: {_described(service)}")
    return lines


def _described(service: dict[str, Any]) -> str:
    fields = ", ".join(
        f"{name}{'!' if field.get('required') else ''}:{'/'.join(field.get('selector', {}))}"
        for name, field in sorted(_flat(service["fields"]).items())
    )
    ends = [fields, "target" if "target" in service else "", str(service.get("response", ""))]
    return " ".join(each for each in ends if each)


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in fields.items():
        found |= _flat(field["fields"]) if "fields" in field else {name: field}
    return found


async def registries(client: HomeClient) -> Any:
    """Create a label, a floor and an area, put an entity into it, and remove all of them."""
    client.take_events()
    boolean = client.names.boolean
    answers: list[Any] = []
    for kind, fields in (
        ("label", {"name": "Contract label"}),
        ("floor", {"name": "Contract floor", "level": 2}),
        ("area", {"name": "Contract area", "floor_id": "contract_floor", "labels": ["contract_label"]}),
        ("area", {"name": "contract AREA"}),
    ):
        row = await outcome(client, f"config/{kind}_registry/create", **fields)
        answers.append(row if isinstance(row, str) else _untimed(row))
    updated = await outcome(client, "config/entity_registry/update", entity_id=boolean, area_id="contract_area")
    answers.append(updated["entity_entry"]["area_id"])
    rows = await outcome(client, "config/entity_registry/list")
    listed = next(row for row in rows if row["entity_id"] == boolean)
    answers.append([listed["area_id"], listed["labels"], sorted(listed)])
    display = await outcome(client, "config/entity_registry/list_for_display")
    shown = next(row for row in display["entities"] if row["ei"] == boolean)
    answers.append([shown["ai"], sorted(display), display["entity_categories"]])
    targets: list[dict[str, Any]] = [
        {"area_id": "contract_area"},
        {"floor_id": ["contract_floor"]},
        {"label_id": "contract_label"},
        {"area_id": "no_such_area", "entity_id": "light.no_such_light"},
    ]
    answers += [[target, await outcome(client, "extract_from_target", target=target)] for target in targets]
    answers += [
        await outcome(client, f"config/{kind}_registry/delete", **{f"{kind}_id": f"contract_{kind}"})
        for kind in ("area", "label", "floor")
    ]
    answers.append(await outcome(client, "config/entity_registry/get", entity_id="light.no_such_light"))
    devices = await outcome(client, "config/device_registry/list")
    answers.append(sorted(devices[0]))
    await client.settle()
    events = [event for event in client.take_events() if event.event_type.endswith("_registry_updated")]
    return [answers, [[event.event_type, dict(event.data)] for event in events]]


def _untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in ("created_at", "modified_at")}


async def users(client: HomeClient) -> Any:
    """Return the keys of users and persons."""
    listed = await outcome(client, "config/auth/list")
    current = await outcome(client, "auth/current_user")
    persons = await outcome(client, "person/list")
    return [sorted(listed[0]), sorted(current), current["is_admin"], sorted(persons)]


async def integrations(client: HomeClient) -> Any:
    """Ask which integrations are loaded."""
    manifests = await outcome(client, "manifest/list")
    return [
        "light" in [row["domain"] for row in manifests],
        await outcome(client, "manifest/get", integration="no_such_integration"),
        await outcome(client, "integration/wait", domain="light"),
        await outcome(client, "integration/wait", domain="no_such_integration"),
    ]


async def triggers(client: HomeClient) -> Any:
    """Attach triggers, cause each of them to fire, and return their messages."""
    boolean, light = client.names.boolean, client.names.light
    connection = client.link.require_connection("attach triggers")
    call = client.api.call_service

    async def switch() -> None:
        await call("input_boolean", "turn_off", target=boolean)
        await call("input_boolean", "turn_on", target=boolean)
        await call("light", "turn_off", target=light)
        await call("light", "turn_on", target=light)
        await client.api.fire_event("contract_trigger", {"a": 1})
        await client.api.fire_event("contract_trigger", {"a": 2})

    template = "{{ is_state('" + boolean + "', 'on') }}"
    configs: list[Any] = [
        {"platform": "state", "entity_id": boolean, "to": "on"},
        {"trigger": "state", "entity_id": [boolean], "from": "on", "id": "mine"},
        {"platform": "event", "event_type": "contract_trigger", "event_data": {"a": 2}},
        [{"platform": "event", "event_type": "contract_trigger"}, {"platform": "state", "entity_id": boolean}],
        {"platform": "template", "value_template": template},
        {"trigger": "light.turned_on", "target": {"entity_id": light}},
        {"trigger": "light.no_such_purpose", "target": {"entity_id": light}},
        {"platform": "no_such_platform"},
        {"platform": "state"},
        {"platform": "state", "entity_id": "bogus_name"},
        {"platform": "state", "entity_id": boolean, "bogus": 1},
        {"platform": "event"},
        {"platform": "device", "device_id": "no_such_device", "domain": "light", "type": "turned_on"},
        {"platform": "calendar", "entity_id": "calendar.no_such_calendar", "event": "start"},
        {"platform": "homeassistant", "event": "shutdown"},
        {},
    ]
    answers: list[Any] = []
    for config in configs:
        received: list[Any] = []
        try:
            subscription = await connection.subscribe_command(
                "attach", received.append, "subscribe_trigger", trigger=config
            )
        except CallFailedError as error:
            answers.append([config, error.code])
            continue
        await switch()
        await client.settle()
        answers.append([config, [_fired(event) for event in received]])
        await connection.command("detach", "unsubscribe_events", subscription=subscription)
    return answers


def _fired(event: dict[str, Any]) -> Any:
    trigger = event["variables"]["trigger"]
    states = [trigger.get(name) and trigger[name]["state"] for name in ("from_state", "to_state")]
    shown = {name: trigger[name] for name in ("id", "idx", "alias", "platform", "description") if name in trigger}
    return [sorted(trigger), shown, states, event["context"] and sorted(event["context"])]


async def templates_and_conditions(client: HomeClient) -> Any:
    """Render templates, and test conditions."""
    boolean = client.names.boolean
    await client.api.call_service("input_boolean", "turn_on", target=boolean)
    connection = client.link.require_connection("render")
    rendered: list[Any] = []
    for template in ("{{ states('" + boolean + "') }}", "{{ is_state('" + boolean + "', 'off') }}", "{{ 3 }}", "text"):
        received: list[Any] = []
        await connection.subscribe_command("render", received.append, "render_template", template=template)
        await client.until(lambda received=received: bool(received))
        rendered.append(received[0]["result"])
    answer = await connection.rest("render", "POST", "/api/template", {"template": "{{ states('no.such') }}"})
    conditions: list[Any] = [
        {"condition": "state", "entity_id": boolean, "state": "on"},
        {"condition": "state", "entity_id": boolean, "state": ["off"]},
        {"condition": "not", "conditions": [{"condition": "state", "entity_id": boolean, "state": "on"}]},
        {"condition": "numeric_state", "entity_id": boolean, "above": 1},
        {"condition": "template", "value_template": "{{ true }}"},
        {"condition": "no_such_condition"},
        {"condition": "state", "entity_id": "sensor.no_such_sensor", "state": "on"},
    ]
    return [rendered, answer.status, [await outcome(client, "test_condition", condition=each) for each in conditions]]


INTERFACE_QUERIES: dict[str, Callable[[HomeClient], Awaitable[Any]]] = {
    query.__name__: query
    for query in (service_descriptions, registries, users, integrations, triggers, templates_and_conditions)
}
