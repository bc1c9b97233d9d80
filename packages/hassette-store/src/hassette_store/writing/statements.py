"""The statements that store one batch in one transaction."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from hassette_store.derived.derivation import derive_all, derive_late, derived_below
from hassette_store.derived.statistics import Totals, add_totals
from hassette_store.insertion import Insertion, RowValues, add_columns, set_columns
from hassette_store.kinds import EVENT_TABLES, KINDS, NOT_RUN_COLUMNS, RUNNING_COLUMNS, RunKind
from hassette_store.periods import HOUR_US, HOURS_A_DAY
from hassette_store.sessions import READABLE_FACTS
from hassette_store.writing.texts import cleaned_text
from hassette_store.writing.used_ids import NO_NEW_IDS, NewIds, find_used_ids

ROW_ERRORS: Final = (
    OverflowError,
    UnicodeError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""Errors for a row that SQLite never accepts: a large number, a text without UTF-8 form, a wrong type, a known key."""


def _registrations(kind: RunKind) -> Insertion:
    columns = kind.registration_columns
    updated = [column for column in columns if column != "id" and column not in kind.key_columns]
    return Insertion(
        kind.registrations_table,
        kind.registrations_table,
        (*columns, "first_registered_us", "last_registered_us"),
        conflict=f"ON CONFLICT DO UPDATE SET {set_columns(*updated, 'last_registered_us')}, retired_us = NULL",
    )


def _skips() -> tuple[Insertion, Insertion]:
    """Return the insertions into the hourly and the daily table; both add to existing counts."""
    columns = ("registration_id", "reason_id", "count")
    conflict = f", registration_id, reason_id) DO UPDATE SET {add_columns('count')}"
    return (
        Insertion("skips", "skips_hourly", ("hour", *columns), conflict=f"ON CONFLICT (hour{conflict}"),
        Insertion(
            "skips",
            "skips_daily",
            ("day", *columns),
            f"column1 / {HOURS_A_DAY}, column2, column3, column4",
            conflict=f"ON CONFLICT (day{conflict}",
        ),
    )


FAILING_LINE: Final = ("file", "line", "function", "code")
"""Columns of a failing line, in ``failures`` and in ``error_groups``."""
# A failure stores these values only where they differ from those of its group.
_OWN: Final = ("message", *FAILING_LINE)

HOME_NAMES: Final = Insertion(
    "home_names",
    "home_names",
    ("kind", "key", "name", "area"),
    conflict="ON CONFLICT DO UPDATE SET name = excluded.name, area = excluded.area "
    "WHERE name IS NOT excluded.name OR area IS NOT excluded.area",
)
"""Insertion of names of the home. It changes only rows that differ."""

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
        f"last_run_id = max(last_run_id, excluded.last_run_id), {add_columns('count')}",
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
    Insertion("state_reads", "state_reads", ("run_id", "position", "at_us", "entity_id", "state")),
    Insertion("dropped_effects", "dropped_effects", ("run_id", "log_lines", "service_calls", "state_reads")),
    *(Insertion(table, table, columns) for table, columns in EVENT_TABLES.items()),
    HOME_NAMES,
    Insertion("running_executions", "running_executions", RUNNING_COLUMNS),
    *_skips(),
    Insertion("not_runs", "not_runs", NOT_RUN_COLUMNS),
)

_LOSS_COLUMNS: Final = ("session_id", "reason", "what", "count", "first_us", "last_us")
_INSERT_LOSS: Final = f"INSERT INTO losses ({', '.join(_LOSS_COLUMNS)}) VALUES (:{', :'.join(_LOSS_COLUMNS)})"
# The newest rows are enough: an hour has only a few kinds of losses.
_ADD_LOSS: Final = f"""
UPDATE losses SET count = count + :count, first_us = min(first_us, :first_us), last_us = max(last_us, :last_us)
WHERE id IN (SELECT id FROM losses ORDER BY id DESC LIMIT 20)
  AND session_id = :session_id AND reason = :reason AND what = :what
  AND last_us / {HOUR_US} = :last_us / {HOUR_US}
"""
# Tables whose rows are derived. A log line outside runs may be stored after runs with higher ids.
_DERIVED: Final = (*(kind.runs_table for kind in KINDS), "framework_log")
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

