"""Search index: in which minutes of each hour a run has an entity, a service, a part of a text or a long duration.

A row of ``search_minutes`` has an hour, a term and 60 bits, one for each minute. A row of ``search_hours`` has a day,
a term and 24 bits, so that a search looks a rare term up only in the hours that have it. A term is a number: its upper
part is one of the constants below, and its lower 24 bits are a value, such as the id of a name. A text has a term for
each three characters in a row (`parts_of`).

A set bit only means that the minute may contain such a run. A search then reads the rows of that minute, and the rows
decide. So bits of deleted runs, and different values with the same number, cost time but give no wrong answer. Only a
missing bit would hide a run.

The index covers the runs from the id in the row ``searchable_from`` of ``store_state`` up to ``derived_below``. Without
that row there is no index.
"""

import math
import sqlite3
from array import array
from collections import defaultdict
from functools import lru_cache
from typing import Final

from hassette_store.ids import COUNTER_BITS
from hassette_store.insertion import Insertion
from hassette_store.kinds import KINDS, RunKind
from hassette_store.periods import HOURS_A_DAY
from hassette_store.search_form import search_form
from hassette_store.statuses import SUCCESS

SEARCHABLE_FROM: Final = "searchable_from"
"""Row of ``store_state`` with the id from which the search index covers the runs."""
TABLES: Final = {"hour": "search_minutes", "day": "search_hours"}
"""Tables of the search index, by the unit of their rows."""

_VALUE_BITS: Final = 24
_VALUES: Final = (1 << _VALUE_BITS) - 1
ENTITY: Final = 1 << _VALUE_BITS
"""Runs with an event of the entity with this name id."""
FAILED_ENTITY: Final = 2 << _VALUE_BITS
"""The same, for runs without success."""
EVENT_TYPE: Final = 3 << _VALUE_BITS
"""Runs with an event of the type with this name id."""
SERVICE: Final = 4 << _VALUE_BITS
"""Runs that called the service with this name id."""
FAILED: Final = 5 << _VALUE_BITS
"""Runs without success; the value is 0."""
LONG: Final = 6 << _VALUE_BITS
"""Runs with this duration or a longer one (`duration_term`)."""
LOG_TEXT: Final = 8 << _VALUE_BITS
"""Part of a log line, also of a line outside runs."""
TARGET_TEXT: Final = 9 << _VALUE_BITS
"""Part of the target of a service call."""
FAILURE_TEXT: Final = 10 << _VALUE_BITS
"""Part of the own message of a failure."""
STATE_TEXT: Final = 11 << _VALUE_BITS
"""Part of the new state of an event, unless it is a number (`IS_WORD`)."""

IS_WORD: Final = "{0} GLOB '*[^-+.0-9]*'"
"""SQL condition that a state is not a number. With numbers, the index would be a sixth larger."""

MANY_PARTS: Final = _VALUES
"""Value of a minute with more different parts of texts than the index keeps: each text may be there."""
MIN_PART: Final = 3
"""Number of characters of a part of a text. A shorter text cannot be found through the index."""
_MAX_PARTS: Final = 3_000
_LEAST_DURATION: Final = 53  # 9.7 ms
_MOST_DURATION: Final = 150
_MINUTE_MS: Final = 60_000
_MAX_CACHED: Final = 4_096
_MAX_CACHED_LENGTH: Final = 300

_STATE: Final = "new_state"
_IS_ON: Final = "SELECT 1 FROM store_state WHERE name = ?"

TermsByHour = dict[int, dict[int, int]]
"""Bits of the minutes by hour and term."""


def _insertion(unit: str, bits: str) -> Insertion:
    # Most bits are set already, and a row that does not change costs no log.
    merge = f"{bits} = {bits} | excluded.{bits} WHERE {bits} | excluded.{bits} <> {bits}"
    columns, conflict = (unit, "term", bits), f"ON CONFLICT ({unit}, term) DO UPDATE SET {merge}"
    return Insertion(TABLES[unit], TABLES[unit], columns, conflict=conflict)


