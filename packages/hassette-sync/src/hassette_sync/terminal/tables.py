"""Tables of text: aligned, and cut to the terminal's width."""

import shutil
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 2
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        title: Its heading.
        right: Aligned to the right, for numbers.
        stretch: May be cut when the terminal is too narrow; those that may not keep their width.
    """

    title: str
    right: bool = False
    stretch: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Lay out a table.

    Args:
        columns: The columns.
        rows: One text for each column.
        width: How wide it may get, in character cells; None takes the terminal's width.

    Returns:
        Lines without a trailing newline; a cell that had to be cut ends with an ellipsis.
    """
    cells = [[plain(text) for text in row] for row in rows]
    widths = [
        max(cell_width(text) for text in (column.title, *(row[index] for row in cells)))
        for index, column in enumerate(columns)
    ]
    room = width if width is not None else shutil.get_terminal_size((120, 24)).columns
    _shrink(widths, columns, room - _GAP * (len(columns) - 1))
    lines = [_line([column.title for column in columns], columns, widths)]
    lines.append("  ".join("─" * wide for wide in widths))
    lines.extend(_line(row, columns, widths) for row in cells)
    return "\n".join(lines)


def _shrink(widths: list[int], columns: Sequence[Column], room: int) -> None:
    """Take from the widest column that may be cut, one cell at a time, until all fit or none can give more."""
    while sum(widths) > room:
        able = [index for index, column in enumerate(columns) if column.stretch and widths[index] > _NARROWEST]
        if not able:
            return
        widths[max(able, key=lambda index: widths[index])] -= 1


def _line(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts: list[str] = []
    for text, column, wide in zip(texts, columns, widths, strict=True):
        cut = fit(text, wide)
        fill = " " * (wide - cell_width(cut))
        parts.append(fill + cut if column.right else cut + fill)
    return "  ".join(parts).rstrip()


def plain(text: str) -> str:
    """Make a text safe to print: on one line, and without the control characters that could steer a terminal."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def plain_lines(text: str) -> str:
    """Make a text of several lines safe to print."""
    return "\n".join(plain(line) for line in text.splitlines())


def fit(text: str, wide: int) -> str:
    """Cut a text to a number of character cells."""
    if cell_width(text) <= wide:
        return text
    kept, used = "", 0
    for letter in text:
        used += cell_width(letter)
        if used > wide - 1:
            break
        kept += letter
    return kept + "…"


def cell_width(text: str) -> int:
    """Return how many character cells a text takes: East Asian letters take two, accents that combine none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )
