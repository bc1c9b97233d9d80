"""What ages, and in which order: the tables and statements of retention."""

import sqlite3
from typing import Final

from hassette_store.ids import first_id_sql
from hassette_store.periods import DAY_US

FLOOR: Final = "(SELECT floor FROM temp.newest WHERE registration_id = {owner})"
RUN_TABLES: Final = (("handler_invocations", "listener_id"), ("job_executions", "job_id"))
CHILDREN: Final = ("failures", "service_calls", "log_lines", "dropped_effects")
STATISTICS: Final = (
    ("latency_hourly", "hour"),
    ("skips_hourly", "hour"),
    ("statistics_hourly", "hour"),
    ("latency_daily", "day"),
    ("skips_daily", "day"),
    ("statistics_daily", "day"),
)

NEWEST: Final = """
INSERT OR REPLACE INTO temp.newest (registration_id, floor)
SELECT id,
       coalesce(
           (SELECT id FROM {table} WHERE {owner} = {owners}.id ORDER BY id DESC LIMIT 1 OFFSET max(:keep - 1, 0)), 0
       )
       + (:keep = 0) * 9223372036854775807
FROM {owners} WHERE id > :after ORDER BY id LIMIT :limit
"""

# Of each registration, the last of the first few runs that neither age nor place among the newest keeps.
STRAGGLERS: Final = """
SELECT registration_id, (
    SELECT max(id) FROM (
        SELECT id FROM {table}
        WHERE {owner} = registration_id
          AND id < min(floor, (SELECT value FROM store_state WHERE name = 'failures_below'))
        ORDER BY id LIMIT :limit
    )
) FROM temp.newest WHERE registration_id > :after ORDER BY registration_id LIMIT :limit
"""

# What else ages, from which table, under which condition, given a time.
# A registration goes two days after its last statistics may: they go by whole days, a run may end on the day after the
# retirement, and what still carries the number would become another registration's.
THE_REST: Final = {
    "lifecycle_events": f"id < {first_id_sql('?')}",
    "losses": "(SELECT ended_us FROM sessions WHERE sessions.id = session_id) < ?",
    "error_groups": ("last_seen_us < ? AND NOT EXISTS (SELECT 1 FROM failures WHERE error_group_id = error_groups.id)"),
    "sessions": """
        ended_us < ?
        AND NOT EXISTS (SELECT 1 FROM handler_invocations WHERE id BETWEEN sessions.first_id AND sessions.last_id)
        AND NOT EXISTS (SELECT 1 FROM job_executions WHERE id BETWEEN sessions.first_id AND sessions.last_id)
        AND NOT EXISTS (SELECT 1 FROM losses WHERE session_id = sessions.id)
        AND NOT EXISTS (SELECT 1 FROM lifecycle_events WHERE session_id = sessions.id)
        """,
    "listeners": f"""
        retired_us < ? - {2 * DAY_US}
        AND NOT EXISTS (SELECT 1 FROM handler_invocations WHERE listener_id = listeners.id)
        """,
    "scheduled_jobs": f"""
        retired_us < ? - {2 * DAY_US}
        AND NOT EXISTS (SELECT 1 FROM job_executions WHERE job_id = scheduled_jobs.id)
        """,
}


def take_children(db: sqlite3.Connection, start: int, end: int) -> None:
    """Take what belonged to runs of a range that are gone."""
    for table in CHILDREN:
        db.execute(
            f"DELETE FROM {table} WHERE run_id >= ? AND run_id < ? "
            "AND NOT EXISTS (SELECT 1 FROM handler_invocations WHERE id = run_id) "
            "AND NOT EXISTS (SELECT 1 FROM job_executions WHERE id = run_id)",
            (start, end),
        )


def live_bytes(db: sqlite3.Connection) -> int:
    """Return the bytes of the pages that hold something."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return (int(pages) - int(free)) * int(size)
