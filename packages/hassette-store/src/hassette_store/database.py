"""`DatabaseService`: the one writer of the history."""

import asyncio
import contextlib
import json
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Self

from hassette_store import sessions
from hassette_store.__about__ import __version__
from hassette_store.errors import (
    CorruptDatabaseError,
    RejectedBatchError,
    StoreError,
    StoreUnavailableError,
    WriteFailedError,
)
from hassette_store.file.connections import SQLITE_WITHOUT_WAL_RESET_BUG, Writer, is_damage, is_lost_schema
from hassette_store.file.ownership import Ownership
from hassette_store.ids import first_id_at
from hassette_store.retention.retention import Retention
from hassette_store.rows import BatchRow, RegistrationRow
from hassette_store.settings import StoreSettings
from hassette_store.startup.preparation import Incident, Prepared, prepare
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.numbering import NameNumbers, RegistrationNumbers
from hassette_store.writing.statements import keep

logger = logging.getLogger(__name__)

# A number beyond 64 bits, text without a UTF-8 form, a value of the wrong type, a row that is there already.
_REFUSED = (
    OverflowError,
    UnicodeError,
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


def wall_clock_us() -> int:
    """Return the time in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


class DatabaseService:
    """Keeps the history in one SQLite file: a service, and a sink for records, both by shape.

    It is the file's owner from `start` to `stop`. Whatever ails it is raised from `start`, `serve` or `write` as a
    `StoreError`; the framework goes on without it and may start it again.

    Args:
        path: The file; it and its directory are made if they are missing.
        settings: See `StoreSettings`.
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic: Monotonic clock, in seconds.

    Attributes:
        name: What the supervisor calls it.
        path: The file.
        settings: As given.
    """

    name = "database"

    def __init__(
        self,
        path: Path,
        settings: StoreSettings | None = None,
        *,
        now_us: Callable[[], int] = wall_clock_us,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.settings = settings or StoreSettings()
        self._now_us = now_us
        self._monotonic = monotonic
        self._db: Writer | None = None
        self._ownership: Ownership | None = None
        self._encoder: BatchEncoder | None = None
        # Who the session is, and what is registered in it, outlive a restart of the service within one process.
        self._session: tuple[int, int] | None = None
        self._live: list[RegistrationRow] = []
        self._last_sequence = 0
        # The last write ended so that nobody knows whether it was kept: look before the next one.
        self._in_doubt = False
        self._damage: CorruptDatabaseError | None = None
        self._damaged = asyncio.Event()
        # `serve` ended with an error: this process will start the service again.
        self._returns = False
        self._last_sign = 0.0
        self._serving: asyncio.Task[None] | None = None

    @property
    def session_id(self) -> int | None:
        """The session that is open, None before the first start."""
        return self._session[0] if self._session else None

    # ---- lifecycle --------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the history: make, upgrade, check or mend the file as needed, and open a session.

        Raises:
            StoreError: It cannot be used; one paragraph says why, and what to do.
        """
        if self._db is not None:
            return
        prepared = await self._prepare()
        try:
            db = await Writer.open(self.path, synchronous=self.settings.synchronous)
            try:
                await self._begin(db, prepared.incidents)
            except BaseException:
                await db.close()
                raise
        except sqlite3.Error as error:
            prepared.ownership.release()
            raise self._failure(error) from error
        except BaseException:
            prepared.ownership.release()
            raise
        self._db, self._ownership = db, prepared.ownership
        self._damaged.clear()
        self._damage = None
        self._returns = False
        logger.info("The history is open", extra={"path": str(self.path), "session": self.session_id})

    async def serve(self) -> None:
        """Keep the session's heartbeat and the file's size, until cancelled.

        Raises:
            CorruptDatabaseError: The file was found damaged while it was in use; the next start sets it aside.
            StoreUnavailableError: The service has not been started.
        """
        db = self._require()
        retention = Retention(db, self.settings, self._now_us, self._monotonic, self._forget_groups)
        try:
            await self._serve(retention)
        except sqlite3.Error as error:
            self._returns = True
            raise self._failure(error) from error
        except StoreError:
            self._returns = True
            raise
        finally:
            await retention.close()

    async def _serve(self, retention: Retention) -> None:
        while self._damage is None:
            pause = self._last_sign + self.settings.heartbeat_s - self._monotonic()
            if pause <= 0:
                await self._heartbeat()
                pause = self.settings.heartbeat_s
            pause = min(pause, await retention.bite())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._damaged.wait()
        raise self._damage

    async def stop(self) -> None:
        """Close the session and the file. It may be called at any time, any number of times."""
        db, self._db = self._db, None
        ownership, self._ownership = self._ownership, None
        try:
            if db is not None:
                await self._end(db)
        finally:
            if ownership is not None:
                ownership.release()

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

    # ---- the sink ---------------------------------------------------------------------------------------------

    async def write(self, batch: BatchRow) -> None:
        """Keep the whole batch, or none of it; one that has been kept before is not kept twice.

        Raises:
            RejectedBatchError: A row can never be stored (a ValueError as well).
            StoreUnavailableError: The history is not open.
            CorruptDatabaseError: The file is damaged; `serve` ends with the same error, so that a restart mends it.
            WriteFailedError: Anything else, such as a lock or a full disk: the same batch may be tried again.
        """
        db, encoder = self._require(), self._encoder
        try:
            if self._in_doubt:
                encoder = await self._look_again(db)
            assert encoder is not None
            if batch.sequence <= self._last_sequence:
                return
            self._in_doubt = True
            encode = partial(encoder.encoded, batch, self._now_us())
            await db.run(lambda raw: keep(raw, encode))
        except RejectedBatchError:
            assert encoder is not None
            encoder.settle(kept=False)
            self._in_doubt = False
            raise
        except _REFUSED as error:
            if self._db is not db:
                raise StoreUnavailableError(self.path) from error
            raise RejectedBatchError(error) from error
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except ValueError as error:
            # aiosqlite's word for a connection that was closed meanwhile.
            raise StoreUnavailableError(self.path) from error
        encoder.settle(kept=True)
        self._in_doubt = False
        self._last_sequence = batch.sequence
        self._last_sign = self._monotonic()

    async def last_id(self) -> int:
        """Return the highest record id kept so far, 0 for none, also when its row has aged out.

        Raises:
            StoreUnavailableError: The history is not open.
            StoreError: It cannot be read.
        """
        db = self._require()
        try:
            return int((await db.rows(sessions.LAST_ID))[0][0])
        except sqlite3.Error as error:
            raise self._failure(error) from error
        except ValueError as error:
            raise StoreUnavailableError(self.path) from error

    # ---- within -----------------------------------------------------------------------------------------------

    async def _prepare(self) -> Prepared:
        work = asyncio.ensure_future(
            asyncio.to_thread(
                prepare, self.path, self.settings, self._now_us, met=self._damage and self._damage.finding
            )
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The thread goes on; what it takes, it must give back.
            work.add_done_callback(_release)
            raise

    async def _begin(self, db: Writer, incidents: Iterable[Incident]) -> None:
        """Open or resume the session, and learn what the file knows."""
        now_us = self._now_us()
        resumed = await self._resumed(db, now_us)
        if not resumed:
            await db.script(sessions.SETTLE_THE_PAST)
            row = await db.rows(sessions.OPEN_SESSION, (now_us, now_us, os.getpid(), socket.gethostname()))
            self._session = (int(row[0][0]), now_us)
        self._encoder = await self._learnt(db)
        (last_id,) = (await db.rows(sessions.LAST_ID))[0]
        event_id = max(first_id_at(now_us), int(last_id))
        assert self._session is not None
        for number, incident in enumerate(incidents, 1):
            await db.rows(
                "INSERT INTO lifecycle_events VALUES (?, ?, ?, ?, ?, ?)",
                (event_id + number, self._session[0], now_us, incident.kind, str(self.path), incident.detail),
            )
        facts = {"hassette_store": __version__, "sqlite": sqlite3.sqlite_version}
        if sqlite3.sqlite_version_info < SQLITE_WITHOUT_WAL_RESET_BUG:
            facts["sqlite_note"] = "older than 3.51.3: no other program may write to the history"
        await db.rows(
            "UPDATE sessions SET facts = json_patch(facts, ?) WHERE id = ?", (json.dumps(facts), self._session[0])
        )
        self._last_sign = self._monotonic()

    async def _resumed(self, db: Writer, now_us: int) -> bool:
        if self._session is None:
            return False
        session_id, started_us = self._session
        rows = await db.rows(
            sessions.RESUME_SESSION, (now_us, session_id, os.getpid(), socket.gethostname(), started_us)
        )
        if not rows:
            self._last_sequence = 0
        return bool(rows)

    async def _learnt(self, db: Writer) -> BatchEncoder:
        assert self._session is not None
        session_id = self._session[0]
        names = await db.rows("SELECT name, id FROM names")
        listeners = await db.rows("SELECT app, instance, name, topic, id FROM listeners")
        jobs = await db.rows("SELECT app, instance, name, id FROM scheduled_jobs")
        (sequence,) = (await db.rows("SELECT last_sequence FROM sessions WHERE id = ?", (session_id,)))[0]
        self._last_sequence = max(self._last_sequence, int(sequence))
        numbers = RegistrationNumbers(((tuple(row[:-1]), row[-1]) for row in (*listeners, *jobs)), self._live)
        return BatchEncoder(session_id, NameNumbers((name, number) for name, number in names), numbers)

    async def _look_again(self, db: Writer) -> BatchEncoder:
        """Learn anew what the file knows: the last write may have been kept, or not."""
        assert self._encoder is not None
        self._encoder.settle(kept=False)
        self._live = self._encoder.registrations.live()
        self._encoder = await self._learnt(db)
        self._in_doubt = False
        return self._encoder

    def _forget_groups(self) -> None:
        if self._encoder is not None:
            self._encoder.forget_groups()

    async def _heartbeat(self) -> None:
        db = self._require()
        try:
            await db.rows(sessions.HEARTBEAT, (self._now_us(), self.session_id))
        except sqlite3.Error as error:
            failure = self._failure(error)
            if isinstance(failure, CorruptDatabaseError):
                raise failure from error
            # Locked or full: the next one may do, and the write queue says what is wrong once per interval.
            logger.debug("The heartbeat could not be written", extra={"error": str(error)})
        self._last_sign = self._monotonic()

    async def _end(self, db: Writer) -> None:
        if self._encoder is not None:
            self._live = self._encoder.registrations.live()
        try:
            assert self._session is not None
            await db.script(sessions.closing(self._session[0], self._now_us(), for_good=not self._returns))
            await db.rows("PRAGMA optimize")
        except sqlite3.Error as error:
            logger.warning(
                "The session could not be closed; the next start will call it crashed",
                extra={"path": str(self.path), "error": str(error)},
            )
        finally:
            try:
                await db.close()
            except sqlite3.Error as error:
                logger.warning("The history could not be closed", extra={"path": str(self.path), "error": str(error)})

    def _require(self) -> Writer:
        if self._db is None:
            raise StoreUnavailableError(self.path)
        return self._db

    def _failure(self, error: sqlite3.Error) -> StoreError:
        if not is_damage(error) and not is_lost_schema(error):
            return WriteFailedError(self.path, error)
        self._damage = CorruptDatabaseError(self.path, error)
        self._damaged.set()
        return self._damage


def _release(work: "asyncio.Future[Prepared]") -> None:
    if not work.cancelled() and work.exception() is None:
        work.result().ownership.release()
