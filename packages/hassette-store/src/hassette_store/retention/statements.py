"""SQL statements and conditions of the retention."""

import sqlite3
from typing import Final

from hassette_store.ids import MAX_ID, first_id_sql
from hassette_store.kinds import DETAILS, EVENT_TABLES, KINDS, RunKind
from hassette_store.periods import DAY_US, MINUTE_US

PROGRESS: Final = ("successes_below", "all_runs_below")
"""Names of two rows of ``store_state``. The value of each is a run id. All successes below the first value, and all
runs below the second value, have been processed."""
RUNS_DELETED_BELOW: Final = (*PROGRESS, "some_runs_below")
"""Names of rows of ``store_state``. All deleted runs have ids below the highest value. The last row is for runs of
single registrations, which are deleted out of order."""
SAVE_DELETED_BELOW: Final = (
    "INSERT INTO store_state VALUES (?, ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)"
)
"""Store one of the values of `RUNS_DELETED_BELOW`, if it is higher than the stored one."""

CREATE_NEWEST: Final = """
CREATE TEMP TABLE IF NOT EXISTS newest (registration_id INTEGER PRIMARY KEY, floor INTEGER NOT NULL);
DELETE FROM temp.newest;
"""

# At a start, all registrations are retired until their apps register them again, and an app may fail to load. So a
# retired registration does not count as removed at once, but if its app instance has registered another one after the
# retirement. While an app instance has a current registration, this holds for each retired one.
FIND_INSTANCES: Final = f"""
CREATE TEMP TABLE IF NOT EXISTS instances (
    app TEXT, instance TEXT, registered_us INTEGER, PRIMARY KEY (app, instance)
) WITHOUT ROWID;
DELETE FROM temp.instances;
INSERT INTO temp.instances
SELECT app, instance, max(CASE WHEN retired_us IS NULL THEN {MAX_ID} ELSE last_registered_us END)
FROM registrations GROUP BY app, instance;
"""
"""Script that finds out when each app instance last registered a listener or a job."""


def removed_condition(kind: RunKind, *, unused: bool = True) -> str:
    """Return the SQL condition that selects registrations that were removed before ``:removed_before``.

    Args:
        kind: Kind of the registrations.
        unused: Whether to include registrations whose app instance has registered nothing since, if the framework has
            run without them since a time before ``:removed_before``.
    """
    table = kind.registrations_table
    others = (
        f"retired_us < (SELECT registered_us FROM temp.instances WHERE instances.app = {table}.app "
        f"AND instances.instance = {table}.instance)"
    )
    # A session that began before that time, and did not end before the retirement, ran without the registration.
    sessions = (
        f"retired_us < (SELECT max(coalesce(ended_us, {MAX_ID})) FROM sessions WHERE started_us < :removed_before)"
    )
    return f"retired_us < :removed_before AND ({others}{f' OR {sessions}' if unused else ''})"


def older_than_newest_condition(kind: RunKind) -> str:
    """Return the SQL condition that selects all runs except the newest runs of each registration, which are kept."""
    return f"id < (SELECT floor FROM temp.newest WHERE registration_id = {kind.registration_column})"


def find_newest_sql(kind: RunKind) -> str:
    """Return a statement that stores the lowest id of the newest runs of a registration.

    The statement does this for a limited number of registrations. A registration that its app removed before
    ``:removed_before`` keeps no runs.
    """
    return f"""
INSERT OR REPLACE INTO temp.newest (registration_id, floor)
SELECT id,
       CASE WHEN :keep = 0 OR {removed_condition(kind)} THEN {MAX_ID}
       ELSE coalesce(
           (
               SELECT id FROM {kind.runs_table}
               WHERE {kind.registration_column} = {kind.registrations_table}.id
               ORDER BY id DESC LIMIT 1 OFFSET max(:keep - 1, 0)
           ),
           0
       ) END
FROM {kind.registrations_table} WHERE id > :after ORDER BY id LIMIT :limit
"""


