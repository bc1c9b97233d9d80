"""Statements that find the ids of runs, newest first. Each reads an index or the primary key, and stops at its limit.

A search first finds ids, and reads rows only for the runs on the page (`hassette_sync.queries.runs.RUNS_BY_ID`).
"""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from collections.abc import Collection

from hassette_store.derived.derivation import DERIVED_BELOW
from hassette_store.derived.search_index import IS_WORD
from hassette_store.kinds import RunKind
from hassette_store.statuses import SUCCESS
from hassette_sync.queries.kinds import KIND, union_sql
from hassette_sync.queries.texts import contains_sql, form_sql

CONDITIONS = {
    "registrations": "run.{registration} IN (SELECT value FROM json_each(:registrations))",
    "success": f"run.status = {SUCCESS}",
    # SQLite uses the partial indexes on unsuccessful runs only for a statement that repeats their condition.
    "statuses": f"run.status <> {SUCCESS} AND run.status IN (SELECT value FROM json_each(:statuses))",
    "session": "run.session_id = :session_id",
    "min_duration": "run.duration_us >= :min_duration_us",
    "max_duration": "run.duration_us <= :max_duration_us",
    "entities": "run.entity_id IN (SELECT value FROM json_each(:entities))",
    "state": f"{IS_WORD.format('run.new_state')} AND {contains_sql('run.new_state')}",
    "names": (
        "(run.entity_id IN (SELECT value FROM json_each(:names)) "
        "OR run.event_type_id IN (SELECT value FROM json_each(:names)))"
    ),
}
"""Conditions on a row of a table of runs. Only handlers have entities, states and event types."""


def _and(kind: RunKind, names: Collection[str]) -> str:
    return "".join(f" AND {CONDITIONS[name].format(registration=kind.registration_column)}" for name in names)


def _index(kind: RunKind, names: Collection[str], *, of_registration: bool) -> str:
    by = f"_by_{kind.registration_column.removesuffix('_id')}"
    if "statuses" in names:
        return f"INDEXED BY {kind.runs_table}_unsuccessful{by if of_registration else ''}"
    return f"INDEXED BY {kind.runs_table}{by}" if of_registration else "NOT INDEXED"


def newest_sql(kind: RunKind, names: Collection[str]) -> str:
    """Return the statement for the newest runs of a kind that meet the named conditions.

    With ``statuses``, it reads the index on unsuccessful runs. Otherwise it reads the primary key, so the conditions
    must hold for many runs, or the range of ids must be short.
    """
    return f"""
        SELECT id FROM {kind.runs_table} AS run {_index(kind, names, of_registration=False)}
        WHERE id < :below AND id >= :first_id{_and(kind, names)} ORDER BY id DESC LIMIT :limit
    """


# The plan is a look-up in the primary key for each range. The condition of a join keeps SQLite from another order.
_RANGES = "json_each(:ranges) AS span CROSS JOIN"
_IN_RANGE = "{0} >= json_extract(span.value, '$[0]') AND {0} < json_extract(span.value, '$[1]')"


def newest_in_ranges_sql(kind: RunKind, names: Collection[str]) -> str:
    """Return the statement for the newest runs of a kind in ``:ranges`` of ids that meet the named conditions."""
    return f"""
        SELECT run.id AS id
        FROM {_RANGES} {kind.runs_table} AS run {_index(kind, names, of_registration=False)}
        ON {_IN_RANGE.format("run.id")}
        WHERE true{_and(kind, names)} ORDER BY run.id DESC LIMIT :limit
    """


def of_registration_sql(kind: RunKind, names: Collection[str]) -> str:
    """Return the statement for the newest runs of ``:registration_id`` that meet the named conditions."""
    return f"""
        SELECT id FROM {kind.runs_table} AS run {_index(kind, names, of_registration=True)}
        WHERE {kind.registration_column} = :registration_id AND id < :below AND id >= :first_id{_and(kind, names)}
        ORDER BY id DESC LIMIT :limit
    """


def newest_of_each_sql(kind: RunKind, names: Collection[str]) -> str:
    """Return the statement for the newest run of each of ``:registrations``.

    Only the registrations with the newest of these runs can have runs on the page.
    """
    return f"""
        SELECT value AS registration_id, (
            SELECT id FROM {kind.runs_table} AS run {_index(kind, names, of_registration=True)}
            WHERE {kind.registration_column} = value AND id < :below AND id >= :first_id{_and(kind, names)}
            ORDER BY id DESC LIMIT 1) AS id
        FROM json_each(:registrations)
    """


def _newest_of_details(
    table: str, kinds: Collection[RunKind], names: Collection[str], condition: str, *, in_ranges: bool = False
) -> str:
    """Return the statement for the newest runs with a row in a table of details that meets a condition.

    Args:
        table: The table of details.
        kinds: Kinds of the runs.
        names: Conditions on the runs.
        condition: Condition on the details.
        in_ranges: Whether to read only the details of runs in ``:ranges`` of ids.
    """
    # A run is in one table. `coalesce` looks into the next table only if the run is not in this one.
    runs = ", ".join(
        f"(SELECT true{_and(kind, names)} FROM {kind.runs_table} AS run WHERE id = run_id)" for kind in kinds
    )
    # Together with the ranges, the limits of the search would be a second choice for the primary key, and a slow one.
    source = f"{_RANGES} {table} ON {_IN_RANGE.format('run_id')}" if in_ranges else table
    limits = "true" if in_ranges else "run_id < :below AND run_id >= :first_id"
    return f"""
        SELECT DISTINCT run_id AS id FROM {source}
        WHERE {limits} AND {condition} AND coalesce({runs}, false) ORDER BY run_id DESC LIMIT :limit
    """


