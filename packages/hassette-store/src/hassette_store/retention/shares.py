"""Shares of the size limit. They show which tables caused the growth of a file that exceeds the limit.

Each group of tables has a share of ``max_size_mb``. If the file exceeds the limit, the groups above their share are
shrunk first, beginning with the group whose size is the largest multiple of its share. So a hundred thousand lifecycle
events of a crash loop cannot displace the runs.
"""

import sqlite3
from collections.abc import Mapping
from typing import Final, NamedTuple

from hassette_store.derived.search_index import TABLES as SEARCH_TABLES
from hassette_store.kinds import DETAILS, KINDS
from hassette_store.periods import DAY_US, PERIOD_TABLES
from hassette_store.retention.statements import used_bytes
from hassette_store.transactions import write_transaction

RUNS: Final = "runs"
SEARCH: Final = "search_index"

GROUPS: Final[dict[str, tuple[tuple[str, ...], float]]] = {
    "lifecycle_events": (("lifecycle_events",), 0.05),
    "home_changes": (("home_changes",), 0.05),
    "home_causes": (("home_causes",), 0.025),
    "deploys": (("deploys",), 0.025),
    "framework_log": (("framework_log",), 0.025),
    "losses": (("losses",), 0.025),
    "sessions": (("sessions",), 0.025),
    "names": (("names", "home_names"), 0.05),
    "not_runs": (("not_runs",), 0.025),
    "registrations": (tuple(kind.registrations_table for kind in KINDS), 0.05),
    "error_groups": (("error_groups",), 0.1),
    "statistics": (tuple(table for table, _ in PERIOD_TABLES), 0.2),
    SEARCH: (tuple(SEARCH_TABLES.values()), 0.05),
    RUNS: ((*(kind.runs_table for kind in KINDS), *DETAILS), 0.3),
}
"""The tables of each group, and its share of the limit."""

CONSTANT: Final = {
    "statuses": "five rows",
    "store_state": "a fixed number of rows",
    "alembic_version": "one row",
    "running_executions": "runs in progress; each batch replaces them",
}
"""Tables that do not grow, with the reason."""

# Factor from the size of the values in the rows to the size with free space in pages and with indexes.
_OVERHEAD: Final = 1.4
_BYTES_A_ROW: Final = 12
_SAMPLE: Final = 200


class Excess(NamedTuple):
    """A group above its share.

    Attributes:
        group: Key in `GROUPS`.
        bytes: Number of bytes by which the group exceeds its share.
    """

    group: str
    bytes: float


def groups_above_their_share(db: sqlite3.Connection, max_bytes: int) -> list[Excess]:
    """Return the groups above their share, beginning with the largest multiple of a share.

    The size of a group is an estimate from the number of rows and from a sample of them. The runs are not counted,
    because they are the largest part of a file: their size is the rest of the file.
    """
    sizes = {
        group: float(sum(_table_bytes(db, table) for table in tables))
        for group, (tables, _) in GROUPS.items()
        if group != RUNS
    }
    sizes[RUNS] = max(0.0, used_bytes(db) - sum(sizes.values()))
    limits = {group: share * max_bytes for group, (_, share) in GROUPS.items()}
    above = sorted(
        (group for group in GROUPS if sizes[group] > limits[group]), key=lambda group: -sizes[group] / limits[group]
    )
    return [Excess(group, sizes[group] - limits[group]) for group in above]


def _table_bytes(db: sqlite3.Connection, table: str) -> float:
    (count,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    length = " + ".join(f"coalesce(length({column}), 0)" for column in columns)
    (average,) = db.execute(f"SELECT avg({length}) FROM (SELECT * FROM {table} LIMIT {_SAMPLE})").fetchone()
    return count * ((average or 0) + _BYTES_A_ROW) * _OVERHEAD


EARLY: Final = "early:"
"""Prefix of the rows of ``store_state`` that count early deletions, by table or ``runs``."""
EARLY_US: Final = "early_us"
"""Row of ``store_state`` with the time of the last early deletion."""


def save_early_deletions(db: sqlite3.Connection, *, deleted: Mapping[str, int], now_us: int) -> None:
    """Add the numbers of rows that were deleted early, for the status of the history.

    A week after the last early deletion, the numbers start again at 0.
    """
    values = {f"{EARLY}{table}": count for table, count in deleted.items() if count}
    with write_transaction(db):
        row = db.execute("SELECT value FROM store_state WHERE name = ?", (EARLY_US,)).fetchone()
        if row is not None and abs(now_us - row[0]) > 7 * DAY_US:
            db.execute("DELETE FROM store_state WHERE name LIKE ?", (f"{EARLY}%",))
        for name, count in values.items():
            sql = "INSERT INTO store_state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value"
            db.execute(sql, (name, count))
        if values:
            db.execute("INSERT OR REPLACE INTO store_state VALUES (?, ?)", (EARLY_US, now_us))
