"""Statements that follow the contexts of Home Assistant from a change to its cause.

A statement that has no index for its answer examines a limited number of rows of a short time range.
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import HANDLER
from hassette_sync.queries.runs import with_names

_CALL = "SELECT run_id, at_us, service, target, data, error, rehearsed, context_id FROM run_service_calls"

OWN_CALL = f"{_CALL} WHERE context_id IS NOT NULL AND context_id = :context_id ORDER BY run_id, position LIMIT 1"
"""The service call of an app whose response had this context."""

_RUNS_IN_RANGE = f"""
    SELECT id, entity_id, context_id, new_state FROM {HANDLER.runs_table}
    WHERE id >= :first_id AND id < :end_id ORDER BY id DESC LIMIT :examined
"""

RUNS_OF_ENTITY = with_names(
    f"""
    SELECT * FROM runs WHERE id IN (
        SELECT id FROM ({_RUNS_IN_RANGE}) WHERE entity_id = (SELECT id FROM names WHERE name = :entity)
        ORDER BY id DESC LIMIT :limit)
"""
)
"""Runs that events of an entity triggered, newest first, among the newest ``:examined`` runs of handlers in a range."""

RUNS_OF_CONTEXT = with_names(
    f"""
    SELECT * FROM runs WHERE id IN (
        SELECT id FROM ({_RUNS_IN_RANGE}) WHERE context_id = :context_id ORDER BY id LIMIT :limit)
""",
    "ASC",
)
"""Runs that events with a context triggered, oldest first, among the newest ``:examined`` runs of handlers in a range.

The index on contexts does not contain events without a user and a parent, such as those of most sensors.
"""

_CALLS_IN_RANGE = """
    SELECT * FROM service_calls WHERE run_id >= :first_id AND run_id < :end_id
    ORDER BY run_id DESC, position DESC LIMIT :examined
"""


def _calls(where: str) -> str:
    return f"""
        SELECT run_id, at_us, (SELECT name FROM names WHERE names.id = service_id) AS service, target, data, error,
               rehearsed, context_id
        FROM ({_CALLS_IN_RANGE}) WHERE at_us BETWEEN :since_us AND :until_us AND {where}
        ORDER BY run_id DESC, position DESC LIMIT :limit
    """


CALLS_ON_ENTITY = _calls("instr(target, :entity) > 0")
"""Service calls of apps whose target contains a text, newest first, among the newest ``:examined`` ones in a range."""

CALLS_OF_SERVICE = _calls("service_id = (SELECT id FROM names WHERE name = :service)")
"""Calls of a service by apps, newest first, among the newest ``:examined`` calls in a range."""

KNOWN_NAME = "SELECT name FROM names WHERE name = :name OR name = lower(:name) ORDER BY name = :name DESC LIMIT 1"
"""A name as the history contains it. If it has not exactly this name, case does not matter."""

NAMES_WITH = "SELECT name FROM names WHERE instr(name, '.') > 0 AND instr(lower(name), :part) > 0 LIMIT 500"
"""Names with a dot that contain a text: entities and services."""

LOST_IN = """
SELECT coalesce(sum(count), 0) AS count FROM losses
WHERE last_us >= :since_us AND first_us < :until_us AND what IN ('runs', 'service_calls', 'events')
"""
"""Number of lost runs, service calls and events in a time range."""

SESSION_AT = """
SELECT id, started_us FROM sessions WHERE started_us <= :at_us AND coalesce(ended_us, heartbeat_us) >= :at_us
ORDER BY id DESC LIMIT 1
"""
"""The session that was in progress at a moment. No row if the framework was not running."""

CONNECTION_AT = """
SELECT kind, at_us, detail FROM lifecycle_events
WHERE id >= :first_id AND id < :end_id AND session_id = :session_id
  AND kind IN ('connection_lost', 'connection_restored') ORDER BY id DESC LIMIT 1
"""
"""The last change of the connection to Home Assistant in a session before a moment."""
