"""The statements that store one batch in one transaction.

A statement inserts many rows at once: its ``VALUES`` have places for 1, 2, 4 … 512 rows. ``executemany`` would cost
more, because it runs a statement once per row. Each time a statement runs, Python releases the interpreter lock. While
the event loop is busy, the writer's thread waits up to 5 ms each time until it gets the lock back
(docs/adr/0010-many-rows-per-statement.md).
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import Final

from hassette_store.kinds import EVENT_TABLES, KINDS, NOT_RUN_COLUMNS, RUNNING_COLUMNS, RunKind
from hassette_store.statuses import STATUS_NAMES
from hassette_store.writing.texts import cleaned_text
from hassette_store.writing.used_ids import NO_NEW_IDS, NewIds, find_used_ids

RowValues = Sequence[object]
"""The values of one row, in the order of `Insertion.columns`."""

ROW_ERRORS: Final = (
    OverflowError,
    UnicodeError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Errors for a row that SQLite never accepts: a large number, a text without UTF-8 form, a wrong type, a known key."""

MAX_ROWS: Final = 512
"""Maximum number of rows per statement, a power of two. At most half of the places are unused: an unused place costs
nearly as much as a row. 512 rows of the widest table use about a quarter of the parameters that SQLite allows."""


@dataclass(frozen=True, slots=True, eq=False)
class Insertion:
    """Insertion of rows into one table.

    Attributes:
        rows: Key of the rows in `EncodedBatch.rows`.
        table: The table.
        columns: Columns of the table. The first value of a row is never NULL, because NULL marks an unused place.
        select: SQL expressions that compute the inserted values from ``column1``, ``column2``… of the rows. By default
            the values are inserted as they are.
        join: ``JOIN`` clause with another table, if the rows need one.
        conflict: ``ON CONFLICT`` clause. Without one, a row that exists already is an error.
    """

    rows: str
    table: str
    columns: tuple[str, ...]
    select: str = "*"
    join: str = ""
    conflict: str = ""

    @property
    def into(self) -> str:
        """The table and its columns in SQL."""
        return f"{self.table} ({', '.join(self.columns)})"

    def statement(self, count: int) -> str:
        """Return the statement for ``count`` rows."""
        places = ", ".join(["(" + ", ".join("?" * len(self.columns)) + ")"] * count)
        return (
            f"INSERT INTO {self.into} SELECT {self.select} FROM (VALUES {places}) {self.join} "
            f"WHERE column1 IS NOT NULL {self.conflict}"
        )


def _set(*columns: str) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns)


def _add(*columns: str) -> str:
    return ", ".join(f"{column} = {column} + excluded.{column}" for column in columns)


def _registrations(kind: RunKind) -> Insertion:
    columns = kind.registration_columns
    updated = [column for column in columns if column != "id" and column not in kind.key_columns]
    return Insertion(
        kind.registrations_table,
        kind.registrations_table,
        (*columns, "first_registered_us", "last_registered_us"),
        conflict=f"ON CONFLICT DO UPDATE SET {_set(*updated, 'last_registered_us')}, retired_us = NULL",
    )


def _hourly_and_daily(rows: str, key: str, *values: str, update: str) -> tuple[Insertion, Insertion]:
    """Return the insertions into the hourly and the daily table; both add to existing counts."""
    keys = ("registration_id", key) if key else ("registration_id",)
    columns = (*keys, *values)
    by_day = ", ".join(("column1 / 24", *(f"column{number}" for number in range(2, len(columns) + 2))))
    conflict = f", {', '.join(keys)}) DO UPDATE SET {update}"
    return (
        Insertion(rows, f"{rows}_hourly", ("hour", *columns), conflict=f"ON CONFLICT (hour{conflict}"),
        Insertion(rows, f"{rows}_daily", ("day", *columns), by_day, conflict=f"ON CONFLICT (day{conflict}"),
    )


FAILING_LINE: Final = ("file", "line", "function", "code")
"""Columns of a failing line, in ``failures`` and in ``error_groups``."""
# A failure stores these values only where they differ from those of its group.
_OWN: Final = ("message", *FAILING_LINE)

