"""`InjectionPlan`: read a handler's parameters at registration, and pass values for them in each run."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from hassette_core.copies import copied, copied_option, has_copies
from hassette_core.errors import RegistrationError, describe_error
from hassette_core.events import Event, State, StateChanged, TriggerFired
from hassette_core.handlers.annotations import filled_names, read_parameters, takes_any_name
from hassette_core.handlers.callables import Handler, known_facts, name_of
from hassette_core.handlers.parameter_markers import (
    Attr,
    Data,
    Missing,
    NewValue,
    OldValue,
    ParameterMarker,
    WholeEvent,
)
from hassette_core.suggestions import did_you_mean
from hassette_executor import DependencyError

Provides = Literal["change", "trigger", "event", "nothing"]
"""The cause of a run: a state change, a trigger of Home Assistant, another event, or a due job. A due job provides no
values."""

_NO_VALUE = ("unavailable", "unknown")
"""The states of an entity that has no value at the moment."""
_EVENTS: Mapping[type[Event], frozenset[Provides]] = {
    Event: frozenset(("change", "trigger", "event")),
    StateChanged: frozenset(("change",)),
    TriggerFired: frozenset(("trigger",)),
}
"""The causes of a run that fill in a parameter with such an annotation."""
_KNOWN = (
    "name it event, or annotate it with Event, StateChanged, TriggerFired, EntityId, NewState, OldState or"
    " Annotated[type, marker], where marker is NewValue(), OldValue(), Attr(name) or Data(key)"
)

_OF_APPDAEMON = {
    "entity": "entity: EntityId",
    "entity_id": "entity_id: EntityId",
    "old": "old: OldState",
    "new": "new: NewState",
    "old_state": "old_state: OldState",
    "new_state": "new_state: NewState",
    "attribute": "no such parameter, because on_attribute_change listens to one attribute",
    "event_name": "event: Event, for event.event_type",
    "event_type": "event: Event, for event.event_type",
    "data": "event: Event, for event.data",
}
"""Parameters of callbacks in AppDaemon and similar frameworks, and the parameters with the same value."""


class _Slot(NamedTuple):
    """One parameter of a handler.

    Attributes:
        name: Name of the parameter.
        marker: Reads the value from the event.
        convert: Function that converts the value to the annotated type; None when no conversion is needed.
        optional: True when the annotation allows None.
        default: Default of the parameter, or `inspect.Parameter.empty`.
        by_name: True when the value is passed by keyword, because the parameter is keyword-only, or because an earlier
            parameter is left out.
    """

    name: str
    marker: ParameterMarker
    convert: Callable[[object], object] | None
    optional: bool
    default: object
    by_name: bool


class _Parameters(NamedTuple):
    """The parameters of a handler.

    Attributes:
        slots: The parameters that an event fills in.
        without_value: The parameters that are None in each run, because a due job has no state and no event.
    """

    slots: tuple[_Slot, ...]
    without_value: tuple[str, ...]


class _FreshArguments(partial[Any]):
    """A partial that calls its function with copies of the arguments."""

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return self.func(*positional, **copied(self.keywords), **named)


class InjectionPlan:
    """Fills in the parameters of one handler.

    Args:
        handler: The callable.
        provides: The kind of trigger.
        kwargs: Arguments of the registration, by the names of parameters.

    Raises:
        RegistrationError: A parameter can never get a value, or ``kwargs`` has a name that the handler does not take.
            The message names the parameter and a fix.
    """

    def __init__(self, handler: Handler, provides: Provides, kwargs: Mapping[str, object] | None = None) -> None:
        fixed = copied_option("kwargs", kwargs or {})
        parameters = _parameters_of(handler, provides, fixed)
        slots = parameters.slots
        fixed.update(dict.fromkeys(parameters.without_value))
        self._handler: Handler = partial(handler, **fixed) if fixed else handler
        if any(has_copies(value) for value in fixed.values()):
            # Each run has its own lists and tables. Otherwise a run that changes them would change the next runs.
            self._handler = _FreshArguments(handler, **fixed)
        self._positional = tuple(slot for slot in slots if not slot.by_name)
        self._named = tuple(slot for slot in slots if slot.by_name)
        self._event_only = [type(slot.marker) for slot in slots] == [WholeEvent] and not self._named

    def bind(self, event: Event | None) -> Callable[[], Any]:
        """Return a callable without parameters that reads the values from the event and calls the handler.

        The returned callable raises `DependencyError` when the event has no value for a parameter.

        Args:
            event: The event. None for a due job.
        """
        if event is None or not (self._positional or self._named):
            return self._handler
        if self._event_only:
            return partial(self._handler, event)
        return partial(self._call, event)

    def _call(self, event: Event) -> Any:
        positional = [_value(self._handler, slot, event) for slot in self._positional]
        named = {slot.name: _value(self._handler, slot, event) for slot in self._named}
        return self._handler(*positional, **named)


def _parameters_of(handler: Handler, provides: Provides, fixed: Mapping[str, object]) -> _Parameters:
    """Return the parameters of a handler. For further registrations of the same function, they are known."""
    facts = known_facts(handler)
    if facts is None:
        return _read(handler, provides, fixed)
    # An annotation may contain a name of the class of the object.
    owner: object = getattr(handler, "__self__", None)
    key = (owner.__class__, provides, *fixed)
    if (known := facts.get(key)) is None:
        known = facts[key] = _read(handler, provides, fixed)
    return known


def _read(handler: Handler, provides: Provides, fixed: Mapping[str, object]) -> _Parameters:
    slots: list[_Slot] = []
    without_value: list[str] = []
    left_out = False
    parameters = read_parameters(handler, resolve=provides != "nothing")
    if fixed:
        _check_names(handler, fixed, parameters)
    for parameter in parameters:
        slot = None
        if parameter.name in fixed:
            _check_argument(handler, parameter, provides)
        elif provides == "nothing" and _is_optional_value(handler, parameter):
            without_value.append(parameter.name)
        else:
            slot = _slot(handler, parameter, provides)
        if slot is None:
            left_out = True  # this parameter is not filled in by position, so the next ones are passed by keyword
        else:
            slots.append(slot._replace(by_name=slot.by_name or left_out))
    return _Parameters(tuple(slots), tuple(without_value))


def _check_names(handler: Handler, kwargs: Mapping[str, object], parameters: Sequence[inspect.Parameter]) -> None:
    """Check that the handler takes each argument. A handler with ``**kwargs`` takes all names."""
    known = [parameter.name for parameter in parameters]
    if taken := [name for name in kwargs if name not in known and name in filled_names(handler)]:
        raise RegistrationError(
            f"kwargs must contain only parameters without a value, got {taken[0]!r}: handler {name_of(handler)} already"
            " has a value for it"
        )
    unknown = next((name for name in kwargs if name not in known), None)
    if unknown is None or takes_any_name(handler):
        return
    hint = did_you_mean(unknown, known, f"; its parameters are {', '.join(known) or 'none'}")
    raise RegistrationError(
        f"kwargs must contain only parameters of the handler, got {unknown!r}: handler {name_of(handler)} does not take"
        f" it{hint}"
    )


def _check_argument(handler: Handler, parameter: inspect.Parameter, provides: Provides) -> None:
    if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise RegistrationError(
            f"kwargs must not contain {parameter.name!r}: handler {name_of(handler)} takes it only by position; remove"
            " the / from its parameters"
        )
    if provides != "nothing" and _marker(parameter, _without_none(parameter.annotation)[0]) is not None:
        raise RegistrationError(
            f"kwargs must not contain {parameter.name!r}: the event fills in the parameter {str(parameter)!r} of"
            f" handler {name_of(handler)}; rename it, or give it another annotation"
        )


def _is_optional_value(handler: Handler, parameter: inspect.Parameter) -> bool:
    """Return whether a parameter without a default is a value of an event that may be None."""
    if parameter.default is not inspect.Parameter.empty or parameter.annotation is inspect.Parameter.empty:
        return False
    try:
        resolved = next(each for each in read_parameters(handler) if each.name == parameter.name)
    except RegistrationError:
        return False  # an annotation that cannot be evaluated is no error for a job, which does not use it
    annotation, optional = _without_none(resolved.annotation)
    marker = _marker(resolved, annotation)
    return marker is not None and (optional or _converter(handler, resolved, annotation, marker)[1])


def _slot(handler: Handler, parameter: inspect.Parameter, provides: Provides) -> _Slot | None:
    annotation, optional = _without_none(parameter.annotation)
    marker = _marker(parameter, annotation)
    has_default = parameter.default is not inspect.Parameter.empty
    if marker is None or provides == "nothing":
        if has_default:
            return None
        advice = 'pass it in kwargs={"' + parameter.name + '": ...}'
        if provides != "nothing":
            usual = _OF_APPDAEMON.get(parameter.name) if parameter.annotation is inspect.Parameter.empty else None
            advice = f"{advice}, or {_KNOWN}" if usual is None else f"write {usual}, or {advice}"
        raise RegistrationError(
            f"handler {name_of(handler)} has the parameter {str(parameter)!r}, which cannot be filled in; {advice}"
        )
    accepted = frozenset[Provides]().union(*(_EVENTS[each] for each in _events_of(annotation)))
    if (marker.needs_change and provides != "change") or (accepted and provides not in accepted):
        needs_trigger = accepted == _EVENTS[TriggerFired]
        cause, method = ("trigger", "on_trigger") if needs_trigger else ("state change", "on_state_change")
        raise RegistrationError(
            f"handler {name_of(handler)} has the parameter {str(parameter)!r}, which only a {cause} can fill in;"
            f" register it with {method}, or use event: Event or Annotated[type, Data(key)]"
        )
    convert, admits_none = _converter(handler, parameter, annotation, marker)
    by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
    return _Slot(parameter.name, marker, convert, optional or admits_none, parameter.default, by_name)


def _marker(parameter: inspect.Parameter, annotation: Any) -> ParameterMarker | None:
    if get_origin(annotation) is Annotated:
        return next((extra for extra in annotation.__metadata__ if isinstance(extra, ParameterMarker)), None)
    # A class of events, a union of these, or a parameter called "event" without an annotation.
    if _events_of(annotation):
        return WholeEvent()
    if parameter.name == "event" and annotation in (inspect.Parameter.empty, Any):
        return WholeEvent()
    return None


def _events_of(annotation: Any) -> tuple[type[Event], ...]:
    """Return the classes of events in an annotation. Empty if the annotation contains another type."""
    arms = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return arms if all(isinstance(arm, type) and arm in _EVENTS for arm in arms) else ()


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """Return the annotation without ``| None``, and whether it contained ``None``.

    ``NewState | None`` gives (NewState, True).
    """
    if get_origin(annotation) not in (Union, UnionType) or NoneType not in get_args(annotation):
        return annotation, False
    return Union[tuple(arm for arm in get_args(annotation) if arm is not NoneType)], True  # noqa: UP007  the types are only known at runtime


def _converter(
    handler: Handler, parameter: inspect.Parameter, annotation: Any, marker: ParameterMarker
) -> tuple[Callable[[object], object] | None, bool]:
    """Return the function that converts a value to the annotated type, and whether that type allows None."""
    if get_origin(annotation) is not Annotated:
        return None, False
    wanted = annotation.__origin__
    if wanted is Any:
        return None, True
    inner, optional = _without_none(wanted)
    if inner is State or (inner is str and not isinstance(marker, Attr | Data)):
        return None, optional
    try:
        adapter: TypeAdapter[object] = TypeAdapter(wanted)
    except Exception as error:  # noqa: BLE001  a type may run code of the app, which may raise any exception
        problem = error.message if isinstance(error, PydanticUserError) else describe_error(error)
        raise RegistrationError(
            f"handler {name_of(handler)} has the parameter {str(parameter)!r}, and no value can be converted to its"
            f" type: {problem}"
        ) from None
    return adapter.validate_python, optional


def _value(handler: Handler, slot: _Slot, event: Event) -> object:
    value = slot.marker.provide(event)
    if isinstance(value, Missing):
        return _value_in_place(handler, slot, value.reason)
    if slot.convert is None:
        return value
    try:
        return slot.convert(value)
    except ValidationError as error:
        # Most sensors are unavailable for a moment when Home Assistant starts, which is not an error of the app.
        if isinstance(event, StateChanged) and isinstance(slot.marker, NewValue | OldValue) and value in _NO_VALUE:
            return _value_in_place(handler, slot, f"{event.entity_id} is {value}")
        problem = error.errors(include_url=False)[0]["msg"]
    raise DependencyError(
        f"handler {name_of(handler)} was not called: {value!r} does not fit the parameter {slot.name!r}: {problem}"
    )


def _value_in_place(handler: Handler, slot: _Slot, reason: str) -> object:
    """Return the default or None for a value that the event does not have.

    Raises:
        DependencyError: The parameter has no default, and its annotation does not allow None.
    """
    if slot.default is not inspect.Parameter.empty:
        return slot.default
    if slot.optional:
        return None
    raise DependencyError(
        f"handler {name_of(handler)} was not called: {reason}, so the parameter {slot.name!r} has no value;"
        " annotate it with | None to get None instead"
    )
