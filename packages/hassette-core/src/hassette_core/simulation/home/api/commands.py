"""`COMMANDS`: the commands of the WebSocket API. This module has those for states, events, services and templates."""

from collections.abc import Mapping
from typing import Any, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.command import (
    CommandClient,
    WebSocketCommand,
    check,
    since,
    with_value,
)
from hassette_core.simulation.home.api.history_commands import HISTORY_COMMANDS
from hassette_core.simulation.home.api.registry_commands import REGISTRY_COMMANDS
from hassette_core.simulation.home.api.trigger_commands import TRIGGER_COMMANDS
from hassette_core.simulation.home.core import MATCH_ALL, HomeContext, Json
from hassette_core.simulation.home.model.registries import TARGET_KEYS
from hassette_core.simulation.home.services import PreparedCall
from hassette_core.simulation.home.services.refusals import unknown_key
from hassette_core.simulation.home.services.registry import parse_ids


def _ping(client: CommandClient, message: Json) -> None:
    client.send({"id": message["id"], "type": "pong"})


def _get_config(client: CommandClient, message: Json) -> None:
    client.answer(message, client.model.configuration())


def _get_services(client: CommandClient, message: Json) -> None:
    client.answer(message, client.services.describe())


def _get_states(client: CommandClient, message: Json) -> None:
    client.answer(message, list(client.model.core.states.values()))


def _supported_features(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, features=(dict, True))
    if message["features"].get("coalesce_messages"):
        client.coalesce()
    client.answer(message)


def _subscribe_events(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, event_type=(str, False))
    subscription = message["id"]
    unsubscribe = client.model.core.listen(
        message.get("event_type", MATCH_ALL), lambda event: client.send_event(subscription, event)
    )
    client.keep_subscription(message, unsubscribe)
    client.answer(message)


def _unsubscribe_events(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, subscription=(int, True))
    client.end_subscription(message["subscription"])
    client.answer(message)


def _fire_event(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, event_type=(str, True), event_data=(dict, False))
    context = client.context()
    client.model.core.fire(message["event_type"], message.get("event_data"), context)
    client.answer(message, {"context": context.as_json()})


def _call_service(client: CommandClient, message: Json) -> None:
    check(
        client.model.core,
        message,
        domain=(str, True),
        service=(str, True),
        target=(dict, False),
        service_data=(dict, False),
        return_response=(bool, False),
    )
    context = client.context()
    call = client.services.prepare(
        message["domain"],
        message["service"],
        {**message.get("service_data", {}), **_parse_target(client, message.get("target", {}))},
        context,
        return_response=message.get("return_response", False),
    )
    if call.delay_s > 0:
        client.run_later(message, _carry_out_later(client, message, call, context))
    else:
        _carry_out(client, message, call, context)


def _carry_out(client: CommandClient, message: Json, call: PreparedCall, context: HomeContext) -> None:
    response = {"response": call.carry_out()}
    if call.answered:
        client.answer(
            message, {"context": context.as_json(), **(response if message.get("return_response", False) else {})}
        )


async def _carry_out_later(client: CommandClient, message: Json, call: PreparedCall, context: HomeContext) -> None:
    await client.model.core.sleep(call.delay_s)
    _carry_out(client, message, call, context)


def _parse_target(client: CommandClient, target: Json) -> dict[str, list[str]]:
    core = client.model.core
    parsed: dict[str, list[str]] = {}
    for key, value in target.items():
        if key not in TARGET_KEYS:
            raise with_value(unknown_key(core, "target", key), value)
        try:
            parsed[key] = parse_ids(core, value, "target", key)
        except RefusedError as problem:
            raise with_value(problem, value) from None
    return parsed


def _render_template(client: CommandClient, message: Json) -> None:
    """Answer, send the result as an event, and send it again when a change of a state changes it."""
    check(
        client.model.core,
        message,
        template=(str, True),
        variables=(dict, False),
        entity_ids=((list, str), False),
        timeout=((int, float), False),
        strict=(bool, False),
        report_errors=(bool, False),
    )
    model, subscription = client.model, message["id"]
    listeners: Json = {"all": True, "domains": [], "entities": [], "time": False}

    def render() -> Json:
        result = model.render(message["template"], message.get("variables"))
        return {"result": result, "listeners": listeners}

    last = render()

    def on_change(_event: Json) -> None:
        nonlocal last
        if (now := render()) != last:
            last = now
            client.send_event(subscription, now)

    client.keep_subscription(message, model.core.listen("state_changed", on_change))
    client.answer(message)
    client.send_event(subscription, last)


def _execute_script(client: CommandClient, message: Json) -> None:
    """Carry out the steps of a script that call a service or fire an event, in one context."""
    check(client.model.core, message, sequence=((list, dict), True), variables=(dict, False))
    sequence: Any = message["sequence"]
    steps = cast("list[Json]", sequence if isinstance(sequence, list) else [sequence])
    context = client.context()
    response: Any = None
    for step in steps:
        if "event" in step:
            client.model.core.fire(step["event"], step.get("event_data"), context)
        elif (name := step.get("action", step.get("service"))) is not None:
            domain, _, service = str(name).partition(".")
            data = {**step.get("data", {}), **step.get("target", {})}
            wants = "response_variable" in step
            result = client.services.call(domain, service, data, context, return_response=wants)
            response = result if wants else response
        else:
            raise RefusedError(
                "invalid_format", f"The simulated home carries out actions and events only, got {sorted(step)}"
            )
    client.answer(message, {"context": context.as_json(), "response": response})


def _list_manifests(client: CommandClient, message: Json) -> None:
    rows = [_manifest(domain) for domain in sorted(client.model.integrations)]
    client.answer(message, rows)


def _get_manifest(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, integration=(str, True))
    if message["integration"] not in client.model.integrations | client.model.unloaded:
        raise RefusedError("not_found", "Integration not found")
    client.answer(message, _manifest(message["integration"]))


def _manifest(domain: str) -> Json:
    return {
        "domain": domain,
        "name": domain.replace("_", " ").title(),
        "codeowners": [],
        "documentation": f"https://www.home-assistant.io/integrations/{domain}",
        "integration_type": "hub",
        "is_built_in": True,
        "overwrites_built_in": False,
    }


def _wait_integration(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, domain=(str, True))
    client.answer(message, {"integration_loaded": message["domain"] in client.model.integrations})


COMMANDS: Mapping[str, WebSocketCommand] = {
    "call_service": WebSocketCommand(_call_service),
    "execute_script": WebSocketCommand(_execute_script),
    "fire_event": WebSocketCommand(_fire_event),
    "get_config": WebSocketCommand(_get_config),
    "get_services": WebSocketCommand(_get_services),
    "get_states": WebSocketCommand(_get_states),
    "integration/wait": WebSocketCommand(_wait_integration, since("2025.8")),
    "manifest/get": WebSocketCommand(_get_manifest),
    "manifest/list": WebSocketCommand(_list_manifests),
    "ping": WebSocketCommand(_ping),
    "render_template": WebSocketCommand(_render_template),
    "subscribe_events": WebSocketCommand(_subscribe_events),
    "supported_features": WebSocketCommand(_supported_features),
    "unsubscribe_events": WebSocketCommand(_unsubscribe_events),
    **HISTORY_COMMANDS,
    **REGISTRY_COMMANDS,
    **TRIGGER_COMMANDS,
}
