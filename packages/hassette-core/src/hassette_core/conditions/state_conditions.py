"""Conditions on the states of entities: `state_is`, `above`, `below`."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, get_args

from hassette_core.conditions.condition import Condition, shortened
from hassette_core.conditions.values import Expected, attribute_condition, check_attribute, state_condition_of
from hassette_core.conditions.view import ConditionView
from hassette_core.entities import Entities, EntityArgument, check_entity_id, parse_entities
from hassette_core.errors import RegistrationError
from hassette_core.events import State
from hassette_core.handlers import Duration, describe_duration, optional_seconds

Match = Literal["all", "any"]
"""Whether all entities or at least one entity must meet a condition."""
NO_VALUE = frozenset({"unavailable", "unknown"})
"""States of an entity whose value is not known."""
MAX_NAMED = 3

Accepts = Callable[[object, ConditionView], bool]
"""Returns whether a value meets a condition. The value is never None."""


class StateCondition(Condition):
    """A condition on the state, or on one attribute, of each of several entities.

    Args:
        entities: The entities.
        accepts: Returns whether a value meets the condition.
        expected: The expected value as a text after ``is``, such as ``above 50``.
        attribute: The attribute to read; None for the state.
        match: Whether all entities must meet the condition, or at least one.
        duration_s: Minimum time for which the value must have lasted, in seconds; None for any time.
        also_reads: The entities that ``accepts`` reads.

    Raises:
        RegistrationError: ``attribute`` or ``match`` cannot work.
    """

    def __init__(
        self,
        entities: Entities,
        accepts: Accepts,
        expected: str,
        *,
        attribute: str | None,
        match: Match,
        duration_s: float | None = None,
        also_reads: tuple[str, ...] = (),
    ) -> None:
        if attribute is not None:
            check_attribute(attribute)
        if match not in get_args(Match):
            raise RegistrationError(f"match must be 'all' or 'any', got {match!r}")
        self._entities = entities
        self._also_reads = also_reads
        self._by_rule = bool(entities.globs or entities.selections)
        self._accepts_value = accepts
        self._expected = expected
        self._attribute = attribute
        self._match: Match = match
        self._duration = None if duration_s is None else timedelta(seconds=duration_s)

    def holds(self, view: ConditionView) -> bool:
        """Return whether the entities meet the condition. Without any entity, the condition does not hold."""
        found = self._entities.find(view.states) if self._by_rule else self._entities.ids
        accepted = (self._accepts(view.states.get(entity_id), view) for entity_id in found)
        return any(accepted) if self._match == "any" else bool(found) and all(accepted)

    def describe(self) -> str:
        subject = self._entities.describe("and" if self._match == "all" else "or")
        if self._by_rule:
            subject = f"{'every' if self._match == 'all' else 'any'} entity of {subject}"
        if self._attribute is not None:
            subject = f"{self._attribute} of {subject}"
        verb = "is" if self._by_rule or self._match == "any" or self._entities.single else "are"
        lasted = "" if self._duration is None else f" for {describe_duration(self._duration.total_seconds())}"
        return f"{subject} {verb} {self._expected}{lasted}"

    def observe(self, view: ConditionView) -> str:
        limits = [f"{entity_id} {_value_of_limit(view.states.get(entity_id))}" for entity_id in self._also_reads]
        return ", ".join([self._observe_entities(view), *limits])

    def _observe_entities(self, view: ConditionView) -> str:
        if self._entities.single:
            return f"it {self._found(view.states.get(self._entities.ids[0]), view)}"
        states = {entity_id: view.states.get(entity_id) for entity_id in self._entities.find(view.states)}
        if not states:
            return "there is no such entity"
        holds = self.holds(view)
        # Name the entities that decide. If the condition does not hold, these are the entities that do not meet it.
        deciding = [entity_id for entity_id, state in states.items() if self._accepts(state, view) is holds]
        shown = [f"{entity_id} {self._found(states[entity_id], view)}" for entity_id in deciding[:MAX_NAMED]]
        more = len(deciding) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more else "")

    @property
    def reads(self) -> tuple[str, ...]:
        """The entity ids and globs that the condition reads."""
        return self._entities.topics + self._also_reads

    def _accepts(self, state: State | None, view: ConditionView) -> bool:
        if state is None or (value := self._value(state)) is None or not self._accepts_value(value, view):
            return False
        return self._duration is None or view.now - self._since(state) >= self._duration

    def _value(self, state: State) -> object:
        return state.state if self._attribute is None else state.attributes.get(self._attribute)

    def _since(self, state: State) -> datetime:
        # Home Assistant keeps no time for a single attribute.
        return state.last_changed if self._attribute is None else state.last_updated

    def _found(self, state: State | None, view: ConditionView) -> str:
        if state is None:
            return "does not exist"
        value = self._value(state)
        if value is None:
            return f"has no attribute {self._attribute!r}"
        text = shortened(str(value))
        if self._duration is None or not self._accepts_value(value, view):
            return f"was {text}"
        passed_s = max(0, int((view.now - self._since(state)).total_seconds()))
        return f"was {text} for {describe_duration(passed_s)}"


def _value_of_limit(state: State | None) -> str:
    return "does not exist" if state is None else f"was {shortened(state.state)}"


def state_is(
    entities: EntityArgument,
    values: Expected,
    *,
    attribute: str | None = None,
    match: Match = "all",
    duration: Duration | None = None,
) -> Condition:
    """Return the condition that entities have a state, or an attribute.

    An entity that does not exist does not meet the condition. An entity that is ``unavailable`` or ``unknown`` meets it
    only if ``values`` names that state. ``~state_is(...)`` is the exact opposite, so it holds for such an entity.

    Example:
        ::

            state_is("input_boolean.holiday", "off")
            state_is(["person.ann", "person.bob"], "home", match="any")
            state_is("climate.hall", ["heating", "preheating"], attribute="hvac_action")
            state_is("binary_sensor.*_window", "off", duration=300)

    Args:
        entities: An entity id, a glob, a selection, or several of these.
        values: The state: a string, a collection of strings, or a function that receives the string. With
            ``attribute``, a value, a collection of values, or a function that receives the value. A function does not
            receive ``unavailable`` or ``unknown``.
        attribute: The attribute to compare; None for the state.
        match: ``all`` if all entities must meet the condition, ``any`` if one is enough. A glob or selection that
            contains no entity does not meet it.
        duration: Seconds (or a timedelta) for which each entity must have had its value, by Home Assistant's
            ``last_changed``, or for an attribute ``last_updated``.

    Raises:
        RegistrationError: An argument cannot work. The message explains how to fix it.
    """
    option = "values"
    if values is None:
        raise RegistrationError(f"{option} must be a state such as 'on', several states or a function, got None")
    found = parse_entities("entities", entities)
    expected = state_condition_of(found, option, values) if attribute is None else attribute_condition(option, values)
    assert expected is not None  # only None has no condition
    given = expected.accepts
    is_state_function = callable(values) and attribute is None

    def accepts(value: object, view: ConditionView) -> bool:
        del view
        return not (is_state_function and value in NO_VALUE) and bool(given(value))

    return StateCondition(
        found,
        accepts,
        f"accepted by {expected.text}" if callable(values) else expected.text.replace(", ", " or "),
        attribute=attribute,
        match=match,
        duration_s=optional_seconds("duration", duration),
    )


def above(
    entities: EntityArgument, limit: float | str, *, attribute: str | None = None, match: Match = "all"
) -> Condition:
    """Return the condition that a number is greater than a limit.

    A state that is not a number, such as ``unavailable``, does not meet the condition, and neither does a missing
    entity. ``~above(...)`` is the exact opposite, so it holds for such an entity; use `below` to require a number.

    Example:
        ::

            above("sensor.hall_temperature", 21.5)
            above("light.hall", 100, attribute="brightness")
            above("sensor.outside", "input_number.limit")

    Args:
        entities: An entity id, a glob, a selection, or several of these.
        limit: A number, or the id of an entity whose state is a number.
        attribute: The attribute to compare; None for the state.
        match: ``all`` if all entities must meet the condition, ``any`` if one is enough.

    Raises:
        RegistrationError: An argument cannot work. The message explains how to fix it.
    """
    return _comparison(entities, limit, attribute, match, "above", lambda value, bound: value > bound)


def below(
    entities: EntityArgument, limit: float | str, *, attribute: str | None = None, match: Match = "all"
) -> Condition:
    """Return the condition that a number is less than a limit. All else is as in `above`.

    Raises:
        RegistrationError: An argument cannot work. The message explains how to fix it.
    """
    return _comparison(entities, limit, attribute, match, "below", lambda value, bound: value < bound)


def _comparison(
    entities: EntityArgument,
    limit: float | str,
    attribute: str | None,
    match: Match,
    relation: str,
    compare: Callable[[float, float], bool],
) -> Condition:
    bound_of = _limit(limit)

    def accepts(value: object, view: ConditionView) -> bool:
        number, bound = number_of(value), bound_of(view)
        return number is not None and bound is not None and compare(number, bound)

    shown = limit if isinstance(limit, str) else f"{limit:g}"
    found = parse_entities("entities", entities)
    if attribute is None and found.single and limit in found.ids:
        raise RegistrationError(f"limit must be another entity than {limit!r}: a number is never {relation} itself")
    return StateCondition(
        found,
        accepts,
        f"{relation} {shown}",
        attribute=attribute,
        match=match,
        also_reads=(limit,) if isinstance(limit, str) else (),
    )


def _limit(limit: object) -> Callable[[ConditionView], float | None]:
    """Return a function that returns the limit, or None if the entity of the limit has no number."""
    if isinstance(limit, str):
        if number_of(limit) is not None:  # "21.5" has the form of an entity id
            raise RegistrationError(
                f"limit must be a number or an entity id, got {limit!r}; write {limit} without quotes"
            )
        entity_id = check_entity_id("limit", limit)

        def current(view: ConditionView) -> float | None:
            state = view.states.get(entity_id)
            return None if state is None else number_of(state.state)

        return current
    number = number_of(limit)
    if number is None:
        raise RegistrationError(f"limit must be a finite number or an entity id, got {limit!r}")
    return lambda view: number


def number_of(value: object) -> float | None:
    """Return a finite number, or None if the value is not one. A string may contain the number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
