"""`attach_triggers`: parse the configuration of triggers, and attach each one to the simulated home."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, Json
from hassette_core.simulation.home.model import HomeModel
from hassette_core.simulation.home.services.refusals import NEW_WORDS
from hassette_core.simulation.home.triggers import event_triggers, state_triggers
from hassette_core.simulation.home.triggers.attachment import Attachment, Detach, nothing
from hassette_core.simulation.home.triggers.firing import platform_of

PLATFORMS: Mapping[str, Callable[[Attachment], Detach]] = {
    "calendar": event_triggers.attach_calendar,
    "conversation": event_triggers.attach_conversation,
    "device": state_triggers.attach_device,
    "event": event_triggers.attach_event,
    "homeassistant": event_triggers.attach_homeassistant,
    "mqtt": event_triggers.attach_mqtt,
    "numeric_state": state_triggers.attach_numeric_state,
    "state": state_triggers.attach_state,
    "sun": state_triggers.attach_sun,
    "tag": event_triggers.attach_tag,
    "template": state_triggers.attach_template,
    "time": event_triggers.attach_time,
    "time_pattern": event_triggers.attach_time_pattern,
    "webhook": event_triggers.attach_webhook,
    "zone": state_triggers.attach_zone,
}


def attach_other(attachment: Attachment) -> Detach:
    """Attach a purpose-specific trigger, such as ``light.turned_on``.

    Raises:
        RefusedError: There is no such trigger.
    """
    platform = str(platform_of(attachment.config))
    if "." in platform:
        return state_triggers.attach_purpose(attachment)
    raise RefusedError("invalid_format", f"Invalid trigger '{platform}' specified")


def attach_triggers(model: HomeModel, config: Any, send: Callable[[Json], None]) -> Detach:
    """Attach one trigger or a list of triggers.

    Args:
        model: The parts of the home.
        config: The configuration of one trigger, or a list.
        send: Receives the event of each firing: ``{"variables": {"trigger": …}, "context": …}``.

    Returns:
        A function that detaches all triggers.

    Raises:
        RefusedError: A trigger is not valid. None is attached then.
    """
    triggers = _flat(config)
    attached: list[Detach] = []

    def detach() -> None:
        for each in attached:
            each()

    try:
        for index, trigger in enumerate(triggers):
            attached.append(_attach(model, trigger, index, send))
    except RefusedError:
        detach()
        raise
    return detach


def _flat(config: Any) -> list[Any]:
    """Return each trigger. As in Home Assistant, a list may contain ``{"triggers": [...]}``."""
    if isinstance(config, list):
        return [each for part in cast("list[Any]", config) for each in _flat(part)]
    if isinstance(config, dict) and "triggers" in config:
        return _flat(cast("Json", config)["triggers"])
    return [config]


def _attach(model: HomeModel, trigger: Any, index: int, send: Callable[[Json], None]) -> Detach:
    if not isinstance(trigger, dict):
        raise RefusedError("invalid_format", f"expected a dictionary. Got {trigger!r}")
    config = cast("Json", trigger)
    platform = platform_of(config)
    if platform is None:
        newer = f"required key not provided at 'trigger[{index}].trigger'. Got None"
        older = f"required key not provided @ data['trigger'][{index}]['trigger']. Got None"
        raise RefusedError("invalid_format", newer if model.core.since(NEW_WORDS) else older)
    common: Json = {
        "id": str(config.get("id", index)),
        "idx": str(index),
        "alias": config.get("alias"),
        "platform": platform,
    }

    def emit(variables: Json, context: HomeContext | None) -> None:
        shown = None if context is None else context.as_json()
        send({"variables": {"trigger": {**common, **variables}}, "context": shown})

    detach_from_home = _attach_to_home(Attachment(model, config, emit), str(platform))
    entry = (config, emit)
    model.attached_triggers.append(entry)

    def detach() -> None:
        detach_from_home()
        if entry in model.attached_triggers:
            model.attached_triggers.remove(entry)

    return detach


def _load_integration(model: HomeModel, integration: str) -> None:
    if integration not in model.integrations:
        model.integrations.add(integration)
        model.core.fire("component_loaded", {"component": integration})


def _attach_to_home(attachment: Attachment, platform: str) -> Detach:
    model = attachment.model
    if model.accepts_all_triggers:
        _load_integration(model, str(attachment.config.get("domain", platform)).partition(".")[0])
    if platform in model.added_triggers:
        return nothing
    try:
        return PLATFORMS.get(platform, attach_other)(attachment)
    except RefusedError:
        if model.accepts_all_triggers:
            return nothing
        raise
