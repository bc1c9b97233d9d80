"""Statements for charts: runs of a short time by the minute, and marks of sessions and versions."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS

# The upper bits of an id are a time, so a division of the id gives the number of its period.
_COLUMNS = "id / :ids_per_point AS point, status, duration_us"


def _rows(condition: str) -> str:
    parts = " UNION ALL ".join(
        f"SELECT * FROM (SELECT {_COLUMNS} FROM {kind.runs_table} WHERE {condition.format(kind.registration_column)}"
        " LIMIT :limit)"
        for kind in KINDS
    )
    return f"SELECT * FROM ({parts}) LIMIT :limit"


ROWS = _rows("id >= :first_id AND id < :end_id")
"""Runs of all handlers and jobs in a short time, in any order."""

ROWS_OF_ONE = _rows("{} = :registration_id AND id >= :first_id AND id < :end_id")
"""Runs of one handler or job in a short time, in any order."""

SESSION_MARKS = """
SELECT id, started_us, ended_us, outcome FROM sessions
WHERE started_us < :until_us AND coalesce(ended_us, started_us) >= :since_us
ORDER BY id DESC LIMIT :limit
"""
"""Sessions that started or ended in a time range, newest first. There are few sessions."""

_NEW = """
SELECT id, app, version FROM deploys
WHERE {condition} AND version <> (
    SELECT earlier.version FROM deploys AS earlier
    WHERE earlier.app = deploys.app AND earlier.id < deploys.id ORDER BY earlier.id DESC LIMIT 1)
ORDER BY id DESC LIMIT :limit
"""

NEW_VERSIONS = _NEW.format(condition="id >= :first_id AND id < :end_id")
"""Versions of all apps that differ from the version before, newest first."""

NEW_VERSIONS_OF_APP = _NEW.format(condition="app = :app AND id >= :first_id AND id < :end_id")
"""Versions of one app that differ from the version before, newest first."""
