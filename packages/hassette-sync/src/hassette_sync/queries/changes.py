"""Statements that count the changes of entities, and that read the states of several entities."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import HANDLER

COUNTED_CHANGES = """
SELECT count(*) AS examined, coalesce(sum(is_meant), 0) AS meant, coalesce(sum(is_meant AND NOT was_meant), 0) AS begun
FROM (
    SELECT coalesce(new_state IN (SELECT value FROM json_each(:states)), 0) AS is_meant,
           coalesce(old_state IN (SELECT value FROM json_each(:states)), 0) AS was_meant
    FROM home_changes
    WHERE entity_id = (SELECT id FROM names WHERE name = :entity) AND id >= :first_id AND id < :end_id
    ORDER BY id DESC LIMIT :limit)
"""
"""Number of the newest recorded changes of an entity in a range: all, those to some states, and those from others."""

TRIGGERING_CHANGES = f"""
SELECT entities.name AS entity_id, old_state, new_state, count(DISTINCT context_id) AS count
FROM (
    SELECT entity_id, old_state, new_state, context_id, immediate FROM {HANDLER.runs_table}
    WHERE id >= :first_id AND id < :end_id ORDER BY id DESC LIMIT :examined) AS runs
JOIN names AS entities ON entities.id = runs.entity_id
WHERE entities.name IN (SELECT value FROM json_each(:entities)) AND NOT immediate AND old_state IS NOT new_state
GROUP BY entities.id, old_state, new_state
"""
"""Number of the changes of some entities that triggered runs, among the newest ``:examined`` runs in a range."""

STATES_BEFORE = """
SELECT entities.name AS entity_id, (
    SELECT new_state FROM home_changes
    WHERE home_changes.entity_id = entities.id AND home_changes.id < :end_id ORDER BY home_changes.id DESC LIMIT 1
) AS state
FROM names AS entities
WHERE entities.name IN (SELECT value FROM json_each(:entities))
  AND EXISTS (SELECT 1 FROM home_changes WHERE home_changes.entity_id = entities.id AND home_changes.id < :end_id)
"""
"""The state of each of some entities before a moment. An entity without a recorded change has no row."""
