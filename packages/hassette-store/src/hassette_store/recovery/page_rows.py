"""Rows of a page of a table."""

from typing import Final

from hassette_store.recovery.cells import PageRows, TableFormat, rows_in
from hassette_store.recovery.pages import PageSource
from hassette_store.statuses import STATUS_NUMBERS

# The tables of hours and of days have equal columns, but their numbers differ: hours since 1970 are above this number,
# and days since 1970 are below it.
_HIGHEST_DAY: Final = 100_000
_STATUSES: Final = {(number, name) for name, number in STATUS_NUMBERS.items() if number}


def rows_on(pages: PageSource, number: int, table: TableFormat) -> PageRows:
    """Return the rows of a table on a page."""
    found = rows_in(pages.read(number), table, pages.read, end=pages.end_of(number))
    rows = found.rows
    unit = table.columns[0].name
    if unit in ("hour", "day"):
        rows = [row for row in rows if isinstance(row[0], int) and (row[0] > _HIGHEST_DAY) == (unit == "hour")]
    elif table.name == "names" and set(rows) >= _STATUSES:
        # A copy of the page with the statuses looks like names.
        rows = []
    return found if len(rows) == len(found.rows) else PageRows(rows, is_complete=False)
