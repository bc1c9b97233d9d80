"""Statements for comparisons with an earlier period."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import RunKind
from hassette_sync.queries.kinds import KIND, union_sql
from hassette_sync.queries.registrations import NEWEST_IDS, RETIRED_US

COMPARED = f"""
SELECT id, {KIND} AS kind, app, instance, name, {RETIRED_US} AS retired_us, first_registered_us FROM registrations
WHERE :app IS NULL OR app = :app ORDER BY id
"""
"""Handlers and jobs of all apps, or of ``:app``."""

LAST_RUNS = f"SELECT value AS registration_id, coalesce({NEWEST_IDS}) AS run_id FROM json_each(:registrations)"
"""Id of the newest run of each of some handlers and jobs."""


def _gaps(kind: RunKind) -> str:
    return f"""
        SELECT value AS registration_id, (
            SELECT json_array(max(earlier), count(*), min(id)) FROM (
                SELECT id, id - lead(id) OVER (ORDER BY id DESC) AS earlier FROM (
                    SELECT id FROM {kind.runs_table} WHERE {kind.registration_column} = value
                    ORDER BY id DESC LIMIT :newest))
        ) AS gaps
        FROM json_each(:registrations)
    """


GAPS = f"SELECT registration_id, gaps FROM ({union_sql(_gaps)}) WHERE json_extract(gaps, '$[1]') > 0"
"""For each of some handlers and jobs: the longest gap between the ids of its newest ``:newest`` runs, the number of
these runs, and the id of the oldest one."""

GROUPS = """
SELECT id, type, message, first_seen_us, last_seen_us, last_run_id FROM error_groups
WHERE last_seen_us >= :since_us AND first_seen_us < :until_us
"""
"""Error groups that may have a failure in a time range."""
