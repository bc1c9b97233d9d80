"""Conditions: rules that decide whether a trigger leads to a run, for listeners and jobs.

`as_condition` turns the option ``where`` into a `Condition` at registration. For each trigger, bus and scheduler ask
the condition with a `ConditionView`, which their shared `ConditionContext` provides. If the condition does not hold,
the trigger is counted as not run, with the reason ``condition``; if it raises, with the reason ``predicate_failed``.
"""

from hassette_core.conditions.condition import Condition, Where, as_condition
from hassette_core.conditions.functions import check_condition, truth_of
from hassette_core.conditions.state_conditions import above, below, state_is
from hassette_core.conditions.time_conditions import between, on_days, sun_is_down, sun_is_up
from hassette_core.conditions.values import (
    Expected,
    ValueCondition,
    attribute_condition,
    check_attribute,
    state_condition,
    state_condition_of,
)
from hassette_core.conditions.view import ConditionContext, ConditionView

__all__ = [
    "Condition",
    "ConditionContext",
    "ConditionView",
    "Expected",
    "ValueCondition",
    "Where",
    "above",
    "as_condition",
    "attribute_condition",
    "below",
    "between",
    "check_attribute",
    "check_condition",
    "on_days",
    "state_condition",
    "state_condition_of",
    "state_is",
    "sun_is_down",
    "sun_is_up",
    "truth_of",
]