def find_formerly_newest_sql(kind: RunKind) -> str:
    """Return the statement that finds the runs for `Deletions.delete_formerly_newest` to delete.

    The statement handles ``:limit`` registrations. For each registration, it takes the oldest runs that may be deleted,
    at most ``:limit`` of them, and returns the highest id among these runs. If there are none, it returns NULL.
    """
    return f"""
SELECT registration_id, (
    SELECT max(id) FROM (
        SELECT id FROM {kind.runs_table}
        WHERE {kind.registration_column} = registration_id
          AND id < min(floor, (SELECT value FROM store_state WHERE name = 'all_runs_below'))
        ORDER BY id LIMIT :limit
    )
) FROM temp.newest WHERE registration_id > :after ORDER BY registration_id LIMIT :limit
"""


_RUNS_OF_SESSION: Final = " ".join(
    f"AND NOT EXISTS (SELECT 1 FROM {kind.runs_table} WHERE id BETWEEN sessions.first_id AND sessions.last_id)"
    for kind in KINDS
)


def _retired(kind: RunKind) -> str:
    # A retired registration is kept for two days longer than `keep_daily_days`, so that its statistics are deleted
    # first. The first extra day is necessary because statistics are deleted only by whole days. The second is necessary
    # because a run may end on the day after the retirement. If a registration were deleted before its statistics, a new
    # registration could get the same id and inherit the statistics.
    return f"""
        retired_us < ? - {2 * DAY_US}
        AND NOT EXISTS (
            SELECT 1 FROM {kind.runs_table} WHERE {kind.registration_column} = {kind.registrations_table}.id
        )
        """


# The session ended long before, and the circumstances are deleted by age. So the search ends at the first row, or finds
# none: the condition is only needed after a step of the clock, and costs no index.
_CIRCUMSTANCES_OF_SESSION: Final = " ".join(
    f"AND NOT EXISTS (SELECT 1 FROM {table} WHERE session_id = sessions.id "
    f"AND id BETWEEN {first_id_sql('started_us')} AND {first_id_sql(f'ended_us + {MINUTE_US}')})"
    for table in EVENT_TABLES
    if table != "lifecycle_events"
)
CONDITIONS: Final = {
    **dict.fromkeys(EVENT_TABLES, f"id < {first_id_sql('?')}"),
    "not_runs": "at_us < ?",
    "losses": "(SELECT ended_us FROM sessions WHERE sessions.id = session_id) < ?",
    "error_groups": "last_seen_us < ? AND NOT EXISTS (SELECT 1 FROM failures WHERE error_group_id = error_groups.id)",
    "sessions": f"""
        ended_us < ?
        {_RUNS_OF_SESSION}
        AND NOT EXISTS (SELECT 1 FROM losses WHERE session_id = sessions.id)
        AND NOT EXISTS (SELECT 1 FROM lifecycle_events WHERE session_id = sessions.id)
        {_CIRCUMSTANCES_OF_SESSION}
        """,
    **{kind.registrations_table: _retired(kind) for kind in KINDS},
}
"""For each table, the condition under which a row is deleted. ``?`` is a time: only rows before it are old enough.

Runs and statistics have separate statements."""

_HAS_NO_RUN: Final = " AND ".join(f"NOT EXISTS (SELECT 1 FROM {kind.runs_table} WHERE id = run_id)" for kind in KINDS)


def delete_details(db: sqlite3.Connection, start: int, end: int) -> None:
    """Delete the details of deleted runs in a range of ids, ``end`` excluded."""
    for table in DETAILS:
        db.execute(f"DELETE FROM {table} WHERE run_id >= ? AND run_id < ? AND {_HAS_NO_RUN}", (start, end))


def used_bytes(db: sqlite3.Connection) -> int:
    """Return the size of the pages in use, in bytes."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    return (int(pages) - int(free)) * int(size)
