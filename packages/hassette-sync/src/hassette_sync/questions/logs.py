"""Questions about log lines."""

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from sqlite3 import Row

from hassette_store.derived.search_index import LOG_TEXT
from hassette_store.ids import MAX_ID, first_id_at
from hassette_sync.answers.logs import LogEntry, LogsPage
from hassette_sync.errors import BadQuestionError
from hassette_sync.queries import logs as queries
from hassette_sync.queries.registrations import REGISTRATIONS_OF_APP
from hassette_sync.questions.paging import DEFAULT_LIMIT, check_limit, parse_pair
from hassette_sync.questions.periods import resolve
from hassette_sync.questions.rows import level_name, registration_of_record
from hassette_sync.questions.run_index import can_find, candidate_ranges, covered_runs, terms_of_text
from hassette_sync.questions.runs import LONGEST_RUN_US, check_text, known_app, search_text
from hassette_sync.reader import Parameters, ReadTransaction, is_interruption
from hassette_sync.time_range import TimeRange

# One statement examines this many lines, and one question repeats it until the page is full or until the limit.
_EXAMINED_AT_ONCE = 2_000
_MAX_EXAMINED = 6_000
# A statement without lines takes as long as the examination of this number of lines.
_COST_OF_SPAN = 10
LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Filter on log lines. A field of None does not filter.

    Attributes:
        text: Text within the message, at most 200 characters. Case does not matter.
        level: Lowest level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``.
        app: Key of the app.
        registration_id: Id of a handler or job.
        run_id: Id of a run.
    """

    text: str | None = None
    level: str | None = None
    app: str | None = None
    registration_id: int | None = None
    run_id: int | None = None

    def __post_init__(self) -> None:
        check_text(self.text)
        if self.level is not None and self.level.lower() not in LEVELS:
            raise BadQuestionError(f"must be one of {', '.join(LEVELS)}, got {self.level[:40]!r}.", parameter="level")


async def logs_page(
    transaction: ReadTransaction,
    log_filter: LogFilter = LogFilter(),
    time_range: TimeRange | None = None,
    *,
    cursor: str | None = None,
    limit: int = DEFAULT_LIMIT,
) -> LogsPage:
    """Return one page of log lines, newest first: lines of runs in the order in which their runs ended.

    Lines that the framework or an app logged outside runs are warnings and errors.

    A page examines at most 6,000 lines. So a page may be short, or empty, although older pages have lines. With a text
    of three characters or more, it examines only the minutes in which the search index has the text.

    Args:
        transaction: Read transaction of the question.
        log_filter: Filter on the lines.
        time_range: Time range in which the lines were logged.
        cursor: ``next_cursor`` of the page before.
        limit: Maximum number of lines.
    """
    check_limit(limit)
    time_range = await resolve(transaction, time_range)
    end_id = first_id_at(time_range.until_us + LONGEST_RUN_US)
    key = min(parse_pair(cursor, "log lines"), (end_id, -1)) if cursor else (end_id, -1)
    parameters: Parameters = {
        "first_id": time_range.first_id,
        "examined": _EXAMINED_AT_ONCE,
        "since_us": time_range.since_us,
        "until_us": time_range.until_us - 1,
    }
    conditions = ["moment", *await _conditions(transaction, log_filter, parameters)]
    first_id = time_range.first_id
    if log_filter.run_id is not None:
        first_id = max(first_id, log_filter.run_id)
        key = min(key, (log_filter.run_id + 1, -1))
    search = _Search(conditions, parameters, first_id, key, limit)
    text = search_text(log_filter.text)
    try:
        spans = _spans_with_text(transaction, text, first_id, key[0] + 1) if text else [(first_id, key[0] + 1)]
        found, next_key = search.lines_in(transaction, spans)
    except sqlite3.DatabaseError as error:
        # The index may be lost or damaged. The rows give the same answer. Damaged rows raise an error again.
        if is_interruption(error):
            raise
        found, next_key = search.lines_in(transaction, [(first_id, key[0] + 1)])
    return LogsPage(
        lines=tuple(_entry(row) for row in found[:limit]),
        next_cursor=f"{next_key[0]}.{next_key[1]}" if next_key is not None else None,
        since_us=time_range.since_us,
        until_us=time_range.until_us,
    )


def _spans_with_text(transaction: ReadTransaction, text: str, first_id: int, below: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges of ids in which a line can contain a text, newest first: first id, and exclusive end."""
    covered = covered_runs(transaction) if can_find(text) else None
    if covered is None:
        yield first_id, below
        return
    if (newest := max(first_id, covered.below)) < below:
        yield newest, below
    oldest, below = max(first_id, covered.first_id), min(below, covered.below)
    if oldest < below:
        yield from candidate_ranges(transaction, covered, oldest, below, terms_of_text(LOG_TEXT, text))
    if first_id < (end := min(covered.first_id, below)):
        yield first_id, end


