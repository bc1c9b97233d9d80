"""Keyword options of listeners and jobs.

Each option is defined once, with its type, default, check and documentation: a TypedDict lists the options for type
checkers, and the annotation of each key contains an `Option`. `keyword_options` adds the options to the signature and
the docstring of every method that takes them::

    class RunOptions(TypedDict, total=False):
        timeout: Annotated[Duration | None, Option("Deadline of one run, in seconds.", check_timeout)]

    @keyword_options
    def run_in(self, handler: Handler, /, delay: Duration, **options: Unpack[JobOptions]) -> Job: ...
"""

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, ParamSpec, TypedDict, TypeVar, cast, get_args, get_type_hints

from hassette_core.errors import RegistrationError
from hassette_core.handlers.callables import check_hook, name_of
from hassette_core.handlers.durations import Duration, describe_duration, seconds
from hassette_core.suggestions import did_you_mean
from hassette_executor import ErrorHook

_DOC_WIDTH = 110
_PLACEHOLDER = "    **options:"
"""The documentation of the options replaces the docstring line that starts with this text."""

_RENAMED = {
    "new": "changed_to",
    "old": "changed_from",
    "oneshot": "once",
    "random_start": "jitter",
    "random_end": "jitter",
    "if_exists": "replace",
}
"""Options of AppDaemon and hassette 0.60, and the options with the same purpose."""
_UNITS = ("seconds", "minutes", "hours")

P = ParamSpec("P")
R = TypeVar("R")


class Option(NamedTuple):
    """One keyword option.

    Attributes:
        doc: Documentation of the option.
        check: Called with the option's name and a value other than the default. It returns the string that the
            registration's settings show for the value, or None to leave the option out of the settings. It raises
            `RegistrationError` when the value cannot work.
        default: Value of the option when the caller leaves it out.
    """

    doc: str
    check: Callable[[str, Any], str | None]
    default: object = None


def check_wait(option: str, value: object) -> str:
    """Check a duration above 0."""
    return describe_duration(seconds(option, value))


def check_timeout(option: str, value: object) -> str:
    """Check a duration of 0 or more, where 0 means no limit."""
    timeout_s = seconds(option, value, zero=True)
    return describe_duration(timeout_s) if timeout_s else "none"


def check_flag(option: str, value: object) -> str:
    """Check that a value is True or False."""
    if not isinstance(value, bool):
        raise RegistrationError(f"{option} must be True or False, got {value!r}")
    return "yes" if value else "no"


def checked_flag(option: str, value: bool) -> bool:
    """Return a value that is True or False.

    Raises:
        RegistrationError: The value is something else.
    """
    check_flag(option, value)
    return value


def check_name(option: str, name: object) -> None:
    """Check the name of a listener or job. Return None, because the settings do not repeat the name."""
    if not isinstance(name, str) or not name.strip():
        raise RegistrationError(f"{option} must be a non-blank string, got {name!r}")
    check_plain_text(option, name)


def is_plain_text(text: str) -> bool:
    """Return whether a text can be written in UTF-8. A text with half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_plain_text(option: str, text: str) -> None:
    """Raise `RegistrationError` if a text cannot be written in UTF-8, because files and the history need that."""
    if not is_plain_text(text):
        raise RegistrationError(f"{option} must be a text without half of a surrogate pair, got {text!r}")


def check_kwargs(option: str, kwargs: object) -> None:
    """Check the arguments of a handler. Return None, because arguments differ between jobs that share a registration.

    `InjectionPlan` compares the names with the parameters of the handler.
    """
    names = cast("Mapping[object, object]", kwargs) if isinstance(kwargs, Mapping) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise RegistrationError(f"{option} must be a mapping of names to values, got {kwargs!r}")


class RunOptions(TypedDict, total=False):
    """The options that listeners and jobs share."""

    kwargs: Annotated[
        Mapping[str, Any] | None,
        Option(
            'Arguments for the handler, by the names of its parameters, such as ``{"light": "light.hall"}``. Many'
            " waiting jobs of `run_in` and `run_once` with arguments may have the same name: they are one row in the"
            " history.",
            check_kwargs,
        ),
    ]
    timeout: Annotated[
        Duration | None,
        Option(
            "Deadline of one run, in seconds or as a timedelta. With None, ``timeout_s`` of ``[executor]`` applies."
            " With 0, a run has no deadline.",
            check_timeout,
        ),
    ]
    on_error: Annotated[
        ErrorHook | None,
        Option(
            "A function that is called with an `ErrorContext` when a run fails. The app's ``on_error`` is then not"
            " called.",
            check_hook,
        ),
    ]
    name: Annotated[
        str | None,
        Option(
            "The name in the history; by default, the name of the handler. All jobs of an app instance need different"
            " names, and so do all listeners of an app instance to the same topic.",
            check_name,
        ),
    ]


@functools.cache  # there are only few definitions, and reading them takes half a millisecond
def options_of(definition: type) -> Mapping[str, Option]:
    """Return the options of a TypedDict by name. The options of `RunOptions` come last."""
    hints = get_type_hints(definition, include_extras=True)
    found = {name: next(extra for extra in get_args(hint) if isinstance(extra, Option)) for name, hint in hints.items()}
    return MappingProxyType(dict(sorted(found.items(), key=lambda item: item[0] in RunOptions.__annotations__)))


def check_options(definition: type, given: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Check options. Return the options that differ from their defaults, as strings for the registration's settings.

    Raises:
        RegistrationError: A value cannot work. The message names the option and a value that would work.
    """
    settings: list[tuple[str, str]] = []
    for name, option in options_of(definition).items():
        if name not in given:
            continue
        value = given[name]
        if value is not option.default and value != option.default:
            text = option.check(name, value)
            if text is not None:
                settings.append((name, text))
    return tuple(settings)


