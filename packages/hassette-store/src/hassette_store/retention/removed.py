"""Registrations that apps have removed: their statistics move to another registration of the same handler.

An app can make up a name for each job, such as ``off_1``, ``off_2`` and so on. Each name is a registration. If each
registration stayed as long as its statistics, a file could contain hundreds of thousands of them. So once the runs of a
removed registration have been deleted, its statistics are added to the most recent registration of the same handler in
the same app instance, and the removed registration is deleted. All totals stay exact. A removed registration without
such a successor stays until its statistics are deleted. An example is a registration of an app that gets a new name at
each start. If the registrations have caused the growth of the file, they are deleted early, with their statistics.
"""

import sqlite3
from typing import Final

from hassette_store.derived.statistics import TABLES, moved_to
from hassette_store.insertion import add_columns
from hassette_store.kinds import KINDS, RunKind
from hassette_store.periods import PERIOD_TABLES, PERIODS_US
from hassette_store.retention.statements import removed_condition

# Registrations with more runs are not deleted early, because one step of the retention must be short.
_MAX_RUNS: Final = 20

FIND_SUCCESSORS: Final = """
CREATE TEMP TABLE IF NOT EXISTS successors (
    kind TEXT, app TEXT, instance TEXT, handler TEXT, id INTEGER, last_us INTEGER,
    PRIMARY KEY (kind, app, instance, handler)
) WITHOUT ROWID;
DELETE FROM temp.successors;
""" + "".join(
    f"INSERT INTO temp.successors SELECT '{kind.name}', app, instance, handler, id, max(last_registered_us) "
    f"FROM {kind.registrations_table} GROUP BY app, instance, handler;"
    for kind in KINDS
)


def find_removed_sql(kind: RunKind, *, early: bool) -> str:
    """Return the statement that finds the removed registrations in a range of ids, each with its successor.

    Args:
        kind: Kind of the registrations.
        early: Whether to include registrations that still have a few runs. Then registrations of an app that does not
            load are left out, except those without runs if a whole session has run without them. In place of a
            successor, these have their own id, and they come last.
    """
    table = kind.registrations_table
    runs = f"SELECT 1 FROM {kind.runs_table} WHERE {kind.registration_column} = {table}.id"
    few = f"(SELECT count(*) FROM ({runs} LIMIT {_MAX_RUNS + 1})) <= {_MAX_RUNS}" if early else f"NOT EXISTS ({runs})"
    has_successor = (
        f"successors.id <> {table}.id AND EXISTS (SELECT 1 FROM {table} AS others WHERE others.id = successors.id) "
        f"AND {removed_condition(kind, unused=not early)} AND {few}"
    )
    alone = (
        f"NOT EXISTS ({runs}) AND retired_us < (SELECT max(started_us) FROM sessions WHERE ended_us IS NOT NULL)"
        if early
        else "false"
    )
    return f"""
SELECT id, successor, first_registered_us, retired_us FROM (
    SELECT {table}.id, CASE WHEN {has_successor} THEN successors.id WHEN {alone} THEN {table}.id END AS successor,
           first_registered_us, retired_us
    FROM {table} JOIN temp.successors USING (app, instance, handler)
    WHERE kind = '{kind.name}' AND {table}.id > :after AND {table}.id <= :end
) WHERE successor IS NOT NULL ORDER BY successor = id
"""


def _periods(period: str) -> str:
    return (
        f"WITH RECURSIVE periods (period) AS (SELECT :first_{period} UNION ALL "
        f"SELECT period + 1 FROM periods WHERE period < :last_{period})"
    )


def _source(table: str, period: str) -> str:
    return f"FROM periods CROSS JOIN {table} ON {period} = periods.period AND registration_id = :id WHERE true"


def _move_skips(table: str, period: str) -> str:
    return (
        f"INSERT INTO {table} ({period}, registration_id, reason_id, count) "
        f"SELECT {period}, :successor, reason_id, count {_source(table, period)} "
        f"ON CONFLICT DO UPDATE SET {add_columns('count')}"
    )


def _moves(table: str, period: str) -> tuple[str, str]:
    """Return the statement that moves the rows of a table, and the statement that deletes them."""
    is_skips = table != TABLES[period]
    move = _move_skips(table, period) if is_skips else moved_to(period, period, ":successor", _source(table, period))
    delete = f"DELETE FROM {table} WHERE registration_id = :id AND {period} IN (SELECT period FROM periods)"
    return f"{_periods(period)} {move}", f"{_periods(period)} {delete}"


_MOVES: Final = tuple(_moves(table, period) for table, period in PERIOD_TABLES)

_OLDEST: Final = {
    period: f"SELECT min({period}) FROM ("
    + " UNION ALL ".join(
        f"SELECT min({period}) AS {period} FROM {table}" for table, of in PERIOD_TABLES if of == period
    )
    + ")"
    for period in PERIODS_US
}


def fold_into_successor(
    db: sqlite3.Connection, kind: RunKind, id_: int, successor: int, first_us: int, last_us: int
) -> None:
    """Move the statistics of a removed registration to its successor, and delete the registration.

    If the successor is the registration itself, delete its statistics.

    Args:
        db: The writer's connection, in a transaction.
        kind: Kind of the registration.
        id_: The removed registration.
        successor: The registration that gets the statistics.
        first_us: When the removed registration was first registered.
        last_us: When it was retired.
    """
    parameters: dict[str, int] = {"id": id_, "successor": successor}
    for period, length_us in PERIODS_US.items():
        (oldest,) = db.execute(_OLDEST[period]).fetchone()
        # The clock may have been behind at the registration, and the last run may end on the day after the retirement.
        parameters[f"first_{period}"] = max(first_us // length_us - 24, oldest or 0)
        parameters[f"last_{period}"] = last_us // length_us + 24
    for move, delete in _MOVES:
        if successor != id_:
            db.execute(move, parameters)
        db.execute(delete, parameters)
    for table in ("not_runs WHERE registration_id", f"{kind.registrations_table} WHERE id"):
        db.execute(f"DELETE FROM {table} = ?", (id_,))
