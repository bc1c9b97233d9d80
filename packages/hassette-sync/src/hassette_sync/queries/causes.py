"""Statements that follow the contexts of Home Assistant from a change to its cause.

A statement that has no index for its answer examines a limited number of rows of a short time range.
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import HANDLER
from hassette_sync.queries.runs import with_names
from hassette_sync.queries.sessions import LATEST_HEARTBEAT_US
from hassette_sync.queries.texts import contains_sql, form_sql

EXAMINED = 5_000
"""Number of runs, calls or events of a short time range that a statement without an index examines."""

_CALL = "SELECT run_id, at_us, service, target, data, error, rehearsed, context_id FROM run_service_calls"

OWN_CALL = f"{_CALL} WHERE context_id IS NOT NULL AND context_id = :context_id ORDER BY run_id, position LIMIT 1"
"""The service call of an app whose response had this context."""

_RUNS_IN_RANGE = f"""
    SELECT id, entity_id, context_id, new_state, immediate FROM {HANDLER.runs_table}
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
    ORDER BY run_id {order}, position {order} LIMIT :examined
"""


def _calls(where: str, order: str = "DESC") -> str:
    return f"""
        SELECT run_id, at_us, (SELECT name FROM names WHERE names.id = service_id) AS service, target, data, error,
               rehearsed, context_id
        FROM ({_CALLS_IN_RANGE.format(order=order)}) WHERE at_us BETWEEN :since_us AND :until_us AND {where}
        ORDER BY run_id DESC, position DESC LIMIT :limit
    """


CALLS_ON_ENTITY = _calls("instr(target, :entity) > 0")
"""Service calls of apps whose target contains a text, newest first, among the newest ``:examined`` ones in a range."""

# A target is JSON text. It names nothing if it contains no text in quotes.
_HAS_TARGET = "instr(target, '\"') > 0"

CALLS_WITH_TARGET = _calls(_HAS_TARGET, "ASC")
"""Service calls of apps whose target names anything, newest first, among the oldest ``:examined`` ones in a range.

The range continues after the calls that are wanted, because a call has the id of a run that may end later.
"""

CALLS_OF_SERVICE = _calls("service_id = (SELECT id FROM names WHERE name = :service)")
"""Calls of a service by apps, newest first, among the newest ``:examined`` calls in a range."""

KNOWN_NAME = "SELECT name FROM names WHERE name = :name OR name = lower(:name) ORDER BY name = :name DESC LIMIT 1"
"""A name as the history contains it. If it has not exactly this name, case does not matter."""

NAMES_WITH = "SELECT name FROM names WHERE instr(name, '.') > 0 AND instr(lower(name), :part) > 0 LIMIT 500"
"""Names with a dot that contain a text: entities and services."""

LOST_IN = """
SELECT coalesce(sum(count), 0) AS count FROM losses
WHERE last_us >= :since_us AND first_us < :until_us AND what IN ('runs', 'service_calls', 'events', 'home_causes')
"""
"""Number of lost runs, service calls, events and causes in a time range."""

LOST_CHANGES_IN = """
SELECT coalesce(sum(count), 0) AS count FROM losses
WHERE last_us >= :since_us AND first_us < :until_us AND what = 'home_changes'
"""
"""Number of changes of the home that were not recorded in a time range, for example of a flapping entity."""

SESSION_AT = f"""
SELECT id, started_us, facts FROM sessions
WHERE started_us <= :at_us AND coalesce(ended_us, {LATEST_HEARTBEAT_US}) >= :at_us - 15000000
ORDER BY id DESC LIMIT 1
"""
"""The session that was in progress at a moment. No row if the framework was not running.

The end of a crashed or open session is its last heartbeat, and changes may have been recorded up to 15 s later.
"""

_CHANGE = """
SELECT home_changes.id, entities.name AS entity_id, old_state, new_state, context_id, parent_id, users.name AS user_id
FROM home_changes
JOIN names AS entities ON entities.id = home_changes.entity_id
LEFT JOIN names AS users ON users.id = home_changes.user_id
"""

CHANGES_BEFORE = f"""
{_CHANGE}
WHERE home_changes.entity_id = (SELECT id FROM names WHERE name = :entity)
  AND home_changes.id >= :first_id AND home_changes.id < :end_id ORDER BY home_changes.id DESC LIMIT :limit
