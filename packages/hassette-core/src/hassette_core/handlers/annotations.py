"""`read_parameters`: the parameters of a handler, each with its resolved annotation.

An annotation may be a string or contain a string. From Python 3.14 on, every annotation is evaluated late (PEP 649).
So an annotation may name a class that its module imports only for a type checker, and it may raise an exception.
"""

import ast
import functools
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from hassette_core import events
from hassette_core.errors import RegistrationError, describe_error
from hassette_core.handlers import parameter_markers
from hassette_core.handlers.callables import Handler, function_of, name_of
from hassette_core.syntax import syntax_tree

if sys.version_info >= (3, 14):
    from annotationlib import Format

    def signature_of(handler: Handler) -> inspect.Signature:
        """Return the signature of a callable, even if an annotation contains an unknown name."""
        # A name that does not exist becomes a ForwardRef. Without the format, the call would raise a NameError.
        signature = inspect.signature(handler, annotation_format=Format.FORWARDREF)
        texts = inspect.signature(handler, annotation_format=Format.STRING).parameters
        # A ForwardRef may be anywhere, even in the metadata of Annotated. So the whole annotation is evaluated again.
        parameters = [
            parameter.replace(annotation=texts[name].annotation)
            if _FORWARD_REF in repr(parameter.annotation)
            else parameter
            for name, parameter in signature.parameters.items()
        ]
        return signature.replace(parameters=parameters)

else:
    signature_of = inspect.signature

_FORWARD_REF = "ForwardRef("
_IGNORED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_OWN_NAMES = (
    "Event",
    "StateChanged",
    "TriggerFired",
    "State",
    "NewState",
    "OldState",
    "EntityId",
    "NewValue",
    "OldValue",
    "Attr",
    "Data",
)
_TYPING_NAMES = ("Annotated", "Any", "Optional", "Union")
_KNOWN: Mapping[str, Any] = {
    **{name: getattr(events, name, None) or getattr(parameter_markers, name) for name in _OWN_NAMES},
    **{name: getattr(typing, name) for name in _TYPING_NAMES},
}
"""Names that an annotation may contain even if the handler's module imports them only for a type checker."""


def read_parameters(handler: Handler, *, resolve: bool = True) -> list[inspect.Parameter]:
    """Return the parameters of a handler, without ``*args`` and ``**kwargs``.

    Some annotations cannot be resolved. If such a parameter has a default, and its annotation contains none of the
    names in `_KNOWN`, the parameter has no annotation in the result.

    Args:
        handler: The callable.
        resolve: False leaves the annotations as they are.

    Raises:
        RegistrationError: An annotation cannot be evaluated. The message names the handler, the parameter and a fix.
    """
    function = function_of(handler)
    if inspect.isclass(function):
        function = function.__init__
    try:
        signature = signature_of(handler)
    except Exception as error:  # noqa: BLE001  from Python 3.14 on, an annotation is code of the app that runs here
        if isinstance(error, ValueError | TypeError) and not hasattr(function, "__code__"):
            return []  # A function in C may have no signature. It is called without arguments.
        if inspect.ismethod(handler) and not function.__code__.co_argcount and not _takes_any(function):
            raise RegistrationError(
                f"handler {name_of(handler)} is a method without the parameter self: write {function.__name__}(self)"
            ) from None
        raise _find_broken(handler, function, error) from None
    found = [parameter for parameter in signature.parameters.values() if parameter.kind not in _IGNORED]
    if not resolve:
        return found
    names = _names_for(handler, function)
    return [_resolve(handler, parameter, names) for parameter in found]


def takes_any_name(handler: Handler) -> bool:
    """Return whether a handler has a parameter ``**kwargs``, or no signature, as some functions in C."""
    try:
        parameters = signature_of(handler).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def filled_names(handler: Handler) -> frozenset[str]:
    """Return the names of the parameters that have a value before the call: ``self``, and arguments of a partial."""
    if isinstance(handler, functools.partial):
        names = [name for name, parameter in signature_of(handler.func).parameters.items() if _has_name(parameter)]
        return filled_names(handler.func) | frozenset(names[: len(handler.args)])
    if inspect.isclass(handler):
        method = handler.__init__
    elif inspect.isroutine(handler):
        method = handler
    else:
        method = type(handler).__call__
    found: set[str] = set()
    function: Any = getattr(method, "__func__", method)
    is_bound = function is not method or method is not handler
    while is_bound and hasattr(function, "__code__"):  # the decorator of a method, and then the method
        first = next(iter(inspect.signature(function, follow_wrapped=False).parameters.values()), None)
        if first is not None and _has_name(first):
            found.add(first.name)
        function = getattr(function, "__wrapped__", None)
    return frozenset(found)


