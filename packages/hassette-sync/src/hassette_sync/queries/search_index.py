"""Statements that read the search index (`hassette_store.derived.search_index`)."""

# ruff: noqa: S608  the statements contain only text from this package and from the store

from functools import cache

from hassette_store.derived.derivation import DERIVED_BELOW
from hassette_store.derived.search_index import SEARCHABLE_FROM

COVERED = f"""
SELECT (SELECT value FROM store_state WHERE name = '{SEARCHABLE_FROM}') AS first_id,
       (SELECT value FROM store_state WHERE name = '{DERIVED_BELOW}') AS below,
       (SELECT min(day) FROM search_hours) AS first_day
"""
"""Ids of the runs that the index covers, and its oldest day. The first id is NULL if the index is off."""

# A statement that read the table from one day to another would read all terms of these days.
_DAYS = "WITH RECURSIVE days (day) AS (SELECT :last UNION ALL SELECT day - 1 FROM days WHERE day > :first)"

HOURS_OF_ANY = f"""
{_DAYS}
SELECT days.day AS day, wanted.value AS term, hours FROM days CROSS JOIN json_each(:terms) AS wanted
CROSS JOIN search_hours AS found ON found.day = days.day AND found.term = wanted.value
"""
"""Hours of each of ``:terms`` in the days from ``:first`` to ``:last``."""

MINUTES_OF_ANY = """
SELECT found.hour AS hour, minutes FROM json_each(:places) AS place
CROSS JOIN search_minutes AS found
ON found.hour = json_extract(place.value, '$[0]') AND found.term = json_extract(place.value, '$[1]')
"""
"""Minutes of some hours and terms; ``:places`` has the pairs."""


def _all_sql(columns: str, table: str, unit: str, bits: str, terms: int) -> str:
    joins, common = "", f"t0.{bits}"
    for number in range(terms):
        joins += f" CROSS JOIN {table} AS t{number} ON t{number}.{unit} = {columns} AND t{number}.term = :term{number}"
        if number:
            common += f" & t{number}.{bits}"
            joins += f" AND {common} <> 0"
    return f"SELECT {columns} AS {unit}, {common} AS {bits} FROM {{source}}{joins}"


@cache
def hours_of_all_sql(terms: int) -> str:
    """Return the statement for the hours with all of a number of terms, ``:term0``, ``:term1`` and so on.

    The statement looks a term up only in the days in which the terms before it have a common hour. So the rarest term
    must come first.
    """
    return f"{_DAYS} {_all_sql('days.day', 'search_hours', 'day', 'hours', terms).format(source='days')}"


@cache
def minutes_of_all_sql(terms: int) -> str:
    """Return the statement for the minutes of ``:hours`` with all of a number of terms; see `hours_of_all_sql`."""
    statement = _all_sql("wanted.value", "search_minutes", "hour", "minutes", terms)
    return statement.format(source="json_each(:hours) AS wanted")
