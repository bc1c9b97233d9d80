"""Backup, restore, check and vacuum of a database file, as in ``hassette telemetry backup``."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hassette_store.derived.recount import missing_counts
from hassette_store.derived.search_coverage import missing_terms
from hassette_store.errors import DamagedSourceError, MaintenanceError, NewerDatabaseError, UnusableFileError
from hassette_store.file.connections import connect_read_only, connect_to_read, connect_to_write, replace_invalid_text
from hassette_store.file.damage import SQLITE_ERRORS, findings_of, is_damage, is_lost_schema
from hassette_store.file.location import make_directory, make_empty, resolve_links
from hassette_store.file.owner_note import HEARTBEAT_FUNCTION, add_heartbeat_function
from hassette_store.file.ownership import owned
from hassette_store.file.presence import exists, is_directory, size_of, special_kind_of, status_of
from hassette_store.file.schema import LATEST_REVISION, revision_of
from hassette_store.file.side_files import log_path, move_aside, new_file_path, partial_path, with_suffix
from hassette_store.recovery.replacement import finish_interrupted

Progress = Callable[[int, int], None]
"""Function that a copy calls repeatedly with the number of remaining pages and the number of all pages."""

_PAGES_AT_ONCE: Final = 1_000
_MARGIN: Final = 1.05
_KEEP_HEARTBEAT: Final = f"""
UPDATE sessions SET heartbeat_us = {HEARTBEAT_FUNCTION}(id, started_us, last_sequence, heartbeat_us)
 WHERE ended_us IS NULL
