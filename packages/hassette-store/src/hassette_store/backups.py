"""Backup, restore, check and vacuum of a history: the functions behind ``hassette telemetry backup`` and the like."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hassette_store.errors import BackupError, DamagedSourceError
from hassette_store.file.connections import connect_plain, connect_read_only, connect_to_read, tolerant
from hassette_store.file.damage import READING_FAILED, findings_of, is_damage
from hassette_store.file.location import make_empty, resolved
from hassette_store.file.ownership import owned
from hassette_store.file.schema import HEAD, revision_of
from hassette_store.file.side_files import incoming, move_aside, partial, with_suffix
from hassette_store.recovery.replacement import finish_interrupted

Progress = Callable[[int, int], None]
"""Called now and then with the number of pages left and the number of all pages."""

_PAGES_A_STEP: Final = 1_000
_MARGIN: Final = 1.05


def verified_copy(
    path: Path,
    to: Path,
    *,
    like: Path | None = None,
    progress: Progress | None = None,
    pages_a_step: int = _PAGES_A_STEP,
) -> None:
    """Copy a history with SQLite's backup API. The copy gets its name only after it has passed a check.

    Args:
        path: The history. A framework may be writing to it.
        to: The copy.
        like: The file whose owner and mode the copy gets (see `make_empty`); by default the history.
        progress: Called after each step.
        pages_a_step: Number of pages to copy between two calls of ``progress``.

    Raises:
        DamagedSourceError: The history is damaged. No copy is left.
        BackupError: The disk is full, or the copy cannot be written. No copy is left.
    """
    _require_space(path, to)
    unfinished = partial(to)
    unfinished.unlink(missing_ok=True)
    try:
        make_empty(unfinished, like=like or path)
        damage = _copy(path, unfinished, progress, pages_a_step)
        if damage is not None:
            raise DamagedSourceError(f"the copy of {path} is not whole: {damage}")
        unfinished.replace(to)
    except (*READING_FAILED, OSError) as error:
        kind = DamagedSourceError if is_damage(error) else BackupError
        raise kind(f"{path} could not be copied to {to}: {error}") from error
    finally:
        for leftover in (unfinished, with_suffix(unfinished, "-journal")):
            leftover.unlink(missing_ok=True)


def backup(path: Path, to: Path, *, progress: Progress | None = None, pages_a_step: int = _PAGES_A_STEP) -> None:
    """Make a consistent copy of a history. A framework may be writing to the history.

    Args:
        path: The history.
        to: The copy; it must not exist.
        progress: Called after each step.
        pages_a_step: Number of pages to copy between two calls of ``progress``.

    Raises:
        BackupError: There is no history, the copy exists already, or it could not be made.
    """
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    if to.exists():
        raise BackupError(f"{to} exists already; existing files are not overwritten")
    if not (directory := to.absolute().parent).is_dir():
        raise BackupError(
            f"{to} cannot be written: there is no directory {directory}. Create it first, or name another one"
        )
    verified_copy(path, to, progress=progress, pages_a_step=pages_a_step)


def restore(path: Path, source: Path) -> Path | None:
    """Replace a history by a backup; return the path of the replaced history, or None if there was none.

    Args:
        path: The history. No framework may be using it.
        source: The backup; it stays where it is.

    Raises:
        BackupError: The backup is not a history, is not whole, or could not be copied.
        DatabaseInUseError: A framework owns the history.
        UnusableFileError: The path is a symbolic link to nothing, or its directory cannot be written to.
        NewerDatabaseError: The backup is of a newer hassette-store.
    """
    if not source.is_file():
        raise BackupError(f"there is no backup at {source}")
    if findings := _findings(source, references=False):
        raise BackupError(f"{source} is not whole: {findings[0]}")
    path = resolved(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with owned(path):
            finish_interrupted(path, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
            # Once the copy has this name, the next start finishes a restore that a crash interrupts.
            new = incoming(path)
            verified_copy(source, new, like=path)
            replaced = move_aside(path, "replaced")
            new.replace(path)
    except OSError as error:
        raise BackupError(f"{source} could not be restored to {path}: {error}") from error
    return replaced


def check(path: Path) -> list[str]:
    """Check a whole history for damage; return the findings, an empty list for a sound file.

    A framework may be writing to the history.

    Raises:
        BackupError: The file does not exist or cannot be read.
        StoreError: It is not a history, or of a newer hassette-store.
    """
    return _findings(path, references=True)


def vacuum(path: Path) -> tuple[int, int]:
    """Rewrite a history without gaps; return its size in bytes before and after.

    Raises:
        BackupError: There is no history, no space, or the rewrite failed. The history is unchanged.
        DatabaseInUseError: A framework owns the history. (It returns free pages to the file system itself.)
        NewerDatabaseError: The file is of a newer hassette-store.
    """
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    path = resolved(path)
    before = path.stat().st_size
    with owned(path):
        try:
            reader = connect_read_only(path)
            try:
                if revision_of(reader, path) != HEAD:
                    raise BackupError(f"{path} has an older schema; start Hassette once to upgrade it")
            finally:
                reader.close()
            # VACUUM writes a temporary file, usually to the same disk, and then copies all of it through the log.
            if (free := shutil.disk_usage(path.absolute().parent).free) < 2 * before:
                raise BackupError(
                    f"vacuum needs {2 * before / 1e6:.0f} MB in {path.absolute().parent}, and {free / 1e6:.0f} MB are "
                    "free"
                )
            connection = connect_plain(path)
            try:
                # Otherwise the temporary file would be in memory, because the writer has temp_store = MEMORY.
                connection.execute("PRAGMA temp_store = FILE")
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()
        except READING_FAILED as error:
            raise BackupError(f"{path} could not be rewritten: {error}") from error
    return before, path.stat().st_size


def _require_space(path: Path, to: Path) -> None:
    size = sum(file.stat().st_size for file in (path, with_suffix(path, "-wal")) if file.exists())
    directory = to.absolute().parent
    if (free := shutil.disk_usage(directory).free) < size * _MARGIN:
        raise BackupError(f"a copy of {path} needs {size / 1e6:.0f} MB, and {directory} has {free / 1e6:.0f} MB free")


def _copy(path: Path, to: Path, progress: Progress | None, pages_a_step: int) -> str | None:
    """Copy a history; return the damage that a check finds in the copy, or None."""
    source = connect_to_read(path)
    try:
        target = tolerant(sqlite3.connect(to))
        try:
            # One read transaction for the whole copy. Without it, SQLite starts over at each commit of the writer.
            source.execute("BEGIN")
            source.execute("SELECT 1 FROM sqlite_master").fetchone()
            source.backup(
                target,
                pages=pages_a_step,
                progress=None if progress is None else lambda _, left, total: progress(left, total),
            )
            # One file without side files, so that copying the backup copies all of it.
            target.execute("PRAGMA journal_mode = DELETE")
            return next(findings_of(target, "quick_check(1)"), None)
        finally:
            target.close()
    finally:
        source.close()


def _findings(path: Path, *, references: bool) -> list[str]:
    if not path.is_file():
        raise BackupError(f"there is no history at {path}")
    try:
        connection = connect_to_read(path)
        try:
            if revision_of(connection, path) is None:
                return ["it has no tables"]
            findings = list(findings_of(connection, "integrity_check(20)"))
            if references:
                findings += [
                    f"{table}: row {rowid} refers to a missing row of {parent}"
                    for table, rowid, parent, _ in connection.execute("PRAGMA foreign_key_check").fetchmany(20)
                ]
        finally:
            connection.close()
    except READING_FAILED as error:
        if is_damage(error):
            return [str(error)]
        # Not readable does not mean damaged.
        raise BackupError(
            f"{path} could not be read, so its state is unknown: {error}. Run the command as a user who may read the "
            "file and its side files, and write to its directory."
        ) from error
    return findings
