"""The service that stores records in one SQLite file."""

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

from hassette_store import sessions
from hassette_store.clock.check import ClockCheck
from hassette_store.clock.machine import running_s, wall_clock_us
from hassette_store.clock.state import booted_fact, compare_clock_with_file, save_clock
from hassette_store.derived.waiting import WaitingRows
from hassette_store.errors import (
    OTHER_ROWS,
    CorruptDatabaseError,
    DatabaseAccessError,
    RejectedBatchError,
    ReplacedFileError,
    StoreError,
    StoreUnavailableError,
)
from hassette_store.file.damage import is_damage, is_lost_schema
from hassette_store.file.log_watch import LogWatch
from hassette_store.file.ownership import Ownership
from hassette_store.file.schema import SCHEMA, Schema
from hassette_store.file.writer import Writer
from hassette_store.heartbeats import Heartbeats
from hassette_store.incidents import report_replacement, save_incidents, save_lost_runs
from hassette_store.retention.retention import Retention, RetentionSchedule
from hassette_store.rows import BatchRow, RegistrationRow
from hassette_store.settings import StoreSettings
from hassette_store.startup.preparation import CancellableStart, Prepared, prepare
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.loading import load_encoder
from hassette_store.writing.statements import ROW_ERRORS, write_batch
from hassette_store.writing.stored_runs import StoredRuns

logger = logging.getLogger(__name__)


