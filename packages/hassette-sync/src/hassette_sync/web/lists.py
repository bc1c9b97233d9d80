"""Sorted lists: their columns, and the order that a visitor has chosen in the address."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hassette_sync.errors import BadQuestionError

RowT = TypeVar("RowT")

SortValue = int | float | str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListColumn(Generic[RowT]):
    """One column of a list.

    Attributes:
        key: Name of the column in the address: ``p95``.
        title: Head of the column.
        value: Returns the value to sort by; None sorts last.
        is_number: Whether the column is aligned to the right, and its highest value comes first.
        hint: Explanation of the head.
    """

    key: str
    title: str
    value: Callable[[RowT], SortValue]
    is_number: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class SortedList(Generic[RowT]):
    """Rows in a chosen order.

    Attributes:
        columns: The columns, from left to right.
        rows: The rows in their order.
        chosen: Key of the column in the address; None for the order of the question.
        descending: Whether the highest value comes first.
        is_part: Whether the list has more rows on other pages.
    """

    columns: Sequence[ListColumn[RowT]]
    rows: Sequence[RowT]
    chosen: str | None = None
    descending: bool = False
    is_part: bool = False

    def direction(self, column: ListColumn[Any]) -> str:
        """Return the ``aria-sort`` of the head of a column."""
        if column.key != self.chosen:
            return "none"
        return "descending" if self.descending else "ascending"

    def first(self, column: ListColumn[Any]) -> str:
        """Return the value of ``sort`` in the address for the first click on a head."""
        return f"-{column.key}" if column.is_number else column.key

    def next(self, column: ListColumn[Any]) -> str:
        """Return the value of ``sort`` in the address for the next click on a head."""
        if column.key != self.chosen:
            return self.first(column)
        return column.key if self.descending else f"-{column.key}"


def sorted_list(
    columns: Sequence[ListColumn[RowT]], rows: Iterable[RowT], sort: str | None, *, is_part: bool = False
) -> SortedList[RowT]:
    """Return the rows in the order that ``sort`` names: ``p95``, or ``-p95`` for the highest value first.

    Raises:
        BadQuestionError: ``sort`` names no column.
    """
    listed = list(rows)
    if not sort:
        return SortedList(columns, listed, is_part=is_part)
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    column = next((column for column in columns if column.key == key), None)
    if column is None:
        known = ", ".join(column.key for column in columns)
        raise BadQuestionError(
            f"must be one of {known}, with - for the highest value first, got {sort[:40]!r}.", parameter="sort"
        )
    # Rows without a value come last in both orders.
    valued = [(column.value(row), row) for row in listed]
    known_rows = [(value, row) for value, row in valued if value is not None]
    known_rows.sort(key=lambda pair: _comparable(pair[0]), reverse=descending)
    ordered = [row for _, row in known_rows] + [row for value, row in valued if value is None]
    return SortedList(columns, ordered, key, descending, is_part)


def _comparable(value: SortValue) -> Any:
    return value.casefold() if isinstance(value, str) else value
