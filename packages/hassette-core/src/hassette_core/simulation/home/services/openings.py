"""Services of covers, valves and locks, and of alarm control panels."""

from typing import Any

from hassette_core.simulation.home.services.fields import PERCENT, TEXT
from hassette_core.simulation.home.services.refusals import validation_error
from hassette_core.simulation.home.services.registry import EntityCall, ServiceAction, SimulatedService
from hassette_core.simulation.home.services.switches import unchanged

_SPEED = {"speed": TEXT.replace(selector="state", since="2026.9")}


def _to_position(position: int | None) -> ServiceAction:
    """Return the action that moves a cover or a valve, which reaches its position at once."""

    def act(call: EntityCall) -> None:
        wanted = call.data["position"] if position is None else position
        attributes: dict[str, Any] = {}
        if position is None or "current_position" in call.entity.attributes:
            attributes["current_position"] = wanted
        if call.core.since("2026") or "is_closed" in call.entity.attributes:
            attributes["is_closed"] = not wanted
        call.change("open" if wanted else "closed", **attributes)

    return act


def _tilt(position: int | None) -> ServiceAction:
    return lambda call: call.change(current_tilt_position=call.data["tilt_position"] if position is None else position)


def _toggle_opening(call: EntityCall) -> None:
    _to_position(100 if call.entity.state == "closed" else 0)(call)


def _toggle_tilt(call: EntityCall) -> None:
    _tilt(0 if call.entity.number("current_tilt_position", 0) else 100)(call)


COVER = {
    "open_cover": SimulatedService(_to_position(100), _SPEED, features=1),
    "close_cover": SimulatedService(_to_position(0), _SPEED, features=2),
    "stop_cover": SimulatedService(unchanged, features=8),
    "set_cover_position": SimulatedService(_to_position(None), {"position": PERCENT.as_required, **_SPEED}, features=4),
    "toggle": SimulatedService(_toggle_opening, features=3),
    "open_cover_tilt": SimulatedService(_tilt(100), features=16),
    "close_cover_tilt": SimulatedService(_tilt(0), features=32),
    "stop_cover_tilt": SimulatedService(unchanged, features=64),
    "set_cover_tilt_position": SimulatedService(_tilt(None), {"tilt_position": PERCENT.as_required}, features=128),
    "toggle_cover_tilt": SimulatedService(_toggle_tilt, features=48),
}
VALVE = {
    "open_valve": SimulatedService(_to_position(100), features=1),
    "close_valve": SimulatedService(_to_position(0), features=2),
    "set_valve_position": SimulatedService(_to_position(None), {"position": PERCENT.as_required}, features=4),
    "stop_valve": SimulatedService(unchanged, features=8),
    "toggle": SimulatedService(_toggle_opening, features=3),
}

_CODE = {"code": TEXT}


def _lock_to(state: str) -> ServiceAction:
    return lambda call: call.change(state)


LOCK = {
    "lock": SimulatedService(_lock_to("locked"), _CODE),
    "unlock": SimulatedService(_lock_to("unlocked"), _CODE),
    "open": SimulatedService(_lock_to("open"), _CODE, features=1),
}


def _alarm_to(state: str) -> ServiceAction:
    def act(call: EntityCall) -> None:
        required = call.entity.attributes.get("code_arm_required") and state.startswith("armed")
        if required and not call.data.get("code"):
            raise validation_error(f"Arming requires a code but none was given for {call.entity_id}.")
        before = {"previous_state": call.entity.state} if "previous_state" in call.entity.attributes else {}
        call.change(state, **before)

    return act


ALARM_CONTROL_PANEL = {
    "alarm_disarm": SimulatedService(_alarm_to("disarmed"), _CODE),
    "alarm_trigger": SimulatedService(_alarm_to("triggered"), _CODE, features=8),
    **{
        f"alarm_arm_{mode}": SimulatedService(_alarm_to(f"armed_{mode}"), _CODE, features=bit)
        for mode, bit in (("home", 1), ("away", 2), ("night", 4), ("custom_bypass", 16), ("vacation", 32))
    },
}
