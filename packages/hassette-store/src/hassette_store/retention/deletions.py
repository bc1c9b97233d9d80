"""Deletions of the retention. Each method is a generator that deletes in small steps and yields the time of each."""

import sqlite3
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final, Protocol

from hassette_store.derived.derivation import derive_all, derive_in_transaction, derived_below
from hassette_store.ids import MAX_ID, first_id_at
from hassette_store.kinds import EVENT_TABLES, KINDS, RunKind
from hassette_store.periods import DAY_US, PERIOD_TABLES, PERIODS_US
from hassette_store.retention.pace import MIN_ROWS, TARGET_S, PacedWriter
from hassette_store.retention.removed import (
    FIND_SUCCESSORS,
    find_removed_sql,
    fold_into_successor,
)
from hassette_store.retention.statements import (
    CONDITIONS,
    CREATE_NEWEST,
    FIND_INSTANCES,
    RUNS_DELETED_BELOW,
    SAVE_DELETED_BELOW,
    delete_details,
    find_formerly_newest_sql,
    find_newest_sql,
    older_than_newest_condition,
)
from hassette_store.settings import StoreSettings
from hassette_store.transactions import write_transaction

Steps = AsyncGenerator[float]
"""Steps of a deletion: the generator yields the seconds that each step occupied the writer."""


class KnownIds(Protocol):
    """Ids in the memory of the writer of batches. The writer must forget an id when the retention deletes its row.

    The methods are called in the writer's thread, in the same step as the deletion.
    """

    def forget_groups(self) -> None:
        """Forget all error groups."""
        ...

    def forget_registrations(self, ids: Sequence[int]) -> None:
        """Forget some registrations."""
        ...

    def begin_to_note_names(self) -> None:
        """Note from now on which names the batches use."""
        ...

    def unused_names(self, names: Sequence[str]) -> Sequence[str]:
        """Return those of these names that no batch has used since `begin_to_note_names`."""
        ...

    def forget_names(self, names: Sequence[str]) -> None:
        """Forget some unused names."""
        ...


StopCondition = Callable[[sqlite3.Connection], bool]
RunsDeleted = Callable[[Sequence[int]], None]
"""Receives the id of the session of each deleted run."""

# Number of free pages that stay in the file for new rows. If the retention returned all free pages to the file system,
# the file would shrink and grow all the time.
_SPARE_PAGES: Final = 256
_MAX_PAGES_A_STEP: Final = 128


