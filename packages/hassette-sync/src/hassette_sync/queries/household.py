"""Statements for the page of the people of the home."""

ACTIONS = """
SELECT calls.target, (SELECT name FROM names WHERE names.id = triggered.entity_id) AS entity_id,
       triggered.id IS NULL AS is_scheduled, coalesce(due.manual, 0) AS is_manual,
       count(*) AS count, count(calls.error) AS problems
FROM (
    SELECT run_id, target, error FROM service_calls
    WHERE run_id >= :first_id AND run_id < :end_id AND rehearsed = 0 AND target IS NOT NULL
    ORDER BY run_id DESC LIMIT :limit) AS calls
LEFT JOIN handler_invocations AS triggered ON triggered.id = calls.run_id
LEFT JOIN job_executions AS due ON due.id = calls.run_id
GROUP BY calls.target, triggered.entity_id, is_scheduled, is_manual ORDER BY max(calls.run_id) DESC
"""
"""The newest service calls with a target: how many have the same target and the same entity that triggered their runs.

A home has few different targets, and to read the JSON text of each call would take longer than to count the calls.
"""

HOME_NAMES_OF = """
SELECT key, name, area FROM home_names
WHERE kind = 'entity' AND key IN (SELECT value FROM json_each(:entities))
"""
"""Names and areas of some entities."""
