"""The service that stores the history, also while the database file cannot be used."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hassette_store.clock.machine import running_s, wall_clock_us
from hassette_store.database import DatabaseService
from hassette_store.errors import (
    DatabaseAccessError,
    DatabaseInUseError,
    MaintenanceError,
    NewerDatabaseError,
    StoreError,
    UnusableFileError,
    UpgradeFailedError,
)
from hassette_store.file.side_files import second_file_path, second_files
from hassette_store.rows import BatchRow
from hassette_store.settings import StoreSettings
from hassette_store.startup.inspection import has_known_revision

logger = logging.getLogger(__name__)

# `MaintenanceError`: there is no space for the copy before an upgrade.
_LASTING_ERRORS: Final = (NewerDatabaseError, UnusableFileError, UpgradeFailedError, MaintenanceError)


class HistoryService(DatabaseService):
    """Service that stores the history in the database file or, while that file cannot be used, in a second file.

    A database file cannot be used if a newer hassette-store or another program wrote it, if its upgrade fails, or if
    the user that runs Hassette may not write to it. The store leaves such a file unchanged. It records into
    ``<name>-degraded-<time>.db`` next to the file, and the next start that can use the database file adds these
    records to it. `degraded` contains the reason.

    Args:
        path: The database file.
        settings: See `StoreSettings`.
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic: Monotonic clock, in seconds.
        retry_s: Seconds between two checks whether an unusable database file has changed.
    """

    def __init__(
        self,
        path: Path,
        settings: StoreSettings | None = None,
        *,
        now_us: Callable[[], int] = wall_clock_us,
        monotonic: Callable[[], float] = running_s,
        retry_s: float = 5.0,
    ) -> None:
        super().__init__(path, settings, now_us=now_us, monotonic=monotonic)
        self._retry_s = retry_s
        self._second: DatabaseService | None = None
        self._degraded: str | None = None
        self._unusable: object = None
        self._content: object = None
        self._second_problem = ""

    @property
    def degraded(self) -> str | None:
        """The reason why records go to a second file; None if they go to the database file."""
        return self._degraded

    @property
    def lost_runs(self) -> int:
        """Number of runs that this service had stored, and that a removal, change or damage of the file has lost."""
        return super().lost_runs + (self._second.lost_runs if self._second else 0)

    @property
    def recording_path(self) -> Path:
        """Path of the file that takes the records now."""
        return self.path if (second := self._open_second) is None else second.path

    @property
    def _open_second(self) -> DatabaseService | None:
        return None if self._degraded is None else self._second

    async def start(self) -> None:
        """Open the database file or, if it cannot be used, a second file.

        Raises:
            StoreError: Neither file can be used, or a retry may succeed: another process owns the database file, or
                there is a lock, a full disk or an I/O error.
        """
        try:
            await super().start()
        except _LASTING_ERRORS as error:
            await self._start_second(error)
        else:
            self._degraded = None

    async def serve(self) -> None:
        """Write heartbeats and delete old history until cancelled.

        Raises:
            DatabaseAccessError: The unusable database file has changed. The next start tries to use it again.
            StoreError: As for `DatabaseService.serve`.
        """
        if (second := self._open_second) is None:
            await super().serve()
            return
        serving = asyncio.create_task(second.serve())
        try:
            while True:
                done, _ = await asyncio.wait({serving}, timeout=self._retry_s)
                if done:
                    await serving
                if await self._has_changed():
                    second.continue_elsewhere()
                    reason = "it could not be used, but it has changed since. The next start tries it again"
                    raise DatabaseAccessError(self.path, reason)
        finally:
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, StoreError):
                await serving

    async def stop(self) -> None:
        """Close the session and the file. You may call this at any time, and more than once."""
        try:
            if self._second is not None:
                await self._second.stop()
        finally:
            await super().stop()
            if (second := self._open_second) is not None:
                self.continue_from(second)

    async def write(self, batch: BatchRow) -> None:
        """Store a batch in one transaction. If the batch is stored already, do nothing.

        Raises:
            StoreError: As for `DatabaseService.write`.
        """
        if (second := self._open_second) is None:
            await super().write(batch)
        else:
            await second.write(batch)

    async def last_id(self) -> int:
        """Return the highest record id stored so far in the open file, as `DatabaseService.last_id` does."""
        second = self._open_second
        return await (super().last_id() if second is None else second.last_id())

    async def _start_second(self, error: StoreError) -> None:
        self._unusable, self._content = self._look(), self._look_at_content()
        try:
            for path in [*reversed(second_files(self.path)), None]:
                if await self._try_second(path):
                    break
        except (StoreError, OSError) as second_error:
            # For example, this user may not write to the directory. The first error names the cause.
            if (problem := str(second_error)) != self._second_problem:
                self._second_problem = problem
                logger.warning(
                    "Second file cannot be used either; new records stay in memory",
                    extra={"path": str(self.path), "error": problem},
                )
            raise error from None
        assert self._second is not None
        self._degraded = (
            f"{error} Until then, new runs are recorded in {self._second.path.name}, and a later start adds them to "
            "the history."
        )
        logger.error(
            "Database file cannot be used; new records go to a second file",
            extra={"path": str(self.path), "second": str(self._second.path), "error": str(error)},
        )

    async def _try_second(self, path: Path | None) -> bool:
        """Open a second file; None for a new one. Return False if the file cannot be used."""
        second = self._second
        if second is None or (path is not None and second.path != path):
            stamp = f"{datetime.fromtimestamp(self._now_us() / 1e6, UTC):%Y%m%dT%H%M%SZ}"
            second = DatabaseService(path or second_file_path(self.path, stamp), self.settings, now_us=self._now_us)
        second.continue_from(self)
        try:
            await second.start()
        except (NewerDatabaseError, UnusableFileError, UpgradeFailedError, DatabaseInUseError):
            if path is None:
                raise
            return False
        self._second = second
        return True

    async def _has_changed(self) -> bool:
        """Return whether the database file has changed, so that it may be usable now."""
        if self._look() != self._unusable:
            return True
        if (content := self._look_at_content()) == self._content:
            return False
        # Another program has written to the file: a user may have copied a usable file over it. But a newer Hassette
        # may be using the file, and each restart costs a session.
        self._content = content
        return await asyncio.to_thread(has_known_revision, self.path)

    def _look_at_content(self) -> object:
        with contextlib.suppress(OSError):
            status = self.path.stat()
            return status.st_size, status.st_mtime_ns
        return None

    def _look(self) -> object:
        """Return the properties of the database file and its directory that may make the file usable."""
        seen: list[object] = []
        for place in (self.path, self.path.parent):
            try:
                status = place.stat()
            except OSError as error:
                seen.append(error.errno)
            else:
                seen.append((status.st_dev, status.st_ino, status.st_mode, status.st_uid, status.st_gid))
        return seen
