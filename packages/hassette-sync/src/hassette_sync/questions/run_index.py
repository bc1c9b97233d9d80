"""Candidates of a search: the minutes that may contain a match according to the search index, newest first."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from hassette_store.derived.search_index import MANY_PARTS, MIN_PART, parts_of
from hassette_store.ids import first_id_at, time_of
from hassette_store.periods import DAY_US, HOUR_US, HOURS_A_DAY, MINUTE_US
from hassette_sync.queries import search_index as queries
from hassette_sync.reader import Parameters, ReadTransaction

Terms = tuple[int, ...]
"""Terms that must all be in the same minute."""

_FIRST_HOURS = 4
_MINUTES_AN_HOUR = 60
# Days whose rows show which of the terms is the rarest one.
_SAMPLED_DAYS = 2
# More terms make the candidates hardly fewer, and each is a look-up for each hour.
_MAX_TERMS = 12
_GROWTH = 4


@dataclass(frozen=True, slots=True)
class CoveredRuns:
    """Range of the ids of the runs that the index covers.

    Attributes:
        first_id: Lowest id.
        below: Exclusive upper limit.
        first_day: The oldest day of the index.
    """

    first_id: int
    below: int
    first_day: int


def covered_runs(transaction: ReadTransaction) -> CoveredRuns | None:
    """Return the runs that the index covers, or None if it covers no run.

    Raises:
        sqlite3.Error: The index cannot be read.
    """
    (row,) = transaction.rows(queries.COVERED)
    # After a recovery, the index begins behind the newest run. If that run is deleted, the index covers no run for a
    # time, and its first id is above its end.
    if None in tuple(row) or row["first_id"] >= row["below"]:
        return None
    return CoveredRuns(*row)


def terms_of_text(kind: int, text: str) -> tuple[Terms, ...]:
    """Return the terms of a text in the search form.

    A minute can contain the text if it has all its parts, or so many parts that the index does not keep them.
    """
    parts = tuple(kind | part for part in sorted(parts_of(text)))
    return parts, (kind | MANY_PARTS,)


def can_find(text: str) -> bool:
    """Return whether the index can find a text in the search form. It cannot find texts of one or two characters."""
    return len(text) >= MIN_PART


def candidate_ranges(
    transaction: ReadTransaction, covered: CoveredRuns, first_id: int, below: int, alternatives: Collection[Terms]
) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids, newest first: first id, and exclusive end. All runs with the wanted terms are in them.

    The index is read as far as ranges are taken: often, the newest minutes fill the page.

    Args:
        transaction: Read transaction of the question.
        covered: Runs that the index covers.
        first_id: Lowest id of the range. The index must cover the range.
        below: Exclusive upper limit of the ids.
        alternatives: Terms. A minute is a candidate if it has all terms of at least one alternative.
    """
    last = time_of(max(below - 1, 0)) // DAY_US
    oldest = max(time_of(first_id) // DAY_US, covered.first_day)
    wanted = _Wanted(transaction, alternatives, last)
    for minute in wanted.minutes(oldest, last, first_hour=time_of(first_id) // HOUR_US):
        start, end = (first_id_at(one * MINUTE_US) for one in (minute, minute + 1))
        if end > first_id and start < below:
            yield max(start, first_id), min(end, below)


class _Wanted:
    """Wanted terms, and the look-up of their minutes."""

    def __init__(self, transaction: ReadTransaction, alternatives: Collection[Terms], last_day: int) -> None:
        self._transaction = transaction
        self._singles = sorted({terms[0] for terms in alternatives if len(terms) == 1})
        self._combined = [self._rarest_first(terms, last_day) for terms in alternatives if len(terms) > 1]

    def minutes(self, first_day: int, last_day: int, first_hour: int) -> Iterator[int]:
        """Yield the minutes of some days, as numbers since the epoch, newest first."""
        days, most = 1, _FIRST_HOURS
        while last_day >= first_day:
            first = max(first_day, last_day - days + 1)
            places = self._hours(first, last_day)
            hours = sorted((hour for hour in places if hour >= first_hour), reverse=True)
            while hours:
                some, hours = hours[:most], hours[most:]
                found = self._minutes(some, places)
                for hour in some:
                    minutes = found.get(hour, 0)
                    for minute in reversed(range(minutes.bit_length())):
                        if minutes >> minute & 1:
                            yield hour * _MINUTES_AN_HOUR + minute
                most *= _GROWTH
            last_day = first - 1
            days *= _GROWTH

    def _hours(self, first: int, last: int) -> dict[int, set[Terms]]:
        """Return the hours of some days that can have minutes of an alternative, with these alternatives."""
        within: Parameters = {"first": first, "last": last}
        rows: list[tuple[int, int, Terms]] = []
        if self._singles:
            named = {**within, "terms": json.dumps(self._singles)}
            found = self._transaction.rows(queries.HOURS_OF_ANY, named)
            rows += [(row["day"], row["hours"], (row["term"],)) for row in found]
        for terms in self._combined:
            found = self._transaction.rows(queries.hours_of_all_sql(len(terms)), within | _named(terms))
            rows += [(row["day"], row["hours"], terms) for row in found]
        places: dict[int, set[Terms]] = {}
        for day, hours, terms in rows:
            for hour in range(hours.bit_length()):
                if hours >> hour & 1:
                    places.setdefault(day * HOURS_A_DAY + hour, set()).add(terms)
        return places

    def _minutes(self, hours: list[int], places: dict[int, set[Terms]]) -> dict[int, int]:
        pairs = [(hour, terms[0]) for hour in hours for terms in places[hour] if len(terms) == 1]
        rows = self._transaction.rows(queries.MINUTES_OF_ANY, {"places": json.dumps(pairs)}) if pairs else []
        for terms in self._combined:
            if of_terms := [hour for hour in hours if terms in places[hour]]:
                named = {"hours": json.dumps(of_terms), **_named(terms)}
                rows += self._transaction.rows(queries.minutes_of_all_sql(len(terms)), named)
        found: dict[int, int] = {}
        for row in rows:
            found[row["hour"]] = found.get(row["hour"], 0) | row["minutes"]
        return found

    def _rarest_first(self, terms: Terms, last_day: int) -> Terms:
        sample: Parameters = {"terms": json.dumps(terms), "first": last_day - _SAMPLED_DAYS + 1, "last": last_day}
        counts = dict.fromkeys(terms, 0)
        for row in self._transaction.rows(queries.HOURS_OF_ANY, sample):
            counts[row["term"]] += row["hours"].bit_count()
        return tuple(sorted(terms, key=lambda term: (counts[term], term))[:_MAX_TERMS])


def _named(terms: Terms) -> Parameters:
    return {f"term{number}": term for number, term in enumerate(terms)}
