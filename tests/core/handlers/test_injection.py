"""Handlers get the values of their parameters. A missing value is an error, unless the annotation allows None."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Optional, Union

import pytest

from hassette_core.errors import RegistrationError
from hassette_core.events import Event, State, StateChanged
from hassette_core.handlers import Attr, Data, EntityId, NewState, NewValue, OldState, OldValue
from hassette_executor import Status
from support.home import Home

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


async def test_every_kind_of_parameter_is_filled_in(home: Home, calls: list[Any]) -> None:
    async def handler(
        event: StateChanged,
        entity: EntityId,
        new: NewState,
        old: OldState,
        celsius: Annotated[float, NewValue()],
        before: Annotated[str, OldValue()],
        unit: Annotated[str, Attr("unit")],
        *,
        brightness: Annotated[int | None, Attr("brightness")],
        plain: int = 7,
        **rest: object,
    ) -> None:
        calls.append((event.entity_id, entity, new.state, old.state, celsius, before, unit, brightness, plain, rest))

    home.set_state("sensor.t", "20.5")
    home.bus.on_state_change(handler, "sensor.t")
    home.change("sensor.t", "21.5", unit="C")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS, record.failure
    assert calls == [("sensor.t", "sensor.t", "21.5", "20.5", 21.5, "20.5", "C", None, 7, {})]


async def test_event_and_its_data_are_passed_to_the_handler(home: Home, calls: list[Any]) -> None:
    async def handler(
        event: Event, device: Annotated[str, Data("device")], times: Annotated[int, Data("n")] = 1
    ) -> None:
        calls.append((event.event_type, device, times))

    home.bus.on_event(handler, "button")
    home.fire("button", device="b1")
    home.fire("button", device="b1", n=3)
    await home.records(2)
    assert calls == [("button", "b1", 1), ("button", "b1", 3)]


async def test_parameter_named_event_needs_no_annotation(home: Home, calls: list[Any]) -> None:
    async def handler(event) -> None:  # type: ignore[no-untyped-def]
        calls.append(event.entity_id)

    home.bus.on_state_change(handler, "light.a")
    home.bus.on_event(both, "*", name="both")
    home.change("light.a", "on")
    await home.records(2)
    assert calls == ["light.a"]


async def both(event: Event | StateChanged) -> None: ...


async def needs_new(new: NewState) -> None: ...
async def allows_none(new: NewState | None, old: OldState | None) -> None: ...
async def needs_number(celsius: Annotated[float, NewValue()]) -> None: ...
async def needs_text(unit: Annotated[str, Attr("unit")]) -> None: ...
async def needs_old(old: OldState) -> None: ...
async def needs_old_value(old: Annotated[str, OldValue()]) -> None: ...
def needs_new_in_a_thread(new: NewState) -> None: ...


@pytest.mark.parametrize(
    ("handler", "states", "text"),
    [
        (needs_new, ["on", None], "sensor.t was removed, so the parameter 'new' has no value"),
        (needs_new_in_a_thread, ["on", None], "sensor.t was removed"),
        (needs_number, ["on", None], "sensor.t was removed"),
        (needs_number, ["1", "unavailable"], "sensor.t is unavailable, so the parameter 'celsius' has no value"),
        (needs_number, ["1", "many"], "'many' does not fit the parameter 'celsius'"),
        (needs_text, ["on", "off"], "no attribute 'unit'"),
        (needs_text, ["on", None], "sensor.t was removed"),
        (needs_old, [None, "on"], "sensor.t was added"),
        (needs_old_value, [None, "on"], "sensor.t was added"),
    ],
)
async def test_missing_value_is_a_dependency_error_and_the_handler_is_not_called(
    home: Home, handler: Callable[..., Any], states: list[str | None], text: str
) -> None:
    home.set_state("sensor.t", states[0])
    home.bus.on_state_change(handler, "sensor.t")
    home.change("sensor.t", states[1])
    (record,) = await home.records(1)
    assert record.status is Status.ERROR
    assert record.failure.kind == "dependency"
    assert text in record.failure.message
    assert handler.__name__ in record.failure.message


async def test_none_is_passed_where_the_annotation_allows_it(home: Home) -> None:
    home.bus.on_state_change(allows_none, "sensor.t")
    home.change("sensor.t", "on")
    home.change("sensor.t", None)
    assert [record.status for record in await home.records(2)] == [Status.SUCCESS] * 2


async def test_number_of_an_entity_without_a_value_is_none_or_the_default(home: Home, calls: list[Any]) -> None:
    async def handler(new: Annotated[float | None, NewValue()], old: Annotated[float, OldValue()] = -1.0) -> None:
        calls.append((old, new))

    home.set_state("sensor.t", "1")
    home.bus.on_state_change(handler, "sensor.t")
    for state in ("unavailable", "unknown", "2"):
        home.change("sensor.t", state)
    await home.records(3)
    assert calls == [(1.0, None), (-1.0, None), (-1.0, 2.0)]


async def test_text_of_an_entity_without_a_value_is_passed_on(home: Home, calls: list[Any]) -> None:
    async def handler(new: Annotated[str | None, NewValue()]) -> None:
        calls.append(new)

    home.bus.on_state_change(handler, "sensor.t")
    home.change("sensor.t", "unavailable")
    await home.records(1)
    assert calls == ["unavailable"]


async def number_or_none(value: Annotated[int | float | None, Attr("nope")]) -> None: ...
async def optional_number(value: Optional[Annotated[Union[int, float], Attr("nope")]]) -> None: ...  # noqa: UP007, UP045  the older syntax also works
async def none_first(value: Annotated[None | str | int, Attr("nope")]) -> None: ...  # noqa: RUF036
async def whole_event(event: Event) -> None: ...
async def any_event(event: Event | StateChanged | None) -> None: ...


@pytest.mark.parametrize("handler", [number_or_none, optional_number, none_first, any_event, whole_event])
async def test_none_is_allowed_in_a_union_of_any_length(home: Home, handler: Callable[..., Any]) -> None:
    home.bus.on_state_change(handler, "sensor.t")
    home.change("sensor.t", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS, record.failure


async def test_missing_data_is_a_dependency_error(home: Home) -> None:
    async def handler(device: Annotated[str, Data("device")]) -> None: ...

    home.bus.on_event(handler, "button")
    home.fire("button")
    (record,) = await home.records(1)
    assert "has no 'device'" in record.failure.message


class Opaque:
    pass


class CustomSchema:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        raise KeyError("schema")


async def unknown(what: str) -> None: ...
async def unnamed(whatever) -> None: ...  # type: ignore[no-untyped-def]
async def bare_state(new: State) -> None: ...
async def opaque(value: Annotated[Opaque, NewValue()]) -> None: ...
async def unresolved(value: OnlyForTheChecker) -> None: ...
async def union(value: int | str) -> None: ...
async def half_quoted(new: "NewState" | None) -> None: ...  # noqa: UP037  the error under test
async def no_such_name(event: Event.nothing) -> None: ...
async def raising(event: int("seven")) -> None: ...
async def unhashable(when: Callable[[int], str]) -> None: ...
async def custom_schema(value: Annotated[CustomSchema, NewValue()]) -> None: ...


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (unknown, "what.*which cannot be filled in"),
        (unnamed, "whatever.*which cannot be filled in"),
        (bare_state, "NewState"),
        (opaque, "no value can be converted"),
        (unresolved, "OnlyForTheChecker.*not under TYPE_CHECKING"),
        (union, "which cannot be filled in"),
        (half_quoted, r"half_quoted has an annotation that cannot be evaluated: TypeError: .*inside the quotes"),
        (no_such_name, "cannot be evaluated: AttributeError"),
        (raising, "cannot be evaluated: ValueError: invalid literal"),
        (unhashable, "when.*which cannot be filled in"),
        (custom_schema, "no value can be converted to its type: KeyError: 'schema'"),
    ],
)
async def test_parameter_that_can_never_be_filled_in_is_rejected_at_registration(
    home: Home, handler: Callable[..., Any], text: str
) -> None:
    with pytest.raises(RegistrationError, match=text):
        home.bus.on_state_change(handler, "light.a")


@pytest.mark.parametrize("handler", [needs_new, needs_text, needs_old])
async def test_parameter_that_needs_a_state_change_is_rejected_for_other_events(
    home: Home, handler: Callable[..., Any]
) -> None:
    with pytest.raises(RegistrationError, match="which only a state change can fill in"):
        home.bus.on_event(handler, "button")
    home.bus.on_event(handler, "state_changed")  # this event type is a state change


async def test_parameter_with_a_default_may_be_annotated_with_anything(home: Home) -> None:
    async def handler(event: StateChanged, notify: Callable[[str], None] = print) -> None: ...

    home.bus.on_state_change(handler, "light.a")
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS


async def test_parameters_after_a_kept_default_are_passed_by_keyword(home: Home, calls: list[Any]) -> None:
    async def handler(entity: EntityId, percent: int = 50, new: NewState | None = None) -> None:
        calls.append((entity, percent, new and new.state))

    home.bus.on_state_change(handler, "light.a")
    home.change("light.a", "on")
    await home.records(1)
    assert calls == [("light.a", 50, "on")]


async def test_c_function_without_a_signature_is_called_without_arguments(home: Home) -> None:
    subscription = home.bus.on_state_change(dict, "light.a")
    assert subscription.name == "dict"
    home.change("light.a", "on")
    (record,) = await home.records(1)
    assert record.status is Status.SUCCESS
