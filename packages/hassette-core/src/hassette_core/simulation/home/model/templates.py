"""`render_template`: the templates that the simulated home understands without a callable of the test."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeCore

TemplateFunction = Callable[[str, Mapping[str, Any]], Any]
"""Renders a template with its variables. A test can give the home such a function."""

_EXPRESSION = re.compile(r"\{\{-?\s*(.+?)\s*-?\}\}", re.DOTALL)
_CALL = re.compile(r"""(states|is_state|state_attr|is_state_attr|has_value|now|utcnow)\((.*)\)""", re.DOTALL)
_FILTER = re.compile(r"(float|int|round|upper|lower|title|trim|length)(?:\((.*?)\))?")


def render_template(core: HomeCore, template: str, variables: Mapping[str, Any]) -> Any:
    """Render a template of a small subset of Jinja.

    The subset is: text; ``{{ }}`` with ``states('x')``, ``is_state('x', 'on')``, ``state_attr('x', 'y')``,
    ``is_state_attr``, ``has_value('x')``, ``states.light.hall.state``, ``now()``, ``utcnow()``, a variable, a string, a
    number; and the filters ``float``, ``int``, ``round``, ``upper``, ``lower``, ``title``, ``trim``, ``length``.

    Raises:
        RefusedError: The template contains something else. The message explains how to give the home a function.
    """
    if "{%" in template or "{#" in template:
        raise _unknown(template)
    whole = _EXPRESSION.fullmatch(template.strip())
    if whole is not None and "}}" not in whole[1]:
        return _as_result(_evaluate(core, whole[1], variables))
    return _EXPRESSION.sub(lambda match: str(_evaluate(core, match[1], variables)), template)


def _evaluate(core: HomeCore, text: str, variables: Mapping[str, Any]) -> Any:
    head, *filters = _split(text, "|")
    value = _value(core, head, variables, text)
    for each in filters:
        value = _filtered(value, each, text)
    return value


def _value(core: HomeCore, text: str, variables: Mapping[str, Any], whole: str) -> Any:
    if (call := _CALL.fullmatch(text)) is not None:
        arguments = [_literal(each, variables, whole) for each in _split(call[2], ",")] if call[2].strip() else []
        return _call(core, call[1], arguments, whole)
    if (match := re.fullmatch(r"states\.(\w+)\.(\w+)\.(state|attributes\.(\w+))", text)) is not None:
        state = core.states.get(f"{match[1]}.{match[2]}")
        if state is None:
            return ""
        return state["attributes"].get(match[4], "") if match[4] else state["state"]
    return _literal(text, variables, whole)


def _call(core: HomeCore, name: str, arguments: list[Any], whole: str) -> Any:
    if name in ("now", "utcnow") and not arguments:
        return core.clock.now().isoformat()
    counts = {"states": 1, "has_value": 1, "is_state": 2, "state_attr": 2, "is_state_attr": 3}
    if len(arguments) != counts.get(name, 0):
        raise _unknown(whole)
    state = core.states.get(str(arguments[0]))
    if name == "states":
        return "unknown" if state is None else state["state"]
    if name == "has_value":
        return state is not None and state["state"] not in ("unknown", "unavailable")
    if name == "is_state":
        return state is not None and state["state"] in (
            arguments[1] if isinstance(arguments[1], list) else [arguments[1]]
        )
    attribute = None if state is None else state["attributes"].get(arguments[1])
    return attribute if name == "state_attr" else attribute == arguments[2]


def _literal(text: str, variables: Mapping[str, Any], whole: str) -> Any:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"" and text[0] not in text[1:-1]:
        return text[1:-1]
    if text in variables:
        return variables[text]
    if text in ("true", "True", "false", "False"):
        return text.lower() == "true"
    try:
        return json.loads(text.replace("'", '"'))
    except ValueError:
        raise _unknown(whole) from None


def _filtered(value: Any, text: str, whole: str) -> Any:
    match = _FILTER.fullmatch(text)
    if match is None:
        raise _unknown(whole)
    name, argument = match[1], match[2]
    if name in ("float", "int"):
        try:
            return float(value) if name == "float" else int(float(value))
        except (TypeError, ValueError):
            if argument is None:
                problem = (
                    f"{name} got invalid input '{value}' when rendering template '{whole}' but no default was specified"
                )
                raise RefusedError("template_error", f"ValueError: Template error: {problem}") from None
            return _literal(argument, {}, whole)
    if name == "round":
        return round(float(value), int(argument or 0))
    if name == "length":
        return len(value)
    text_filters: dict[str, Callable[[str], str]] = {
        "upper": str.upper,
        "lower": str.lower,
        "title": str.title,
        "trim": str.strip,
    }
    return text_filters[name](str(value))


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that is outside of quotes, parentheses and brackets."""
    found: list[str] = []
    depth, quote, begin = 0, "", 0
    for index, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == separator and depth == 0:
            found.append(text[begin:index].strip())
            begin = index + 1
    return [*found, text[begin:].strip()]


def _as_result(value: Any) -> Any:
    """Convert a text to the type that it looks like, as Home Assistant does with the result of a template."""
    if isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    return {"True": True, "False": False, "None": None}.get(value, value) if isinstance(value, str) else value


def _unknown(template: str) -> RefusedError:
    return RefusedError(
        "template_error",
        f"The simulated home cannot render the template {template!r}. Give it a function that can:"
        " home.simulated.template = lambda template, variables: ... for the fixture home, or"
        " home.template = lambda template, variables: ... for a SimulatedHome",
    )
