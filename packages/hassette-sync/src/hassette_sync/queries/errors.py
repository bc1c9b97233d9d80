"""Statements about error groups."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_sync.queries.kinds import KIND, union_sql

_GROUP = """
id, kind, type, message AS sample_message, file, line, function, code, traceback AS sample_traceback,
first_seen_us, last_seen_us, first_run_id AS sample_run_id, last_run_id, count, silenced_until_us
"""

# The place of a group is the id of its last failure at the time when the first page was read (`as_of`). A later failure
# does not change the place, so the next pages neither skip nor repeat a group. If the retention has deleted the last
# failure before `as_of`, the place is the id of the first failure. No two groups have the same place, because each
# failure belongs to one group.
_PLACE = """
CASE WHEN last_run_id <= :as_of THEN last_run_id ELSE coalesce(
    (SELECT max(run_id) FROM failures WHERE error_group_id = error_groups.id AND run_id <= :as_of), first_run_id)
END
"""

ERROR_GROUPS = f"""
SELECT * FROM (
    SELECT {_GROUP}, {_PLACE} AS place FROM error_groups
    WHERE last_seen_us >= :since_us AND first_seen_us < :until_us AND first_run_id <= :as_of
      AND id NOT IN (SELECT value FROM json_each(:left_out))
      AND (last_seen_us < :until_us OR first_seen_us >= :since_us OR EXISTS (
        SELECT 1 FROM failures WHERE error_group_id = error_groups.id AND run_id >= :first_id AND run_id < :end_id)))
WHERE place < :below
ORDER BY place DESC LIMIT :limit
"""
"""Error groups with a failure in a time range, without ``:left_out``, most recently seen first. Failures after the run
``:as_of`` do not change the order."""

ERROR_GROUP = f"SELECT {_GROUP} FROM error_groups WHERE id = :id"
"""One error group."""

ERROR_GROUP_KEY = "SELECT fingerprint, type FROM error_groups WHERE id = :id"
"""Natural key and type of one error group."""

# The index of the groups contains the ids of the runs, so counting reads no rows.
RECENT_COUNTS = """
SELECT value AS error_group_id, (
    SELECT count(*) FROM failures WHERE error_group_id = value AND run_id >= :first_id AND run_id < :end_id) AS count
FROM json_each(:groups)
"""
"""Number of failures of each of some error groups in a range of run ids."""

NEWEST_FAILURES = """
SELECT value AS error_group_id, failures.run_id FROM json_each(:groups)
JOIN failures ON failures.run_id IN (
    SELECT run_id FROM failures WHERE error_group_id = value ORDER BY run_id DESC LIMIT 20)
"""
"""The newest 20 failures of each of some error groups."""

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

GROUPS_OF_RUNS = """
SELECT error_group_id, count(*) AS count FROM failures WHERE run_id IN (SELECT value FROM json_each(:ids))
GROUP BY error_group_id ORDER BY max(run_id) DESC LIMIT :limit
"""
"""Error groups of some failed runs with their numbers of these runs, most recently seen first."""
