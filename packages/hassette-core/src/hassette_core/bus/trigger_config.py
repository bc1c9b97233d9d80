"""`TriggerConfig`: the configuration of Home Assistant's triggers, checked and copied."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from hassette_core.errors import RegistrationError
from hassette_core.redaction import MASK, mask_secret_values

TriggerArgument = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""The configuration of one trigger, or of several."""

_SUBJECTS = ("webhook_id", "topic", "entity_id", "event_type", "command", "tag_id", "device_id", "event", "at")
"""The keys whose values name a trigger. The topic contains the value of the first key that is present."""
_SECRET_SUBJECTS = {"webhook_id"}
"""Everyone with the id of a web hook can call it. So pages do not show the id."""
_WITHOUT_SETUP = {
    # Home Assistant's own triggers, which are no integrations.
    *("event", "homeassistant", "numeric_state", "state", "time", "time_pattern"),
    # They only follow states, events and the sun, so they also work if the integration of the same name is not set up.
    *("geo_location", "persistent_notification", "sun", "tag", "template", "zone"),
}
MAX_TOPIC = 200
"""Maximum number of characters of a topic."""


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """Selects the firings for which a handler of `AppBus.on_trigger` runs.

    Attributes:
        text: The configuration as JSON. Listeners with the same text share one subscription.
        topic: A short description, such as ``trigger.mqtt.zigbee/button``.
        integrations: The integrations that must be loaded for the triggers to fire, in order.
        webhooks: The ids of the web hooks. Home Assistant accepts each only once.
    """

    text: str
    topic: str
    integrations: tuple[str, ...]
    webhooks: frozenset[str]

    @property
    def value(self) -> Any:
        """A new copy of the configuration, as Home Assistant receives it."""
        return json.loads(self.text)

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Return the configuration for the registration's settings, without secrets."""
        shown = [
            {**trigger, **dict.fromkeys(_SECRET_SUBJECTS & trigger.keys(), MASK)} for trigger in _triggers(self.value)
        ]
        return (("config", json.dumps(mask_secret_values(shown), ensure_ascii=False)),)


def parse_trigger_config(config: object) -> TriggerConfig:
    """Check and copy the configuration of one trigger or of several. Home Assistant checks the rest.

    Raises:
        RegistrationError: The configuration is empty, names no kind of trigger, or cannot be written as JSON.
    """
    try:
        text = json.dumps(config, allow_nan=False, default=_plain, sort_keys=True, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise RegistrationError(
            f"config must contain only texts, numbers, booleans, lists and mappings, got {config!r}: {error}; write a"
            ' template as text, and a duration as seconds or as "00:05:00"'
        ) from None
    triggers = list(_triggers(json.loads(text)))
    if not triggers:
        raise RegistrationError(f"config must be a trigger or a non-empty list of triggers, got {config!r}")
    for trigger in triggers:
        platform = _platform(cast("dict[str, Any]", trigger)) if isinstance(trigger, dict) else None
        if not isinstance(platform, str) or not platform:
            raise RegistrationError(
                'config must be a trigger such as {"trigger": "mqtt", "topic": "door/state"}, or a list of triggers,'
                f" got {trigger!r}"
            )
    active = [trigger for trigger in triggers if trigger.get("enabled") is not False]
    return TriggerConfig(
        text,
        _topic(triggers),
        tuple(dict.fromkeys(name for name in map(_integration, active) if name not in _WITHOUT_SETUP)),
        frozenset(str(trigger["webhook_id"]) for trigger in active if "webhook_id" in trigger),
    )


def _plain(value: object) -> object:
    """Convert a value that `json` does not know."""
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    if isinstance(value, Sequence):
        return list(cast("Sequence[object]", value))
    raise TypeError(f"{type(value).__name__} is none of these")


def _triggers(value: Any) -> Iterator[Any]:
    """Yield each trigger of a configuration. As in Home Assistant, a list may contain ``{"triggers": [...]}``."""
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from _triggers(each)
    elif isinstance(value, dict) and "triggers" in value and _platform(cast("dict[str, Any]", value)) is None:
        yield from _triggers(value["triggers"])
    else:
        yield value


def _platform(trigger: dict[str, Any]) -> Any:
    return trigger.get("trigger", trigger.get("platform"))


def _integration(trigger: dict[str, Any]) -> str:
    platform = _platform(trigger)
    if platform == "device":
        return str(trigger.get("domain", platform))
    return platform.partition(".")[0]


def _topic(triggers: list[dict[str, Any]]) -> str:
    text = f"trigger.{', '.join(dict.fromkeys(_name(trigger) for trigger in triggers))}"
    return text if len(text) <= MAX_TOPIC else f"{text[: MAX_TOPIC - 1]}…"


def _name(trigger: dict[str, Any]) -> str:
    platform = _platform(trigger)
    key = next((key for key in _SUBJECTS if key in trigger), None)
    subject = trigger[key] if key is not None and key not in _SECRET_SUBJECTS else trigger.get("target")
    if isinstance(subject, dict):
        subject = next(iter(cast("dict[str, Any]", subject).values()), None)
    texts = [str(each) for each in cast("list[Any]", subject)] if isinstance(subject, list) else [str(subject)]
    return platform if subject is None else f"{platform}.{', '.join(texts)}"
