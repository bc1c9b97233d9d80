"""Statements about error groups."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_sync.queries.kinds import KIND, union_sql

_GROUP = "id, kind, type, message, traceback, first_seen_us, last_seen_us, last_run_id, count"

ERROR_GROUPS = f"""
SELECT {_GROUP} FROM error_groups
WHERE last_seen_us >= :since_us AND first_seen_us < :until_us AND (last_seen_us, id) < (:last_seen_us, :id)
  AND (last_seen_us < :until_us OR first_seen_us >= :since_us OR EXISTS (
    SELECT 1 FROM failures WHERE error_group_id = error_groups.id AND run_id >= :first_id AND run_id < :end_id))
ORDER BY last_seen_us DESC, id DESC LIMIT :limit
"""
"""Error groups with a failure in a time range, most recently seen first."""

ERROR_GROUP = f"SELECT {_GROUP} FROM error_groups WHERE id = :id"
"""One error group."""

RECENT_COUNTS = """
SELECT error_group_id, count(*) AS count FROM failures
WHERE run_id >= :first_id AND run_id < :end_id GROUP BY error_group_id
"""
"""Number of failures of each error group in a range of run ids."""

RECENT_COUNT = """
SELECT count(*) AS count FROM failures WHERE error_group_id = :id AND run_id >= :first_id AND run_id < :end_id
"""
"""Number of failures of one error group in a range of run ids."""

_REGISTRATIONS_OF_NEWEST = union_sql(
    lambda kind: (
        f"SELECT {kind.registration_column} FROM newest CROSS JOIN {kind.runs_table} ON {kind.runs_table}.id = run_id"
    ),
    "UNION",
)

AFFECTED_REGISTRATIONS = f"""
WITH newest (run_id) AS (SELECT run_id FROM failures WHERE error_group_id = :id ORDER BY run_id DESC LIMIT 500)
SELECT id, {KIND} AS kind, app, instance, name FROM registrations
WHERE id IN (
    {_REGISTRATIONS_OF_NEWEST})
ORDER BY app, instance, name
LIMIT 50
"""
"""Handlers and jobs of the newest 500 failures of an error group."""
