"""`Condition`: a rule that decides whether a trigger leads to a run, and the ways to combine conditions."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from hassette_core.conditions.functions import EventParameter, check_condition, event_parameter, truth_of
from hassette_core.conditions.view import ConditionView
from hassette_core.errors import RegistrationError, describe_error
from hassette_core.handlers import check_body, is_async

MAX_SHOWN_CHARACTERS = 80
"""Maximum length of a value in a reason."""


def shortened(text: str) -> str:
    """Return a value as a reason shows it."""
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"


class Condition(ABC):
    """A rule that decides whether a trigger leads to a run.

    The option ``where`` of listeners and jobs takes a condition. A condition is checked for each trigger that the other
    options accept. Combine conditions with ``&`` (both), ``|`` (at least one) and ``~`` (not); a plain function may be
    combined with a condition.

    Subclass it with `holds` and `describe` for a rule with its own name in the history. Both must be quick, because
    they run on the event loop.

    Example:
        ::

            dark = below("sensor.lux", 50) | sun_is_down()
            self.bus.on_state_change(self.on_motion, "binary_sensor.hall", changed_to="on", where=dark)
            self.scheduler.run_daily(self.open_blinds, "07:00", where=~state_is("input_boolean.holiday", "on"))
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name in ("holds", "describe", "observe", "explain"):
            method = getattr(cls, name)
            if is_async(method):
                raise RegistrationError(
                    f"{name}() of the condition {cls.__qualname__} must be a plain `def`, got an `async def`: a"
                    " condition cannot wait"
                )
            check_body(f"{name}() of the condition {cls.__qualname__}", method)

    def is_met(self, view: ConditionView) -> bool:
        """Return whether the condition holds. Do not override this method, but `holds`.

        Raises:
            RegistrationError: `holds` returned a value that would always count as true, such as a coroutine.
        """
        return truth_of(f"holds() of the condition {type(self).__qualname__}", self.holds(view))

    def check(self, view: ConditionView) -> str | None:
        """Return None if the condition holds. Otherwise return the reason, as `explain` does."""
        if self.is_met(view):
            return None
        return _text(self, "explain", self.explain(view))

    @abstractmethod
    def holds(self, view: ConditionView) -> bool:
        """Return whether the condition holds.

        An exception, even a `SystemExit`, is counted as ``predicate_failed``, and the trigger leads to no run.

        Args:
            view: The states, the time, the place and the event.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return the condition as a short clause without a full stop, such as ``sensor.lux is below 50``."""

    def observe(self, view: ConditionView) -> str:
        """Return the values that the condition found, as a short clause: ``it was 80``. Empty if there are none."""
        del view
        return ""

    @property
    def needs_event(self) -> bool:
        """Whether the condition reads the event, so that it cannot serve a job."""
        return False

    @property
    def reads(self) -> tuple[str, ...]:
        """The entity ids and globs that the condition reads. ``hassette check`` compares them with the home."""
        return ()

    def explain(self, view: ConditionView) -> str:
        """Return the reason, if the condition does not hold: ``sensor.lux is below 50: it was 80``."""
        observed = self.observe(view)
        return f"{self.describe()}: {observed}" if observed else self.describe()

    def __and__(self, other: "Where") -> "Condition":
        return AllOf((self, _parse("&", other)))

    def __rand__(self, other: "Where") -> "Condition":
        return AllOf((_parse("&", other), self))

    def __or__(self, other: "Where") -> "Condition":
        return AnyOf((self, _parse("|", other)))

    def __ror__(self, other: "Where") -> "Condition":
        return AnyOf((_parse("|", other), self))

    def __invert__(self) -> "Condition":
        return Not(self)

    def __bool__(self) -> bool:
        # `a and b` would be `b`, and `not a` would be False: the condition would be different without an error.
        raise RegistrationError(
            f"a condition has no truth value; combine conditions with & | ~ in place of and, or, not: {self!r}"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.describe()}>"


Check = Callable[[Any], object] | Callable[[], object]
"""A function that returns a true value. It receives the event, or takes no argument. With ``...`` in place of the
arguments, pyright would not accept a lambda in strict mode."""
Where = Condition | Check | Iterable[Condition | Check]
"""A condition, a function that returns a true value, or several of these, which must all hold."""


class _Combined(Condition):
    """Several conditions.

    Args:
        parts: The conditions, in the order in which they are checked.
    """

    conjunction = ""

    def __init__(self, parts: Iterable[Condition]) -> None:
        # `a & b & c` is one list of three conditions.
        self._parts = tuple(inner for part in parts for inner in (part._parts if type(part) is type(self) else (part,)))
        for part in self._parts:
            _check_description(part)

    def describe(self) -> str:
        if not self._parts:
            return "always"
        return f" {self.conjunction} ".join(
            f"({part.describe()})" if isinstance(part, _Combined) else part.describe() for part in self._parts
        )

    @property
    def needs_event(self) -> bool:
        """Whether a part reads the event."""
        return any(part.needs_event for part in self._parts)

    @property
    def reads(self) -> tuple[str, ...]:
        """The entity ids and globs that the parts read."""
        return tuple(topic for part in self._parts for topic in part.reads)

    def observe(self, view: ConditionView) -> str:
        found = (f"{part.describe()} ({observed})" for part in self._parts if (observed := part.observe(view)))
        return "; ".join(found)


