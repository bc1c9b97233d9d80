"""Tables in the terminal have the layout of rich, which is too slow for many rows."""

import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hassette_sync.terminal.colours import paint
from hassette_sync.terminal.tables import TableColumn, plain, table

COLUMNS = st.builds(
    TableColumn,
    title=st.sampled_from(["A", "Name", "Long title", "日本"]),
    right=st.booleans(),
    can_be_cut=st.booleans(),
    styles=st.sampled_from([{}, {"a": "red", "bc": "bold"}]),
)
TEXTS = st.one_of(st.text("abc 日é😀\t\u200b\ue000≥x\u0301-…", max_size=60), st.sampled_from(["a", "bc"]))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[TableColumn], list[list[str]]]:
    columns = draw(st.lists(COLUMNS, min_size=1, max_size=5))
    return columns, draw(st.lists(st.lists(TEXTS, min_size=len(columns), max_size=len(columns)), max_size=5))


def laid_out_by_rich(columns: Sequence[TableColumn], rows: Sequence[Sequence[str]], width: int) -> str:
    """Return the table as rich lays out all of its rows, without styles."""
    laid_out = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        laid_out.add_column(column.title, justify="right" if column.right else "left", no_wrap=not column.can_be_cut)
    for row in rows:
        laid_out.add_row(*(Text(plain(text), no_wrap=True, overflow="ellipsis") for text in row))
    lines = Console(file=io.StringIO(), width=width).render_lines(laid_out, pad=False)
    return "\n".join("".join(part.text for part in line).rstrip() for line in lines)


@pytest.mark.heavy
@settings(max_examples=150, deadline=None)
@given(drawn=tables())
def test_table_that_fits_has_the_layout_of_rich(drawn: tuple[list[TableColumn], list[list[str]]]) -> None:
    columns, rows = drawn
    assert paint(table(columns, rows), colours=False) == laid_out_by_rich(columns, rows, 100_000)


@pytest.mark.heavy
@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=5), width=st.integers(40, 150))
def test_table_that_is_cut_has_the_layout_of_rich(rows: list[list[str]], width: int) -> None:
    columns = [TableColumn("Name", can_be_cut=True), TableColumn("p50", right=True, can_be_cut=True)]
    columns.append(TableColumn("Long title", can_be_cut=True))
    assert paint(table(columns, rows, width), colours=False) == laid_out_by_rich(columns, rows, width)


def test_styles_are_those_of_the_cell() -> None:
    columns = [TableColumn("Result", styles={"error": "red"}), TableColumn("Count", right=True)]
    lines = paint(table(columns, [["error", "1"], ["success", "22"]]), colours=True).splitlines()
    assert "\x1b[31merror" in lines[2]
    assert "\x1b[" not in lines[3]


def test_columns_are_left_out_before_names_are_cut() -> None:
    columns = (
        TableColumn("ID"),
        TableColumn("Handler", can_be_cut=True),
        TableColumn("Trigger", can_be_cut=True, drop_order=2),
        TableColumn("Error", can_be_cut=True, drop_order=1),
    )
    name = "climate_guard.watch_humidity"
    rows = [["3766620213068431360", name, "binary_sensor.hall_motion: off → on", "ValueError: not a number"]]
    whole = paint(table(columns, rows, 120), colours=False)
    assert "Trigger" in whole
    assert "Not shown" not in whole
    narrow = paint(table(columns, rows, 80), colours=False)
    assert name in narrow
    assert "ValueError" in narrow
    assert "binary_sensor" not in narrow
    assert narrow.splitlines()[-1] == "Not shown in this width: Trigger. --wide shows all columns."
    narrower = paint(table(columns, rows, 54), colours=False)
    assert name in narrower
    assert "Not shown in this width: Trigger, Error." in narrower
    assert max(len(line) for line in narrower.splitlines()[:3]) <= 54
    assert "ValueError" in paint(table(columns, rows), colours=False), "without a width, all columns are shown"
