"""Tables of text, aligned and optionally cut to a width. Texts are made safe to print."""

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_GAP = 2
_MIN_WIDTH = 8
_UNLIMITED = 100_000


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column.

    Attributes:
        title: Heading.
        right: Whether to align the column to the right, for numbers.
        can_be_cut: Whether cells may be cut if the terminal is too narrow. Other columns keep their width.
    """

    title: str
    right: bool = False
    can_be_cut: bool = False


def table(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Lay out a table.

    Args:
        columns: The columns.
        rows: One text for each column.
        width: Maximum width in character cells; None cuts nothing.

    Returns:
        Lines without a trailing newline. A cell that was cut ends with an ellipsis.
    """
    # The import of rich takes 50 ms. Commands without a table need not wait for it.
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[plain(text) for text in row] for row in rows]
    console = Console(
        file=io.StringIO(), width=_UNLIMITED if width is None else max(width, _min_table_width(columns, cells))
    )
    laid_out = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        laid_out.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.can_be_cut)
    for row in cells:
        # Set no_wrap on the cell and not on the column, because rich narrows only columns that may wrap.
        laid_out.add_row(*(Text(text, no_wrap=True, overflow="ellipsis") for text in row))
    with console.capture() as captured:
        console.print(laid_out)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _min_table_width(columns: Sequence[TableColumn], cells: Sequence[Sequence[str]]) -> int:
    """Return the width of the table if its cells are cut as far as possible."""
    from rich.cells import cell_len

    total = _GAP * (len(columns) - 1)
    for index, column in enumerate(columns):
        widest = max(cell_len(text) for text in (column.title, *(row[index] for row in cells)))
        total += min(widest, max(_MIN_WIDTH, cell_len(column.title))) if column.can_be_cut else widest
    return total


def plain(text: str) -> str:
    """Replace line breaks and control characters by spaces, so that the terminal does not interpret them."""
    return "".join(" " if unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def plain_lines(text: str) -> str:
    """Replace control characters in a text by spaces, but keep its line breaks."""
    return "\n".join(plain(line) for line in text.splitlines())
