"""Services of thermostats and water heaters."""

from hassette_core.simulation.home.services.fields import BOOLEAN, HVAC_MODE, HVAC_MODES, NUMBER, TEXT
from hassette_core.simulation.home.services.refusals import validation_error
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService
from hassette_core.simulation.home.services.switches import HUMIDITY, require_listed, set_humidity

_RANGE = ("target_temp_high", "target_temp_low")


def _set_temperature(call: EntityCall) -> None:
    # Home Assistant's defaults for a thermostat without limits
    low, high = call.entity.number("min_temp", 7), call.entity.number("max_temp", 35)
    wanted = {name: call.data[name] for name in ("temperature", *_RANGE) if name in call.data}
    for value in wanted.values():
        if not low <= value <= high:
            raise validation_error(f"Provided temperature {value} is not valid. Accepted range is {low} to {high}")
    if "temperature" not in wanted and not any(name in call.entity.attributes for name in _RANGE):
        return  # the call contains only a range, and this thermostat has no range
    if "hvac_mode" in call.data:
        _set_hvac_mode(call)
    call.change(**wanted)


def _set_hvac_mode(call: EntityCall) -> None:
    mode = call.data["hvac_mode"]
    modes = call.listed("hvac_modes") or HVAC_MODES
    if mode not in modes and call.core.since("2025.12"):  # earlier versions accept it
        raise validation_error(f"HVAC mode {mode} is not valid. Valid HVAC modes are: {', '.join(modes)}")
    action = "off" if mode == "off" else "idle"
    call.change(mode, hvac_action=action)


def _climate_to(mode: str) -> ServiceAction:
    def act(call: EntityCall) -> None:
        listed = call.listed("hvac_modes")
        chosen = mode if mode == "off" or not listed or mode in listed else next(m for m in listed if m != "off")
        _set_hvac_mode(call._replace(data={"hvac_mode": chosen}))

    return act


def _toggle_climate(call: EntityCall) -> None:
    _climate_to("heat" if call.entity.state == "off" else "off")(call)


def _set_listed(name: str, what: str) -> ServiceAction:
    def act(call: EntityCall) -> None:
        listed, value = call.listed(f"{name}s"), call.data[name]
        if listed is not None and value not in listed:
            raise validation_error(f"{what} {value} is not valid. Valid {what.lower()}s are: {', '.join(listed)}")
        call.change(**{name: value})

    return act


def _mode(name: str, what: str, bit: int) -> SimulatedService:
    return SimulatedService(_set_listed(name, what), {name: TEXT.as_required.as_state}, features=bit)


CLIMATE = {
    "set_temperature": SimulatedService(
        _set_temperature,
        {"temperature": NUMBER, "target_temp_high": NUMBER, "target_temp_low": NUMBER, "hvac_mode": HVAC_MODE},
        one_of=("temperature", "target_temp_high", "target_temp_low"),
        features=3,
    ),
    "set_hvac_mode": SimulatedService(
        _set_hvac_mode, {"hvac_mode": HVAC_MODE.as_required.replace(shown_as_required=False)}
    ),
    "set_preset_mode": _mode("preset_mode", "Preset mode", 16),
    "set_fan_mode": _mode("fan_mode", "Fan mode", 8),
    "set_swing_mode": _mode("swing_mode", "Swing mode", 32),
    "set_swing_horizontal_mode": _mode("swing_horizontal_mode", "Horizontal swing mode", 512),
    "set_humidity": SimulatedService(set_humidity, HUMIDITY, features=4),
    "turn_on": SimulatedService(_climate_to("heat"), features=256),
    "turn_off": SimulatedService(_climate_to("off"), features=128),
    "toggle": SimulatedService(_toggle_climate, features=384),
}


def _set_operation_mode(call: EntityCall) -> None:
    require_listed(call, "operation_list", call.data["operation_mode"], "Operation mode")
    call.change(call.data["operation_mode"], operation_mode=call.data["operation_mode"])


def _heat_water(call: EntityCall) -> None:
    wanted = call.data["temperature"]
    if "operation_mode" in call.data:
        _set_operation_mode(call)
    call.change(temperature=wanted)


def _water_heater_to(mode: str) -> ServiceAction:
    return lambda call: _set_operation_mode(call._replace(data={"operation_mode": mode}))


WATER_HEATER = {
    "set_temperature": SimulatedService(
        _heat_water, {"temperature": NUMBER.as_required, "operation_mode": TEXT.as_state}, features=1
    ),
    "set_operation_mode": SimulatedService(
        _set_operation_mode, {"operation_mode": TEXT.as_required.as_state}, features=2
    ),
    "set_away_mode": SimulatedService(
        lambda call: call.change(away_mode="on" if call.data["away_mode"] else "off"),
        {"away_mode": BOOLEAN.as_required},
        features=4,
    ),
    "turn_on": SimulatedService(_water_heater_to("eco"), features=8),
    "turn_off": SimulatedService(_water_heater_to("off"), features=8),
}
