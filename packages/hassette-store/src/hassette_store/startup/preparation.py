"""From whatever lies at the path to a history that can be written: run at each start, in a thread of its own.

Nothing here deletes a history. What cannot be used is left where it is and named in an error, or moved aside whole.
"""

import glob
import logging
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hassette_store import sessions
from hassette_store.backups import verified_copy
from hassette_store.errors import (
    DamagedSourceError,
    StoreError,
    UnusableFileError,
    UpgradeFailedError,
    WriteFailedError,
)
from hassette_store.file.connections import (
    BUSY_TIMEOUT_S,
    READING_FAILED,
    SQLITE_NEEDED,
    connect_read_only,
    deadline,
    findings_of,
    is_damage,
    is_lost_schema,
    tolerant,
    uri,
)
from hassette_store.file.creation import create
from hassette_store.file.ownership import Ownership, followed, owner_note, require_writable_file_system
from hassette_store.file.schema import HEAD, revision_of
from hassette_store.recovery import header, replacement
from hassette_store.settings import StoreSettings

logger = logging.getLogger(__name__)

_MAY_BE_THE_HEADER: Final = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
"""What SQLite says of a header that belongs to a later SQLite, and of other things."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something about the file that a person should see on the page: it becomes a lifecycle event.

    Attributes:
        kind: ``database_recovered`` or ``database_upgraded``.
        detail: One sentence.
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is at the newest schema, and ours.

    Attributes:
        ownership: Held; whoever gets this releases it.
        incidents: What happened to the file on the way.
    """

    ownership: Ownership
    incidents: list[Incident] = field(default_factory=list[Incident])


def prepare(path: Path, settings: StoreSettings, now_us: Callable[[], int], *, met: str | None = None) -> Prepared:
    """Become the owner of a history, and bring it to the newest schema; make, mend or replace it where that is needed.

    Args:
        path: The file.
        settings: Time limits.
        now_us: Wall clock.
        met: Damage that SQLite met while the file was in use. It counts, whatever a check says: a check does not look
            at all of a file, and what it overlooks would be met again and again.

    Raises:
        StoreError: It cannot be used; the error says why, and what to do.
    """
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        needed = ".".join(map(str, SQLITE_NEEDED))
        raise UnusableFileError(
            path, f"Python brings SQLite {sqlite3.sqlite_version}", f"Use a Python with SQLite {needed} or newer."
        )
    path = followed(path)
    _require_a_place(path)
    was_ours = owner_note(path).exists()
    ownership = Ownership.take(path)
    try:
        return Prepared(ownership, _made_ready(path, settings, now_us, was_ours=was_ours, met=met))
    except (*READING_FAILED, OSError) as error:
        ownership.release()
        raise WriteFailedError(path, error) from error
    except UnusableFileError:
        if was_ours:
            ownership.release()
        else:
            ownership.disown()
        raise
    except BaseException:
        ownership.release()
        raise


def _require_a_place(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        require_writable_file_system(path, next(place for place in path.parent.parents if place.exists()))
        raise UnusableFileError(
            path, f"the directory {path.parent} cannot be made ({error.strerror})", "Make it, or set another data_dir."
        ) from error
    if path.exists() and not path.is_file():
        what = "a directory" if path.is_dir() else "not a plain file"
        raise UnusableFileError(path, f"it is {what}", "Move it away, or set another data_dir.")
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.R_OK | os.W_OK | (os.X_OK if place.is_dir() else 0)):
            require_writable_file_system(path, place)
            owner = place.stat()
            raise UnusableFileError(
                path,
                f"{place} belongs to user {owner.st_uid} (mode {owner.st_mode & 0o777:o}), and user {_user()} may not "
                "write to it",
                "Give it to the user that runs Hassette (chown), or set another data_dir.",
            )


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _made_ready(
    path: Path, settings: StoreSettings, now_us: Callable[[], int], *, was_ours: bool, met: str | None
) -> list[Incident]:
    incidents: list[Incident] = []

    def recover(finding: str) -> list[Incident]:
        detail = replacement.recover(path, finding, stamp=stamp, limit_s=settings.salvage_limit_s)
        return [Incident("database_recovered", detail)]

    stamp = datetime.fromtimestamp(now_us() / 1e6, UTC).strftime("%Y%m%dT%H%M%SZ")
    replacement.finish_interrupted(path, stamp)
    if not path.exists() or path.stat().st_size == 0:
        if aside := replacement.set_aside_leftovers(path, stamp):
            incidents.append(
                Incident("database_recovered", f"{path.name} was missing or empty; its log was kept as {aside.name}.")
            )
        create(path)
        return incidents
    finding = _finding(path, settings, was_ours=was_ours, met=met)
    if finding is not None:
        return recover(finding)
    connection = _look_into(path)
    try:
        revision = revision_of(connection, path)
    finally:
        connection.close()
    if revision is None:
        create(path)
    elif revision != HEAD:
        backup = replacement.free(path.with_name(f"{path.name}.before-{HEAD}-{stamp}"))
        try:
            _upgrade(path, settings, backup=backup)
        except DamagedSourceError as error:
            # The check had no time to find it.
            return recover(str(error))
        incidents.append(
            Incident(
                "database_upgraded", f"From schema revision {revision} to {HEAD}; a copy from before is {backup.name}."
            )
        )
    return incidents


