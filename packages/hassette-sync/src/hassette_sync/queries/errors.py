"""Statements about error groups."""

# ruff: noqa: S608  every piece of these statements is fixed text of this module

_GROUP = "id, kind, type, message, traceback, first_seen_us, last_seen_us, last_run_id, count"

ERROR_GROUPS = f"""
SELECT {_GROUP} FROM error_groups
WHERE last_seen_us >= :since_us AND first_seen_us < :until_us AND (last_seen_us, id) < (:last_seen_us, :id)
  AND (last_seen_us < :until_us OR first_seen_us >= :since_us OR EXISTS (
    SELECT 1 FROM failures WHERE error_group_id = error_groups.id AND run_id >= :first_id AND run_id < :end_id))
ORDER BY last_seen_us DESC, id DESC LIMIT :limit
"""
"""Error groups seen in a time, the most recently seen first; seen before it and after it is not enough."""

ERROR_GROUP = f"SELECT {_GROUP} FROM error_groups WHERE id = :id"
"""One error group."""

RECENT_COUNTS = """
SELECT error_group_id, count(*) AS count FROM failures
WHERE run_id >= :first_id AND run_id < :end_id GROUP BY error_group_id
"""
"""How often each group was seen in a range of ids."""

RECENT_COUNT = """
SELECT count(*) AS count FROM failures WHERE error_group_id = :id AND run_id >= :first_id AND run_id < :end_id
"""
"""How often one group was seen in a range of ids."""

AFFECTED = """
WITH newest (run_id) AS (SELECT run_id FROM failures WHERE error_group_id = :id ORDER BY run_id DESC LIMIT 500)
SELECT id, kind, app, instance, name FROM registrations
WHERE id IN (
    SELECT listener_id FROM newest CROSS JOIN handler_invocations ON handler_invocations.id = run_id
    UNION
    SELECT job_id FROM newest CROSS JOIN job_executions ON job_executions.id = run_id)
ORDER BY app, instance, name
LIMIT 50
"""
"""Whom an error group befell, among its newest 500 runs."""
