"""Statements about the course of errors over time. Each reads only failures of some error groups, through an index."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables

from hassette_sync.queries.errors import NEWEST_FAILURES
from hassette_sync.queries.kinds import union_sql

# One look-up for each group and part. To group the failures by part, SQLite would sort all of them, which takes four
# times as long.
FAILURES_BY_PART = """
SELECT one.value AS error_group_id, part.key AS part, (
    SELECT count(*) FROM failures
    WHERE error_group_id = one.value
      AND run_id >= json_extract(part.value, '$[0]') AND run_id < json_extract(part.value, '$[1]')) AS count
FROM json_each(:groups) AS one CROSS JOIN json_each(:parts) AS part
"""
"""Numbers of failures of some error groups in each part of a time range. ``:parts`` has the ranges of run ids."""

LAST_FAILURE_BEFORE = """
SELECT value AS error_group_id,
       (SELECT max(run_id) FROM failures WHERE error_group_id = value AND run_id < :first_id) AS run_id
FROM json_each(:groups)
"""
"""Newest failure of each of some error groups before a time range."""

_APPS = union_sql(
    lambda kind: (
        f"""
    SELECT newest.error_group_id, registrations.app
    FROM ({NEWEST_FAILURES}) AS newest
    JOIN {kind.runs_table} AS failed ON failed.id = newest.run_id
    JOIN {kind.registrations_table} AS registrations ON registrations.id = failed.{kind.registration_column}
    """
    )
)

VERSIONS_BEFORE = """
SELECT key AS place, (
    SELECT version FROM deploys
    WHERE app = json_extract(value, '$[0]') AND id < json_extract(value, '$[1]') ORDER BY id DESC LIMIT 1) AS version
FROM json_each(:apps)
"""
"""The newest version before an id, of each of some apps. ``:apps`` has lists of an app and an id."""

APPS_OF_GROUPS = f"SELECT DISTINCT error_group_id, app FROM ({_APPS}) ORDER BY error_group_id, app"
"""Apps of the newest 20 failures of each of some error groups."""
