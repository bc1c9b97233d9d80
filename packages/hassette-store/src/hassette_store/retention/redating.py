"""Redating of rows that a wrong clock has dated.

A board without a battery starts with the time of its last shutdown, and NTP corrects the clock later. Until then, all
rows get wrong times. When the store finds the correction, it moves these rows by the size of the step: runs with their
details, their statistics, events, circumstances, losses, registrations, and the start of the session. So an outage of
ten hours is shown as an outage. If the process was restarted before the correction, the sessions since the boot are
moved, too.

If the clock was ahead until the end of an earlier session, and a later boot has corrected it, rows of that session are
in the future. The store moves them to the time before the present session.

The rows are moved in small steps. The progress is stored in the file, so that the next start can continue after a
crash.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol

from hassette_store.clock.check import WrongTime
from hassette_store.clock.redated import EVENT, PREFIX, describe_move
from hassette_store.clock.state import BOOTED, BOOTED_US, same_clock
from hassette_store.derived.derivation import derive_all, derive_late, mark_as_derived
from hassette_store.file.damage import impossible_values_are_damage
from hassette_store.ids import COUNTER_BITS, first_id_at, time_of, time_sql
from hassette_store.kinds import DETAILS, EVENT_TABLES, KINDS, RunKind
from hassette_store.periods import SECOND_US
from hassette_store.retention.deletions import Steps
from hassette_store.retention.moved_statistics import MovedStatistics, fold_future_statistics
from hassette_store.retention.pace import PacedWriter
from hassette_store.transactions import write_transaction
from hassette_store.writing.used_ids import free_id

# Runs whose id is in the future of the clock by more than this are wrong.
_FUTURE_US: Final = 60_000_000
# The times of rows may differ by some seconds from the times of the clock check.
_SLACK_US: Final = 5_000_000
# After a collision, a moved run gets one of the next ids.
_MAX_COLLISIONS: Final = 1_000
_TIMES_OF_DETAILS: Final[dict[str, str]] = dict.fromkeys(
    ("service_calls", "log_lines", "state_reads"), ", at_us = at_us + :by"
)

# The rows of a second file are merged under higher ids, although they may be older. But no session is older than the
# first one.
_BEHIND: Final = """
SELECT id, started_us, ended_us, (SELECT max(ended_us) FROM sessions WHERE id < late.id AND ended_us < ?)
FROM sessions AS late
WHERE ended_us < min(?, (SELECT started_us FROM sessions ORDER BY id LIMIT 1)) AND id > ? AND id < ?
ORDER BY id LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Rows of one session to move.

    Attributes:
        session: The session.
        from_us: Only rows with this time or a later one are moved.
        until_us: Only rows before this time are moved.
        by_us: The time by which the rows move; negative to move them back.
        start: 1 if the start of the session moves, too.
        cursors: For each table of runs or events, the id at which the next step continues.
    """

    session: int
    from_us: int
    until_us: int
    by_us: int
    start: int
    cursors: Mapping[str, int]

    @property
    def from_id(self) -> int:
        return first_id_at(self.from_us)

    @property
    def until_id(self) -> int:
        return first_id_at(self.until_us)

    @property
    def id_shift(self) -> int:
        return self.by_us // 1000 << COUNTER_BITS

    def values(self) -> dict[str, int]:
        """Return the names and values of the rows in ``store_state``."""
        fields = {"session": self.session, "from_us": self.from_us, "until_us": self.until_us, "by_us": self.by_us}
        return {f"{PREFIX}{name}": value for name, value in {**fields, "start": self.start, **self.cursors}.items()}


class Redating:
    """Moves rows with wrong times, in small steps.

    Args:
        writer: Runs the steps.
        session_id: The present session.
    """

    def __init__(self, writer: PacedWriter, session_id: int) -> None:
        self._writer = writer
        self._session_id = session_id

    async def finish_interrupted(self) -> Steps:
        """Finish a redating that an earlier session did not finish."""
        rows = await self._writer.db.rows("SELECT name, value FROM store_state WHERE name LIKE ?", (f"{PREFIX}%",))
        if rows:
            saved = {name.removeprefix(PREFIX): value for name, value in rows}
            fields = {name: saved.pop(name) for name in ("session", "from_us", "until_us", "by_us", "start")}
            async for took_s in self._run(_Task(**fields, cursors=saved)):
                yield took_s

    async def correct(self, wrong: WrongTime) -> Steps:
        """Move the rows that got their times from a wrong clock.

        These are rows of the present session. If its clock was wrong from the start, they are also rows of the sessions
        directly before it, if the clock has not stepped since.
        """
        db = self._writer.db
        earlier: list[tuple[int, int, int]] = []
        if wrong.from_start:
            ((booted_us,),) = await db.rows(f"SELECT {BOOTED_US} FROM sessions WHERE id = ?", (self._session_id,))
            earlier = await db.rows(*same_clock(self._session_id, booted_us))
        steps = self._run_new(
            session=self._session_id,
            from_us=wrong.from_us - _SLACK_US,
            until_us=wrong.until_us + _SLACK_US if wrong.by_us < 0 else wrong.until_us + 1_000_000,
            by_us=wrong.by_us,
            start=int(wrong.from_start),
        )
        async for took_s in steps:
            yield took_s
        for session, started_us, ended_us in earlier:
            steps = self._run_new(
                session=session,
                from_us=started_us - _SLACK_US,
                until_us=ended_us + _SLACK_US,
                by_us=wrong.by_us,
                start=1,
            )
            async for took_s in steps:
                yield took_s

    async def correct_future(self, now_us: int) -> Steps:
        """Move the rows of earlier sessions that are in the future. Call this only while the clock is confirmed."""
        limit_us = now_us + _FUTURE_US
        sessions = await self._writer.db.rows(
            "SELECT id, started_us, ended_us, (SELECT started_us FROM sessions WHERE id = ?) FROM sessions "
            "WHERE id < ? AND ended_us > ?",
            (self._session_id, self._session_id, limit_us),
        )
        for session, started_us, ended_us, present_us in sessions:
            steps = self._run_new(
                session=session,
                from_us=max(started_us - _SLACK_US, limit_us),
                until_us=ended_us + _FUTURE_US,
                by_us=min(present_us, now_us) - _SLACK_US - ended_us,
                start=int(started_us > limit_us),
            )
            async for took_s in steps:
                yield took_s
        yield await self._writer.run_timed(lambda db: fold_future_statistics(db, now_us))

    async def correct_past(self, before_us: int, now_us: int) -> Steps:
        """Move the rows of later sessions that are before this time and before the first session.

        The clock of such a session was behind. If its rows stayed, the retention would delete them too early. Call this
        only while the clock is confirmed, and after `correct_future`.

        Args:
            before_us: Rows before this time are old.
            now_us: The time.
        """
        session = 0
        while rows := await self._writer.db.rows(_BEHIND, (now_us + _FUTURE_US, before_us, session, self._session_id)):
            session, started_us, ended_us, earlier_us = rows[0]
            if earlier_us is None or earlier_us < before_us:
                continue
            steps = self._run_new(
                session=session,
                from_us=started_us - _SLACK_US,
                until_us=ended_us + _FUTURE_US,
                by_us=earlier_us + _SLACK_US - started_us,
                start=1,
            )
            async for took_s in steps:
                yield took_s

    async def _run_new(self, *, session: int, from_us: int, until_us: int, by_us: int, start: int) -> Steps:
        first = first_id_at(from_us) if by_us < 0 else first_id_at(until_us)
        cursors = dict.fromkeys((*(kind.runs_table for kind in KINDS), *EVENT_TABLES), first)
        task = _Task(session=session, from_us=from_us, until_us=until_us, by_us=by_us, start=start, cursors=cursors)
        yield await self._writer.run_timed(lambda db: _save(db, task.values()))
        async for took_s in self._run(task):
            yield took_s

    async def _run(self, task: _Task) -> Steps:
        moves = {kind.runs_table: partial(_move_runs, kind) for kind in KINDS}
        moves |= {table: partial(_move_events, table) for table in EVENT_TABLES}
        for table, move in moves.items():
            done = False
            cursor = task.cursors[table]
            while not done:

                def work(db: sqlite3.Connection, move: _Move = move) -> None:
                    nonlocal done, cursor
                    after = move(db, task, cursor, limit=max(1, self._writer.size // 4))
                    done, cursor = after is None, after or cursor

                yield await self._writer.run_and_adapt(work)
        yield await self._writer.run_timed(lambda db: _move_rest(db, task))


def _save(db: sqlite3.Connection, values: Mapping[str, int]) -> None:
    rows = ", ".join(f"('{name}', {value:d})" for name, value in values.items())
    db.execute(f"INSERT INTO store_state VALUES {rows} ON CONFLICT DO UPDATE SET value = excluded.value")


class _Move(Protocol):
    """Moves some rows of a table. Returns the cursor of the next step, or None if all rows have been moved."""

    def __call__(self, db: sqlite3.Connection, task: _Task, cursor: int, *, limit: int) -> int | None: ...


def _rows_to_move(
    db: sqlite3.Connection, table: str, columns: str, task: _Task, cursor: int, *, limit: int
) -> list[tuple[int, ...]]:
    # A moved row must not be moved again. So rows that move ahead are moved newest first, and the others oldest first.
    bounds, order = ("id < ? AND id >= ?", "DESC") if task.by_us > 0 else ("id >= ? AND id < ?", "ASC")
    return db.execute(
        f"SELECT {columns} FROM {table} WHERE {bounds} AND session_id = ? ORDER BY id {order} LIMIT ?",
        (cursor, task.from_id if task.by_us > 0 else task.until_id, task.session, limit),
    ).fetchall()


def _move_events(table: str, db: sqlite3.Connection, task: _Task, cursor: int, *, limit: int) -> int | None:
    rows = _rows_to_move(db, table, "id", task, cursor, limit=limit)
    if not rows:
        return None
    at = f", at_us = at_us + {task.by_us:d}" if "at_us" in EVENT_TABLES[table] else ""
    with write_transaction(db):
        new_ids: list[int] = []
        for (id_,) in rows:
            new_ids.append(free_id(db, id_ + task.id_shift))
            db.execute(f"UPDATE {table} SET id = ?{at} WHERE id = ?", (new_ids[-1], id_))
        if table == "framework_log":
            derive_late(db, new_ids)
        after = rows[-1][0] + (task.by_us < 0)
        _save(db, {f"{PREFIX}{table}": after})
    return after


def _move_runs(kind: RunKind, db: sqlite3.Connection, task: _Task, cursor: int, *, limit: int) -> int | None:
    columns = f"id, {kind.registration_column}, status, duration_us, waited_us"
    runs = _rows_to_move(db, kind.runs_table, columns, task, cursor, limit=limit)
    if not runs:
        return None
    statistics = MovedStatistics()
    with write_transaction(db), impossible_values_are_damage():
        # All runs are counted before and after the move, so that a run counts once, whichever id it had or gets.
        derive_all(db)
        for id_, registration_id, status, duration_us, waited_us in runs:
            new_id = free_id(db, id_ + task.id_shift)
            db.execute(f"UPDATE {kind.runs_table} SET id = ? WHERE id = ?", (new_id, id_))
            for table in DETAILS:
                parameters = {"new_id": new_id, "id": id_, "by": task.by_us}
                db.execute(
                    f"UPDATE {table} SET run_id = :new_id {_TIMES_OF_DETAILS.get(table, '')} WHERE run_id = :id",
                    parameters,
                )
            statistics.add(registration_id, time_of(id_), time_of(new_id), status, duration_us, waited_us)
        statistics.write(db)
        mark_as_derived(db)
        after = runs[-1][0] + (task.by_us < 0)
        _save(db, {f"{PREFIX}{kind.runs_table}": after})
    return after


def _move_rest(db: sqlite3.Connection, task: _Task) -> None:
    """Move everything but the runs and events, and end the redating, in one transaction."""
    parameters = {
        "session": task.session,
        "from": task.from_us,
        "until": task.until_us,
        "by": task.by_us,
        "start": task.start,
        "from_id": task.from_id,
        "until_id": task.until_id,
        "shift": task.id_shift,
    }
    with write_transaction(db):
        (runs,) = db.execute("SELECT runs FROM sessions WHERE id = :session", parameters).fetchone() or (0,)
        for statement in _REST:
            names = {name: value for name, value in parameters.items() if f":{name}" in statement}
            db.execute(statement, names)
        db.execute("DELETE FROM store_state WHERE name LIKE ?", (f"{PREFIX}%",))
        at_us = task.until_us + task.by_us
        detail = describe_move(task.by_us)
        if runs:
            event = (free_id(db, first_id_at(at_us)), task.session, at_us, EVENT, "clock", detail)
            db.execute("INSERT INTO lifecycle_events VALUES (?, ?, ?, ?, ?, ?)", event)


def _moved(column: str) -> str:
    return f"{column} = CASE WHEN {column} BETWEEN :from AND :until THEN {column} + :by ELSE {column} END"


_OLDEST_FAILURE, _NEWEST_FAILURE = (
    f"(SELECT {function}(run_id) FROM failures WHERE error_group_id = error_groups.id)" for function in ("min", "max")
)
_REST: Final = (
    f"""
    UPDATE sessions
    SET started_us = started_us + :start * :by, {_moved("heartbeat_us")}, {_moved("ended_us")},
        facts = CASE WHEN :start AND {BOOTED_US} IS NOT NULL THEN json_set(facts, '$.{BOOTED}', strftime(
            '%Y-%m-%dT%H:%M:%SZ', ({BOOTED_US} + :by) / {SECOND_US}, 'unixepoch')) ELSE facts END,
        first_id = CASE WHEN first_id >= :from_id AND first_id < :until_id THEN first_id + :shift ELSE first_id END,
        last_id = CASE WHEN last_id >= :from_id AND last_id < :until_id
                  THEN last_id + :shift + {_MAX_COLLISIONS} ELSE last_id END
    WHERE id = :session
    """,
    f"UPDATE losses SET {_moved('first_us')}, {_moved('last_us')} WHERE session_id = :session",
    f"UPDATE not_runs SET {_moved('at_us')}, {_moved('due_us')} WHERE session_id = :session",
    f"UPDATE running_executions SET {_moved('started_us')}, {_moved('due_us')} WHERE session_id = :session",
    *(
        f"""
        UPDATE {kind.registrations_table}
        SET {_moved("first_registered_us")}, {_moved("last_registered_us")}, {_moved("retired_us")}
        WHERE first_registered_us BETWEEN :from AND :until OR last_registered_us BETWEEN :from AND :until
           OR retired_us BETWEEN :from AND :until
        """
        for kind in KINDS
    ),
    f"""
    UPDATE error_groups
    SET first_seen_us = CASE WHEN first_seen_us BETWEEN :from AND :until
            THEN coalesce({time_sql(_OLDEST_FAILURE)}, first_seen_us + :by)
            ELSE min(first_seen_us, coalesce({time_sql(_OLDEST_FAILURE)}, first_seen_us)) END,
        first_run_id = CASE WHEN first_run_id >= :from_id AND first_run_id < :until_id
            THEN coalesce({_OLDEST_FAILURE}, first_run_id + :shift) ELSE first_run_id END,
        last_run_id = coalesce({_NEWEST_FAILURE}, last_run_id),
        last_seen_us = coalesce({time_sql(_NEWEST_FAILURE)}, last_seen_us + :by)
    WHERE last_seen_us BETWEEN :from AND :until OR first_seen_us BETWEEN :from AND :until
    """,
)
