"""Commands of the WebSocket API for triggers, conditions and MQTT messages."""

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.api.command import CommandClient, WebSocketCommand, check
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.triggers import attach_triggers
from hassette_core.simulation.home.triggers.conditions import ConditionError, condition_holds


def _subscribe_trigger(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, trigger=((dict, list), True), variables=(dict, False))
    subscription = message["id"]
    detach = attach_triggers(client.model, message["trigger"], lambda event: client.send_event(subscription, event))
    client.keep_subscription(message, detach)
    client.answer(message)


def _validate_config(client: CommandClient, message: Json) -> None:
    """Check triggers. The simulated home checks no conditions and no actions."""
    check(client.model.core, message, triggers=((dict, list), True))
    try:
        attach_triggers(client.model, message["triggers"], lambda _event: None)()
    except RefusedError as error:
        if error.code != "unknown_error":  # a web hook that is in use is valid
            client.answer(message, {"triggers": {"valid": False, "error": error.message}})
            return
    client.answer(message, {"triggers": {"valid": True, "error": None}})


def _test_condition(client: CommandClient, message: Json) -> None:
    """Answer whether a condition holds. As in Home Assistant 2025.4, a failed test gets no answer there."""
    check(client.model.core, message, condition=((dict, list, str), True), variables=(dict, False))
    try:
        holds = condition_holds(client.model, message["condition"], message.get("variables", {}))
    except ConditionError as error:
        if client.model.core.since("2025.12"):
            raise RefusedError("home_assistant_error", f"In 'state' condition: {error}") from None
        return
    client.answer(message, {"result": holds})


def _subscribe_mqtt(client: CommandClient, message: Json) -> None:
    check(client.model.core, message, topic=(str, True), qos=(int, False))
    subscription = message["id"]
    unsubscribe = client.model.topics.subscribe(
        message["topic"], lambda received: client.send_event(subscription, received._asdict())
    )
    client.keep_subscription(message, unsubscribe)
    client.answer(message)


def _has_mqtt(model: HomeModel) -> bool:
    return "mqtt" in model.integrations


TRIGGER_COMMANDS: dict[str, WebSocketCommand] = {
    "mqtt/subscribe": WebSocketCommand(_subscribe_mqtt, _has_mqtt),
    "subscribe_trigger": WebSocketCommand(_subscribe_trigger),
    "test_condition": WebSocketCommand(_test_condition),
    "validate_config": WebSocketCommand(_validate_config),
}