class DatabaseService:
    """Service that stores the history in one SQLite file. It is also a sink, which accepts batches of records.

    The service owns the file from `start` to `stop`. Its methods raise a `StoreError` for every failure. The framework
    keeps running after such an error and may start the service again.

    Example::

        async with DatabaseService(Path("hassette.db")) as store:
            await store.write(batch)

    Args:
        path: The database file. The file and its directory are created if they are missing.
        settings: See `StoreSettings`.
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic: Monotonic clock, in seconds.
        retention_schedule: When old history is deleted, and how much at a time.
        schema: The schema of the file.

    Attributes:
        name: Name of the service.
        path: Path of the database file.
        settings: As given.
    """

    name = "database"

    def __init__(
        self,
        path: Path | str,
        settings: StoreSettings | None = None,
        *,
        now_us: Callable[[], int] = wall_clock_us,
        monotonic: Callable[[], float] = running_s,
        retention_schedule: RetentionSchedule | None = None,
        schema: Schema = SCHEMA,
    ) -> None:
        self.path = Path(path)
        self.settings = settings or StoreSettings()
        self._now_us = now_us
        self._monotonic = monotonic
        self._clock = ClockCheck(now_us, monotonic)
        self._retention_schedule = retention_schedule
        self._schema = schema
        self._db: Writer | None = None
        self._ownership: Ownership | None = None
        self._start = CancellableStart()
        self._encoder: BatchEncoder | None = None
        # The next three fields keep their values when the service is restarted within one process.
        self._session: tuple[int, int] | None = None  # its id and start time
        self._registrations: list[RegistrationRow] = []
        self._last_sequence = 0
        # Whether the last write ended, or was cancelled, in such a way that the batch may or may not be stored.
        self._outcome_unknown = False
        # The damage or change of the file that was found, until the next start.
        self._broken: CorruptDatabaseError | ReplacedFileError | None = None
        self._found_broken = asyncio.Event()
        self._stored_runs = StoredRuns()
        self._waiting = WaitingRows(monotonic)
        # Whether `serve` ended with an error, so that the framework will start the service again in this process.
        self._will_restart = False
        self._heartbeats = Heartbeats(self.settings, now_us, monotonic)
        self._serving: asyncio.Task[None] | None = None

    @property
    def session_id(self) -> int | None:
        """Id of the session, also after `stop`; None before the first start."""
        return self._session[0] if self._session else None

    @property
    def lost_runs(self) -> int:
        """Number of runs that this service had stored, and that a removal, change or damage of the file has lost."""
        return self._stored_runs.lost

    @property
    def last_sequence(self) -> int:
        """Sequence number of the last stored batch of the session; 0 if there is none."""
        return self._last_sequence

    async def start(self) -> None:
        """Create, check, upgrade or recover the database file, as needed. Then open it and begin a session.

        Raises:
            StoreError: The file cannot be used. The message names the reason and a fix.
        """
        if self._db is not None:
            return
        await self._start.wait()
        damage = self._broken.finding if isinstance(self._broken, CorruptDatabaseError) else None
        prepared = await self._start.prepare(
            partial(prepare, self.path, self.settings, self._now_us, known_damage=damage, schema=self._schema)
        )
        try:
            db = await Writer.open(self.path, synchronous=self.settings.synchronous)
            try:
                await self._open_session(db, prepared)
            except BaseException:
                await db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            prepared.ownership.release()
            raise self._failure(error) from error
        except BaseException:
            prepared.ownership.release()
            raise
        self._db, self._ownership = db, prepared.ownership
        self._found_broken.clear()
        self._broken = None
        self._will_restart = False
        logger.info("Database opened", extra={"path": str(self.path), "session": self.session_id})

    async def serve(self) -> None:
        """Write heartbeats and delete old history until cancelled.

        Raises:
            CorruptDatabaseError: The file was found damaged while in use. The next start recovers it.
            ReplacedFileError: Another program removed or changed the file. The next start opens the file at the path,
                or creates a new one.
            StoreUnavailableError: The service has not been started.
        """
        db = self._require()
        retention = Retention(
            db,
            self.settings,
            self._now_us,
            self._monotonic,
            schedule=self._retention_schedule,
            check=self._clock,
            session_id=self.session_id,
            session_moved=self._move_session,
            known_ids=lambda: self._encoder,
            runs_deleted=lambda sessions: self._stored_runs.delete(sessions.count(self.session_id or 0)),
        )
        try:
            await self._serve(retention)
        except (sqlite3.Error, StoreError) as error:
            self._will_restart = True
            failure = self._failure(error)
            raise failure from (None if failure is error else error)
        finally:
            await retention.close()

    async def stop(self) -> None:
        """Close the session and the file. You may call this at any time, and more than once."""
        (db, self._db), (ownership, self._ownership) = (self._db, None), (self._ownership, None)
        try:
            if db is not None:
                await self._close(db)
        finally:
            if ownership is not None:
                ownership.release(closed=True)
        await self._start.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        self._serving = asyncio.create_task(self.serve(), name="hassette-database")
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._serving is not None:
                self._serving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._serving
        finally:
            self._serving = None
            await self.stop()

    async def write(self, batch: BatchRow) -> None:
        """Store a batch in one transaction. If the batch is stored already, do nothing.

        Raises:
            RejectedBatchError: A row can never be stored (also a ValueError).
            StoreUnavailableError: The database is not open.
            CorruptDatabaseError: The file is damaged. `serve` ends with the same error, and the next start
                recovers the file.
            ReplacedFileError: Another program removed or changed the file. `serve` ends with the same error. Retry the
                batch after the next start.
            DatabaseAccessError: Any other failure, such as a lock or a full disk. It is unknown whether the batch is
                stored. Retry the batch: the store does not store it twice.
        """
        db, encoder = self._require(), self._encoder
        try:
            if self._outcome_unknown:
                encoder = await self._reload_encoder(db)
            assert encoder is not None
            if batch.sequence <= self._last_sequence:
                self._stored_runs.add(batch)
                return
            self._outcome_unknown = True
            encode = partial(encoder.encode, batch, self._now_us())
            derive = self._waiting.are_due(batch)
            self._require_own_rows(await db.run(lambda raw: write_batch(raw, encode, derive=derive)))
        except RejectedBatchError:
            assert encoder is not None
            encoder.finish(stored=False)
            self._outcome_unknown = False
            raise
        except ROW_ERRORS as error:
            if self._db is not db:
                raise StoreUnavailableError(self.path) from error
            raise RejectedBatchError(error) from error
        except (sqlite3.Error, CorruptDatabaseError, ReplacedFileError) as error:
            raise self._failure(error) from error
        except ValueError as error:
            # aiosqlite raises ValueError if the connection was closed in the meantime.
            raise StoreUnavailableError(self.path) from error
        encoder.finish(stored=True)
        self._outcome_unknown = False
        self._waiting.add(batch, derived=derive)
        self._stored_runs.add(batch)
        self._last_sequence = batch.sequence
        self._heartbeats.row_has_heartbeat()

    def continue_elsewhere(self) -> None:
        """Prepare a stop after which another service records the runs of this process: keep its runs in progress."""
        self._will_restart = True

    def continue_from(self, other: "DatabaseService") -> None:
        """Record the runs of the process that another service, which is closed, has recorded until now.

        Without this, the listeners and jobs of the process would be missing in this file, or appear as removed.
        """
        self._registrations = other._registrations
        self._stored_runs.kept = other._stored_runs.kept

    async def last_id(self) -> int:
        """Return the highest record id stored so far, even if the row of that record has been deleted since.

        If no record has been stored yet, return 0.

        Raises:
            StoreUnavailableError: The database is not open.
            StoreError: The file cannot be read.
        """
        db = self._require()
        try:
            return int((await db.rows(sessions.LAST_ID))[0][0])
        except (sqlite3.Error, CorruptDatabaseError, ReplacedFileError) as error:
            raise self._failure(error) from error
        except ValueError as error:
            raise StoreUnavailableError(self.path) from error

    async def _open_session(self, db: Writer, prepared: Prepared) -> None:
        now_us, incidents = self._now_us(), prepared.incidents
        if self._session is None or not await sessions.resume(db, *self._session, now_us):
            self._last_sequence = 0
            await db.run(partial(sessions.prepare, heartbeat=prepared.ownership.heartbeat, settings=self.settings))
            session = await db.run(partial(sessions.insert, began=self._session, now_us=now_us))
            if self._session is None:
                await compare_clock_with_file(self._clock, db, session[0])
            self._session = session
        session_id = self._session[0]
        self._encoder, stored = await self._load_encoder(db), self._stored_runs
        if (error := self._broken) is not None:
            incidents = await save_lost_runs(db, error, stored, incidents, path=self.path, session_id=session_id)
        await save_incidents(db, incidents, path=self.path, session_id=session_id, now_us=now_us)
        await db.rows(sessions.ADD_FACTS, (sessions.store_facts(booted_fact(self._clock)), session_id))
        await db.run(partial(stored.kept.write, session_id=session_id))
        self._heartbeats.row_has_heartbeat()

    async def _load_encoder(self, db: Writer) -> BatchEncoder:
        assert self._session is not None
        encoder = await load_encoder(db, self._session[0], self._registrations)
        self._last_sequence = max(self._last_sequence, encoder.last_sequence)
        return encoder

    async def _reload_encoder(self, db: Writer) -> BatchEncoder:
        """Load the encoder from the file again, because it is unknown whether the last batch is stored."""
        encoder, self._encoder = self._encoder, None  # the retention must not delete names that are being read
        if encoder is not None:
            encoder.finish(stored=False)
            self._registrations = encoder.registrations.current()
        self._encoder = await self._load_encoder(db)
        self._require_own_rows(encoder is None or self._encoder.last_sequence >= encoder.last_sequence)
        self._outcome_unknown = False
        return self._encoder

    def _move_session(self, by_us: int) -> None:
        if self._session is not None:
            self._session = (self._session[0], self._session[1] + by_us)

    async def _serve(self, retention: Retention) -> None:
        watch = LogWatch(self._monotonic)
        while self._broken is None:
            await watch.check(self._require())
            if (pause_s := self._heartbeats.due_in_s) <= 0:
                await self._heartbeat()
                pause_s = self.settings.heartbeat_s
            pause_s = min(pause_s, await retention.step())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._found_broken.wait()
        raise self._broken

    async def _heartbeat(self) -> None:
        db = self._require()
        # While a batch is written, the number is unknown.
        sequence = self._encoder.last_sequence if self._encoder and not self._outcome_unknown else None
        try:
            self._require_own_rows(await self._heartbeats.beat(db, self._ownership, self._session, sequence))
            await self._waiting.derive_if_due(db)
        except (sqlite3.Error, CorruptDatabaseError, ReplacedFileError) as error:
            failure = self._failure(error)
            if failure is self._broken:
                raise failure from error
            # For example, the file is locked. The executor's write queue reports this, too.
            logger.debug("Heartbeat or statistics could not be written", extra={"error": str(error)})

    async def _close(self, db: Writer) -> None:
        if self._encoder is not None:
            self._registrations = self._encoder.registrations.current()
        try:
            # If another program has replaced the rows, the id of the session may belong to another session.
            if db.identity.found is None and not isinstance(self._broken, ReplacedFileError):
                assert self._session is not None
                session_id, now_us, ends = self._session[0], self._now_us(), not self._will_restart
                await db.run(lambda raw: sessions.close(raw, session_id, now_us, process_ends=ends))
                self._clock.read()
                await save_clock(self._clock, db)
                await db.rows("PRAGMA optimize")
        except (sqlite3.Error, StoreError) as error:
            failure = self._failure(error)
            message = "Session could not be closed; the next start will mark it as crashed"
            logger.warning(message, extra={"path": str(self.path), "error": str(failure)})
        finally:
            try:
                await db.close()
            except (sqlite3.Error, OSError) as error:
                logger.warning("Database could not be closed", extra={"path": str(self.path), "error": str(error)})

    def _require(self) -> Writer:
        if self._db is None:
            raise StoreUnavailableError(self.path)
        return self._db

    def _require_own_rows(self, found: object) -> None:
        if not found:
            raise ReplacedFileError(self.path, OTHER_ROWS)

    def _failure(self, error: Exception) -> StoreError:
        if isinstance(error, CorruptDatabaseError | ReplacedFileError):
            broken = error
        elif isinstance(error, StoreError):
            return error
        elif is_damage(error) or is_lost_schema(error):
            broken = CorruptDatabaseError(self.path, error)
        else:
            return DatabaseAccessError(self.path, error)
        if self._broken is None:
            self._broken = broken
            self._stored_runs.lose_file()
            if isinstance(broken, ReplacedFileError):
                report_replacement(broken, self.path)
        self._found_broken.set()
        return self._broken
