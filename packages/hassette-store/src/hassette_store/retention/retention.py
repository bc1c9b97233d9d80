"""Keeps the file's size and the house's past in bounds: in small bites between writes, never on their way.

What goes, and when: successes by age; everything else by a greater age; the newest runs of each registration never;
then, if the live pages are still too many, the oldest successes, then the oldest failures, then error groups without
any, then the oldest hours of statistics. Statistics, error groups and sessions go by an age of their own, sessions only
when nothing refers to them. Pages that became free are given back.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from hassette_store.file.connections import CHECKPOINT_PAGES, Writer, is_lost_schema
from hassette_store.ids import first_id_at
from hassette_store.periods import DAY_US, PERIODS_US
from hassette_store.retention.statements import (
    FLOOR,
    NEWEST,
    RUN_TABLES,
    STATISTICS,
    STRAGGLERS,
    THE_REST,
    live_bytes,
    take_children,
)
from hassette_store.sessions import LAST_ID
from hassette_store.settings import StoreSettings

logger = logging.getLogger(__name__)

PASS_INTERVAL_S: Final = 600.0
FIRST_PASS_S: Final = 30.0
"""After a start: the house has better things to do in its first moments."""

# A bite is sized to take about this long, and then the writer is left alone for four times as long.
_AIM_S: Final = 0.002
_REST: Final = 4
_BITES_A_CHECKPOINT: Final = 16
_LEAST_ROWS: Final = 8
_MOST_ROWS: Final = 300
# Free pages that are kept for the next rows; giving back each at once would have each taken again from the disk.
_SPARE_PAGES: Final = 256
_HIGHEST: Final = 2**63 - 1
# In `store_state`: below which id successes, and all runs, have been walked.
_MARKS: Final = ("successes_below", "failures_below")


class Retention:
    """Takes bites out of the file.

    Args:
        db: The writer.
        settings: What is kept, and for how long.
        now_us: Wall clock.
        monotonic: Monotonic clock, in seconds.
        groups_gone: Called in the writer's thread when error groups have been taken away.

    Attributes:
        longest_s: The longest that a bite has held the writer.
        rows: How many rows it has taken away.
    """

    def __init__(
        self,
        db: Writer,
        settings: StoreSettings,
        now_us: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
        groups_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self.longest_s = 0.0
        self.rows = 0
        self._db = db
        self._settings = settings
        self._now_us = now_us
        self._monotonic = monotonic
        self._groups_gone = groups_gone
        self._next_pass = monotonic() + FIRST_PASS_S
        self._pass: AsyncGenerator[float] | None = None
        self._size = 64

    async def bite(self) -> float:
        """Take one bite, if one is due; return in how many seconds the next one is.

        Raises:
            sqlite3.DatabaseError: The file is damaged. Anything else, such as a lock, is left to the next pass.
        """
        if self._pass is None:
            wait = self._next_pass - self._monotonic()
            if wait > 0:
                return wait
            self._pass = self.whole_pass()
        try:
            return max(0.005, _REST * await anext(self._pass))
        except StopAsyncIteration:
            pass
        except sqlite3.OperationalError as error:
            if is_lost_schema(error):
                raise
            logger.debug("Old rows could not be taken away now", extra={"error": str(error)})
        self._pass = None
        self._next_pass = self._monotonic() + PASS_INTERVAL_S
        return PASS_INTERVAL_S

    async def close(self) -> None:
        """Leave a pass where it is: the next one goes on from there."""
        if self._pass is not None:
            # The connection may be closed already, or the file away.
            with contextlib.suppress(sqlite3.Error, ValueError):
                await self._pass.aclose()
            self._pass = None

    def whole_pass(self) -> AsyncGenerator[float]:
        """Take one bite per step until nothing is left to be taken; yield how many seconds each held the writer."""
        return self.apart_from_checkpoints(self._bites_of_a_pass())

    async def apart_from_checkpoints(self, bites: AsyncGenerator[float]) -> AsyncGenerator[float]:
        """Take bites, and checkpoint between them; yield how many seconds each of both held the writer.

        A bite's commit must not be the one that brings a full log home, which takes several times as long: as a step of
        its own, flushes do not wait for both.
        """
        await self._db.rows("PRAGMA wal_autocheckpoint = 0")
        taken = 0
        try:
            async for took in bites:
                yield took
                taken += 1
                if taken % _BITES_A_CHECKPOINT == 0:
                    yield await self.checkpoint()
        finally:
            await self._db.rows(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")

    async def checkpoint(self) -> float:
        """Bring the log home into the file; return how many seconds that held the writer."""
        began = time.perf_counter()
        await self._db.rows("PRAGMA wal_checkpoint(PASSIVE)")
        return time.perf_counter() - began

    async def _bites_of_a_pass(self) -> AsyncGenerator[float]:
        settings, now_us = self._settings, self._now_us()
        async for took in self._find_newest():
            yield took
        # A mark says that what lies below it has been walked. One beyond the newest row, left by a clock that was
        # ahead, would say so of rows that are still to come.
        beyond = await self._beyond_the_newest()
        await self._db.rows("DELETE FROM store_state WHERE name IN (?, ?) AND value > ?", (*_MARKS, beyond))
        failures_go = min(beyond, first_id_at(now_us - int(settings.keep_failures_days * DAY_US)))
        successes_go = max(failures_go, min(beyond, first_id_at(now_us - int(settings.keep_successes_days * DAY_US))))
        async for took in self._take_runs(_MARKS[0], successes_go, "status = 0"):
            yield took
        async for took in self._take_runs(_MARKS[1], failures_go, "true"):
            yield took
        async for took in self._take_stragglers():
            yield took
        async for took in self._take_statistics(now_us):
            yield took
        for table in THE_REST:
            async for took in self._take_from(table, now_us - int(settings.keep_daily_days * DAY_US)):
                yield took
        async for took in self._shrink_to_size():
            yield took
        async for took in self.give_pages_back():
            yield took
        # Bounded, and only where tables have changed much: what the planner knows stays true.
        yield await self._timed(lambda db: db.executescript("PRAGMA analysis_limit = 200; PRAGMA optimize"))

    async def _beyond_the_newest(self) -> int:
        """Return the first id that no row has: the clock may have gone back since the newest one, or be ahead."""
        (newest,) = (await self._db.rows(LAST_ID))[0]
        return int(newest) + 1

    # ---- one bite ---------------------------------------------------------------------------------------------

    async def _timed(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """Do a bite's work; return how long it held the writer."""

        def timed(db: sqlite3.Connection) -> float:
            began, before = time.perf_counter(), db.total_changes
            try:
                work(db)
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            self.rows += db.total_changes - before
            return time.perf_counter() - began

        took = await self._db.run(timed)
        self.longest_s = max(self.longest_s, took)
        return took

    async def _sized(self, work: Callable[[sqlite3.Connection], object]) -> float:
        """As `_timed`, and size the next bite by how long this one took."""
        took = await self._timed(work)
        if took > 2 * _AIM_S:
            self._size = max(_LEAST_ROWS, self._size // 2)
        elif took < _AIM_S:
            self._size = min(_MOST_ROWS, self._size + self._size // 8 + 1)
        return took

    # ---- runs -------------------------------------------------------------------------------------------------

    async def _find_newest(self) -> AsyncGenerator[float]:
        """Note for each registration the oldest of its newest runs: what is older may go."""
        yield await self._timed(
            lambda db: db.executescript(
                "CREATE TEMP TABLE IF NOT EXISTS newest (registration_id INTEGER PRIMARY KEY, floor INTEGER NOT NULL);"
                "DELETE FROM temp.newest"
            )
        )
        for owners, (table, owner) in zip(("listeners", "scheduled_jobs"), RUN_TABLES, strict=True):
            sql = NEWEST.format(owners=owners, table=table, owner=owner)
            after = 0
            while True:
                limit = max(1, self._size // 2)
                parameters = {"after": after, "limit": limit, "keep": self._settings.keep_newest}
                yield await self._sized(lambda db, sql=sql, parameters=parameters: db.execute(sql, parameters))
                rows = await self._db.rows(
                    f"SELECT max(id), count(*) FROM (SELECT id FROM {owners} WHERE id > ? ORDER BY id LIMIT ?)",
                    (after, limit),
                )
                if rows[0][1] < limit:
                    break
                after = int(rows[0][0])

    async def _take_runs(
        self, mark: str, below: int, which: str, *, enough: Callable[[sqlite3.Connection], bool] | None = None
    ) -> AsyncGenerator[float]:
        """Take runs away from the oldest on, remembering how far it has come: no range is walked twice.

        Args:
            mark: The name of the memory in `store_state`.
            below: The first id that stays.
            which: Which runs go, as a condition.
            enough: Tells when to stop early.
        """
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                if enough is not None and enough(db):
                    done = True
                    return
                row = db.execute("SELECT value FROM store_state WHERE name = ?", (mark,)).fetchone()
                start = int(row[0]) if row else 0
                end = below
                for table, _ in RUN_TABLES:
                    row = db.execute(
                        f"SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
                        (start, end, self._size),
                    ).fetchone()
                    end = int(row[0]) if row else end
                done = end >= below
                if start < end:
                    self._take_range(db, start, end, which, mark)

            yield await self._sized(work)

    def _take_range(self, db: sqlite3.Connection, start: int, end: int, which: str, mark: str) -> None:
        db.execute("BEGIN IMMEDIATE")
        gone = 0
        for table, owner in RUN_TABLES:
            gone += db.execute(
                f"DELETE FROM {table} WHERE id >= ? AND id < ? AND {which} AND id < {FLOOR.format(owner=owner)}",
                (start, end),
            ).rowcount
        if gone:
            take_children(db, start, end)
        db.execute(
            "INSERT INTO store_state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
            (mark, end),
        )
        db.execute("COMMIT")

    async def _take_stragglers(self) -> AsyncGenerator[float]:
        """Take what was among the newest when its time came, and is not any more: few, and found by registration."""
        for table, owner in RUN_TABLES:
            after = 0
            while after >= 0:

                def work(db: sqlite3.Connection, table: str = table, owner: str = owner) -> None:
                    nonlocal after
                    sql = STRAGGLERS.format(table=table, owner=owner)
                    found = db.execute(sql, {"after": after, "limit": _LEAST_ROWS}).fetchall()
                    after = int(found[-1][0]) if found else -1
                    for number, last in found:
                        if last is None:
                            continue
                        db.execute("BEGIN IMMEDIATE")
                        gone = db.execute(
                            f"DELETE FROM {table} WHERE {owner} = ? AND id <= ? RETURNING id",
                            (number, last),
                        ).fetchall()
                        for (run_id,) in gone:
                            take_children(db, run_id, run_id + 1)
                        db.execute("COMMIT")
                        # There may be more of it.
                        after = min(after, number - 1)

                yield await self._timed(work)

    # ---- what else ages ---------------------------------------------------------------------------------------

    async def _take_statistics(self, now_us: int) -> AsyncGenerator[float]:
        for table, period in STATISTICS:
            days = self._settings.keep_hourly_days if period == "hour" else self._settings.keep_daily_days
            below = (now_us - int(days * DAY_US)) // PERIODS_US[period]
            async for took in self._take_periods(table, period, below):
                yield took

    async def _take_periods(self, table: str, period: str, below: int) -> AsyncGenerator[float]:
        """Take the rows of the oldest period, some registrations at a time, until none is older than wanted."""
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                (oldest,) = db.execute(f"SELECT min({period}) FROM {table}").fetchone()
                if oldest is None or oldest >= below:
                    done = True
                    return
                row = db.execute(
                    f"SELECT registration_id FROM {table} WHERE {period} = ? ORDER BY registration_id LIMIT 1 OFFSET ?",
                    (oldest, self._size),
                ).fetchone()
                last = int(row[0]) if row else _HIGHEST
                db.execute(f"DELETE FROM {table} WHERE {period} = ? AND registration_id <= ?", (oldest, last))

            yield await self._sized(work)

    async def _take_from(
        self, table: str, before_us: int, *, enough: Callable[[sqlite3.Connection], bool] | None = None
    ) -> AsyncGenerator[float]:
        """Walk through a table of `THE_REST`, and take what nothing refers to any more, if it is from before a time."""
        after = 0
        while after < _HIGHEST and not (enough and await self._db.run(enough)):

            def work(db: sqlite3.Connection) -> None:
                nonlocal after
                row = db.execute(
                    f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?",
                    (after, self._size),
                ).fetchone()
                end = int(row[0]) if row else _HIGHEST
                sql = f"DELETE FROM {table} WHERE id > ? AND id <= ? AND {THE_REST[table]}"
                if db.execute(sql, (after, end, before_us)).rowcount and table == "error_groups":
                    self._groups_gone()
                after = end

            yield await self._sized(work)

    # ---- size -------------------------------------------------------------------------------------------------

    async def _shrink_to_size(self) -> AsyncGenerator[float]:
        most = int(self._settings.max_size_mb * 1_000_000)

        def small_enough(db: sqlite3.Connection) -> bool:
            return live_bytes(db) <= most

        if await self._db.run(small_enough):
            return
        logger.warning("The history is larger than it may be: the oldest runs go early", extra={"most_bytes": most})
        beyond = await self._beyond_the_newest()
        for mark, which in zip(_MARKS, ("status = 0", "true"), strict=True):
            async for took in self._take_runs(mark, beyond, which, enough=small_enough):
                yield took
        async for took in self._take_from("error_groups", _HIGHEST, enough=small_enough):
            yield took
        for table, period in STATISTICS[:3]:
            while not await self._db.run(small_enough):
                (oldest, newest) = (await self._db.rows(f"SELECT min({period}), max({period}) FROM {table}"))[0]
                if oldest is None or oldest == newest:
                    break
                async for took in self._take_periods(table, period, oldest + 1):
                    yield took

    async def give_pages_back(self) -> AsyncGenerator[float]:
        """Return free pages to the file system, some at a time; yield how many seconds each time held the writer."""
        pages = 8
        while True:
            (free,) = (await self._db.rows("PRAGMA freelist_count"))[0]
            if int(free) <= _SPARE_PAGES:
                return
            # As a script: it frees one page per step, and `execute` takes only one step where there are no columns.
            took = await self._timed(lambda db, pages=pages: db.executescript(f"PRAGMA incremental_vacuum({pages})"))
            pages = max(1, pages // 2) if took > 2 * _AIM_S else min(128, pages + 1) if took < _AIM_S else pages
            yield took
