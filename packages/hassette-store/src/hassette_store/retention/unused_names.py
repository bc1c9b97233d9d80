"""Deletion of names that no row uses any more.

Most names are entities, event types, services and loggers of one home, so their number is limited. But an app can make
up names, for example one event type for each run. The columns that refer to names have no index, so the only way to
find unused names is to read all rows. The retention does this only after the number of names has doubled, or if the
names have caused the growth of the file.
"""

import sqlite3
from typing import Final

from hassette_store.ids import MAX_ID
from hassette_store.kinds import KINDS, NAMED_COLUMNS
from hassette_store.retention.deletions import Deletions, Steps
from hassette_store.retention.pace import PacedWriter
from hassette_store.transactions import write_transaction

_LEFT: Final = "names_left"
"""Row of ``store_state`` with the number of names after the last deletion."""
_MIN_NAMES: Final = 2_000


_LARGE_TABLES: Final = (
    *((kind.runs_table, "id", kind.named_columns) for kind in KINDS if kind.named_columns),
    ("service_calls", "run_id", ("service_id",)),
    ("log_lines", "run_id", ("logger_id",)),
    ("state_reads", "run_id", ("entity_id",)),
    ("home_changes", "id", ("entity_id", "user_id")),
    ("home_causes", "id", ("entity_id", "service_id", "user_id")),
    ("framework_log", "id", ("logger_id",)),
)
_OTHER_TABLES: Final = (
    ("running_executions", tuple(NAMED_COLUMNS)),
    ("skips_hourly", ("reason_id",)),
    ("skips_daily", ("reason_id",)),
    ("not_runs", ("reason_id", *NAMED_COLUMNS)),
)

_MAX_HOME_NAMES: Final = 20_000
_DELETE_HOME_NAMES: Final = """
DELETE FROM home_names WHERE kind IN ('entity', 'user', 'follower') AND key NOT IN (SELECT name FROM names)
"""


def _delete_unused_home_names(db: sqlite3.Connection) -> None:
    # Few homes have so many entities. In the others, an entity keeps its name before the history first mentions it.
    (count,) = db.execute("SELECT count(*) FROM home_names").fetchone()
    if count > _MAX_HOME_NAMES:
        db.execute(_DELETE_HOME_NAMES)


def _select(table: str, columns: tuple[str, ...], condition: str = "true") -> str:
    return " UNION ".join(f"SELECT {column} FROM {table} WHERE {condition}" for column in columns)


class UnusedNames:
    """Deletion of unused names, in small steps.

    Args:
        writer: Runs the steps.
        deletions: Knows the ids in the memory of the writer of batches, and counts the deleted names.
    """

    def __init__(self, writer: PacedWriter, deletions: Deletions) -> None:
        self._writer = writer
        self._deletions = deletions
        self._used: set[int | None] = set()

    async def delete_if_doubled(self) -> Steps:
        """Delete unused names if there are twice as many names as after the last deletion."""
        ((count,),) = await self._writer.db.rows("SELECT count(*) FROM names")
        left = await self._writer.db.rows("SELECT value FROM store_state WHERE name = ?", (_LEFT,))
        yield await self._writer.run_timed(_delete_unused_home_names)
        if count > max(_MIN_NAMES, 2 * (left[0][0] if left else 0)):
            async for took_s in self.delete():
                yield took_s

    async def delete(self) -> Steps:
        """Delete unused names."""
        if (known := self._deletions.known_ids()) is None:
            return
        self._used.clear()
        # From now on, the writer of batches notes which names it uses. The rows of later batches need not be read.
        yield await self._writer.run_timed(lambda db: known.begin_to_note_names())
        for table, columns in _OTHER_TABLES:
            sql = _select(table, columns)
            yield await self._writer.run_timed(lambda db, sql=sql: self._add(db, sql))
        for table, key, columns in _LARGE_TABLES:
            after = -1
            find = f"SELECT {key} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT 1 OFFSET ?"
            sql = _select(table, columns, f"{key} > :after AND {key} <= :end")
            while after < MAX_ID:

                def read(db: sqlite3.Connection, find: str = find, sql: str = sql) -> None:
                    nonlocal after
                    row = db.execute(find, (after, self._writer.size)).fetchone()
                    end = int(row[0]) if row else MAX_ID
                    self._add(db, sql, after=after, end=end)
                    after = end

                yield await self._writer.run_and_adapt(read)
        after = 0
        while after < MAX_ID:

            def delete(db: sqlite3.Connection) -> None:
                nonlocal after
                if self._deletions.known_ids() is not known:
                    # The writer of batches has read all names again. It has not noted which names it uses.
                    after = MAX_ID
                    return
                rows = db.execute(
                    "SELECT id, name FROM names WHERE id > ? ORDER BY id LIMIT ?", (after, self._writer.size)
                ).fetchall()
                unused = known.unused_names([name for id_, name in rows if id_ not in self._used])
                with write_transaction(db):
                    db.executemany("DELETE FROM names WHERE name = ?", [(name,) for name in unused])
                known.forget_names(unused)
                self._deletions.deleted["names"] += len(unused)
                after = int(rows[-1][0]) if rows else MAX_ID

            yield await self._writer.run_and_adapt(delete)
        await self._writer.db.rows(f"INSERT OR REPLACE INTO store_state SELECT '{_LEFT}', count(*) FROM names")

        yield await self._writer.run_timed(_delete_unused_home_names)

    def _add(self, db: sqlite3.Connection, sql: str, **parameters: int) -> None:
        self._used.update(id_ for (id_,) in db.execute(sql, parameters))
