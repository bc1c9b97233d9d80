"""SQL fragments that compare texts in the form of `hassette_store.search_form.search_form`."""

from hassette_store.search_form import SQL_FUNCTION


def form_sql(text: str) -> str:
    """Return the search form of an SQL expression."""
    # The function gets bytes, because SQLite could not pass it a text with invalid bytes from a damaged file.
    return f"{SQL_FUNCTION}(CAST({text} AS BLOB))"


def contains_sql(text: str) -> str:
    """Return the condition that a text contains ``:text``. The value of ``:text`` must be in the search form.

    If a text has as many characters as bytes, it is ASCII, and SQLite's own function makes its search form. This takes
    a seventh of the time of a call of the Python function, and a search may read a hundred thousand log lines.
    """
    is_ascii = f"length({text}) = length(CAST({text} AS BLOB))"
    return f"CASE WHEN {is_ascii} THEN instr(lower({text}), :text) ELSE instr({form_sql(text)}, :text) END > 0"
