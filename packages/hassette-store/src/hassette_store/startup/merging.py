"""Merge of a second file into the history.

While the database file cannot be used, for example because a newer hassette-store wrote it, `HistoryService` records
into a second file next to it. The next start that can use the database file copies all rows of the second file into it,
in one transaction. Ids of names, registrations, sessions and error groups mean something only within one file, so the
copies get new ids.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from hassette_store import sessions
from hassette_store.derived.derivation import derive_all, mark_as_derived
from hassette_store.derived.search_index import TABLES as SEARCH_TABLES
from hassette_store.derived.statistics import MERGE
from hassette_store.errors import DatabaseInUseError, StoreError
from hassette_store.file.connections import BUSY_TIMEOUT_S, connect_to_write, replace_invalid_text, uri
from hassette_store.file.damage import SQLITE_ERRORS
from hassette_store.file.lock_guard import forget_kept
from hassette_store.file.ownership import Ownership
from hassette_store.file.side_files import free_path, move, second_files, with_suffix
from hassette_store.incidents import Incident
from hassette_store.insertion import add_columns
from hassette_store.kinds import KINDS
from hassette_store.sketch_functions import add_sketch_functions
from hassette_store.transactions import write_transaction

logger = logging.getLogger(__name__)

# Rows of the first tables are copied with new ids. Rows of the other tables are not copied: `statuses` has the same
# rows in each file, the values in `store_state` are only valid in their file, and the merge ends the runs in
# `running_executions`.
_RENUMBERED: Final = ("names", *(kind.registrations_table for kind in KINDS), "sessions", "error_groups")
_NOT_COPIED: Final = ("alembic_version", "statuses", "store_state", "running_executions", *SEARCH_TABLES.values())
_PERIODS: Final = ("hour", "day")
# A column of `failures` is NULL if the group has the same value. The group in the database file may have another value.
_OF_GROUP: Final = ("message", "file", "line", "function", "code")


def merge_second_files(path: Path, prepare: Callable[[Path], Ownership]) -> list[Incident]:
    """Copy the rows of all second files into the database file, and rename the second files. Return the incidents.

    A second file that cannot be read or is in use stays for the next start.

    Args:
        path: The database file. The caller owns it.
        prepare: Function that becomes the owner of a second file, and recovers or upgrades the file as needed.
    """
    incidents: list[Incident] = []
    for second in second_files(path):
        try:
            ownership = prepare(second)
            try:
                runs = _merge(path, second, ownership)
                forget_kept(second)
                merged = free_path(with_suffix(second, ".merged"))
                move(second, merged)
                _forget(path, second)
            except BaseException:
                ownership.release()
                raise
            ownership.remove_note_and_release()
        except DatabaseInUseError:
            continue
        except (StoreError, OSError, *SQLITE_ERRORS) as error:
            logger.warning(
                "Second file could not be merged into the history; the next start retries",
                extra={"path": str(second), "error": str(error)},
            )
        else:
            detail = f"{runs:,} runs of {second.name} were added to {path.name}; {merged.name} is the merged file."
            incidents.append(Incident("database_merged", detail))
            logger.info("Second file merged into the history", extra={"path": str(second), "runs": runs})
    return incidents


def _merge(path: Path, second: Path, ownership: Ownership) -> int:
    """Copy all rows, unless an earlier start has done that. Return the number of copied runs."""
    ending = connect_to_write(second)
    try:
        sessions.close_crashed(ending, ownership.heartbeat)
    finally:
        ending.close()
    db = sqlite3.connect(uri(path, mode="rw"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    add_sketch_functions(replace_invalid_text(db))
    try:
        db.execute("ATTACH ? AS second", (uri(second, mode="rw"),))
        with write_transaction(db):
            runs = 0
            # The time of its first session shows that this is the same file. A crash may have left the marker of an
            # earlier file, and a clock that was wrong may have given both files the same name.
            (started_us,) = db.execute("SELECT coalesce(min(started_us), 0) FROM second.sessions").fetchone()
            marker = (_marker(second), started_us)
            if db.execute("SELECT 1 FROM main.store_state WHERE name = ? AND value = ?", marker).fetchone() is None:
                before = _count_runs(db)
                # All runs of both files are counted before the copy. So the sums of their statistics count all runs.
                derive_all(db)
                _copy_all(db)
                mark_as_derived(db)
                runs = _count_runs(db) - before
                # If a crash comes before the second file is renamed, the next start must not copy the rows again.
                db.execute("INSERT OR REPLACE INTO main.store_state VALUES (?, ?)", marker)
        return runs
    finally:
        db.close()


def _forget(path: Path, second: Path) -> None:
    db = connect_to_write(path)
    try:
        db.execute("DELETE FROM store_state WHERE name = ?", (_marker(second),))
    finally:
        db.close()


def _marker(second: Path) -> str:
    return f"merged {second.name!a}"


def _count_runs(db: sqlite3.Connection) -> int:
    return sum(db.execute(f"SELECT count(*) FROM main.{kind.runs_table}").fetchone()[0] for kind in KINDS)


def _copy_all(db: sqlite3.Connection) -> None:
    db.execute("INSERT OR IGNORE INTO main.names (name) SELECT name FROM second.names ORDER BY id")
    _map(db, "names", "SELECT theirs.id, ours.id FROM second.names AS theirs JOIN main.names AS ours USING (name)")
    _map(
        db,
        "sessions",
        "SELECT id, row_number() OVER (ORDER BY id) + (SELECT coalesce(max(id), 0) FROM main.sessions) "
        "FROM second.sessions",
    )
    _insert(db, "sessions", {"id": _mapped("sessions", "id")})
    _copy_registrations(db)
    _copy_groups(db)
    # Another program, such as Litestream, may have added its own tables.
    for table in sorted(_tables_in(db, "main") & _tables_in(db, "second")):
        if table not in (*_RENUMBERED, *_NOT_COPIED) and not table.startswith("sqlite_"):
            _copy(db, table)


def _tables_in(db: sqlite3.Connection, schema: str) -> set[str]:
    return {str(row[0]) for row in db.execute(f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table'")}


def _copy_registrations(db: sqlite3.Connection) -> None:
    # Listeners and jobs take their ids from one sequence.
    same = " UNION ALL ".join(
        f"SELECT theirs.id, ours.id FROM second.{kind.registrations_table} AS theirs "
        f"JOIN main.{kind.registrations_table} AS ours USING ({', '.join(kind.key_columns)})"
        for kind in KINDS
    )
    _map(db, "registrations", same)
    all_ids = "SELECT id FROM {0}." + " UNION ALL SELECT id FROM {0}.".join(kind.registrations_table for kind in KINDS)
    db.execute(
        "INSERT INTO temp.map_registrations "
        f"SELECT id, row_number() OVER (ORDER BY id) + (SELECT coalesce(max(id), 0) FROM ({all_ids.format('main')})) "
        f"FROM ({all_ids.format('second')}) WHERE id NOT IN (SELECT old FROM temp.map_registrations)"
    )
    for kind in KINDS:
        _insert(
            db,
            kind.registrations_table,
            {"id": _mapped("registrations", "id")},
            "ON CONFLICT DO UPDATE SET first_registered_us = min(first_registered_us, excluded.first_registered_us), "
            "retired_us = CASE WHEN excluded.last_registered_us > last_registered_us THEN excluded.retired_us "
            "ELSE retired_us END, last_registered_us = max(last_registered_us, excluded.last_registered_us)",
        )


def _copy_groups(db: sqlite3.Connection) -> None:
    _map(
        db,
        "error_groups",
        "SELECT theirs.id, coalesce(ours.id, row_number() OVER (ORDER BY theirs.id) + "
        "(SELECT coalesce(max(id), 0) FROM main.error_groups)) "
        "FROM second.error_groups AS theirs LEFT JOIN main.error_groups AS ours USING (fingerprint)",
    )
    _insert(
        db,
        "error_groups",
        {"id": _mapped("error_groups", "id")},
        "ON CONFLICT DO UPDATE SET count = count + excluded.count, last_run_id = max(last_run_id, "
        "excluded.last_run_id), last_seen_us = max(last_seen_us, excluded.last_seen_us), first_seen_us = "
        "min(first_seen_us, excluded.first_seen_us), "
        "silenced_until_us = coalesce(excluded.silenced_until_us, silenced_until_us)",
    )


def _copy(db: sqlite3.Connection, table: str) -> None:
    """Copy a table. Columns that refer to a renumbered table get the new ids."""
    info = db.execute(f"PRAGMA second.table_info({table})").fetchall()
    values: dict[str, str | None] = {}
    for row in db.execute(f"PRAGMA second.foreign_key_list({table})"):
        parent, column = str(row[2]), str(row[3])
        if parent in _RENUMBERED:
            registrations = any(parent == kind.registrations_table for kind in KINDS)
            values[column] = _mapped("registrations" if registrations else parent, column)
    columns = [str(row[1]) for row in info]
    if "registration_id" in columns:
        values["registration_id"] = _mapped("registrations", "registration_id")
    conflict = "ON CONFLICT DO NOTHING"
    key = [str(row[1]) for row in info if row[5]]
    if any(period in key for period in _PERIODS):
        totals = MERGE if "sketch" in columns else add_columns("count")
        conflict = f"ON CONFLICT DO UPDATE SET {totals}"
    elif table in ("losses", "not_runs"):
        values["id"] = None
    elif table == "home_names":
        conflict = "ON CONFLICT DO UPDATE SET name = excluded.name, area = excluded.area"
    elif table == "failures":
        for column in _OF_GROUP:
            values[column] = (
                f"coalesce({column}, (SELECT theirs.{column} FROM second.error_groups AS theirs "
                "WHERE theirs.id = error_group_id))"
            )
    _insert(db, table, values, conflict)


def _insert(
    db: sqlite3.Connection, table: str, values: dict[str, str | None], conflict: str = "ON CONFLICT DO NOTHING"
) -> None:
    """Insert all rows of a table. ``values`` has expressions for some columns; None lets SQLite choose the value."""
    columns = [str(row[1]) for row in db.execute(f"PRAGMA second.table_info({table})")]
    columns = [column for column in columns if values.get(column, column) is not None]
    expressions = [values.get(column) or column for column in columns]
    db.execute(
        f"INSERT INTO main.{table} ({', '.join(columns)}) SELECT {', '.join(expressions)} FROM second.{table} "
        f"WHERE true {conflict}"
    )


def _map(db: sqlite3.Connection, name: str, rows: str) -> None:
    db.execute(f"CREATE TEMP TABLE map_{name} (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
    db.execute(f"INSERT INTO temp.map_{name} {rows}")


def _mapped(name: str, column: str) -> str:
    return f"(SELECT new FROM temp.map_{name} WHERE old = {column})"
