"""Statements for the page of the people of the home."""

ACTIONS = """
SELECT calls.run_id, (SELECT name FROM names WHERE names.id = calls.service_id) AS service, calls.target, calls.error,
       (SELECT name FROM names WHERE names.id = triggered.entity_id) AS entity_id,
       triggered.id IS NULL AS is_scheduled
FROM (
    SELECT run_id, service_id, target, error FROM service_calls
    WHERE run_id >= :first_id AND run_id < :end_id AND rehearsed = 0 AND target IS NOT NULL
    ORDER BY run_id DESC LIMIT :limit) AS calls
LEFT JOIN handler_invocations AS triggered ON triggered.id = calls.run_id
"""
"""The newest service calls with a target, each with the entity that triggered its run."""

HOME_NAMES_OF = """
SELECT key, name, area FROM home_names
WHERE kind = 'entity' AND key IN (SELECT value FROM json_each(:entities))
"""
"""Names and areas of some entities."""