class Deletions:
    """Deletions in small steps.

    Args:
        writer: Runs the steps.
        settings: Ages and limits of the rows to keep.
        known_ids: Returns the ids in the memory of the writer of batches; None if there is no such writer.
        runs_deleted: Called in the writer's thread with the sessions of deleted runs.

    Attributes:
        deleted: Number of deleted rows by table. Runs of all kinds count as ``runs``.
        known_ids: As given.
    """

    def __init__(
        self,
        writer: PacedWriter,
        settings: StoreSettings,
        known_ids: Callable[[], KnownIds | None],
        runs_deleted: RunsDeleted,
    ) -> None:
        self._writer = writer
        self._settings = settings
        self.known_ids = known_ids
        self._runs_deleted = runs_deleted
        self.deleted: Counter[str] = Counter()

    async def derive_rows(self) -> Steps:
        """Count the runs that wait, so that they may be deleted."""
        yield await self._writer.run_timed(derive_in_transaction)

    async def find_newest(self, removed_before_us: int = 0) -> Steps:
        """Find the newest runs of each registration and store the lowest of their ids.

        Only runs with lower ids may be deleted.

        Args:
            removed_before_us: A registration that its app removed before this time keeps no runs.
        """
        yield await self._writer.run_timed(lambda db: db.executescript(CREATE_NEWEST + FIND_INSTANCES))
        for kind in KINDS:
            sql = find_newest_sql(kind)
            after = 0
            while True:
                limit = max(1, self._writer.size // 2)
                parameters = {"after": after, "limit": limit, "keep": self._settings.keep_newest}
                parameters["removed_before"] = removed_before_us
                yield await self._writer.run_and_adapt(
                    lambda db, sql=sql, parameters=parameters: db.execute(sql, parameters)
                )
                rows = await self._writer.db.rows(
                    f"SELECT max(id), count(*) FROM (SELECT id FROM {kind.registrations_table} WHERE id > ? "
                    "ORDER BY id LIMIT ?)",
                    (after, limit),
                )
                if rows[0][1] < limit:
                    break
                after = int(rows[0][0])

    async def delete_runs(
        self, progress: str, below: int, condition: str, *, stop_when: StopCondition | None = None
    ) -> Steps:
        """Delete runs, oldest first. The progress is stored in the file, so that no range is processed twice.

        Args:
            progress: Name of the row in ``store_state`` that contains the progress.
            below: Only runs with lower ids are deleted. Runs that are not counted yet stay, too.
            condition: SQL condition that selects the runs to delete.
            stop_when: Function that returns whether to stop early. Each step calls it first.
        """
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                if stop_when is not None and stop_when(db):
                    done = True
                    return
                row = db.execute("SELECT value FROM store_state WHERE name = ?", (progress,)).fetchone()
                start = int(row[0]) if row else 0
                last = end = min(below, derived_below(db))
                for kind in KINDS:
                    row = db.execute(
                        f"SELECT id FROM {kind.runs_table} WHERE id >= ? AND id < ? ORDER BY id LIMIT 1 OFFSET ?",
                        (start, end, self._writer.size),
                    ).fetchone()
                    end = int(row[0]) if row else end
                done = end >= last
                if start < end:
                    self._count_runs(_delete_range(db, start, end, condition, progress))

            yield await self._writer.run_and_adapt(work)

    async def delete_runs_of(
        self, kind: RunKind, registration_id: int, count: int, *, below: int, condition: str, stop_when: StopCondition
    ) -> Steps:
        """Delete the oldest runs of one registration. Runs that the statistics do not count yet stay.

        Args:
            kind: Kind of the registration.
            registration_id: The registration.
            count: Maximum number of runs to delete.
            below: Only runs with lower ids are deleted.
            condition: SQL condition that selects the runs to delete.
            stop_when: Function that returns whether to stop early. Each step calls it first.
        """
        find = f"SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = ? AND id >= ? AND id < ?"
        delete = f"DELETE FROM {kind.runs_table} WHERE {kind.registration_column} = ? AND id >= ? AND id < ? "
        delete += f"AND {condition} RETURNING id, session_id"
        start = 0
        while count > 0 and start < below:

            def work(db: sqlite3.Connection) -> None:
                nonlocal start, count
                if stop_when(db):
                    count = 0
                    return
                limit = min(count, max(1, self._writer.size // 4))
                last = min(below, derived_below(db))
                parameters = (registration_id, start, last)
                row = db.execute(f"{find} ORDER BY id LIMIT 1 OFFSET ?", (*parameters, limit)).fetchone()
                end = int(row[0]) if row else last
                with write_transaction(db):
                    count -= self._delete_runs_of(db, delete, registration_id, start, end)
                start = below if row is None else end

            yield await self._writer.run_and_adapt(work)

    async def delete_formerly_newest(self) -> Steps:
        """Delete runs that `delete_runs` kept as newest runs and that are no longer among the newest.

        `delete_runs` does not process the ids of these runs again. The runs are few, so this method looks for them in
        each registration instead of scanning all ids again.
        """
        for kind in KINDS:
            find = find_formerly_newest_sql(kind)
            delete = _delete_runs_sql(kind, "AND id <= ?")
            after = 0
            while after >= 0:

                def work(db: sqlite3.Connection, find: str = find, delete: str = delete) -> None:
                    nonlocal after
                    found = db.execute(find, {"after": after, "limit": MIN_ROWS}).fetchall()
                    after = int(found[-1][0]) if found else -1
                    for registration_id, last in found:
                        if last is None:
                            continue
                        with write_transaction(db):
                            self._delete_runs_of(db, delete, registration_id, last)
                        # The registration may have more such runs: the next step continues with the same registration.
                        after = min(after, registration_id - 1)

                yield await self._writer.run_timed(work)

    async def delete_old_statistics(self, now_us: int) -> Steps:
        """Delete the statistics of old hours and days."""
        for table, period in PERIOD_TABLES:
            days = self._settings.keep_hourly_days if period == "hour" else self._settings.keep_daily_days
            below = (now_us - int(days * DAY_US)) // PERIODS_US[period]
            async for took_s in self.delete_periods(table, period, below):
                yield took_s

    async def delete_periods(self, table: str, period: str, below: int) -> Steps:
        """Delete the rows of all periods before ``below``, oldest first.

        Each step deletes the rows of a limited number of registrations.
        """
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
                    (oldest, self._writer.size),
                ).fetchone()
                last = int(row[0]) if row else MAX_ID
                self.deleted[table] += db.execute(
                    f"DELETE FROM {table} WHERE {period} = ? AND registration_id <= ?", (oldest, last)
                ).rowcount

            yield await self._writer.run_and_adapt(work)

    async def delete_unreferenced(self, table: str, before_us: int, *, stop_when: StopCondition | None = None) -> Steps:
        """Delete the old rows of a table, except rows that other rows refer to.

        Args:
            table: A table in `CONDITIONS`.
            before_us: Only rows older than this time are deleted.
            stop_when: Function that returns whether to stop early. It is called before each step.
        """
        after = 0
        # The ids of events contain the time, so rows with higher ids need not be read.
        last = first_id_at(before_us) if table in EVENT_TABLES else MAX_ID
        while after < last and not (stop_when and await self._writer.db.run(stop_when)):

            def work(db: sqlite3.Connection) -> None:
                nonlocal after
                row = db.execute(
                    f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?", (after, self._writer.size)
                ).fetchone()
                end = int(row[0]) if row else MAX_ID
                sql = f"DELETE FROM {table} WHERE id > ? AND id <= ? AND {CONDITIONS[table]}"
                deleted = db.execute(sql, (after, end, before_us)).rowcount
                self.deleted[table] += deleted
                if deleted and table == "error_groups" and (known := self.known_ids()):
                    known.forget_groups()
                after = end

            yield await self._writer.run_and_adapt(work)

    async def delete_oldest(self, table: str, *, stop_when: StopCondition) -> Steps:
        """Delete the oldest rows of a table with ids. Each step first calls ``stop_when``, and stops if it is true."""
        done = False
        while not done:

            def work(db: sqlite3.Connection) -> None:
                nonlocal done
                if stop_when(db):
                    done = True
                    return
                sql = f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} ORDER BY id LIMIT ?)"
                deleted = db.execute(sql, (self._writer.size,)).rowcount
                self.deleted[table] += deleted
                done = not deleted

            yield await self._writer.run_and_adapt(work)

    async def delete_removed(
        self, before_us: int, *, early: bool = False, stop_when: StopCondition | None = None
    ) -> Steps:
        """Delete removed registrations without runs, and add their statistics to a successor; see `retention.removed`.

        A registration without a successor stays, except if ``early`` is true. Then it is deleted with its statistics.

        Args:
            before_us: Only registrations that were removed before this time are deleted.
            early: Whether to delete registrations with a few runs, too. Their runs are deleted first.
            stop_when: Function that returns whether to stop early. It is called before each step.
        """
        yield await self._writer.run_timed(lambda db: db.executescript(FIND_INSTANCES + FIND_SUCCESSORS))
        for kind in KINDS:
            find = find_removed_sql(kind, early=early)
            after = 0
            while after < MAX_ID and not (stop_when and await self._writer.db.run(stop_when)):

                def work(db: sqlite3.Connection, kind: RunKind = kind, find: str = find) -> None:
                    nonlocal after
                    row = db.execute(
                        f"SELECT id FROM {kind.registrations_table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?",
                        (after, max(1, self._writer.size // 8)),
                    ).fetchone()
                    end = int(row[0]) if row else MAX_ID
                    removed = db.execute(find, {"after": after, "end": end, "removed_before": before_us}).fetchall()
                    with write_transaction(db):
                        if removed:
                            derive_all(db)
                        for id_, *others in removed:
                            if early:
                                self._delete_runs_of(db, _delete_runs_sql(kind), id_)
                            fold_into_successor(db, kind, id_, *others)
                    self.deleted["registrations"] += len(removed)
                    if known := self.known_ids():
                        known.forget_registrations([id_ for id_, *_ in removed])
                    after = end

                yield await self._writer.run_and_adapt(work)

    def _delete_runs_of(self, db: sqlite3.Connection, sql: str, *parameters: int) -> int:
        deleted = db.execute(sql, parameters).fetchall()
        for run_id, _ in deleted:
            delete_details(db, run_id, run_id + 1)
        if deleted:
            # After a crash, the check of the log must not take these runs for lost ones.
            db.execute(SAVE_DELETED_BELOW, (RUNS_DELETED_BELOW[-1], 1 + max(run_id for run_id, _ in deleted)))
        self._count_runs([session for _, session in deleted])
        return len(deleted)

    def _count_runs(self, sessions: Sequence[int]) -> None:
        self.deleted["runs"] += len(sessions)
        self._runs_deleted(sessions)

    async def free_pages(self) -> Steps:
        """Return free pages to the file system, some at a time."""
        pages = 8
        while True:
            (free,) = (await self._writer.db.rows("PRAGMA freelist_count"))[0]
            if int(free) <= _SPARE_PAGES:
                return
            # `execute` would free only one page, so run the pragma as a script.
            took_s = await self._writer.run_timed(
                lambda db, pages=pages: db.executescript(f"PRAGMA incremental_vacuum({pages})")
            )
            if took_s > 2 * TARGET_S:
                pages = max(1, pages // 2)
            elif took_s < TARGET_S:
                pages = min(_MAX_PAGES_A_STEP, pages + 1)
            yield took_s


def _delete_runs_sql(kind: RunKind, condition: str = "") -> str:
    return f"DELETE FROM {kind.runs_table} WHERE {kind.registration_column} = ? {condition} RETURNING id, session_id"


def _delete_range(db: sqlite3.Connection, start: int, end: int, condition: str, progress: str) -> list[int]:
    """Delete runs in a range of ids; return the id of the session of each."""
    with write_transaction(db):
        deleted: list[int] = []
        for kind in KINDS:
            rows = db.execute(
                f"DELETE FROM {kind.runs_table} WHERE id >= ? AND id < ? AND {condition} "
                f"AND {older_than_newest_condition(kind)} RETURNING session_id",
                (start, end),
            ).fetchall()
            deleted += [session for (session,) in rows]
        if deleted:
            delete_details(db, start, end)
        db.execute(SAVE_DELETED_BELOW, (progress, end))
    return deleted
