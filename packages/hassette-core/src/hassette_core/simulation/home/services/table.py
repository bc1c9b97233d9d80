"""`SERVICES`: the services of the simulated home, by domain and name."""

from collections.abc import Callable
from datetime import timedelta
from typing import cast

from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.entities import FORECAST, LIGHT_OFF
from hassette_core.simulation.home.services.fields import (
    BRIGHTNESS,
    HVAC_MODE,
    HVAC_MODES,
    NUMBER,
    PERCENT,
    TEXT,
    TEXTS,
)
from hassette_core.simulation.home.services.registry import EntityCall, SimulatedService, validation_error


def _switch_to(state: str) -> Callable[[EntityCall], None]:
    return lambda call: call.core.change(call.entity_id, state, context=call.context)


def _is_on(call: EntityCall) -> bool:
    return call.entity.state == "on"


def _toggle(on: Callable[[EntityCall], None], off: Callable[[EntityCall], None]) -> Callable[[EntityCall], None]:
    return lambda call: (off if _is_on(call) else on)(call)


def _light_on(call: EntityCall) -> None:
    before = call.entity.number("brightness", 255) or 255
    asked = call.data.get("brightness_pct")
    brightness = call.data.get("brightness", before if asked is None else round(asked * 255 / 100))
    if brightness == 0:
        _light_off(call)
        return
    call.core.change(call.entity_id, "on", context=call.context, brightness=brightness, color_mode="brightness")


def _light_off(call: EntityCall) -> None:
    call.core.change(call.entity_id, "off", context=call.context, **LIGHT_OFF)


def _set_temperature(call: EntityCall) -> None:
    # Home Assistant's defaults for a thermostat without limits
    low, high = call.entity.number("min_temp", 7), call.entity.number("max_temp", 35)
    wanted = call.data.get("temperature")
    if wanted is None:
        return  # the call contains only a range, and these thermostats have no range
    if not low <= wanted <= high:
        raise validation_error(f"Provided temperature {wanted} is not valid. Accepted range is {low} to {high}")
    if "hvac_mode" in call.data:
        _set_hvac_mode(call)
    call.core.change(call.entity_id, context=call.context, temperature=wanted)


def _set_hvac_mode(call: EntityCall) -> None:
    mode = call.data["hvac_mode"]
    listed: object = call.entity.attributes.get("hvac_modes")
    modes = [str(each) for each in cast("list[object]", listed)] if isinstance(listed, list) else HVAC_MODES
    if mode not in modes:
        raise validation_error(f"HVAC mode {mode} is not valid. Valid HVAC modes are: {', '.join(modes)}")
    action = "off" if mode == "off" else "idle"
    call.core.change(call.entity_id, mode, context=call.context, hvac_action=action)


def _climate_to(mode: str) -> Callable[[EntityCall], None]:
    return lambda call: _set_hvac_mode(call._replace(data={"hvac_mode": mode}))


def _cover_to(position: int | None) -> Callable[[EntityCall], None]:
    def act(call: EntityCall) -> None:
        wanted = call.data["position"] if position is None else position
        call.core.change(call.entity_id, "open" if wanted else "closed", context=call.context, current_position=wanted)

    return act


def _stop_cover(_: EntityCall) -> None:
    """Do nothing, because a simulated cover reaches its position at once."""


def _notify(call: EntityCall) -> None:
    """Do nothing, because a notification has no state."""


def _forecast(call: EntityCall) -> Json:
    today = call.core.clock.now().replace(hour=12, minute=0, second=0, microsecond=0)
    return {
        "forecast": [
            {"datetime": (today + timedelta(days=day)).isoformat(), "condition": condition, "temperature": temperature}
            for day, (condition, temperature) in enumerate(FORECAST)
        ]
    }


def _of_any_domain(service: str) -> Callable[[EntityCall], None]:
    """Return the action of ``homeassistant.<service>``. It calls ``<service>`` in the domain of each entity."""

    def act(call: EntityCall) -> None:
        for entity_id in call.data.get("entity_id", []):
            domain = entity_id.partition(".")[0]
            if call.services.has(domain, service) and entity_id in call.core.entities:
                call.services.call(domain, service, {"entity_id": [entity_id]}, call.context)

    return act


def _trigger(call: EntityCall) -> None:
    context = call.core.context(parent=call.context)
    name = call.entity.attributes.get("friendly_name", call.entity_id)
    call.core.fire("automation_triggered", {"name": name, "entity_id": call.entity_id}, context)
    call.core.change(call.entity_id, context=context, last_triggered=call.core.now())


_on, _off = _switch_to("on"), _switch_to("off")
_SWITCHED = {
    "turn_on": SimulatedService(_on),
    "turn_off": SimulatedService(_off),
    "toggle": SimulatedService(_toggle(_on, _off)),
}
_LIGHT_FIELDS = {
    "brightness": BRIGHTNESS,
    "brightness_pct": PERCENT,
    "transition": NUMBER,
}
_MESSAGE = SimulatedService(_notify, {"message": TEXT.as_required, "title": TEXT}, targeted=False)
_NOTIFY = _MESSAGE._replace(fields={**_MESSAGE.fields, "target": TEXTS})

SERVICES: dict[str, dict[str, SimulatedService]] = {
    "homeassistant": {
        name: SimulatedService(_of_any_domain(name), targeted=False) for name in ("turn_on", "turn_off", "toggle")
    },
    "light": {
        "turn_on": SimulatedService(_light_on, _LIGHT_FIELDS),
        "turn_off": SimulatedService(_light_off, {"transition": NUMBER}),
        "toggle": SimulatedService(_toggle(_light_on, _light_off), _LIGHT_FIELDS),
    },
    "switch": _SWITCHED,
    "input_boolean": _SWITCHED,
    "automation": {**_SWITCHED, "trigger": SimulatedService(_trigger)},
    "climate": {
        "set_temperature": SimulatedService(
            _set_temperature,
            {"temperature": NUMBER, "hvac_mode": HVAC_MODE},
            one_of=("temperature", "target_temp_high", "target_temp_low"),
        ),
        "set_hvac_mode": SimulatedService(_set_hvac_mode, {"hvac_mode": HVAC_MODE.as_required}),
        "turn_on": SimulatedService(_climate_to("heat")),
        "turn_off": SimulatedService(_climate_to("off")),
    },
    "cover": {
        "open_cover": SimulatedService(_cover_to(100)),
        "close_cover": SimulatedService(_cover_to(0)),
        "stop_cover": SimulatedService(_stop_cover),
        "set_cover_position": SimulatedService(_cover_to(None), {"position": PERCENT.as_required}),
    },
    "notify": {"notify": _NOTIFY, "persistent_notification": _MESSAGE},
    "persistent_notification": {
        "create": _MESSAGE._replace(fields={**_MESSAGE.fields, "notification_id": TEXT}),
        "dismiss": SimulatedService(_notify, {"notification_id": TEXT.as_required}, targeted=False),
    },
    "weather": {
        "get_forecasts": SimulatedService(_forecast, {"type": TEXT.as_required}, response="only"),
    },
}