def failures_sql(kinds: Collection[RunKind], names: Collection[str], condition: str, *, in_ranges: bool = False) -> str:
    """Return the statement for the newest failures that meet a condition on ``failures``, and the named conditions."""
    return _newest_of_details("failures", kinds, names, condition, in_ranges=in_ranges)


def log_lines_sql(kinds: Collection[RunKind], names: Collection[str], *, in_ranges: bool = False) -> str:
    """Return the statement for the newest runs with a log line that contains ``:text``."""
    return _newest_of_details("log_lines", kinds, names, contains_sql("message"), in_ranges=in_ranges)


def service_calls_sql(kinds: Collection[RunKind], names: Collection[str], *, in_ranges: bool = False) -> str:
    """Return the statement for the newest runs that called a service in ``:names``, or with ``:text`` in the target."""
    condition = f"(service_id IN (SELECT value FROM json_each(:names)) OR {contains_sql('target')})"
    return _newest_of_details("service_calls", kinds, names, condition, in_ranges=in_ranges)


OF_GROUP = "error_group_id = :error_group_id"
"""Condition on the failures of one error group."""

WITH_MESSAGE_OF_GROUP = "error_group_id = :error_group_id AND (NOT :own_message OR message IS NULL)"
"""Condition on the failures of one error group; with ``:own_message``, only those with the message of the group."""

WITH_TEXT = f"message IS NOT NULL AND {contains_sql('message')}"
"""Condition on the failures whose own message contains ``:text``."""

REGISTRATIONS = f"""
SELECT id, {KIND} AS kind FROM registrations WHERE (:app IS NULL OR app = :app) AND (:id IS NULL OR id = :id)
"""
"""Handlers and jobs of an app, or one handler or job."""

# A name can be searched as the file contains it, and as the pages show it: they leave out the instance ``default``.
_REGISTRATION_TEXTS = (
    "app || '.' || instance || '.' || name",
    "app || '.' || name",
    "handler",
    "coalesce(topic, schedule)",
)

REGISTRATIONS_WITH_TEXT = (
    f"SELECT id FROM registrations WHERE {' OR '.join(contains_sql(text) for text in _REGISTRATION_TEXTS)}"
)
"""Handlers and jobs whose name, topic or schedule contains ``:text``."""

NAMES_WITH_TEXT = f"SELECT id FROM names WHERE {contains_sql('name')}"
"""Names of entities, event types, services and others that contain ``:text``."""

GROUPS_WITH_TEXT = f"""
SELECT id, NOT {contains_sql("type")} AS own_message FROM error_groups
WHERE {contains_sql("type")} OR {contains_sql("message")}
"""
"""Error groups whose type or message contains ``:text``."""

ENTITIES = f"""
SELECT id FROM names WHERE name = :entity
UNION ALL
SELECT id FROM names
WHERE NOT EXISTS (SELECT 1 FROM names WHERE name = :entity) AND {form_sql("name")} = {form_sql(":entity")}
"""
"""Ids of an entity. If no name is exactly this one, case does not matter."""

SESSION_IDS = "SELECT first_id, last_id FROM sessions WHERE id = :session_id"
"""Lowest and highest id of the runs of a session."""

# The longest run of the statistics leaves out interrupted runs.
_HAS_LONG = "(max_us >= :min_duration_us OR interrupted > 0)"

LONG_DAYS = f"""
SELECT day, registration_id FROM counted_daily
WHERE day BETWEEN :first AND :last AND {_HAS_LONG} ORDER BY day DESC
"""
"""Days and registrations that can have a long run among the counted runs."""

LONG_HOURS = f"""
SELECT hour, registration_id, success + error + cancelled + timed_out + interrupted AS runs FROM counted_hourly
WHERE hour BETWEEN :first AND :last AND {_HAS_LONG} ORDER BY hour DESC
"""
"""Hours and registrations that can have a long run, and the number of all their runs."""

KEPT_PERIODS = f"""
SELECT (SELECT min(day) FROM counted_daily) AS first_day, (SELECT min(hour) FROM counted_hourly) AS first_hour,
       coalesce((SELECT value FROM store_state WHERE name = '{DERIVED_BELOW}'), 0) AS counted_below
"""
"""First day and first hour of the statistics, and the id below which they count."""


def _statuses_by_id(kind: RunKind) -> str:
    return f"""
        SELECT {kind.registration_column} AS registration_id, statuses.name AS status, count(*) AS count
        FROM {kind.runs_table} LEFT JOIN statuses ON statuses.id = status
        WHERE {kind.runs_table}.id IN (SELECT value FROM json_each(:ids)) GROUP BY 1, 2
    """


STATUSES_BY_ID = union_sql(_statuses_by_id)
"""Numbers of some runs by registration and status."""