"""
"""Recorded changes of an entity in a range, newest first."""

CHANGES_FROM = f"""
{_CHANGE}
WHERE home_changes.entity_id = (SELECT id FROM names WHERE name = :entity)
  AND home_changes.id >= :first_id AND home_changes.id < :end_id ORDER BY home_changes.id LIMIT :limit
"""
"""Recorded changes of an entity in a range, oldest first."""

CHANGES_IN = f"""
{_CHANGE}
WHERE home_changes.id >= :first_id AND home_changes.id < :end_id ORDER BY home_changes.id DESC LIMIT :limit
"""
"""Recorded changes of all entities in a range, newest first."""

CONTEXTS_BEFORE = """
SELECT id, context_id FROM home_changes WHERE id >= :first_id AND id < :end_id ORDER BY id DESC LIMIT :limit
"""
"""Contexts of recorded changes in a range, newest first."""

_OF_CONTEXT = "SELECT id FROM home_changes WHERE context_id = :context_id AND id < :end_id ORDER BY id DESC LIMIT 500"

CHANGES_OF_CONTEXT = f"{_CHANGE} WHERE home_changes.id IN ({_OF_CONTEXT}) ORDER BY home_changes.id"
"""The last 500 recorded changes with a context before a moment, oldest first.

An automation that repeats its actions may make thousands of changes with one context.
"""

_FIRST_OF_CONTEXT = "SELECT id FROM home_causes WHERE context_id = :context_id AND kind IN {0} ORDER BY id LIMIT 1"

CAUSES_OF_CONTEXT = f"""
WITH wanted (id) AS (
    SELECT id FROM (
        SELECT id FROM home_causes WHERE context_id = :context_id AND id < :before_id ORDER BY id DESC LIMIT 500)
    UNION SELECT id FROM ({_FIRST_OF_CONTEXT.format("('automation', 'script')")})
    UNION SELECT id FROM ({_FIRST_OF_CONTEXT.format("('service_call', 'event')")})
    UNION SELECT id FROM (
        SELECT id FROM home_causes
        WHERE context_id = :context_id AND id >= :before_id AND kind IN ('service_call', 'event')
          AND user_id IS NOT NULL ORDER BY id LIMIT 50)
)
SELECT home_causes.id, kind, entities.name AS entity_id, services.name AS service, target, detail, context_id,
       parent_id, users.name AS user_id, item_id, trace_id
FROM home_causes
LEFT JOIN names AS entities ON entities.id = home_causes.entity_id
LEFT JOIN names AS services ON services.id = home_causes.service_id
LEFT JOIN names AS users ON users.id = home_causes.user_id
WHERE home_causes.id IN (SELECT id FROM wanted) ORDER BY home_causes.id DESC
"""
"""Automations, scripts, service calls and events of Home Assistant with a context, newest first.

These are the last 500 before a moment, those of a user that may have been recorded later than they happened, and the
first ones. So the start of an automation that repeats its actions for hours is among them.
"""

HAS_CAUSES = "SELECT 1 FROM home_causes WHERE context_id = :context_id LIMIT 1"
"""Whether a cause with a context is recorded."""

STARTS_OF_SCRIPT = """
SELECT id, context_id FROM (
    SELECT id, context_id, kind, entity_id FROM home_causes WHERE id > :first_id AND id < :end_id
    ORDER BY id DESC LIMIT :examined)
