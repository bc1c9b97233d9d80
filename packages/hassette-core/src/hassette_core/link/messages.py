"""Read Home Assistant's messages: one message or a list of messages per frame, as JSON.

Nearly all messages are changes of states. msgspec decodes such a message straight into the values of
`hassette_core.events`. Every other message, and every change with odd content, is parsed into dictionaries, and its
fields are checked one by one.
"""

import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from hassette_core.events import Context, State, StateChanged, Time

_ODD = (msgspec.DecodeError, ValueError, RecursionError)
"""Raised by msgspec for a text that it cannot decode, or that has another shape. `parse_json` may still parse it."""


def parse_json(text: str | bytes) -> Any:
    """Parse a JSON text.

    A number that is too large, a NaN or a lone surrogate is accepted. So it affects only the state or event that
    contains it, and not all others in the same message.

    Raises:
        ValueError, RecursionError: The text is not JSON.
    """
    try:
        return _decode(text)
    except _ODD:
        return json.loads(text, parse_int=_parse_int)


_decode = msgspec.json.Decoder().decode


def _parse_int(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # Python converts at most 4,300 digits
        return float(digits)


Message = Mapping[str, Any]


class _ChangeData(msgspec.Struct, gc=False):
    entity_id: str
    old_state: State | None
    new_state: State | None


class _ChangeEvent(msgspec.Struct, gc=False):
    event_type: Literal["state_changed"]
    data: _ChangeData
    time_fired: Time
    context: Context


class _ChangeMessage(msgspec.Struct, gc=False):
    id: int
    type: Literal["event"]
    event: _ChangeEvent


_decode_change = msgspec.json.Decoder(_ChangeMessage).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode


class UnparsedData(Mapping[str, Any]):
    """The data of a state change as Home Assistant sent it. The message is parsed again when the data is first read.

    Nearly all handlers read only the other attributes of a `StateChanged`.

    Args:
        text: The message.
    """

    __slots__ = ("_parsed", "_text")

    def __init__(self, text: str | bytes) -> None:
        self._text = text
        self._parsed: Mapping[str, Any] | None = None

    def _data(self) -> Mapping[str, Any]:
        if self._parsed is None:
            self._parsed = cast("Mapping[str, Any]", parse_json(self._text)["event"]["data"])
        return self._parsed

    def __getitem__(self, key: str) -> Any:
        """Return one value, such as the ``new_state`` as a dictionary."""
        return self._data()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data())

    def __len__(self) -> int:
        return len(self._data())

    def __repr__(self) -> str:
        return repr(self._data())


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlevel = 1  # nested values may contain the code of a lock


class UnreadableMessageError(Exception):
    """A message has an unknown shape. The text describes the message."""


class ReceivedChange(msgspec.Struct, frozen=True, gc=False):
    """A state change that was decoded straight from a message.

    Attributes:
        number: The number of the subscription.
        event: The state change.
        text: The message.
    """

    number: int
    event: StateChanged
    text: str | bytes


def parse_frame(text: str, received_ns: int) -> "Iterable[ReceivedChange | Message | UnreadableMessageError]":
    """Parse a text frame. Home Assistant may send several messages in one frame, as a list.

    A list may contain thousands of messages, so each of them is parsed when the iteration has come to it.

    Args:
        text: The frame.
        received_ns: The time of the frame's arrival, in nanoseconds of `time.monotonic_ns`.

    Returns:
        Each message, in order: a state change, an object whose ``type`` is a string and whose other fields are not
        checked, or the description of any other message.

    Raises:
        UnreadableMessageError: The frame is not JSON.
    """
    if not text.startswith("["):
        try:
            return (_received_change(text, received_ns),)
        except _ODD:
            return [_check(item) for item in _parse_items(text)]
    try:
        raw_items = _split(text)
    except _ODD:
        return [_check(item) for item in _parse_items(text)]
    return _parse_each(raw_items, received_ns)


def _parse_each(
    items: Iterable[msgspec.Raw], received_ns: int
) -> "Iterator[ReceivedChange | Message | UnreadableMessageError]":
    for raw in items:
        item = bytes(raw)  # a copy, because a part of the frame would keep the whole frame in memory
        try:
            yield _received_change(item, received_ns)
        except _ODD:
            yield from (_check(parsed) for parsed in _parse_items(item))


def _received_change(text: str | bytes, received_ns: int) -> ReceivedChange:
    message = _decode_change(text)
    event = message.event
    data = event.data
    change = StateChanged(
        "state_changed",
        UnparsedData(text),
        event.context,
        event.time_fired,
        received_ns,
        data.entity_id,
        data.old_state,
        data.new_state,
    )
    return ReceivedChange(message.id, change, text)


def _parse_items(text: str | bytes) -> Sequence[Any]:
    try:
        parsed = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableMessageError(f"the message is not JSON ({error}): {describe(text)}") from None
    return cast("list[Any]", parsed) if type(parsed) is list else (parsed,)


def _check(item: Any) -> Message | UnreadableMessageError:
    if type(item) is not dict:
        return UnreadableMessageError(f"the message must be an object, got {describe(item)}")
    message = cast("Message", item)
    if type(message.get("type")) is not str:
        return UnreadableMessageError(f"type must be a string, got the message {describe(message)}")
    return message


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