# The order matters: a row is inserted after the rows that it refers to.
INSERTIONS: Final[tuple[Insertion, ...]] = (
    Insertion("names", "names", ("id", "name")),
    *(_registrations(kind) for kind in KINDS),
    *(Insertion(kind.runs_table, kind.runs_table, kind.run_columns) for kind in KINDS),
    Insertion(
        "error_groups",
        "error_groups",
        (
            "fingerprint",
            "kind",
            "type",
            "message",
            *FAILING_LINE,
            "traceback",
            "first_seen_us",
            "last_seen_us",
            "first_run_id",
            "last_run_id",
            "count",
        ),
        # After a step back of the clock, a later failure has an earlier time. The sample stays the same failure, and
        # `first_run_id` is the run of the sample.
        conflict="ON CONFLICT (fingerprint) DO UPDATE SET first_seen_us = min(first_seen_us, excluded.first_seen_us), "
        "last_seen_us = max(last_seen_us, excluded.last_seen_us), "
        f"last_run_id = max(last_run_id, excluded.last_run_id), {_add('count')}",
    ),
    Insertion(
        "failures",
        "failures",
        ("run_id", "error_group_id", *_OWN),
        "column1, error_groups.id, "
        + ", ".join(f"nullif(column{number}, error_groups.{column})" for number, column in enumerate(_OWN, 3)),
        "JOIN error_groups ON fingerprint = column2",
    ),
    Insertion(
        "service_calls",
        "service_calls",
        (
            *("run_id", "position", "at_us", "service_id", "target", "data", "duration_us", "context_id", "error"),
            *("attempt", "confirmed_us", "rehearsed"),
        ),
    ),
    Insertion("log_lines", "log_lines", ("run_id", "position", "at_us", "level", "logger_id", "message")),
    Insertion("dropped_effects", "dropped_effects", ("run_id", "log_lines", "service_calls")),
    *(Insertion(table, table, columns) for table, columns in EVENT_TABLES.items()),
    Insertion(
        "home_names",
        "home_names",
        ("kind", "key", "name", "area"),
        conflict="ON CONFLICT DO UPDATE SET name = excluded.name, area = excluded.area "
        "WHERE name IS NOT excluded.name OR area IS NOT excluded.area",
    ),
    Insertion("losses", "losses", ("session_id", "reason", "what", "count", "first_us", "last_us")),
    Insertion("running_executions", "running_executions", RUNNING_COLUMNS),
    *_hourly_and_daily(
        "statistics",
        "",
        *STATUS_NAMES,
        "shed",
        "total_us",
        "max_us",
        "waited_us",
        update=f"{_add(*STATUS_NAMES, 'shed', 'total_us', 'waited_us')}, max_us = max(max_us, excluded.max_us)",
    ),
    *_hourly_and_daily("latency", "bucket", "count", update=_add("count")),
    *_hourly_and_daily("skips", "reason_id", "count", update=_add("count")),
    Insertion("not_runs", "not_runs", NOT_RUN_COLUMNS),
)

RETIRE: Final = tuple(f"UPDATE {kind.registrations_table} SET retired_us = ? WHERE id = ?" for kind in KINDS)
SILENCE: Final = "UPDATE error_groups SET silenced_until_us = ? WHERE fingerprint = ?"
NEWEST_NOT_RUNS: Final = 20
"""How many rows of ``not_runs`` each registration keeps."""
_DELETE_NOT_RUNS: Final = f"""
DELETE FROM not_runs WHERE registration_id = :id AND id <= (
    SELECT id FROM not_runs WHERE registration_id = :id ORDER BY id DESC LIMIT 1 OFFSET {NEWEST_NOT_RUNS}
)
"""
DELETE_RUNNING: Final = "DELETE FROM running_executions WHERE session_id = ?"

