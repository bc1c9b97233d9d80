"""Statements about the causes and effects of several runs: one lookup in an index for each given value."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS
from hassette_sync.queries.runs import with_names

CALLERS = """
SELECT context_id, run_id FROM service_calls
WHERE context_id IS NOT NULL AND context_id IN (SELECT value FROM json_each(:contexts))
ORDER BY run_id LIMIT :limit
"""
"""Runs that called a service in one of these contexts."""

_IN_CONTEXTS = "IN (SELECT value FROM json_each(:contexts))"
_IDS = " UNION ".join(
    f"SELECT id FROM {kind.runs_table} WHERE {condition.replace('= :context_id', _IN_CONTEXTS)}"
    for kind in KINDS
    for condition in kind.context_conditions
)
CAUSED = with_names(f"SELECT * FROM runs WHERE id IN ({_IDS} ORDER BY 1 LIMIT :limit)", "ASC")
"""Runs triggered by an event with one of these contexts or with a child context, oldest first."""

PARENTS = f"""
SELECT parent_id FROM home_causes WHERE context_id {_IN_CONTEXTS} AND parent_id IS NOT NULL
UNION
SELECT parent_id FROM home_changes WHERE context_id {_IN_CONTEXTS} AND parent_id IS NOT NULL
LIMIT :limit
"""
"""The parents of some contexts, as far as automations, scripts, calls or changes with them are recorded."""

AUTOMATIONS_AFTER = f"""
SELECT context_id, parent_id FROM (
    SELECT kind, context_id, parent_id FROM home_causes WHERE id >= :first_id AND id < :end_id
    ORDER BY id LIMIT :examined)
WHERE kind = 'automation' AND parent_id {_IN_CONTEXTS} LIMIT :limit
"""
"""Automations that events with one of these contexts triggered, among the first ``:examined`` causes of a range."""

RUNS = with_names("SELECT * FROM runs WHERE id IN (SELECT value FROM json_each(:ids))", "ASC")
"""Some runs with their names."""

CHANGES = """
SELECT home_changes.id, entities.name AS entity_id, old_state, new_state, context_id, parent_id
FROM home_changes LEFT JOIN names AS entities ON entities.id = entity_id
WHERE context_id IN (SELECT value FROM json_each(:contexts)) ORDER BY home_changes.id LIMIT :limit
"""
"""Recorded changes with one of these contexts, oldest first: what service calls changed."""

SERVICE_CALLS = """
SELECT run_id, position, at_us, names.name AS service, target, data, duration_us, context_id, error, attempt,
       confirmed_us, rehearsed
FROM json_each(:ids) CROSS JOIN service_calls ON run_id = json_each.value LEFT JOIN names ON names.id = service_id
WHERE position < :limit
"""
"""The first service calls of some runs."""

LOG_LINES = """
SELECT run_id, position, at_us, level, names.name AS logger, message
FROM json_each(:ids) CROSS JOIN log_lines ON run_id = json_each.value LEFT JOIN names ON names.id = logger_id
WHERE position < :limit
"""
"""The first log lines of some runs."""

STATE_READS = """
SELECT run_id, position, at_us, names.name AS entity_id, state
FROM json_each(:ids) CROSS JOIN state_reads ON run_id = json_each.value LEFT JOIN names ON names.id = entity_id
WHERE position < :limit
"""
"""The first reads of states of some runs."""

COUNTS = """
SELECT json_each.value AS run_id,
       coalesce(dropped_effects.log_lines, 0)
       + (SELECT count(*) FROM log_lines WHERE run_id = json_each.value) AS log_lines,
       coalesce(dropped_effects.service_calls, 0)
       + (SELECT count(*) FROM service_calls WHERE run_id = json_each.value) AS service_calls,
       coalesce(dropped_effects.state_reads, 0)
       + (SELECT count(*) FROM state_reads WHERE run_id = json_each.value) AS state_reads
FROM json_each(:ids) LEFT JOIN dropped_effects ON dropped_effects.run_id = json_each.value
"""
"""Numbers of log lines, service calls and reads of some runs, including those that were not recorded."""
