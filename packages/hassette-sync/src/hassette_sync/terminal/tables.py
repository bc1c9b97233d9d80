"""Tables of text, aligned and optionally cut to a width. Texts are made safe to print."""

import io
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from hassette_sync.terminal.colours import Style, styled

if TYPE_CHECKING:
    from rich.style import Style as RichStyle

_GAP = 2
_MIN_WIDTH = 8
_READABLE = 28
"""Width in which a cut text can still be read."""
_SHORT = 16
"""Width to which other texts are cut before any name is cut."""
_WHOLE_NAME = 48
"""Other columns are left out so that names up to this width are not cut."""
_UNLIMITED = 100_000
_CONTROL = ("Cc", "Cf", "Zl", "Zp")


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Attributes:
        title: Heading.
        right: Whether to align the column to the right, for numbers.
        can_be_cut: Whether cells may be cut if the terminal is too narrow. Other columns keep their width.
        is_name: Whether the cells are names, which are cut only after other columns are cut or left out.
        styles: Styles of cells by their text, such as results.
        drop_order: Place of the column among those that may be left out if the table is too wide to read. The column
            with the highest number is left out first. None for a column that stays.
    """

    title: str
    right: bool = False
    can_be_cut: bool = False
    is_name: bool = False
    styles: Mapping[str, Style] = field(default_factory=dict[str, Style])
    drop_order: int | None = None


def table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Lay out a table.

    Args:
        columns: The columns.
        rows: One text for each column.
        width: Maximum width in character cells; None cuts nothing.

    Returns:
        Lines without a trailing newline. A cell that was cut ends with an ellipsis. A last line names the columns
        that were left out.
    """
    widths = [
        max(_length(plain(text)) for text in (column.title, *(row[index] for row in rows)))
        for index, column in enumerate(columns)
    ]
    shown = _shown(columns, widths, width)
    chosen = [columns[index] for index in shown]
    if width is not None and _needed(columns, widths, shown, name=_UNLIMITED, text=_SHORT) <= width:
        chosen = [replace(column, can_be_cut=column.can_be_cut and not column.is_name) for column in chosen]
    laid_out = _laid_out(chosen, [[row[index] for index in shown] for row in rows], width)
    left_out = [column.title for index, column in enumerate(columns) if index not in shown]
    if not left_out:
        return laid_out
    note = f"Not shown in this width: {', '.join(left_out)}. --wide shows all columns."
    return f"{laid_out}\n\n{textwrap.fill(note, width or _UNLIMITED)}"


def _shown(columns: Sequence[TableColumn], widths: Sequence[int], width: int | None) -> Sequence[int]:
    """Return the places of the columns that fit into the width with cells that can be read."""
    shown = list(range(len(columns)))
    ordered = [(column.drop_order, index) for index, column in enumerate(columns) if column.drop_order is not None]
    droppable = [index for _, index in sorted(ordered)]
    while width is not None and droppable and _needed(columns, widths, shown, name=_WHOLE_NAME, text=_READABLE) > width:
        shown.remove(droppable.pop())
    return shown


def _needed(
    columns: Sequence[TableColumn], widths: Sequence[int], shown: Sequence[int], *, name: int, text: int
) -> int:
    """Return the width of the table if its names are cut to ``name`` and its other texts to ``text``."""
    total = _GAP * (len(shown) - 1)
    for index in shown:
        column = columns[index]
        limit = name if column.is_name else text
        total += min(widths[index], limit) if column.can_be_cut else widths[index]
    return total


def _laid_out(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], width: int | None) -> str:
    # The import of rich takes 50 ms. Commands without a table need not wait for it.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[plain(text) for text in row] for row in rows]
    widest = [
        max(_length(text) for text in (column.title, *(row[index] for row in cells)))
        for index, column in enumerate(columns)
    ]
    console = Console(
        file=io.StringIO(), width=_UNLIMITED if width is None else max(width, _min_table_width(columns, widest))
    )
    laid_out = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        laid_out.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.can_be_cut)
    # rich takes half a second for a thousand rows. It lays out one row with the widest cell of each column, which
    # decides about the widths. Set no_wrap on the cell and not on the column, because rich narrows only columns that
    # may wrap.
    laid_out.add_row(*(Text("x" * size, no_wrap=True, overflow="ellipsis") for size in widest))
    lines = console.render_lines(laid_out, pad=False)
    widths = [len(cell) for cell in "".join(part.text for part in lines.pop()).split()]
    head = [_line([(part.text, _style_of(part.style)) for part in line]) for line in lines]
    return "\n".join(head + [_row(columns, widths, row) for row in cells])


def _row(columns: Sequence[TableColumn], widths: Sequence[int], row: Sequence[str]) -> str:
    parts: list[tuple[str, Style | None]] = []
    for column, width, text in zip(columns, widths, row, strict=True):
        parts.append((_fitted(text, width, right=column.right), column.styles.get(text)))
        parts.append((" " * _GAP, None))
    return _line(parts)


def _fitted(text: str, width: int, *, right: bool) -> str:
    """Cut or pad a text to a width in character cells."""
    text = text.rstrip() if right else text
    length = _length(text)
    if length > width:
        from rich.cells import set_cell_size

        text, length = f"{set_cell_size(text, width - 1)}…", width
    padding = " " * (width - length)
    return padding + text if right else text + padding


def _length(text: str) -> int:
    """Return the width of a text in character cells."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _line(parts: list[tuple[str, Style | None]]) -> str:
    """Join the parts of a line, without the spaces at its end."""
    while parts and not parts[-1][0].strip():
        parts.pop()
    if parts:
        text, style = parts[-1]
        parts[-1] = (text.rstrip(), style)
    return "".join(styled(text, style if text.strip() else None) for text, style in parts)


def _style_of(style: "RichStyle | None") -> Style | None:
    if style is None:
        return None
    if style.color is not None:
        return cast("Style", style.color.name)
    return "bold" if style.bold else "dim" if style.dim else None


def _min_table_width(columns: Sequence[TableColumn], widest: Sequence[int]) -> int:
    """Return the width of the table if its cells are cut as far as possible."""
    total = _GAP * (len(columns) - 1)
    for column, size in zip(columns, widest, strict=True):
        total += min(size, max(_MIN_WIDTH, _length(column.title))) if column.can_be_cut else size
    return total


def plain(text: str) -> str:
    """Replace line breaks, control characters and private characters by spaces.

    The terminal would interpret control characters. Private characters would change the colour of the text.
    """
    if text.isprintable():
        return text
    return "".join(" " if unicodedata.category(letter) in (*_CONTROL, "Co") else letter for letter in text)


def plain_lines(text: str) -> str:
    """Replace control and private characters in a text by spaces, but keep its line breaks."""
    return "\n".join(plain(line) for line in text.splitlines())


def without_control(rendered: str) -> str:
    """Replace control characters in rendered lines by spaces, but keep line breaks and styles."""
    return "\n".join(
        "".join(" " if unicodedata.category(letter) in _CONTROL else letter for letter in line)
        for line in rendered.splitlines()
    )