UPDATE_SESSION: Final = f"""
UPDATE sessions
SET heartbeat_us = :heartbeat_us, last_sequence = :sequence,
    first_id = coalesce(min(first_id, :first_id), first_id, :first_id),
    last_id = coalesce(max(last_id, :last_id), last_id, :last_id),
    runs = runs + :runs, failures = failures + :failures,
    lost_runs = lost_runs + :lost_runs, lost_details = lost_details + :lost_details,
    facts = CASE WHEN :facts IS NULL THEN facts ELSE json_patch({READABLE_FACTS}, :facts) END
WHERE id = :session_id AND last_sequence = :previous_sequence
"""
"""The first statement of a batch: heartbeat, totals, and the sequence number, which marks the batch as stored.

If it changes no row, another program has replaced the rows, for example with the SQLite command ``.restore``. All ids
of the encoder may then belong to other names and registrations.
"""


class EncodedBatch(NamedTuple):
    """A batch as rows.

    Attributes:
        rows: Rows of each insertion, by the key in `Insertion.rows`.
        retired: Times and ids of retired registrations.
        silences: Ends of silences, and fingerprints of error groups.
        running_session_id: Id of the session whose stored list of runs in progress is replaced; None if the batch
            contains no such list.
        session_values: Parameters of `UPDATE_SESSION`.
        evicted: Totals of evicted runs, by hour and registration.
    """

    rows: Mapping[str, Sequence[RowValues]]
    retired: list[tuple[int, int]]
    silences: list[tuple[int | None, str]]
    running_session_id: int | None
    session_values: Mapping[str, object]
    evicted: Mapping[tuple[int, int], Totals]


def write_batch(db: sqlite3.Connection, encode: Callable[[NewIds], EncodedBatch], *, derive: bool = False) -> bool:
    """Store a batch in one transaction. Return False if another program has replaced the rows; nothing is stored then.

    Args:
        db: The writer's connection, in autocommit mode.
        encode: Returns the rows, with new ids in place of ids that are in use.
        derive: Whether to derive all rows that wait (see `hassette_store.derived`), in the same transaction.

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
            _insert_all(db, encoded._replace(rows=_with_clean_texts(encoded.rows)))
        if derive:
            derive_all(db)
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
            insertion.insert(db, rows)
    # An entity that changes too often causes a loss in each batch. One row for each hour and kind is enough.
    for row in encoded.rows.get("losses", ()):
        loss: dict[str, object] = dict(zip(_LOSS_COLUMNS, row, strict=True))
        if not db.execute(_ADD_LOSS, loss).rowcount:
            db.execute(_INSERT_LOSS, loss)
    for registration_id in {row[0] for row in encoded.rows.get("not_runs", ())}:
        db.execute(_DELETE_NOT_RUNS, {"id": registration_id})
    for statement in RETIRE if encoded.retired else ():
        db.executemany(statement, encoded.retired)
    if encoded.silences:
        db.executemany(SILENCE, encoded.silences)
    if encoded.evicted:
        add_totals(db, encoded.evicted)
    ids = [_id_of(row) for table in _DERIVED for row in encoded.rows.get(table, ())]
    if ids and min(ids) < derived_below(db):
        derive_late(db, ids)


def _id_of(row: RowValues) -> int:
    assert isinstance(row[0], int)
    return row[0]


def _with_clean_texts(rows: Mapping[str, Sequence[RowValues]]) -> Mapping[str, Sequence[RowValues]]:
    return {
        table: [[cleaned_text(value) if isinstance(value, str) else value for value in row] for row in some]
        for table, some in rows.items()
    }
