"""`fire_trigger`: fire the triggers of the simulated home on demand."""

from collections.abc import Mapping
from typing import Any, cast

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.model.message_topics import MqttMessage, matches


def fire_trigger(model: HomeModel, platform: str, values: Mapping[str, Any]) -> None:
    """Fire each attached trigger of a kind whose configuration agrees with some values.

    Args:
        model: The parts of the home.
        platform: The kind, such as ``mqtt``.
        values: The values of the firing.

    Raises:
        ValueError: No trigger agrees. The message names the attached triggers of this kind.
    """
    of_kind = [(config, emit) for config, emit in model.attached_triggers if platform_of(config) == platform]
    found = [emit for config, emit in of_kind if _agrees(config, values)]
    if not found:
        attached = ", ".join(str(config) for config, _ in of_kind) or "none"
        raise ValueError(
            f"values must agree with a trigger {platform!r} of an app, got {dict(values)!r}; attached: {attached}"
        )
    if platform == "mqtt":
        model.topics.publish(MqttMessage(str(values.get("topic")), str(values.get("payload", ""))))
    elif platform == "webhook":
        model.call_webhook(str(values.get("webhook_id")), {"json": None, "query": {}, **values})
    elif platform == "conversation" and "sentence" in values:
        model.core.fire("simulated_sentence", {"text": values["sentence"]})
    else:
        for emit in found:
            emit({"description": f"{platform} fired by a test", **values}, None)


def platform_of(config: Json) -> Any:
    """Return the kind of a trigger."""
    return config.get("trigger", config.get("platform"))


def _agrees(config: Json, values: Mapping[str, Any]) -> bool:
    return all(_accepts(key, config[key], value) for key, value in values.items() if key in config)


def _accepts(key: str, expected: Any, value: Any) -> bool:
    if key == "topic":
        return matches(str(expected), str(value))
    return value in cast("list[Any]", expected) if isinstance(expected, list) else value == expected
