"""Relation of a write-ahead log to the file next to it: whether both are states of the same file."""

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hassette_store.clock.redated import EVENT, SESSION
from hassette_store.file.creation import FILE_NUMBER
from hassette_store.recovery.cells import Row, TableFormat
from hassette_store.recovery.owners import Claim
from hassette_store.recovery.page_rows import rows_on
from hassette_store.recovery.pages import PageSource
from hassette_store.recovery.union import NATURAL_KEYS


@dataclass(frozen=True, slots=True)
class ComparedPages:
    """The pages of a file or of a log that are compared.

    Attributes:
        pages: The pages.
        claims: The tables to which each page may belong.
        numbers: The numbers of the pages to compare.
    """

    pages: PageSource
    claims: Mapping[int, list[Claim]]
    numbers: Iterable[int]

    def rows(self, table: TableFormat) -> Iterator[Row]:
        """Yield the rows of each page that may belong to a table."""
        for number in self.numbers:
            if any(claim.table == table.name for claim in self.claims.get(number, ())):
                yield from rows_on(self.pages, number, table).rows


@dataclass(frozen=True, slots=True)
class LogRelation:
    """Relation of a log to a file.

    Attributes:
        is_related: Whether both are states of the same file, so that ids mean the same in both.
        redated: The sessions whose rows may have other times and ids in the other state.
    """

    is_related: bool
    redated: frozenset[int]


def relation_of(file: ComparedPages, log: ComparedPages, formats: Mapping[str, TableFormat]) -> LogRelation:
    """Compare a file and a log.

    Each batch changes the page with the newest sessions. A log of this file, or of a later state of it, has the same
    sessions. But if an older copy replaced the file and was then used, the same id belongs to different sessions in the
    file and in the log. If the file was recovered after the copy, the sessions are the same, but ids of names differ.
    Then the newest session in the log has the number of another file.

    Args:
        file: The pages of the file.
        log: The pages of the log.
        formats: The tables.
    """
    redated = _redated_sessions(file, formats) | _redated_sessions(log, formats)
    sessions, sessions_in_log = (dict(_session_keys(pages, formats["sessions"], redated)) for pages in (file, log))
    common = sessions.keys() & sessions_in_log.keys()
    number, number_in_log = _file_number(file, formats), _number_of_newest_session(log, formats["sessions"])
    is_related = (number is None or number_in_log is None or number == number_in_log) and (
        not sessions
        or not sessions_in_log
        or (bool(common) and all(sessions[session] == sessions_in_log[session] for session in common))
    )
    return LogRelation(is_related, redated)


def _redated_sessions(pages: ComparedPages, formats: Mapping[str, TableFormat]) -> frozenset[int]:
    """Return the sessions of which a row shows that the store has moved their rows to other times."""
    found = [row[1] for row in pages.rows(formats["store_state"]) if row[0] == SESSION]
    found += [row[1] for row in pages.rows(formats["lifecycle_events"]) if EVENT in row]
    return frozenset(session for session in found if isinstance(session, int))


def _session_keys(pages: ComparedPages, table: TableFormat, redated: Container[object]) -> Iterator[tuple[object, Row]]:
    """Yield the id and the natural key of each session. A redated session has no fixed start time."""
    columns = [column.name for column in table.columns]
    positions = [columns.index(column) for column in NATURAL_KEYS["sessions"]]
    fixed = [at for at in positions if columns[at] != "started_us"]
    for row in pages.rows(table):
        yield row[0], tuple(row[at] for at in (fixed if row[0] in redated else positions))


def _file_number(pages: ComparedPages, formats: Mapping[str, TableFormat]) -> object:
    """Return the random number of the file; None if unknown."""
    return next((row[1] for row in pages.rows(formats["store_state"]) if row[0] == FILE_NUMBER), None)


def _number_of_newest_session(pages: ComparedPages, table: TableFormat) -> object:
    """Return the number of the file in which the newest session ran; None if unknown."""
    at = [column.name for column in table.columns].index("facts")
    rows: list[tuple[Any, ...]] = [row for row in pages.rows(table) if len(row) > at]
    newest = max(rows, key=lambda row: row[0], default=None)
    # A damaged value may be no JSON object.
    with suppress(ValueError, AttributeError):
        return None if newest is None else json.loads(newest[at]).get("file")
    return None
