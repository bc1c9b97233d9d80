"""Statements for comparisons with an earlier period."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import RunKind
from hassette_sync.queries.errors import NEWEST_FAILURES
from hassette_sync.queries.kinds import KIND, union_sql
from hassette_sync.queries.registrations import NEWEST_IDS, RETIRED_US

COMPARED = f"""
SELECT id, {KIND} AS kind, app, instance, name, {RETIRED_US} AS retired_us, first_registered_us FROM registrations
WHERE :app IS NULL OR app = :app ORDER BY id
"""
"""Handlers and jobs of all apps, or of ``:app``."""

LAST_RUNS = f"SELECT value AS registration_id, coalesce({NEWEST_IDS}) AS run_id FROM json_each(:registrations)"
"""Id of the newest run of each of some handlers and jobs."""


def _newest(kind: RunKind) -> str:
    return f"""
        SELECT value AS registration_id, (SELECT json_group_array(id) FROM (
            SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = value
            ORDER BY id DESC LIMIT :newest)) AS ids
        FROM json_each(:registrations)
    """


# In SQL, the gaps would need a window function, which takes five times as long as the list.
NEWEST_OF_EACH = f"SELECT registration_id, ids FROM ({union_sql(_newest)}) WHERE ids <> '[]'"
"""Ids of the newest ``:newest`` runs of each of some handlers and jobs, as a JSON list, newest first."""

GROUPS = """
SELECT id, type, message, first_seen_us, last_seen_us, last_run_id FROM error_groups
WHERE last_seen_us >= :since_us AND first_seen_us < :until_us ORDER BY last_seen_us DESC LIMIT :limit
"""
"""Error groups that may have a failure in a time range, last seen first."""

_REGISTRATIONS = union_sql(
    lambda kind: (
        f"""
    SELECT newest.error_group_id, failed.{kind.registration_column} AS registration_id
    FROM ({NEWEST_FAILURES}) AS newest
    JOIN {kind.runs_table} AS failed ON failed.id = newest.run_id
    """
    )
)

REGISTRATIONS_OF_GROUPS = f"SELECT DISTINCT error_group_id, registration_id FROM ({_REGISTRATIONS})"
"""Handlers and jobs of the newest 20 failures of each of some error groups."""

GROUPS_OF_APP = f"""
SELECT DISTINCT error_group_id FROM ({_REGISTRATIONS}) AS found
JOIN registrations ON registrations.id = found.registration_id WHERE registrations.app = :app
"""
"""Those of some error groups that occurred in a handler or job of an app, among their newest 20 failures."""