WHERE kind = 'script' AND entity_id = (SELECT id FROM names WHERE name = :entity) LIMIT 1
"""
"""A start of a script in a range, among the newest ``:examined`` causes."""

HOME_NAME = "SELECT name, area FROM home_names WHERE kind = :kind AND key = :key"
"""The name of an entity, user, device or area, or of the integration of an entity that follows other entities."""

ENTITIES_NAMED = f"""
SELECT key FROM home_names WHERE kind = 'entity' AND {form_sql("name")} = {form_sql(":name")} LIMIT 10
"""
"""Entities with a friendly name. Case does not matter."""

ENTITIES_WITH = f"""
SELECT key, name FROM home_names
WHERE kind = 'entity' AND ({contains_sql("key")} OR {contains_sql("name")} OR {contains_sql("area")}) LIMIT 500
"""
"""Entities whose id, name or area contains a text."""

ENTITIES_OF_DOMAIN = """
SELECT key, name, area FROM home_names WHERE kind = 'entity' AND substr(key, 1, length(:prefix)) = :prefix LIMIT 500
"""
"""Entities whose id begins with a text such as ``light.``."""

_IN_STATES = "entities.name || '=' || {0} IN (SELECT value FROM json_each(:states))"
_TO_STATE = f"(:states = 'null' OR {_IN_STATES.format('{0}.new_state')})"

LAST_CHANGES = f"""
SELECT entities.name AS entity_id, (
    SELECT max(home_changes.id) FROM home_changes
    WHERE home_changes.entity_id = entities.id AND home_changes.id >= :first_id AND home_changes.id < :end_id
      AND {_TO_STATE.format("home_changes")}
) AS last_id
FROM names AS entities WHERE entities.name IN (SELECT value FROM json_each(:entities)) AND last_id IS NOT NULL
ORDER BY last_id DESC
"""
"""For each of some entities the last change in a range, or the last one to a state; the newest first.

``:states`` is a JSON list of texts such as ``light.hall=on``, or ``null`` for each state.
"""

LAST_TRIGGERS = f"""
SELECT entities.name AS entity_id, max(runs.id) AS last_id FROM ({_RUNS_IN_RANGE}) AS runs
JOIN names AS entities ON entities.id = runs.entity_id
WHERE entities.name IN (SELECT value FROM json_each(:entities)) AND NOT runs.immediate AND {_TO_STATE.format("runs")}
GROUP BY entities.id ORDER BY last_id DESC
"""
"""The same, from the runs that the changes triggered. Most changes of sensors are recorded only as triggers."""


def _calls_by_home(where: str) -> str:
    return f"""
        SELECT calls.id, calls.target, services.name AS service, context_id, parent_id, users.name AS user_id
        FROM (
            SELECT id FROM (
                SELECT id, service_id, target FROM home_causes
                WHERE id >= :first_id AND id < :end_id AND kind = 'service_call' ORDER BY id DESC LIMIT :examined)
            WHERE {where} ORDER BY id DESC LIMIT :limit
        ) AS found
        JOIN home_causes AS calls ON calls.id = found.id
        JOIN names AS services ON services.id = calls.service_id
        LEFT JOIN names AS users ON users.id = calls.user_id
        ORDER BY calls.id DESC
    """


CALLS_BY_HOME = _calls_by_home(
    "service_id = (SELECT id FROM names WHERE name = :service) OR instr(target, :entity) > 0"
)
"""Service calls of Home Assistant, of a service or with a text in the target, newest first. NULL names none."""

CALLS_BY_HOME_WITH_TARGET = _calls_by_home(_HAS_TARGET)
"""Service calls of Home Assistant whose target names anything, newest first."""

CONNECTION_AT = """
SELECT kind, at_us, detail FROM lifecycle_events
WHERE id >= :first_id AND id < :end_id AND session_id = :session_id
  AND kind IN ('connection_lost', 'connection_restored') ORDER BY id DESC LIMIT 1
"""
"""The last change of the connection to Home Assistant in a session before a moment."""

LAST_GAP = """
SELECT at_us FROM lifecycle_events
WHERE id >= :first_id AND id < :end_id AND kind = 'connection_lost' ORDER BY id DESC LIMIT 1
"""
"""The last loss of the connection to Home Assistant in a range. Changes before the next connection are not recorded."""