_MINUTES: Final = _insertion("hour", "minutes")
_HOURS: Final = _insertion("day", "hours")
_RANGE: Final = ">= :first AND {id} < :below"
_MINUTE: Final = f"({{id}} >> {COUNTER_BITS}) / {_MINUTE_MS}"
# The texts are read as bytes: SQLite could not return a text with invalid bytes from a damaged file.
_LOG: Final = f"""
SELECT run_id, CAST(message AS BLOB) FROM log_lines WHERE run_id {_RANGE.format(id="run_id")}
UNION ALL
SELECT id, CAST(message AS BLOB) FROM framework_log WHERE id {_RANGE.format(id="id")}
"""
_CALLS: Final = f"""
SELECT run_id, service_id, CAST(target AS BLOB) FROM service_calls WHERE run_id {_RANGE.format(id="run_id")}
"""
_FAILURES: Final = f"""
SELECT run_id, CAST(message AS BLOB) FROM failures
WHERE run_id {_RANGE.format(id="run_id")} AND message IS NOT NULL
"""


def _runs(kind: RunKind) -> str:
    """Return the query of the runs of one kind, grouped as the query of the statistics is, and for the same reason."""
    columns = (column if column in kind.trigger_columns else "NULL" for column in ("entity_id", "event_type_id"))
    return (
        f"SELECT {_MINUTE.format(id='id')}, status = {SUCCESS}, {', '.join(columns)}, max(duration_us) "
        f"FROM {kind.runs_table} WHERE id {_RANGE.format(id='id')} GROUP BY 1, 2, 3, 4"
    )


_RUNS: Final = " UNION ALL ".join(_runs(kind) for kind in KINDS)
# A minute has few different states.
_STATES: Final = " UNION ALL ".join(
    f"SELECT DISTINCT {_MINUTE.format(id='id')}, CAST({_STATE} AS BLOB) FROM {kind.runs_table} "
    f"WHERE id {_RANGE.format(id='id')} AND {IS_WORD.format(_STATE)}"
    for kind in KINDS
    if _STATE in kind.trigger_columns
)


def parts_of(form: str) -> frozenset[int]:
    """Return the numbers of each three characters in a row of a text in the search form."""
    if form.isascii():
        codes = form.encode()
        return frozenset(
            one << 14 | two << 7 | three for one, two, three in zip(codes, codes[1:], codes[2:], strict=False)
        )
    numbers = [ord(character) for character in form]
    return frozenset(
        one << 14 | two << 7 | three
        if one < 128 and two < 128 and three < 128
        # The values of other alphabets share the upper part of the numbers. `MANY_PARTS` is not among them.
        else 1 << 23 | (one * 961 + two * 31 + three) % ((1 << 23) - 1)
        for one, two, three in zip(numbers, numbers[1:], numbers[2:], strict=False)
    )


def duration_term(duration_us: int) -> int | None:
    """Return the term of the minutes with a run of at least this duration; None for a duration below 10 ms.

    The minutes can also contain only runs that are up to a fifth shorter.
    """
    step = _step_of(duration_us)
    return None if step < _LEAST_DURATION else LONG | min(step, _MOST_DURATION)


def value_term(kind: int, value: int) -> int:
    """Return the term of a value, for example ``value_term(ENTITY, name_id)``."""
    return kind | (value & _VALUES)


