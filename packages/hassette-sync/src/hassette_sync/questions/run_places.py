"""Places in which a search looks for a text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hassette_store.derived.search_index import (
    ENTITY,
    EVENT_TYPE,
    FAILED_ENTITY,
    FAILURE_TEXT,
    LOG_TEXT,
    SERVICE,
    STATE_TEXT,
    TARGET_TEXT,
    value_term,
)
from hassette_store.kinds import HANDLER
from hassette_sync.queries import run_search as queries
from hassette_sync.questions.run_filters import RunSearch
from hassette_sync.questions.run_index import Terms, can_find, terms_of_text
from hassette_sync.reader import Parameters, ReadTransaction


class PlaceStatement(Protocol):
    """Returns a statement for the newest runs of the search, or only for those in ``:ranges`` of ids."""

    def __call__(self, *, in_ranges: bool) -> str:
        """Return the statement."""
        ...


@dataclass(frozen=True, slots=True)
class TextPlace:
    """A place in which a text can be.

    Attributes:
        statement: Finds the newest runs.
        parameters: Parameters of the statement.
        terms: Terms of the index for this place. Without any, the statement needs no candidates.
    """

    statement: PlaceStatement
    parameters: Parameters
    terms: tuple[Terms, ...] = ()


def places_of_text(transaction: ReadTransaction, search: RunSearch, text: str) -> Iterator[TextPlace]:
    """Yield the places in which a text can be, except the names of handlers and jobs."""
    conditions, wanted = search.with_registrations()
    kinds, group_id = search.kinds, search.error_group_id
    for group in transaction.rows_once(queries.GROUPS_WITH_TEXT, {"text": text}):
        if group_id in (None, group["id"]):
            of_group: Parameters = {"error_group_id": group["id"], "own_message": group["own_message"]}
            statement = partial(queries.failures_sql, kinds, conditions, queries.WITH_MESSAGE_OF_GROUP)
            yield TextPlace(statement, wanted | of_group)
    own = [queries.WITH_TEXT, *[queries.OF_GROUP] * (group_id is not None)]
    statement = partial(queries.failures_sql, kinds, conditions, " AND ".join(own))
    yield TextPlace(statement, wanted, terms_of_text(FAILURE_TEXT, text))
    if group_id is not None or search.only_in_errors:
        return
    names = [row["id"] for row in transaction.rows_once(queries.NAMES_WITH_TEXT, {"text": text})]
    named = {**wanted, "names": json.dumps(names)}
    if names and HANDLER in kinds:
        entity = ENTITY if search.statuses is None else FAILED_ENTITY
        terms = tuple((value_term(kind, name),) for name in names for kind in (entity, EVENT_TYPE))
        yield TextPlace(partial(_runs_sql, [*conditions, "names"]), named, terms)
    yield TextPlace(partial(queries.log_lines_sql, kinds, conditions), wanted, terms_of_text(LOG_TEXT, text))
    called = tuple((value_term(SERVICE, name),) for name in names)
    statement = partial(queries.service_calls_sql, kinds, conditions)
    yield TextPlace(statement, named, (*called, *terms_of_text(TARGET_TEXT, text)))
    # Without the index, a search reads each run of the range, and one or two characters are part of most states.
    if HANDLER in kinds and can_find(text):
        yield TextPlace(partial(_runs_sql, [*conditions, "state"]), wanted, terms_of_text(STATE_TEXT, text))


def _runs_sql(conditions: list[str], *, in_ranges: bool) -> str:
    find = queries.newest_in_ranges_sql if in_ranges else queries.newest_sql
    return find(HANDLER, conditions)