"""


def verified_copy(
    path: Path,
    to: Path,
    *,
    like: Path | None = None,
    progress: Progress | None = None,
    pages_at_once: int = _PAGES_AT_ONCE,
) -> None:
    """Copy a database file with SQLite's backup API. The copy gets its final name only after it has passed a check.

    Args:
        path: The database file. A framework may be writing to it.
        to: Path of the copy.
        like: The file whose owner the copy gets (see `make_empty`); by default ``path``. Only the owner may read the
            copy.
        progress: Called each time that ``pages_at_once`` pages have been copied.
        pages_at_once: Number of pages to copy between two calls of ``progress``.

    Raises:
        DamagedSourceError: The database file is damaged. No copy is left.
        MaintenanceError: The disk is full, or the copy cannot be written. No copy is left.
    """
    unfinished = partial_path(to)
    try:
        _require_space(path, to)
        unfinished.unlink(missing_ok=True)
        make_empty(unfinished, like=like or path)
        damage = _copy(path, unfinished, progress, pages_at_once)
        if damage is not None:
            raise DamagedSourceError(f"the copy of {path} is damaged: {damage}")
        unfinished.replace(to)
    except (*SQLITE_ERRORS, OSError) as error:
        kind = DamagedSourceError if is_damage(error) else MaintenanceError
        raise kind(f"{path} could not be copied to {to}: {error}") from error
    finally:
        for leftover in (unfinished, with_suffix(unfinished, "-journal")):
            # After an I/O error, the removal of the file may fail. The next copy to the same path removes the file.
            with suppress(OSError):
                leftover.unlink(missing_ok=True)


def backup(path: Path, to: Path, *, progress: Progress | None = None, pages_at_once: int = _PAGES_AT_ONCE) -> None:
    """Make a consistent copy of a database file. A framework may be writing to the file.

    Args:
        path: The database file.
        to: Path of the copy, at which no file may exist.
        progress: Called each time that ``pages_at_once`` pages have been copied.
        pages_at_once: Number of pages to copy between two calls of ``progress``.

    Raises:
        MaintenanceError: There is no database file, a file exists at ``to`` already, or the copy could not be made.
    """
    _require_history(path)
    try:
        if exists(to):
            raise MaintenanceError(f"{to} exists already; existing files are not overwritten")
        if not is_directory(directory := to.absolute().parent):
            raise MaintenanceError(
                f"{to} cannot be written: there is no directory {directory}. Create it first, or name another one"
            )
    except OSError as error:
        raise MaintenanceError(f"{to} cannot be written: {error.strerror}") from error
    verified_copy(path, to, progress=progress, pages_at_once=pages_at_once)


def restore(path: Path, source: Path) -> Path | None:
    """Replace a database file by a backup. Return the new path of the replaced file, or None if there was no file.

    Args:
        path: The database file. No framework may be using it.
        source: The backup; it stays where it is.

    Raises:
        MaintenanceError: The backup is not a history, is damaged, or could not be copied.
        DatabaseInUseError: A framework owns the database file.
        UnusableFileError: The path is a symbolic link without a target, or its directory cannot be written to.
        NewerDatabaseError: A newer hassette-store wrote the backup.
    """
    _require_file(source, f"there is no backup at {source}")
    _refuse_special(path)
    if findings := _findings(source, contents=False):
        raise MaintenanceError(f"{source} is damaged: {findings[0]}")
    try:
        path = resolve_links(path)
        make_directory(path.parent)
        with owned(path):
            finish_interrupted(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            # If a crash comes between the two moves below, the next start finds the copy at the path `new` and finishes
            # the restore.
            new = new_file_path(path)
            verified_copy(source, new, like=path)
            replaced = move_aside(path, "replaced")
            new.replace(path)
    except OSError as error:
        raise MaintenanceError(f"{source} could not be restored to {path}: {error}") from error
    return replaced


def check(path: Path) -> list[str]:
    """Check a whole database file for damage. Return the findings: an empty list if there is no damage.

    The check covers the pages of the file, the references between the rows, and whether the statistics count
    all runs that they should count. A framework may be writing to the file.

    Raises:
        MaintenanceError: The file does not exist, cannot be read, or is another program's database.
        NewerDatabaseError: A newer hassette-store wrote the file.
    """
    return _findings(path, contents=True)


def vacuum(path: Path) -> tuple[int, int]:
    """Rewrite a database file without free pages. Return its size in bytes before and after.

    Raises:
        MaintenanceError: There is no database file, the file is another program's database, its schema is older, the
            disk is too full, or the rewrite failed. The history is unchanged.
        DatabaseInUseError: A running framework owns the file. A vacuum is not needed then, because the framework itself
            returns free pages to the file system.
        NewerDatabaseError: A newer hassette-store wrote the file.
    """
    _require_history(path)
    try:
        path = resolve_links(path)
        before = size_of(path)
    except OSError as error:
        raise MaintenanceError(f"{path} could not be rewritten: {error.strerror}") from error
    with owned(path):
        try:
            reader = connect_read_only(path)
            try:
                if _revision_of(reader, path) != LATEST_REVISION:
                    raise MaintenanceError(f"{path} has an older schema; start Hassette once to upgrade it")
            finally:
                reader.close()
            # VACUUM writes a temporary file, usually on the same disk, and then copies it through the write-ahead log.
            if (free := shutil.disk_usage(path.absolute().parent).free) < 2 * before:
                raise MaintenanceError(
                    f"vacuum needs {2 * before / 1e6:.0f} MB in {path.absolute().parent}, but only {free / 1e6:.0f} MB "
                    "are free"
                )
            connection = connect_to_write(path)
            try:
                # `connect_to_write` sets temp_store = MEMORY, which would keep the temporary file in memory.
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()
            return before, size_of(path)
        except (*SQLITE_ERRORS, OSError) as error:
            raise MaintenanceError(f"{path} could not be rewritten: {error}") from error


def _require_space(path: Path, to: Path) -> None:
    size = sum(size_of(file) for file in (path, log_path(path)))
    directory = to.absolute().parent
    if (free := shutil.disk_usage(directory).free) < size * _MARGIN:
        raise MaintenanceError(
            f"a copy of {path} needs {size / 1e6:.0f} MB, but {directory} has only {free / 1e6:.0f} MB free"
        )


def _copy(path: Path, to: Path, progress: Progress | None, pages_at_once: int) -> str | None:
    """Copy a database file. Return the damage that a check finds in the copy, or None."""
    source = connect_to_read(path)
    try:
        target = replace_invalid_text(sqlite3.connect(to))
        try:
            # Use one read transaction for the whole copy. Without the transaction, SQLite would start the copy again
            # after each commit of the framework.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            source.backup(
                target,
                pages=pages_at_once,
                progress=None if progress is None else lambda _, left, total: progress(left, total),
            )
            # Leave no side files, so that a user who copies the backup file copies all of its data.
            target.execute("PRAGMA journal_mode = DELETE")
            damage = next(findings_of(target, "quick_check(1)"), None)
            if damage is None and _has_latest_schema(target, to):
                # The last heartbeat is in the note of the owner. Without it, the copy would state the end of a running
                # session up to fifteen minutes too early.
                add_heartbeat_function(target, path)
                target.execute(_KEEP_HEARTBEAT)
                target.commit()
            return damage
        finally:
            target.close()
    finally:
        source.close()


def _has_latest_schema(connection: sqlite3.Connection, path: Path) -> bool:
    try:
        return revision_of(connection, path) == LATEST_REVISION
    except (UnusableFileError, NewerDatabaseError, *SQLITE_ERRORS):
        # It is another database, a newer history or a damaged one. It is copied as it is.
        return False


def _revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    try:
        return revision_of(connection, path)
    except UnusableFileError as error:
        # The message of the UnusableFileError advises the user to move the file away. That advice is wrong for a backup
        # or another file that the user named.
        raise MaintenanceError(f"{path} is not a history of Hassette") from error


def _require_history(path: Path) -> None:
    _require_file(path, f"there is no history at {path}")


def _require_file(path: Path, missing: str) -> None:
    if not _refuse_special(path):
        raise MaintenanceError(missing)


def _refuse_special(path: Path) -> bool:
    """Return whether there is a plain file at the path; refuse a directory, a pipe, a device and the like.

    Opening a pipe would block for ever. Restoring a backup over a device would move the device away.
    """
    try:
        status = status_of(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise MaintenanceError(f"{path} leads to a loop of symbolic links") from error
        raise MaintenanceError(f"{path} could not be examined, so its state is unknown: {error.strerror}") from error
    if status is not None and (kind := special_kind_of(status)):
        raise MaintenanceError(f"{path} is {kind}, not a file")
    return status is not None


def _findings(path: Path, *, contents: bool) -> list[str]:
    _require_history(path)
    try:
        connection = connect_to_read(path)
        try:
            revision = _revision_of(connection, path)
            if revision is None:
                return ["the file has no tables of Hassette"]
            findings = list(findings_of(connection, "integrity_check(20)"))
            if contents:
                findings += [
                    f"{table}: row {rowid} refers to a missing row of {parent}"
                    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20)
                ]
                if revision == LATEST_REVISION and not findings:
                    findings = [*missing_counts(connection), *missing_terms(connection)]
        finally:
            connection.close()
    except SQLITE_ERRORS as error:
        if is_damage(error) or is_lost_schema(error):
            return [str(error)]
        # A file that cannot be read is not necessarily damaged.
        reason = str(error) if os.access(path, os.R_OK) else "no permission to read it"
        raise MaintenanceError(
            f"{path} could not be read, so its state is unknown: {reason}. Run the command as a user who may read the "
            "file and its side files, and write to its directory."
        ) from error
    return findings
