"""What the house's things can do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.house import DARK, FORECAST
from hassette_core.simulation.home.parameters import BRIGHTNESS, HVAC_MODE, NUMBER, PERCENT, TEXT, TEXTS
from hassette_core.simulation.home.services import Call, Service, not_valid


def _switch_to(state: str) -> Callable[[Call], None]:
    return lambda call: call.core.change(call.entity_id, state, context=call.context)


def _is_on(call: Call) -> bool:
    return call.core.states[call.entity_id]["state"] == "on"


def _toggle(on: Callable[[Call], None], off: Callable[[Call], None]) -> Callable[[Call], None]:
    return lambda call: (off if _is_on(call) else on)(call)


def _light_on(call: Call) -> None:
    before = call.core.states[call.entity_id]["attributes"]["brightness"] or 255
    asked = call.data.get("brightness_pct")
    brightness = call.data.get("brightness", before if asked is None else round(asked * 2.55))
    if brightness == 0:
        _light_off(call)
        return
    call.core.change(call.entity_id, "on", context=call.context, brightness=brightness, color_mode="brightness")


def _light_off(call: Call) -> None:
    call.core.change(call.entity_id, "off", context=call.context, **DARK)


def _set_temperature(call: Call) -> None:
    attributes = call.core.states[call.entity_id]["attributes"]
    low, high, wanted = attributes["min_temp"], attributes["max_temp"], call.data["temperature"]
    if not low <= wanted <= high:
        raise not_valid(f"Provided temperature {wanted} is not valid. Accepted range is {low} to {high}")
    if "hvac_mode" in call.data:
        _set_hvac_mode(call)
    call.core.change(call.entity_id, context=call.context, temperature=wanted)


def _set_hvac_mode(call: Call) -> None:
    mode = call.data["hvac_mode"]
    modes = call.core.states[call.entity_id]["attributes"]["hvac_modes"]
    if mode not in modes:
        raise not_valid(f"HVAC mode {mode} is not valid. Valid HVAC modes are: {', '.join(modes)}")
    action = "off" if mode == "off" else "idle"
    call.core.change(call.entity_id, mode, context=call.context, hvac_action=action)


def _climate_to(mode: str) -> Callable[[Call], None]:
    return lambda call: _set_hvac_mode(call._replace(data={"hvac_mode": mode}))


def _cover_to(position: int | None) -> Callable[[Call], None]:
    def act(call: Call) -> None:
        there = call.data["position"] if position is None else position
        call.core.change(call.entity_id, "open" if there else "closed", context=call.context, current_position=there)

    return act


def _stay(_: Call) -> None:
    """Stop a cover: ours are where they are told to be at once."""


def _notify(call: Call) -> None:
    """Leave a notification, as ``persistent_notification.create`` does: it is nowhere among the states."""


def _log(call: Call) -> None:
    """Fire the event from which Home Assistant's logbook makes an entry."""
    entry = {key: call.data[key] for key in ("name", "message", "domain") if key in call.data}
    entity_ids = call.data.get("entity_id")
    call.core.fire("logbook_entry", {**entry, **({"entity_id": entity_ids[0]} if entity_ids else {})}, call.context)


def _forecast(_: Call) -> Json:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return {
        "forecast": [
            {"datetime": (today + timedelta(days=day)).isoformat(), "condition": condition, "temperature": temperature}
            for day, (condition, temperature) in enumerate(FORECAST)
        ]
    }


def _of_any_domain(service: str) -> Callable[[Call], None]:
    """Make ``homeassistant.turn_on`` and the like: each entity's own service does it, if it has such a one."""

    def act(call: Call) -> None:
        for entity_id in call.data.get("entity_id", []):
            domain = entity_id.partition(".")[0]
            if call.services.has(domain, service) and entity_id in call.core.states:
                call.services.call(domain, service, {"entity_id": [entity_id]}, call.context)

    return act


def _trigger(call: Call) -> None:
    call.core.fire(
        "automation_triggered",
        {"name": call.core.states[call.entity_id]["attributes"]["friendly_name"], "entity_id": call.entity_id},
        call.core.context(parent=call.context),
    )


_on, _off = _switch_to("on"), _switch_to("off")
_SWITCHED = {"turn_on": Service(_on), "turn_off": Service(_off), "toggle": Service(_toggle(_on, _off))}
_LIGHT_FIELDS = {
    "brightness": BRIGHTNESS,
    "brightness_pct": PERCENT,
    "transition": NUMBER,
}
_MESSAGE = Service(_notify, {"message": TEXT.needed, "title": TEXT}, targeted=False)
_NOTIFY = _MESSAGE._replace(fields={**_MESSAGE.fields, "target": TEXTS})

SERVICES: dict[str, dict[str, Service]] = {
    "homeassistant": {
        name: Service(_of_any_domain(name), targeted=False) for name in ("turn_on", "turn_off", "toggle")
    },
    "light": {
        "turn_on": Service(_light_on, _LIGHT_FIELDS),
        "turn_off": Service(_light_off, {"transition": NUMBER}),
        "toggle": Service(_toggle(_light_on, _light_off), _LIGHT_FIELDS),
    },
    "switch": _SWITCHED,
    "input_boolean": _SWITCHED,
    "automation": {**_SWITCHED, "trigger": Service(_trigger)},
    "climate": {
        "set_temperature": Service(
            _set_temperature,
            {"temperature": NUMBER, "hvac_mode": HVAC_MODE},
            one_of=("temperature", "target_temp_high", "target_temp_low"),
        ),
        "set_hvac_mode": Service(_set_hvac_mode, {"hvac_mode": HVAC_MODE.needed}),
        "turn_on": Service(_climate_to("heat")),
        "turn_off": Service(_climate_to("off")),
    },
    "cover": {
        "open_cover": Service(_cover_to(100)),
        "close_cover": Service(_cover_to(0)),
        "stop_cover": Service(_stay),
        "set_cover_position": Service(_cover_to(None), {"position": PERCENT.needed}),
    },
    "notify": {"notify": _NOTIFY, "persistent_notification": _NOTIFY},
    "persistent_notification": {
        "create": _MESSAGE._replace(fields={**_MESSAGE.fields, "notification_id": TEXT}),
        "dismiss": Service(_notify, {"notification_id": TEXT.needed}, targeted=False),
    },
    "logbook": {
        "log": Service(_log, {"name": TEXT.needed, "message": TEXT.needed, "domain": TEXT}, targeted=False),
    },
    "weather": {
        "get_forecasts": Service(_forecast, {"type": TEXT.needed}, response="only"),
    },
}