def terms_of(db: sqlite3.Connection, first_id: int, below_id: int) -> TermsByHour:
    """Return the terms of the runs, and of the log lines outside runs, with ids in a range (``below_id`` excluded)."""
    found = _Minutes()
    values = {"first": first_id, "below": below_id}
    longest: dict[tuple[int, int], int] = {}
    for minute, succeeded, entity_id, event_type_id, duration_us in db.execute(_RUNS, values):
        hour, bit = place = _place_of_minute(minute)
        terms = found.terms[hour]
        if entity_id is not None:
            terms[value_term(ENTITY, entity_id)] |= bit
        if event_type_id is not None:
            terms[value_term(EVENT_TYPE, event_type_id)] |= bit
        if not succeeded:
            terms[FAILED] |= bit
            if entity_id is not None:
                terms[value_term(FAILED_ENTITY, entity_id)] |= bit
        if duration_us > longest.get(place, 0):
            longest[place] = duration_us
    for (hour, bit), duration_us in longest.items():
        for step in range(_LEAST_DURATION, min(_step_of(duration_us), _MOST_DURATION) + 1):
            found.terms[hour][LONG | step] |= bit
    for id_, message in db.execute(_LOG, values):
        found.add_text(LOG_TEXT, _place_of(id_), message)
    for id_, service_id, target in db.execute(_CALLS, values):
        found.add(value_term(SERVICE, service_id), id_)
        found.add_text(TARGET_TEXT, _place_of(id_), target)
    for id_, message in db.execute(_FAILURES, values):
        found.add_text(FAILURE_TEXT, _place_of(id_), message)
    for minute, state in db.execute(_STATES, values):
        found.add_text(STATE_TEXT, _place_of_minute(minute), state)
    return found.with_texts()


def write_terms(db: sqlite3.Connection, terms: TermsByHour) -> None:
    """Add terms to the index, in the transaction of the caller."""
    rows = [(hour, term, bits) for hour, of_hour in terms.items() for term, bits in of_hour.items()]
    _MINUTES.insert(db, sorted(rows))
    hours: defaultdict[tuple[int, int], int] = defaultdict(int)
    for hour, of_hour in terms.items():
        for term in of_hour:
            hours[hour // HOURS_A_DAY, term] |= 1 << hour % HOURS_A_DAY
    _HOURS.insert(db, sorted((*key, bits) for key, bits in hours.items()))


class _Minutes:
    """Terms that are being collected. The texts of a minute are collected first: they have many equal parts."""

    def __init__(self) -> None:
        self.terms: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._parts: defaultdict[tuple[int, int, int], set[int]] = defaultdict(set)

    def add(self, term: int, id_: int) -> None:
        hour, bit = _place_of(id_)
        self.terms[hour][term] |= bit

    def add_text(self, kind: int, place: tuple[int, int], text: bytes | None) -> None:
        found = self._parts[(kind, *place)]
        # More parts become one term, so they would only take memory.
        if text and len(found) <= _MAX_PARTS:
            found.update(_parts_of_short(text) if len(text) <= _MAX_CACHED_LENGTH else _parts_of_stored(text))

    def with_texts(self) -> TermsByHour:
        for (kind, hour, bit), parts in self._parts.items():
            terms = self.terms[hour]
            for part in parts if len(parts) <= _MAX_PARTS else (MANY_PARTS,):
                terms[kind | part] |= bit
        return {hour: dict(terms) for hour, terms in self.terms.items()}


def _parts_of_stored(text: bytes) -> frozenset[int]:
    return parts_of(search_form(text) or "")


@lru_cache(_MAX_CACHED)
def _parts_of_short(text: bytes) -> "array[int]":
    # For a text of 100 characters, a set would take 11 kB in the cache, and an array takes 0.5 kB.
    return array("I", _parts_of_stored(text))


def _place_of(id_: int) -> tuple[int, int]:
    """Return the hour of an id, and the bit of its minute."""
    return _place_of_minute((id_ >> COUNTER_BITS) // _MINUTE_MS)


def _place_of_minute(minute: int) -> tuple[int, int]:
    return minute // 60, 1 << minute % 60


def _step_of(duration_us: int) -> int:
    """Return the number of the steps up to a duration. Each four steps double it."""
    return int(4 * math.log2(duration_us)) if duration_us > 0 else 0


class SearchDerivation:
    """Derivation of the search index.

    Attributes:
        name: Name of the derivation.
    """

    name = "search index"

    def derive(self, db: sqlite3.Connection, first_id: int, below_id: int) -> None:
        """Add the runs with ids from ``first_id`` to ``below_id`` (excluded), if the file has an index."""
        if db.execute(_IS_ON, (SEARCHABLE_FROM,)).fetchone():
            write_terms(db, terms_of(db, first_id, below_id))


SEARCH_INDEX: Final = SearchDerivation()
