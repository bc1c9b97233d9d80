"""`condition_holds`: test a condition of Home Assistant in the simulated home."""

from collections.abc import Mapping
from datetime import time
from typing import Any, cast
from zoneinfo import ZoneInfo

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import Json
from hassette_core.simulation.home.model import HomeModel


class ConditionError(Exception):
    """The condition cannot be tested: the home does not have its entity, or a state is not a number."""


def condition_holds(model: HomeModel, config: Any, variables: Mapping[str, Any]) -> bool:
    """Return whether a condition holds.

    Raises:
        RefusedError: The condition is not valid.
        ConditionError: The home does not have its entity, or the state of an entity is not a number.
    """
    if isinstance(config, list):
        return all(condition_holds(model, each, variables) for each in cast("list[Any]", config))
    if isinstance(config, str):
        return _is_true(model.render(config, variables))
    if not isinstance(config, dict):
        raise RefusedError("invalid_format", f"expected a dictionary. Got {config!r}")
    condition = cast("Json", config)
    kind = condition.get("condition", next((each for each in ("and", "or", "not") if each in condition), None))
    if kind in ("and", "or", "not"):
        parts: list[Any] = condition.get("conditions", condition.get(str(kind), []))
        results = [condition_holds(model, each, variables) for each in parts]
        return all(results) if kind == "and" else any(results) if kind == "or" else not any(results)
    if kind == "template":
        return _is_true(model.render(condition["value_template"], variables))
    if kind in ("state", "numeric_state"):
        return all(_holds(model, condition, kind, each) for each in _list(condition.get("entity_id", [])))
    if kind == "time":
        return _is_time(model, condition)
    if kind == "sun":
        state = _state(model, "sun.sun")["state"]
        return {"sunrise": "above_horizon", "sunset": "below_horizon"}.get(str(condition.get("after"))) in (None, state)
    if model.core.since("2025.12"):
        raise RefusedError("home_assistant_error", f'Invalid condition "{kind}" specified')
    raise RefusedError("invalid_format", f"Unexpected value for condition: '{kind}'")


def _state(model: HomeModel, entity_id: str) -> Json:
    state = model.core.states.get(entity_id)
    if state is None:
        raise ConditionError(f"unknown entity {entity_id}")
    return state


def _holds(model: HomeModel, condition: Json, kind: str, entity_id: str) -> bool:
    state = _state(model, entity_id)
    attribute = condition.get("attribute")
    value = state["state"] if attribute is None else state["attributes"].get(attribute)
    if kind == "state":
        return value in _list(condition.get("state"))
    try:
        number = float(value)
    except (TypeError, ValueError):
        problem = f"entity {entity_id} state '{value}' cannot be processed as a number"
        raise ConditionError(problem) from None
    above, below = condition.get("above"), condition.get("below")
    return (above is None or number > float(above)) and (below is None or number < float(below))


def _is_time(model: HomeModel, condition: Json) -> bool:
    now = model.core.clock.now().astimezone(ZoneInfo(model.time_zone))
    weekdays = _list(condition["weekday"]) if "weekday" in condition else None
    if weekdays is not None and now.strftime("%a").lower() not in weekdays:
        return False
    after = time.fromisoformat(condition.get("after", "00:00:00"))
    before = time.fromisoformat(condition.get("before", "23:59:59.999999"))
    moment = now.time()
    return after <= moment < before if after < before else moment >= after or moment < before


def _is_true(result: Any) -> bool:
    return result is True or str(result).lower() in ("true", "yes", "on", "enable", "1")


def _list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]
