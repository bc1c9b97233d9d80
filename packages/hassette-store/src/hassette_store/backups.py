"""Copies of a history, and care for it: what ``hassette telemetry backup|restore|check|vacuum`` calls."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hassette_store.errors import BackupError, DamagedSourceError
from hassette_store.file.connections import (
    READING_FAILED,
    connect_plain,
    connect_read_only,
    connect_to_read,
    findings_of,
    is_damage,
    tolerant,
)
from hassette_store.file.ownership import followed, make_empty, owned
from hassette_store.file.schema import HEAD, revision_of
from hassette_store.recovery import replacement

_PAGES_A_STEP: Final = 1_000
_MARGIN: Final = 1.05


def verified_copy(
    path: Path, to: Path, *, like: Path | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Copy a history with SQLite's backup API, check the copy, and only then give it its name.

    Args:
        path: The history; a framework may be writing to it.
        to: The copy.
        like: The file whose owner and mode the copy takes (see `make_empty`); the history's if None.
        progress: Told (pages left, pages in all) now and then.

    Raises:
        DamagedSourceError: The history is damaged; nothing is left of the copy.
        BackupError: There is no room, or the copy cannot be written; nothing is left of it.
    """
    size = sum(side.stat().st_size for side in (path, path.with_name(path.name + "-wal")) if side.exists())
    if (free := shutil.disk_usage(to.absolute().parent).free) < size * _MARGIN:
        raise BackupError(
            f"a copy of {path} needs {size / 1e6:.0f} MB, and {to.absolute().parent} has {free / 1e6:.0f} MB free"
        )
    partial = replacement.partial(to)
    partial.unlink(missing_ok=True)
    try:
        make_empty(partial, like=like or path)
        source = connect_to_read(path)
        try:
            target = tolerant(sqlite3.connect(partial))
            try:
                # One view of the file for the whole copy: without it, SQLite begins again at each commit of the writer.
                source.execute("BEGIN")
                source.execute("SELECT 1 FROM sqlite_master").fetchone()
                source.backup(
                    target,
                    pages=_PAGES_A_STEP,
                    progress=None if progress is None else lambda _, left, total: progress(left, total),
                )
                # One file, with nothing beside it: so that a copy of the copy is whole.
                target.execute("PRAGMA journal_mode = DELETE")
                finding = next(findings_of(target, "quick_check(1)"), None)
            finally:
                target.close()
        finally:
            source.close()
        if finding is not None:
            raise DamagedSourceError(f"the copy of {path} is not whole: {finding}")
        partial.replace(to)
    except (*READING_FAILED, OSError) as error:
        kind = DamagedSourceError if is_damage(error) else BackupError
        raise kind(f"{path} could not be copied to {to}: {error}") from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + "-journal")):
            leftover.unlink(missing_ok=True)


def backup(path: Path, to: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Make a consistent copy of a history, also while a framework writes to it.

    Args:
        path: The history.
        to: The copy; it must not exist.
        progress: Told (pages left, pages in all) now and then.

    Raises:
        BackupError: There is no history, the copy exists already, or it could not be made.
    """
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    if to.exists():
        raise BackupError(f"{to} exists already; nothing is overwritten")
    if not (directory := to.absolute().parent).is_dir():
        raise BackupError(f"{to} cannot be made: there is no directory {directory}. Make it first, or name another one")
    verified_copy(path, to, progress=progress)


def restore(path: Path, source: Path) -> Path | None:
    """Put a backup in the place of a history; return where the history from before is kept, None if there was none.

    Args:
        path: The history; no framework may be running on it.
        source: The backup. It is read, not moved.

    Raises:
        BackupError: The backup is not a history, or not whole, or could not be copied.
        DatabaseInUseError: A framework owns the history.
        UnusableFileError: The history's path is a symbolic link to nothing, or its directory cannot be written to.
        NewerDatabaseError: The backup is of a newer hassette-store.
    """
    if not source.is_file():
        raise BackupError(f"there is no backup at {source}")
    if findings := _findings(source, references=False):
        raise BackupError(f"{source} is not whole: {findings[0]}")
    path = followed(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with owned(path):
            replacement.finish_interrupted(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            # From the moment that it has this name, a start finishes what a crash cuts off.
            incoming = replacement.incoming(path)
            verified_copy(source, incoming, like=path)
            kept = replacement.keep_aside(path, "replaced")
            incoming.replace(path)
    except OSError as error:
        raise BackupError(f"{source} could not be restored to {path}: {error}") from error
    return kept


def check(path: Path) -> list[str]:
    """Look for damage, thoroughly; return what was found, nothing if all is well.

    It reads the whole file, whether a framework writes to it or not.

    Raises:
        BackupError: There is no such file, or it cannot be read.
        StoreError: It is not a history, or of a newer hassette-store.
    """
    return _findings(path, references=True)


def _findings(path: Path, *, references: bool) -> list[str]:
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    try:
        connection = connect_to_read(path)
        try:
            if revision_of(connection, path) is None:
                return ["it holds no history"]
            findings = list(findings_of(connection, "integrity_check(20)"))
            if references:
                findings += [
                    f"{table}: row {rowid} refers to a row of {parent} that is not there"
                    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20)
                ]
        finally:
            connection.close()
    except READING_FAILED as error:
        if is_damage(error):
            return [str(error)]
        # Nothing is said of the file by that.
        raise BackupError(
            f"{path} could not be read, so nothing is known of its state: {error}. Do it as a user who may "
            "read it and what lies beside it, and write to its directory."
        ) from error
    return findings


def vacuum(path: Path) -> tuple[int, int]:
    """Rewrite the file without gaps; return its size in bytes before and after.

    Raises:
        BackupError: There is no history, no room for the rewriting, or it failed; the history is as it was.
        DatabaseInUseError: A framework owns the history. (It gives free pages back by itself.)
        NewerDatabaseError: The file is of a newer hassette-store.
    """
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    path = followed(path)
    before = path.stat().st_size
    with owned(path):
        try:
            reader = connect_read_only(path)
            try:
                if revision_of(reader, path) != HEAD:
                    raise BackupError(f"{path} is of an older schema; start Hassette once to upgrade it")
            finally:
                reader.close()
            # VACUUM writes a temporary file, mostly to the same disk, then the whole of it through the log.
            if (free := shutil.disk_usage(path.absolute().parent).free) < 2 * before:
                raise BackupError(f"vacuum needs {2 * before / 1e6:.0f} MB beside {path}, {free / 1e6:.0f} MB are free")
            connection = connect_plain(path)
            try:
                # In memory, as the writer's small tables are, the whole history would be there as well.
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()
        except READING_FAILED as error:
            raise BackupError(f"{path} could not be rewritten: {error}") from error
    return before, path.stat().st_size
