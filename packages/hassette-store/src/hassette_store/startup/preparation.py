"""Preparation of the database file at each start: create, upgrade or recover the file, so that it can be written.

The preparation never deletes a history. If it cannot use a file, it either moves the file aside, or leaves the file
unchanged and raises an error that names the file.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hassette_store.backups import verified_copy
from hassette_store.errors import DamagedSourceError, DatabaseAccessError, UnusableFileError, UpgradeFailedError
from hassette_store.file.connections import SQLITE_NEEDED
from hassette_store.file.creation import create
from hassette_store.file.damage import SQLITE_ERRORS
from hassette_store.file.location import require_usable, resolve_links
from hassette_store.file.owner_note import owner_note
from hassette_store.file.ownership import FileLock, Ownership
from hassette_store.file.presence import exists, size_of, with_prefix
from hassette_store.file.schema import SCHEMA, Schema, revision_of
from hassette_store.file.side_files import free_path, with_suffix
from hassette_store.incidents import DATABASE_RECOVERED, Incident
from hassette_store.recovery import replacement
from hassette_store.settings import StoreSettings
from hassette_store.startup.inspection import find_damage, is_damaged, open_to_inspect
from hassette_store.startup.merging import merge_second_files


@dataclass(frozen=True, slots=True)
class Prepared:
    """Result of `prepare`: a file with the newest schema, which this process owns.

    Attributes:
        ownership: The ownership of the file. The caller must release it.
        incidents: Recoveries, upgrades and merges during the preparation.
    """

    ownership: Ownership
    incidents: list[Incident] = field(default_factory=list[Incident])


def prepare(
    path: Path,
    settings: StoreSettings,
    now_us: Callable[[], int],
    *,
    known_damage: str | None = None,
    schema: Schema = SCHEMA,
    lock: FileLock | None = None,
) -> Prepared:
    """Become the owner of a database file, and create, upgrade or recover the file as needed.

    Args:
        path: The file.
        settings: Time limits.
        now_us: Wall clock.
        known_damage: Damage that SQLite found while the file was in use. The file is then recovered even if a check
            finds no damage, because a check does not find all damage. Without the recovery, each session would find the
            same damage again.
        schema: The schema.
        lock: Lock for the ownership.

    Raises:
        StoreError: The file cannot be used. The message names the reason and a fix.
    """
    if sqlite3.sqlite_version_info < SQLITE_NEEDED:
        needed = ".".join(map(str, SQLITE_NEEDED))
        raise UnusableFileError(
            path, f"this Python has SQLite {sqlite3.sqlite_version}", f"Use a Python with SQLite {needed} or newer."
        )
    try:
        path = resolve_links(path)
        require_usable(path)
        was_ours = exists(owner_note(path))
        ownership = Ownership.take(path, lock=lock or FileLock())
    except OSError as error:
        raise DatabaseAccessError(path, error) from error
    try:
        stamp = f"{datetime.fromtimestamp(now_us() / 1e6, UTC):%Y%m%dT%H%M%SZ}"
        preparation = _Preparation(path, settings, schema, stamp, is_as_closed=ownership.is_as_closed)
        incidents = preparation.run(was_ours=was_ours, known_damage=known_damage)

        def prepare_second(second: Path) -> Ownership:
            return prepare(second, settings, now_us, schema=schema, lock=lock).ownership

        return Prepared(ownership, incidents + merge_second_files(path, prepare_second))
    except BaseException as error:
        if was_ours:
            ownership.release()
        else:
            # The file may belong to another program. If the note stayed, a later start would treat the file as a
            # damaged history.
            ownership.remove_note_and_release()
        if isinstance(error, (*SQLITE_ERRORS, OSError)):
            raise DatabaseAccessError(path, error) from error
        raise


@dataclass(frozen=True, slots=True)
class _Preparation:
    """Steps of the preparation, after the process has become the owner."""

    path: Path
    settings: StoreSettings
    schema: Schema
    stamp: str
    is_as_closed: bool

    def run(self, *, was_ours: bool, known_damage: str | None) -> list[Incident]:
        path = self.path
        replacement.finish_interrupted(path, self.stamp)
        if size_of(path) == 0:
            if size_of(with_suffix(path, "-wal")) == 0:
                create(path)
                return []
            # SQLite would delete a log without its database file. So copy the rows of the log into a new file.
            return [self._recover("it is empty" if exists(path) else "it is missing")]
        damage = find_damage(
            path,
            self.schema,
            check_limit_s=self.settings.check_limit_s,
            was_ours=was_ours,
            is_as_closed=self.is_as_closed,
            known_damage=known_damage,
        )
        if damage is not None:
            return [self._recover(damage)]
        connection = open_to_inspect(path, was_ours=was_ours)
        try:
            revision = revision_of(connection, path, latest=self.schema.revision)
        finally:
            connection.close()
        if revision is None:
            create(path)
        elif revision != self.schema.revision:
            return [self._upgrade(revision)]
        return []

    def _recover(self, damage: str) -> Incident:
        detail = replacement.recover(self.path, damage, stamp=self.stamp, limit_s=self.settings.salvage_limit_s)
        return Incident(DATABASE_RECOVERED, detail)

    def _upgrade(self, revision: str) -> Incident:
        from hassette_store.startup.upgrade import upgrade

        path, head = self.path, self.schema.revision
        backup = free_path(path.with_name(f"{path.name}.before-{head}-{self.stamp}"))
        earlier = [file for file in with_prefix(path, f".before-{head}-") if file != backup]
        try:
            verified_copy(path, backup)
        except DamagedSourceError as error:
            # The check did not find the damage within its time limit.
            return self._recover(str(error))
        try:
            upgrade(path, limit_s=self.settings.upgrade_limit_s, schema=self.schema)
        except Exception as error:
            # An upgrade is one transaction, so the file should be unchanged after an error. If the file is damaged
            # nevertheless, the content of the copy replaces it.
            if is_damaged(path):
                replacement.put_back(backup, path)
            elif earlier:
                # Keep only the copy from an earlier attempt. Otherwise each start would leave another copy, until the
                # disk is full.
                backup.unlink(missing_ok=True)
                backup = earlier[-1]
            raise UpgradeFailedError(path, error, backup) from error
        return Incident(
            "database_upgraded",
            f"From schema revision {revision} to {head}; {backup.name} is a copy from before the upgrade.",
        )


class CancellableStart:
    """Preparation of the file in a thread, by a start that may be cancelled. A later start waits for that thread."""

    def __init__(self) -> None:
        self._abandoned: asyncio.Future[Prepared] | None = None

    async def prepare(self, work: Callable[[], Prepared]) -> Prepared:
        """Prepare the file: call ``work`` in a thread."""
        preparation = ThreadedPreparation(work)
        running = asyncio.ensure_future(asyncio.to_thread(preparation.run))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            # The thread continues and may still become the owner. If nothing reads its error, asyncio logs the error.
            preparation.abandon()
            running.add_done_callback(lambda work: work.cancelled() or work.exception())
            self._abandoned = running
            raise

    async def wait(self) -> None:
        """Wait until the thread of a cancelled start has released the file, unless its event loop has ended."""
        if (work := self._abandoned) is not None and work.get_loop() is asyncio.get_running_loop():
            await asyncio.wait({work})


class ThreadedPreparation:
    """Preparation of a file in a thread, by a start that may be cancelled while the thread continues.

    Args:
        prepare: Prepares the file, and returns it with its ownership.
    """

    def __init__(self, prepare: Callable[[], Prepared]) -> None:
        self._prepare = prepare
        self._lock = threading.Lock()
        self._prepared: Prepared | None = None
        self._abandoned = False

    def run(self) -> Prepared:
        """Prepare the file in the calling thread. If the start was abandoned in the meantime, release the file."""
        prepared = self._prepare()
        with self._lock:
            self._prepared = prepared
            if self._abandoned:
                prepared.ownership.release()
        return prepared

    def abandon(self) -> None:
        """Release the file, at once or in the thread, because the start was cancelled."""
        with self._lock:
            self._abandoned = True
            if self._prepared is not None:
                self._prepared.ownership.release()
