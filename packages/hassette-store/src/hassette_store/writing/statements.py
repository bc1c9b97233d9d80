"""The write program: what one transaction does for one batch.

A statement takes many rows at once, as ``VALUES`` with places for 1, 8, 64 or 512 of them. That costs less than
``executemany``, which steps through SQLite row by row, and it gives up the interpreter lock once per statement rather
than once per row: beside a busy event loop each time costs up to 5 ms (docs/adr/0010-many-rows-per-statement.md).
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Final

from hassette_store.writing.numbering import as_kept

Row = Sequence[object]

SIZES: Final = (1, 8, 64, 512)
"""Rows per statement. 512 of the widest table's are a quarter of the parameters that SQLite allows."""


@dataclass(frozen=True, slots=True)
class Insertion:
    """How rows of one kind get into one table.

    Attributes:
        into: Table and columns.
        width: Values per row. The first one of a row is never NULL: empty places are told by it.
        select: What becomes of ``column1``, ``column2``… of the rows; all of them as they are if empty.
        join: What the rows are joined with.
        conflict: What happens to a row that is there already; an error if empty.
    """

    into: str
    width: int
    select: str = "*"
    join: str = ""
    conflict: str = ""

    def statement(self, rows: int) -> str:
        """Return the statement for so many rows."""
        places = ", ".join(["(" + ", ".join("?" * self.width) + ")"] * rows)
        return (
            f"INSERT INTO {self.into} SELECT {self.select} FROM (VALUES {places}) {self.join} "
            f"WHERE column1 IS NOT NULL {self.conflict}"
        )


_REGISTERED: Final = """
handler = excluded.handler, settings = excluded.settings, source_file = excluded.source_file,
source_line = excluded.source_line, source_snippet = excluded.source_snippet, runs_in = excluded.runs_in,
timeout_s = excluded.timeout_s, last_registered_us = excluded.last_registered_us, retired_us = NULL
"""
_ADD_COUNTS: Final = """
success = success + excluded.success, error = error + excluded.error, cancelled = cancelled + excluded.cancelled,
timed_out = timed_out + excluded.timed_out, interrupted = interrupted + excluded.interrupted,
shed = shed + excluded.shed, total_us = total_us + excluded.total_us, max_us = max(max_us, excluded.max_us),
waited_us = waited_us + excluded.waited_us
"""
_COUNTS: Final = "success, error, cancelled, timed_out, interrupted, shed, total_us, max_us, waited_us"
_DAY: Final = "column1 / 24"
_ADD_COUNT: Final = "DO UPDATE SET count = count + excluded.count"

# In this order: what is referred to comes before what refers to it.
PROGRAM: Final[tuple[tuple[str, Insertion], ...]] = (
    ("names", Insertion("names (id, name)", 2)),
    (
        "listeners",
        Insertion(
            "listeners (id, app, instance, name, topic, handler, settings, source_file, source_line, source_snippet, "
            "runs_in, timeout_s, first_registered_us, last_registered_us)",
            14,
            conflict=f"ON CONFLICT DO UPDATE SET {_REGISTERED}",
        ),
    ),
    (
        "jobs",
        Insertion(
            "scheduled_jobs (id, app, instance, name, schedule, handler, settings, source_file, source_line, "
            "source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us)",
            14,
            conflict=f"ON CONFLICT DO UPDATE SET schedule = excluded.schedule, {_REGISTERED}",
        ),
    ),
    (
        "invocations",
        Insertion(
            "handler_invocations (id, listener_id, session_id, status, started_before, duration_us, waited_us, "
            "event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id)",
            14,
        ),
    ),
    (
        "executions",
        Insertion(
            "job_executions (id, job_id, session_id, status, started_before, duration_us, waited_us, due_before, "
            "manual)",
            9,
        ),
    ),
    (
        "error_groups",
        Insertion(
            "error_groups (fingerprint, kind, type, message, traceback, first_seen_us, last_seen_us, last_run_id, "
            "count)",
            9,
            conflict="ON CONFLICT (fingerprint) DO UPDATE SET last_seen_us = max(last_seen_us, excluded.last_seen_us), "
            "last_run_id = max(last_run_id, excluded.last_run_id), count = count + excluded.count",
        ),
    ),
    (
        "failures",
        Insertion(
            "failures (run_id, error_group_id, message)",
            3,
            "column1, error_groups.id, nullif(column3, error_groups.message)",
            "JOIN error_groups ON fingerprint = column2",
        ),
    ),
    (
        "service_calls",
        Insertion(
            "service_calls (run_id, position, at_us, service_id, target, data, duration_us, context_id, error)", 9
        ),
    ),
    ("log_lines", Insertion("log_lines (run_id, position, at_us, level, logger_id, message)", 6)),
    ("dropped", Insertion("dropped_effects (run_id, log_lines, service_calls)", 3)),
    ("lifecycle", Insertion("lifecycle_events (id, session_id, at_us, kind, subject, detail)", 6)),
    ("losses", Insertion("losses (session_id, reason, what, count, first_us, last_us)", 6)),
    (
        "running",
        Insertion(
            "running_executions (session_id, run, registration_id, started_us, event_type_id, entity_id, old_state, "
            "new_state, context_id, parent_id, user_id, due_us, manual)",
            13,
        ),
    ),
    (
        "statistics",
        Insertion(
            f"statistics_hourly (hour, registration_id, {_COUNTS})",
            11,
            conflict=f"ON CONFLICT (hour, registration_id) DO UPDATE SET {_ADD_COUNTS}",
        ),
    ),
    (
        "statistics",
        Insertion(
            f"statistics_daily (day, registration_id, {_COUNTS})",
            11,
            ", ".join((_DAY, *(f"column{n}" for n in range(2, 12)))),
            conflict=f"ON CONFLICT (day, registration_id) DO UPDATE SET {_ADD_COUNTS}",
        ),
    ),
    (
        "latency",
        Insertion(
            "latency_hourly (hour, registration_id, bucket, count)",
            4,
            conflict=f"ON CONFLICT (hour, registration_id, bucket) {_ADD_COUNT}",
        ),
    ),
    (
        "latency",
        Insertion(
            "latency_daily (day, registration_id, bucket, count)",
            4,
            f"{_DAY}, column2, column3, column4",
            conflict=f"ON CONFLICT (day, registration_id, bucket) {_ADD_COUNT}",
        ),
    ),
    (
        "skips",
        Insertion(
            "skips_hourly (hour, registration_id, reason_id, count)",
            4,
            conflict=f"ON CONFLICT (hour, registration_id, reason_id) {_ADD_COUNT}",
        ),
    ),
    (
        "skips",
        Insertion(
            "skips_daily (day, registration_id, reason_id, count)",
            4,
            f"{_DAY}, column2, column3, column4",
            conflict=f"ON CONFLICT (day, registration_id, reason_id) {_ADD_COUNT}",
        ),
    ),
)

