"""Count of runs that the statistics lack after a salvage.

A salvage may lose a part of the statistics, or the id up to which they count. So it compares the number of runs that
the statistics count for each registration and period with the number of its rows. If there are more rows, the newest of
them are not counted yet.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final

from hassette_store.derived.derivation import mark_as_derived
from hassette_store.derived.statistics import TABLES, Totals, write_totals
from hassette_store.ids import first_id_at, time_sql
from hassette_store.kinds import KINDS
from hassette_store.periods import PERIODS_US
from hassette_store.statuses import STATUS_NAMES

_COUNTED: Final = f"{' + '.join(STATUS_NAMES)} - shed"


def recount(db: sqlite3.Connection) -> None:
    """Count the runs that the statistics lack, in one transaction. Then all runs are counted.

    Args:
        db: A connection for writing to a history with the newest schema.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    db.execute("BEGIN IMMEDIATE")
    for unit in TABLES:
        lacking: dict[tuple[int, int], Totals] = {}
        for period, registration_id, count in _lacking(db, unit):
            totals = lacking.setdefault((period, registration_id), Totals())
            for status, duration_us, waited_us in _newest_runs(db, unit, period, registration_id, count):
                totals.add_run(status, duration_us, waited_us)
        write_totals(db, unit, lacking)
    mark_as_derived(db)
    db.execute("COMMIT")


def _lacking(db: sqlite3.Connection, unit: str) -> list[tuple[int, int, int]]:
    """Return the periods and registrations with more rows than counted runs, and the number of runs that are lacking.

    Rows before the oldest period with statistics do not count: the retention has deleted their statistics.
    """
    table, length_us = TABLES[unit], PERIODS_US[unit]
    (oldest,) = db.execute(f"SELECT coalesce(min({unit}), 0) FROM {table}").fetchone()
    period = f"{time_sql('id')} / {length_us}"
    rows = " UNION ALL ".join(
        f"SELECT {period} AS period, {kind.registration_column} AS registration_id, count(*) AS runs "
        f"FROM {kind.runs_table} WHERE id >= :first GROUP BY 1, 2"
        for kind in KINDS
    )
    sql = (
        f"SELECT period, found.registration_id, runs - coalesce({_COUNTED}, 0) AS lacking FROM ({rows}) AS found "
        f"LEFT JOIN {table} ON {unit} = period AND {table}.registration_id = found.registration_id "
        "WHERE lacking > 0"
    )
    return db.execute(sql, {"first": first_id_at(oldest * length_us)}).fetchall()


def _newest_runs(
    db: sqlite3.Connection, unit: str, period: int, registration_id: int, count: int
) -> Iterator[tuple[int, int, int]]:
    length_us = PERIODS_US[unit]
    parameters = {
        "id": registration_id,
        "first": first_id_at(period * length_us),
        "below": first_id_at((period + 1) * length_us),
        "count": count,
    }
    for kind in KINDS:
        yield from db.execute(
            f"SELECT status, duration_us, waited_us FROM {kind.runs_table} WHERE {kind.registration_column} = :id "
            "AND id >= :first AND id < :below ORDER BY id DESC LIMIT :count",
            parameters,
        )