def _has_name(parameter: inspect.Parameter) -> bool:
    """Return whether an argument by name could reach a parameter that is also passed by position."""
    return parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD


def _takes_any(function: Any) -> bool:
    return bool(function.__code__.co_flags & inspect.CO_VARARGS)


def _resolve(handler: Handler, parameter: inspect.Parameter, names: dict[str, Any]) -> inspect.Parameter:
    annotation = parameter.annotation
    if annotation is inspect.Parameter.empty or annotation is None:
        return parameter
    try:
        return parameter.replace(annotation=_evaluate(annotation, names))
    except Exception as error:  # noqa: BLE001  an annotation is code of the app and may raise any exception
        text = annotation if isinstance(annotation, str) else repr(annotation)
        if parameter.default is not inspect.Parameter.empty and not _KNOWN.keys() & re.findall(r"\w+", text):
            return parameter.replace(annotation=inspect.Parameter.empty)
        raise _broken(handler, parameter.name, error) from None


def _evaluate(annotation: object, names: dict[str, Any]) -> Any:
    """Return an annotation with all strings and forward references replaced by the types that they name."""

    def holder() -> None: ...

    for _ in range(3):  # a quoted annotation in a module with `from __future__ import annotations` is quoted twice
        holder.__annotations__ = {"it": annotation}
        annotation = get_type_hints(holder, names, names, include_extras=True)["it"]
        if not isinstance(annotation, str):
            break
    return annotation


def _names_for(handler: Handler, function: Any) -> dict[str, Any]:
    """Return the names that the annotations of a function may contain. Later names hide earlier ones."""
    names = {**_KNOWN, **getattr(function, "__globals__", {})}
    instance = getattr(handler, "__self__", None)
    for cls in reversed(type(instance).__mro__ if instance is not None else ()):
        if any(value is function for value in vars(cls).values()):
            names.update(vars(cls))
            names.update({each.__name__: each for each in getattr(cls, "__type_params__", ())})
    names.update({each.__name__: each for each in getattr(function, "__type_params__", ())})
    names.update(_closure_of(function))
    # From Python 3.14 on, the function `__annotate__` contains the annotations, and it has another closure.
    names.update(_closure_of(getattr(function, "__annotate__", None)))
    return names


def _closure_of(function: Any) -> dict[str, Any]:
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    found: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars if code is not None else (), cells or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # the enclosing function has not assigned the variable yet
            continue
    return found


def _find_broken(handler: Handler, function: Any, error: Exception) -> RegistrationError:
    """Return the error for the first parameter whose annotation, taken from the source code, raises an exception."""
    names = _names_for(handler, function)
    for parameter, text in _annotations_in_source(function).items():
        try:
            eval(text, names)  # noqa: S307  Python has just evaluated the same code of the app
        except Exception as raised:  # noqa: BLE001  as in read_parameters
            return _broken(handler, parameter, raised)
    return _broken(handler, "", error)


def _annotations_in_source(function: Callable[..., Any]) -> dict[str, str]:
    try:
        tree = syntax_tree(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return {}  # the function was not defined in a file
    definition = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)), None)
    if definition is None:
        return {}
    arguments = definition.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {each.arg: ast.unparse(each.annotation) for each in every if each.annotation is not None}


def _broken(handler: Handler, parameter: str, error: Exception) -> RegistrationError:
    where = f" (parameter {parameter!r})" if parameter else ""
    if isinstance(error, NameError):
        fix = "import that name at runtime, not under TYPE_CHECKING"
    else:
        fix = "write a type; in a quoted annotation, None must be inside the quotes: 'NewState | None'"
    return RegistrationError(
        f"handler {name_of(handler)} has an annotation that cannot be evaluated: {describe_error(error)}{where}; {fix}"
    )