UPDATE_SESSION: Final = """
UPDATE sessions
SET heartbeat_us = :heartbeat_us, last_sequence = :sequence,
    first_id = coalesce(min(first_id, :first_id), first_id, :first_id),
    last_id = coalesce(max(last_id, :last_id), last_id, :last_id),
    runs = runs + :runs, failures = failures + :failures,
    lost_runs = lost_runs + :lost_runs, lost_details = lost_details + :lost_details,
    facts = CASE WHEN :facts IS NULL THEN facts ELSE json_patch(facts, :facts) END
WHERE id = :session_id AND last_sequence = :previous_sequence
"""
"""The first statement of a batch: heartbeat, totals, and the sequence number, which marks the batch as stored.

If it changes no row, another program has replaced the rows, for example with the SQLite command ``.restore``. All ids
of the encoder may then belong to other names and registrations.
"""


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """A batch as rows.

    Attributes:
        rows: Rows of each insertion, by the key in `Insertion.rows`.
        retired: Times and ids of retired registrations.
        silences: Ends of silences, and fingerprints of error groups.
        running_session_id: Id of the session whose stored list of runs in progress is replaced; None if the batch
            contains no such list.
        session_values: Parameters of `UPDATE_SESSION`.
    """

    rows: Mapping[str, Sequence[RowValues]]
    retired: list[tuple[int, int]]
    silences: list[tuple[int | None, str]]
    running_session_id: int | None
    session_values: Mapping[str, object]


def write_batch(db: sqlite3.Connection, encode: Callable[[NewIds], EncodedBatch]) -> bool:
    """Store a batch in one transaction. Return False if another program has replaced the rows; nothing is stored then.

    Args:
        db: The writer's connection, in autocommit mode.
        encode: Returns the rows, with new ids in place of ids that are in use.

    Raises:
        sqlite3.Error: A statement failed. If COMMIT failed, it is unknown whether the batch is stored. If another
            statement failed, nothing is stored.
    """
    encoded = encode(NO_NEW_IDS)
    db.execute("BEGIN IMMEDIATE")
    try:
        if db.execute(UPDATE_SESSION, encoded.session_values).rowcount != 1:
            db.execute("ROLLBACK")
            return False
        try:
            _insert_all(db, encoded)
        except (UnicodeEncodeError, sqlite3.IntegrityError) as error:
            # Lone surrogates in a text, for example in the message of an exception, and ids in use are too rare to
            # check each batch for them.
            db.execute("ROLLBACK")
            new_ids = find_used_ids(db, encoded.rows)
            if not new_ids and not isinstance(error, UnicodeEncodeError):
                raise
            encoded = encode(new_ids)
            db.execute("BEGIN IMMEDIATE")
            db.execute(UPDATE_SESSION, encoded.session_values)
            _insert_all(db, replace(encoded, rows=_with_clean_texts(encoded.rows)))
        db.execute("COMMIT")
    except BaseException:
        # A full disk may have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return True


def _insert_all(db: sqlite3.Connection, encoded: EncodedBatch) -> None:
    if encoded.running_session_id is not None:
        db.execute(DELETE_RUNNING, (encoded.running_session_id,))
    for insertion in INSERTIONS:
        if rows := encoded.rows.get(insertion.rows):
            _insert(db, insertion, rows)
    for registration_id in {row[0] for row in encoded.rows.get("not_runs", ())}:
        db.execute(_DELETE_NOT_RUNS, {"id": registration_id})
    for statement in RETIRE if encoded.retired else ():
        db.executemany(statement, encoded.retired)
    if encoded.silences:
        db.executemany(SILENCE, encoded.silences)


def _insert(db: sqlite3.Connection, insertion: Insertion, rows: Sequence[RowValues]) -> None:
    for start in range(0, len(rows), MAX_ROWS):
        some = rows[start : start + MAX_ROWS]
        size = 1 << (len(some) - 1).bit_length()  # the next power of two
        places = list(chain.from_iterable(some))
        places += [None] * (len(insertion.columns) * size - len(places))
        db.execute(_statement(insertion, size), places)


def _with_clean_texts(rows: Mapping[str, Sequence[RowValues]]) -> Mapping[str, Sequence[RowValues]]:
    return {
        table: [[cleaned_text(value) if isinstance(value, str) else value for value in row] for row in some]
        for table, some in rows.items()
    }


@cache
def _statement(insertion: Insertion, size: int) -> str:
    return insertion.statement(size)
