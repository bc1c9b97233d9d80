"""Colours of the terminal: styles of cells and lines, and the decision whether they are shown.

A style is a pair of private characters around a text. Only `paint` converts them to control sequences, and only after
each control character of the text has been replaced. So no text from an app, an entity or a file can control the
terminal; the worst text could only change its own colour.
"""

import os
from collections.abc import Mapping
from typing import Final, Literal, TextIO

Style = Literal["bold", "dim", "red", "green", "yellow", "cyan"]

_CODES: Final[Mapping[str, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_FIRST: Final = 0xE000
_END: Final = chr(_FIRST + len(_CODES))
_MARKS: Final = {name: chr(_FIRST + place) for place, name in enumerate(_CODES)}
_SEQUENCES: Final = {
    **{ord(mark): f"\x1b[{_CODES[name]}m" for name, mark in _MARKS.items()},
    ord(_END): "\x1b[0m",
}
_WITHOUT: Final = dict.fromkeys(_SEQUENCES, "")

STATUS_STYLES: Final[Mapping[str, Style]] = {
    "ok": "green",
    "error": "red",
    "timed out": "red",
    "interrupted": "red",
    "cancelled": "yellow",
    "running": "green",
    "silent": "red",
    "crashed": "red",
    "CRITICAL": "red",
    "ERROR": "red",
    "WARNING": "yellow",
    "DEBUG": "dim",
    "yes": "green",
    "no": "red",
    "unknown": "yellow",
}
"""Styles of results, states and levels."""


def styled(text: str, style: Style | None) -> str:
    """Return a text with a style. The text must not contain a line break."""
    return text if style is None or not text else f"{_MARKS[style]}{text}{_END}"


def paint(text: str, *, colours: bool) -> str:
    """Convert styles to control sequences, or remove them."""
    return text.translate(_SEQUENCES if colours else _WITHOUT)


def shows_colours(stream: TextIO, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether a stream shows colours: a terminal does, unless ``NO_COLOR`` is set or the terminal is ``dumb``.

    Args:
        stream: Stream of the output.
        environment: Environment variables; None takes those of this process.
    """
    variables = os.environ if environment is None else environment
    return stream.isatty() and not variables.get("NO_COLOR") and variables.get("TERM", "dumb") != "dumb"