class AllOf(_Combined):
    """Holds if all parts hold. The parts after the first false part are not checked."""

    conjunction = "and"

    def holds(self, view: ConditionView) -> bool:
        return all(part.is_met(view) for part in self._parts)

    def check(self, view: ConditionView) -> str | None:
        """Return the reason of the first part that does not hold. Check each part once."""
        return next((reason for part in self._parts if (reason := part.check(view)) is not None), None)

    def explain(self, view: ConditionView) -> str:
        """Return the reason of the first part that does not hold."""
        return self.check(view) or self.describe()


class AnyOf(_Combined):
    """Holds if at least one part holds. The parts after the first true part are not checked."""

    conjunction = "or"

    def holds(self, view: ConditionView) -> bool:
        return any(part.is_met(view) for part in self._parts)

    def explain(self, view: ConditionView) -> str:
        """Return the reasons of all parts: ``a is on (it was off) or b is on (it was unavailable)``."""
        return " or ".join(
            f"{part.describe()} ({observed})" if (observed := part.observe(view)) else part.describe()
            for part in self._parts
        )


class Not(Condition):
    """Holds if and only if the inner condition does not hold.

    Args:
        inner: The condition.
    """

    def __init__(self, inner: Condition) -> None:
        self._inner = inner
        _check_description(inner)

    def holds(self, view: ConditionView) -> bool:
        return not self._inner.is_met(view)

    def describe(self) -> str:
        return f"not ({self._inner.describe()})"

    def observe(self, view: ConditionView) -> str:
        return self._inner.observe(view)

    @property
    def needs_event(self) -> bool:
        """Whether the inner condition reads the event."""
        return self._inner.needs_event

    @property
    def reads(self) -> tuple[str, ...]:
        """The entity ids and globs that the inner condition reads."""
        return self._inner.reads

    def __invert__(self) -> Condition:
        return self._inner


class Function(Condition):
    """A plain function as a condition.

    Args:
        option: The name of the option, for the error message.
        function: Called with the event, or without arguments if it takes none.

    Raises:
        RegistrationError: The function is async, contains a ``yield``, or needs more than one argument.
    """

    def __init__(self, option: str, function: Callable[..., object]) -> None:
        self._name = check_condition(option, function)
        self._parameter: EventParameter = event_parameter(option, function)
        self._function = function
        self._returned: object = None

    def holds(self, view: ConditionView) -> bool:
        self._returned = None  # if the function raises, its earlier result is not the reason
        result = self._function() if self._parameter == "none" else self._function(view.event)
        met = truth_of(self._name, result)
        self._returned = result
        return met

    def describe(self) -> str:
        return f"{self._name} is true"

    def observe(self, view: ConditionView) -> str:
        # The function is not called again: it may count its calls, or take some time.
        return f"it returned {shortened(repr(self._returned))}"

    def explain(self, view: ConditionView) -> str:
        # “is_dark() is true: it returned False” would read like a contradiction.
        return f"{self._name} must be true, {self.observe(view)}"

    @property
    def needs_event(self) -> bool:
        """Whether the function cannot be called without the event."""
        return self._parameter == "required"


def as_condition(option: str, where: object, *, has_event: bool = True) -> Condition:
    """Return the condition for a value of the option ``where``.

    Args:
        option: The name of the option, for the error message.
        where: A condition, a function, or several of these, which must all hold.
        has_event: False for a job, whose functions must not need an event.

    Raises:
        RegistrationError: The value cannot work. The message contains a correction.
    """
    condition = _parse(option, where)
    _check_description(condition)
    if condition.needs_event and not has_event:
        raise RegistrationError(
            f"{option} must be a condition, or a function without arguments, because a job has no event; got"
            f" {condition.describe()!r}"
        )
    return condition


def _check_description(condition: Condition) -> None:
    """Check that a condition has a description.

    Raises:
        RegistrationError: ``describe`` raised an exception, or returned no text.
    """
    try:
        text = condition.describe()
    except Exception as error:
        raise RegistrationError(
            f"describe() of the condition {type(condition).__qualname__} must return a text, but it raised"
            f" {describe_error(error)}"
        ) from error
    _text(condition, "describe", text)


def _text(condition: Condition, method: str, text: object) -> str:
    if isinstance(text, str) and text.strip():
        return text
    raise RegistrationError(
        f"{method}() of the condition {type(condition).__qualname__} must return a text, such as 'the home is quiet',"
        f" got {text!r}"
    )


def _parse(option: str, where: object) -> Condition:
    if isinstance(where, Condition):
        return where
    if inspect.isclass(where) and issubclass(where, Condition):
        raise RegistrationError(
            f"{option} must be a condition, got the class {where.__qualname__}; write {where.__name__}(…)"
        )
    if callable(where):
        return Function(option, where)
    if isinstance(where, Iterable) and not isinstance(where, str | bytes | Mapping):
        parts = [_parse(option, part) for part in cast("Iterable[object]", where)]
        return parts[0] if len(parts) == 1 else AllOf(parts)
    hint = f"; write state_is({where!r}, 'on')" if isinstance(where, str) else ""
    raise RegistrationError(
        f"{option} must be a condition such as state_is('light.hall', 'on'), a function, or a list of these, got"
        f" {where!r}{hint}"
    )
