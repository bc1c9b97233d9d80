"""Read Home Assistant's messages: JSON, one message or a list of messages per frame, and the fields of each message."""

import json
import reprlib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, cast


def _find_parser() -> Callable[[str], Any]:
    try:
        return import_module("orjson").loads
    except ImportError:  # the extra "speedups" is not installed
        return json.loads


_parse_strictly = _find_parser()
"""Parses a JSON text, two to four times as fast if orjson is installed. Raises a `ValueError` for an invalid text."""


def parse_json(text: str) -> Any:
    """Parse a JSON text.

    A number that is too large, a NaN or a lone surrogate is accepted. So it affects only the state or event that
    contains it, and not all others in the same message.

    Raises:
        ValueError, RecursionError: The text is not JSON.
    """
    try:
        return _parse_strictly(text)
    except ValueError:
        return json.loads(text, parse_int=_parse_int)


def _parse_int(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # Python converts at most 4,300 digits
        return float(digits)


Message = Mapping[str, Any]

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 1  # nested values may contain the code of a lock


class UnreadableMessageError(Exception):
    """A message has an unknown shape. The text describes the message."""


class ReceivedFrame(NamedTuple):
    """The messages of one WebSocket frame.

    Attributes:
        messages: The JSON objects whose ``type`` is a string, in order. Their other fields are not checked.
        problems: A description of each other message.
    """

    messages: Sequence[Message]
    problems: Sequence[str]


def parse_frame(text: str) -> ReceivedFrame:
    """Parse a text frame. Home Assistant may send several messages in one frame, as a list.

    Raises:
        UnreadableMessageError: The frame is not JSON.
    """
    try:
        parsed = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError(f"the message is not JSON ({error}): {describe(text)}") from None
    messages: list[Message] = []
    problems: list[str] = []
    items = cast("list[Any]", parsed) if type(parsed) is list else (parsed,)
    for item in items:
        if type(item) is not dict:
            problems.append(f"the message must be an object, got {describe(item)}")
            continue
        message = cast("Message", item)
        if type(message.get("type")) is str:
            messages.append(message)
        else:
            problems.append(f"type must be a string, got the message {describe(message)}")
    return ReceivedFrame(messages, problems)


def name_of_event(event: object) -> str:
    """Return the type and the entity of an event, as far as they can be read."""
    if not isinstance(event, Mapping):
        return describe(event)
    raw = cast("Message", event)
    data = raw.get("data")
    entity_id = cast("Message", data).get("entity_id") if isinstance(data, Mapping) else None
    return describe(raw.get("event_type")) + (f" of {describe(entity_id)}" if entity_id is not None else "")


def describe(value: object) -> str:
    """Return a value as a short text for a log line or an error."""
    return _SHORT.repr(value)