def _finding(path: Path, settings: StoreSettings, *, was_ours: bool, met: str | None) -> str | None:
    """Return what is wrong with the file, None if nothing is known to be.

    Raises:
        StoreError: It is somebody else's, or of a newer version.
    """
    try:
        connection = _look_into(path)
        try:
            revision = revision_of(connection, path)
            # Nothing damaged is upgraded.
            suspect = met or revision != HEAD or connection.execute(sessions.OPEN_SESSIONS).fetchone()[0]
            finding = (_quick_check(connection, settings.check_limit_s) if suspect else None) or met
            if finding is None and was_ours:
                _require_writing(path)
            return finding
        finally:
            connection.close()
    except READING_FAILED as error:
        if is_damage(error) or (was_ours and is_lost_schema(error)):
            return _damage(path, error, was_ours=was_ours)
        if was_ours and getattr(error, "sqlite_errorcode", 0) & 0xFF in _MAY_BE_THE_HEADER:
            finding = header.finding(_header(path))
            if finding is not None:
                return finding
        raise


def _require_writing(path: Path) -> None:
    """Begin to write, and do not: for a wrong byte in its header, SQLite may read a file and never write to it.

    Another connection has to be open, so that this one does not bring the log home when it is closed.
    """
    connection = sqlite3.connect(uri(path, mode="rw"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    finally:
        connection.close()


def _damage(path: Path, error: BaseException, *, was_ours: bool) -> str:
    """Say more than SQLite does about a file that it calls damaged.

    Only about such a file: when Python closes it, the system takes back all locks that SQLite holds on it for this
    process, its readers' included, and another program could then take the log away under the writer.
    """
    beginning = _header(path)
    if not was_ours and not beginning.startswith(header.MAGIC):
        raise UnusableFileError(
            path, "it is not an SQLite database", "Move it away, or set another data_dir."
        ) from error
    if was_ours and (finding := header.finding(beginning)):
        return finding
    if (missing := replacement.missing_bytes(path, beginning)) > 0:
        return f"{missing} bytes are missing at its end"
    return "bytes of its schema are no text" if isinstance(error, UnicodeDecodeError) else str(error)


def _header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(header.HEADER_BYTES)


def _look_into(path: Path) -> sqlite3.Connection:
    """Open without writing anything; a file that a crash left in the middle of a transaction needs more than that."""
    connection = connect_read_only(path)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        return tolerant(sqlite3.connect(uri(path, mode="rw"), uri=True, isolation_level=None))
    except BaseException:
        connection.close()
        raise
    return connection


def _quick_check(connection: sqlite3.Connection, limit_s: float) -> str | None:
    try:
        with deadline(connection, limit_s):
            finding = next(findings_of(connection, "quick_check(1)"), None)
    except sqlite3.OperationalError as error:
        if "interrupted" not in str(error):
            raise
        logger.warning("The history is too large to be checked in time after a crash", extra={"limit_s": limit_s})
        return None
    return finding


def _upgrade(path: Path, settings: StoreSettings, *, backup: Path) -> None:
    from hassette_store.startup.upgrade import upgrade

    earlier = sorted(one for one in path.parent.glob(f"{glob.escape(path.name)}.before-{HEAD}-*") if one != backup)
    verified_copy(path, backup)
    try:
        upgrade(path, limit_s=settings.upgrade_limit_s, to=HEAD)
    except Exception as error:
        # Whatever a revision raises, the file must be what it was. The upgrade is one transaction, so it should be;
        # the copy is for the case that it is not.
        if not _is_whole(path):
            replacement.put_back(backup, path)
        elif earlier:
            # Each start would leave another one, until the disk is full.
            backup.unlink(missing_ok=True)
            backup = earlier[-1]
        raise UpgradeFailedError(path, error, backup) from error


def _is_whole(path: Path) -> bool:
    try:
        connection = connect_read_only(path)
        try:
            return next(findings_of(connection, "quick_check(1)"), None) is None
        finally:
            connection.close()
    except (*READING_FAILED, StoreError):
        return False