def keyword_options(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a method that takes ``handler, /, ..., **options: Unpack[...]``.

    ``help()`` and `inspect.signature` show each option with its default. In the docstring, the documentation of the
    options replaces the line ``**options:``. A call with the wrong argument order or an unknown option raises a
    `RegistrationError`, whose message contains a correction.
    """
    signature = inspect.signature(method)
    parameters = dict(signature.parameters)
    (definition,) = get_args(parameters.pop("options").annotation)
    parameters |= _parameters_of(definition)

    if inspect.iscoroutinefunction(method):  # the decorated method must be an `async def`, too

        @functools.wraps(method)
        async def call_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            _check_call(method.__name__, parameters, args[1:], kwargs)
            return await method(*args, **kwargs)

        call = cast("Callable[P, R]", call_async)
    else:

        @functools.wraps(method)
        def call_plain(*args: P.args, **kwargs: P.kwargs) -> R:
            _check_call(method.__name__, parameters, args[1:], kwargs)
            return method(*args, **kwargs)

        call = call_plain
    call.__doc__ = _with_options(inspect.getdoc(method) or "", definition)
    call.__dict__["__signature__"] = signature.replace(parameters=list(parameters.values()))
    return call


@functools.cache  # many methods have the same options, and the import of the package makes all of them
def _parameters_of(definition: type) -> Mapping[str, inspect.Parameter]:
    hints = get_type_hints(definition)
    return {
        name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=hints[name])
        for name, option in options_of(definition).items()
    }


@functools.cache
def _documentation_of(name: str, text: str) -> str:
    return textwrap.fill(f"{name}: {text}", _DOC_WIDTH, initial_indent="    ", subsequent_indent="        ")


def _check_call(
    method: str, parameters: Mapping[str, inspect.Parameter], args: tuple[object, ...], kwargs: Mapping[str, object]
) -> None:
    handler = kwargs.get("handler")
    others = list(args)
    if handler is None and len(args) > 1 and not callable(args[0]):
        handler = next((value for value in args[1:] if callable(value)), None)
        others = [value for value in args if value is not handler]
    if handler is not None:
        given = [name_of(handler) if callable(handler) else repr(handler), *map(repr, others)]
        raise RegistrationError(
            f"{method} must get the handler as its first argument: write {method}({', '.join(given)}, ...)"
        )
    for name in kwargs.keys() - parameters.keys():
        keywords = [p.name for p in parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        renamed = "where" if name.startswith("constrain_") else _RENAMED.get(name, "")
        if name == "attribute" and method == "on_state_change":
            hint = "; use on_attribute_change"
        elif renamed in keywords:
            hint = f"; use {renamed}"
        elif name in _UNITS:
            hint = f"; pass the time in seconds, or as timedelta({name}=...)"
        else:
            # In AppDaemon, any other keyword is an argument of the callback, or the value of a field of the event.
            purpose = f"An argument for the handler belongs in kwargs={{{name!r}: ...}}"
            if method == "on_event":
                purpose += ", and a filter of the event's data in where"
            hint = did_you_mean(name, parameters, f"; its options are {', '.join(keywords)}. {purpose}")
        raise RegistrationError(f"{method} has no option {name!r}{hint}")


def _with_options(docstring: str, definition: type) -> str:
    lines = docstring.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(_PLACEHOLDER))
    end = start + 1
    while end < len(lines) and lines[end].startswith("        "):
        end += 1
    lines[start:end] = [_documentation_of(name, option.doc) for name, option in options_of(definition).items()]
    return "\n".join(lines)