@dataclass(frozen=True, slots=True)
class _Search:
    """Search for the lines of one page."""

    conditions: list[str]
    parameters: Parameters
    first_id: int
    key: tuple[int, int]
    limit: int

    def lines_in(
        self, transaction: ReadTransaction, spans: Iterable[tuple[int, int]]
    ) -> tuple[list[Row], tuple[int, int] | None]:
        """Return the lines in ranges of ids, at most one more than the page has, and the key of the next page."""
        found: list[Row] = []
        key, examined = self.key, 0
        statement = queries.logs_sql(self.conditions)
        for first_id, below in spans:
            key = min(key, (below - 1, MAX_ID))
            count = _EXAMINED_AT_ONCE
            while count >= _EXAMINED_AT_ONCE:
                if examined >= _MAX_EXAMINED:
                    return found, key
                after = {"cursor": key[0], "position": key[1], "first_id": first_id}
                values = {**self.parameters, **after, "limit": self.limit + 1 - len(found)}
                found += transaction.rows(statement, values)
                if len(found) > self.limit:
                    return found, _key_of(found[self.limit - 1])
                rows = transaction.rows(queries.LAST_EXAMINED, values)
                count = 0
                if rows:
                    key, count = _key_of(rows[0]), rows[0]["count"]
                examined += count + _COST_OF_SPAN
        return found, None


def _key_of(row: Row) -> tuple[int, int]:
    return row["id"], row["position"]


async def _conditions(transaction: ReadTransaction, log_filter: LogFilter, parameters: Parameters) -> list[str]:
    """Return the names of the conditions of a filter. Add their values to ``parameters``."""
    conditions: list[str] = []
    if log_filter.level is not None:
        conditions.append("level")
        parameters["level"] = logging.getLevelNamesMapping()[log_filter.level.upper()]
    if log_filter.run_id is not None:
        conditions.append("run")
        parameters["run_id"] = log_filter.run_id
    if log_filter.registration_id is not None:
        conditions.append("registrations")
        parameters["registrations"] = json.dumps([log_filter.registration_id])
    if log_filter.app is not None:
        app = await known_app(transaction, log_filter.app)
        of_app = [row["id"] for row in await transaction.all(REGISTRATIONS_OF_APP, {"app": app})]
        conditions.append("app")
        parameters |= {"app": app, "of_app": json.dumps(of_app)}
    if (text := search_text(log_filter.text)) is not None:
        conditions.append("text")
        parameters["text"] = text
    return conditions


def _entry(row: Row) -> LogEntry:
    return LogEntry(
        at_us=row["at_us"],
        level=level_name(row["level"]),
        logger=row["logger"] or "",
        message=row["message"],
        run_id=row["id"] if row["of_run"] else None,
        registration=registration_of_record(row) if row["registration_id"] is not None else None,
        app=row["logged_by"] or row["app"],
        session_id=row["session_id"] or 0,
    )
