"""Services of entities that are on or off: switches, input booleans, fans, sirens, cameras, remotes, humidifiers."""

from math import ceil

from hassette_core.simulation.home.services.fields import BOOLEAN, NUMBER, PERCENT, SHARE, TEXT, integer
from hassette_core.simulation.home.services.refusals import validation_error
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService


def change_to(state: str) -> ServiceAction:
    """Return the action that sets the state of the entity."""
    return lambda call: call.change(state)


def toggled(on: ServiceAction, off: ServiceAction) -> ServiceAction:
    """Return the action that switches an entity off if it is on, and on otherwise."""
    return lambda call: (off if call.entity.state == "on" else on)(call)


def unchanged(_: EntityCall) -> None:
    """Do nothing, because the call has no effect that a state shows. The home keeps the call."""


on, off = change_to("on"), change_to("off")
SWITCHED = {
    "turn_on": SimulatedService(on),
    "turn_off": SimulatedService(off),
    "toggle": SimulatedService(toggled(on, off)),
}

_DEFAULT_PERCENTAGE = 67
"""A fan without a speed starts with this speed, as in Home Assistant's demo."""


def require_listed(call: EntityCall, attribute: str, value: str, what: str) -> None:
    """Refuse a value that the entity does not list in an attribute."""
    listed = call.listed(attribute)
    if listed is not None and value not in listed:
        shown = ", ".join(listed)
        raise validation_error(f"{what} {value} is not valid, valid {what.lower()}s are: {shown}")


def _fan_on(call: EntityCall) -> None:
    if (preset := call.data.get("preset_mode")) is not None:
        _fan_preset(call._replace(data={"preset_mode": preset}))
        return
    speed = call.data.get("percentage")
    if speed is None and "percentage" in call.entity.attributes:
        speed = _DEFAULT_PERCENTAGE
    if speed is None:
        call.change("on")
    else:
        _fan_to(call, speed)


def _fan_to(call: EntityCall, percentage: float) -> None:
    percentage = max(0, min(100, percentage))
    known = {"preset_mode": None} if "preset_mode" in call.entity.attributes else {}
    call.change("on" if percentage else "off", percentage=int(percentage), **known)


def _fan_off(call: EntityCall) -> None:
    known = {
        name: value for name, value in (("percentage", 0), ("preset_mode", None)) if name in call.entity.attributes
    }
    call.change("off", **known)


def _fan_preset(call: EntityCall) -> None:
    mode = call.data["preset_mode"]
    listed = call.listed("preset_modes")
    if listed is not None and mode not in listed:
        raise validation_error(f"Preset mode {mode} is not valid, valid preset modes are: {', '.join(listed)}")
    known = {"percentage": None} if "percentage" in call.entity.attributes else {}
    call.change("on", preset_mode=mode, **known)


def _fan_faster(sign: int) -> ServiceAction:
    def act(call: EntityCall) -> None:
        percentage = call.entity.number("percentage", 0)
        if (step := call.data.get("percentage_step")) is not None:
            _fan_to(call, percentage + sign * step)
            return
        speeds = max(1, round(100 / max(1.0, call.entity.number("percentage_step", 1))))
        speed = ceil(percentage * speeds / 100) + sign
        _fan_to(call, speed * 100 // speeds)

    return act


_FAN = {"percentage": PERCENT, "preset_mode": TEXT.as_state}
FAN = {
    "turn_on": SimulatedService(_fan_on, _FAN, features=32),
    "turn_off": SimulatedService(_fan_off, features=16),
    "toggle": SimulatedService(toggled(_fan_on, _fan_off), features=48),
    "set_percentage": SimulatedService(
        lambda call: _fan_to(call, call.data["percentage"]), {"percentage": PERCENT.as_required}, features=1
    ),
    "increase_speed": SimulatedService(_fan_faster(1), {"percentage_step": PERCENT}, features=1),
    "decrease_speed": SimulatedService(_fan_faster(-1), {"percentage_step": PERCENT}, features=1),
    "oscillate": SimulatedService(
        lambda call: call.change(oscillating=call.data["oscillating"]),
        {"oscillating": BOOLEAN.as_required},
        features=2,
    ),
    "set_direction": SimulatedService(
        lambda call: call.change(direction=call.data["direction"]),
        {"direction": TEXT.replace(selector="select").as_required},
        features=4,
    ),
    "set_preset_mode": SimulatedService(_fan_preset, {"preset_mode": TEXT.as_required.as_state}, features=9),
}

_SIREN = {"tone": TEXT, "duration": integer(0).replace(selector="text"), "volume_level": SHARE}


def _siren_on(call: EntityCall) -> None:
    call.change("on")
    if (seconds := call.data.get("duration")) is not None:
        call.core.clock.call_later(seconds, lambda: _siren_ends(call))


def _siren_ends(call: EntityCall) -> None:
    if call.entity_id in call.core.entities:
        call.change("off")


SIREN = {
    "turn_on": SimulatedService(_siren_on, _SIREN, features=1),
    "turn_off": SimulatedService(off, features=2),
    "toggle": SimulatedService(toggled(_siren_on, off), features=3),
}


def _set_humidity(call: EntityCall) -> None:
    low, high = call.entity.number("min_humidity", 0), call.entity.number("max_humidity", 100)
    wanted = call.data["humidity"]
    if not low <= wanted <= high:
        raise validation_error(f"Provided humidity {wanted} is not valid. Accepted range is {low} to {high}")
    call.change(humidity=wanted)


def _set_mode(call: EntityCall) -> None:
    require_listed(call, "available_modes", call.data["mode"], "Mode")
    call.change(mode=call.data["mode"])


HUMIDITY = {"humidity": PERCENT.as_required}
set_humidity = _set_humidity
HUMIDIFIER = {
    **SWITCHED,
    "set_humidity": SimulatedService(_set_humidity, HUMIDITY),
    "set_mode": SimulatedService(_set_mode, {"mode": TEXT.as_required.as_state}, features=1),
}

CAMERA = {
    "turn_on": SimulatedService(change_to("idle"), features=1),
    "turn_off": SimulatedService(off, features=1),
    "snapshot": SimulatedService(unchanged, {"filename": TEXT.as_required}),
    "record": SimulatedService(
        unchanged, {"filename": TEXT.as_required, "duration": NUMBER, "lookback": NUMBER}, features=2
    ),
    "enable_motion_detection": SimulatedService(lambda call: call.change(motion_detection=True)),
    "disable_motion_detection": SimulatedService(lambda call: call.change(motion_detection=False)),
}