RETIRE: Final = (
    "UPDATE listeners SET retired_us = ? WHERE id = ?",
    "UPDATE scheduled_jobs SET retired_us = ? WHERE id = ?",
)
STOP_RUNNING: Final = "DELETE FROM running_executions WHERE session_id = ?"

SIGN: Final = """
UPDATE sessions
SET heartbeat_us = ?, last_sequence = ?,
    first_id = coalesce(min(first_id, ?), first_id, ?), last_id = coalesce(max(last_id, ?), last_id, ?),
    runs = runs + ?, failures = failures + ?, lost_runs = lost_runs + ?, lost_details = lost_details + ?,
    facts = json_patch(facts, ?)
WHERE id = ?
"""
"""The last statement of a batch: the session's sign of life, and the batch's number, after which it is kept."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A batch as rows.

    Attributes:
        rows: By kind, as in `PROGRAM`.
        retired: Registrations that have ended, as parameters of `RETIRE`.
        session: The session, if what is running in it is to be replaced.
        sign: The parameters of `SIGN`.
    """

    rows: Mapping[str, Sequence[Row]]
    retired: list[tuple[int, int]]
    replace_running_of: int | None
    sign: Row


def keep(db: sqlite3.Connection, encode: Callable[[], Encoded]) -> None:
    """Write a batch: all of it, or nothing.

    Args:
        db: The writer's connection, in autocommit mode.
        encode: Makes the rows.

    Raises:
        sqlite3.Error: It was not written.
    """
    encoded = encode()
    db.execute("BEGIN IMMEDIATE")
    try:
        try:
            _insert_all(db, encoded)
        except UnicodeEncodeError:
            # Lone surrogates, from an entity or an exception, have no UTF-8 form: better a mark than no row.
            db.execute("ROLLBACK")
            db.execute("BEGIN IMMEDIATE")
            _insert_all(db, replace(encoded, rows=_mended(encoded.rows)))
        db.execute(SIGN, encoded.sign)
        db.execute("COMMIT")
    except BaseException:
        # A statement that finds the disk full has ended the transaction itself.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _insert_all(db: sqlite3.Connection, encoded: Encoded) -> None:
    if encoded.replace_running_of is not None:
        db.execute(STOP_RUNNING, (encoded.replace_running_of,))
    for kind, insertion in PROGRAM:
        if rows := encoded.rows.get(kind):
            _insert(db, insertion, rows)
    for statement in RETIRE if encoded.retired else ():
        db.executemany(statement, encoded.retired)


def _insert(db: sqlite3.Connection, insertion: Insertion, rows: Sequence[Row]) -> None:
    for start in range(0, len(rows), SIZES[-1]):
        some = rows[start : start + SIZES[-1]]
        size = next(size for size in SIZES if size >= len(some))
        places = list(chain.from_iterable(some))
        places += [None] * (insertion.width * size - len(places))
        db.execute(_statement(insertion, size), places)


def _mended(rows: Mapping[str, Sequence[Row]]) -> Mapping[str, Sequence[Row]]:
    return {
        kind: [[as_kept(value) if isinstance(value, str) else value for value in row] for row in some]
        for kind, some in rows.items()
    }


@cache
def _statement(insertion: Insertion, size: int) -> str:
    return insertion.statement(size)
