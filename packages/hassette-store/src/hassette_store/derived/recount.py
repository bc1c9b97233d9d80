"""Comparison of the statistics with the rows, and count of the runs that the statistics lack after a salvage.

A salvage may lose a part of the statistics, or the id up to which they count. So it compares the number of runs that
the statistics count for each registration and period with the number of its rows. If there are more rows, the newest of
them are not counted yet. More counted runs than rows are normal: the retention deletes rows and keeps their counts.
"""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from hassette_store.derived.derivation import derived_below, mark_as_derived
from hassette_store.derived.statistics import TABLES, Totals, write_totals
from hassette_store.ids import first_id_at, time_sql
from hassette_store.kinds import KINDS
from hassette_store.periods import PERIODS_US
from hassette_store.statuses import STATUS_NAMES
from hassette_store.transactions import write_transaction

_COUNTED: Final = f"{' + '.join(STATUS_NAMES)} - shed"
_LARGEST_ID: Final = (1 << 63) - 1
# A run with an unknown status, from a damaged page, is never counted.
_KNOWN_STATUS: Final = f"status >= 0 AND status < {len(STATUS_NAMES)}"


def recount(db: sqlite3.Connection) -> None:
    """Count the runs that the statistics lack, in one transaction. Then all runs are counted.

    Args:
        db: A connection for writing to a history with the newest schema.

    Raises:
        sqlite3.Error: The file cannot be written.
    """
    with write_transaction(db):
        for unit in TABLES:
            lacking: dict[tuple[int, int], Totals] = {}
            for period, registration_id, count in _lacking(db, unit):
                totals = lacking.setdefault((period, registration_id), Totals())
                for status, duration_us, waited_us in _newest_runs(db, unit, period, registration_id, count):
                    totals.add_runs(status, (duration_us,), waited_us)
            write_totals(db, unit, lacking)
        mark_as_derived(db)


def missing_counts(db: sqlite3.Connection) -> list[str]:
    """Return a finding for each table of statistics that lacks runs which it should count. Change nothing.

    Args:
        db: A connection to a history with the newest schema. Another connection may be writing to the file.
    """
    findings: list[str] = []
    db.execute("BEGIN")  # one state of the file for all statements
    try:
        below = derived_below(db)
        for unit, table in TABLES.items():
            # Without any statistics, all of them may be so old that the retention has deleted them.
            if db.execute(f"SELECT 1 FROM {table}").fetchone() is None:
                continue
            if lacking := _lacking(db, unit, below):
                first = datetime.fromtimestamp(min(lacking)[0] * PERIODS_US[unit] / 1e6, UTC)
                runs = sum(count for _, _, count in lacking)
                findings.append(f"{table} does not count {runs:,} stored runs, the first on {first:%Y-%m-%d %H:%M} UTC")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
    return findings


def _lacking(db: sqlite3.Connection, unit: str, below_id: int = _LARGEST_ID) -> list[tuple[int, int, int]]:
    """Return the periods and registrations with more rows than counted runs, and the number of runs that are lacking.

    Rows before the oldest period with statistics do not count: the retention has deleted their statistics.
    """
    table, length_us = TABLES[unit], PERIODS_US[unit]
    (oldest,) = db.execute(f"SELECT coalesce(min({unit}), 0) FROM {table}").fetchone()
    period = f"{time_sql('id')} / {length_us}"
    rows = " UNION ALL ".join(
        f"SELECT {period} AS period, {kind.registration_column} AS registration_id, count(*) AS runs "
        f"FROM {kind.runs_table} WHERE id >= :first AND id < :below AND {_KNOWN_STATUS} GROUP BY 1, 2"
        for kind in KINDS
    )
    sql = (
        f"SELECT period, found.registration_id, runs - coalesce({_COUNTED}, 0) AS lacking FROM ({rows}) AS found "
        f"LEFT JOIN {table} ON {unit} = period AND {table}.registration_id = found.registration_id "
        "WHERE lacking > 0"
    )
    return db.execute(sql, {"first": first_id_at(oldest * length_us), "below": below_id}).fetchall()


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
            f"AND id >= :first AND id < :below AND {_KNOWN_STATUS} ORDER BY id DESC LIMIT :count",
            parameters,
        )
