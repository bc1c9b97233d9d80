"""Statements about the course of errors over time. Each reads only failures of some error groups, through an index."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables

from hassette_sync.queries.kinds import union_sql

FAILURES_BY_PART = """
SELECT error_group_id, ((run_id >> 21) * 1000 - :since_us) / :part_us AS part, count(*) AS count FROM failures
WHERE error_group_id IN (SELECT value FROM json_each(:groups)) AND run_id >= :first_id AND run_id < :end_id
GROUP BY error_group_id, part
"""
"""Numbers of failures of some error groups in equal parts of a time range."""

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
    FROM (SELECT value AS error_group_id, failures.run_id FROM json_each(:groups)
          JOIN failures ON failures.run_id IN (
              SELECT run_id FROM failures WHERE error_group_id = value ORDER BY run_id DESC LIMIT 20)) AS newest
    JOIN {kind.runs_table} AS failed ON failed.id = newest.run_id
    JOIN {kind.registrations_table} AS registrations ON registrations.id = failed.{kind.registration_column}
    """
    )
)

APPS_OF_GROUPS = f"SELECT DISTINCT error_group_id, app FROM ({_APPS}) ORDER BY error_group_id, app"
"""Apps of the newest 20 failures of each of some error groups."""
