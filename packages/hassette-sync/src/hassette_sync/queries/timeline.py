"""Statements for charts: runs of a short time by the minute, and marks of sessions and versions."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS
from hassette_store.statuses import STATUS_NAMES

STATUS_BITS = 3
"""Number of bits of the status in a value of `BY_POINT`."""

# The upper bits of an id are a time, so a number of ids is a period. A walk along the ids of each point takes a quarter
# of the time of reading a row for each run.
_POINTS = """
WITH RECURSIVE points (point) AS (SELECT :first UNION ALL SELECT point + 1 FROM points WHERE point < :last)
"""
_RUN = f"min(duration_us, {1 << 55}) << {STATUS_BITS} | status"
_IN_POINT = "id >= point * :ids_per_point AND id < (point + 1) * :ids_per_point"
_KNOWN = f"status BETWEEN 0 AND {len(STATUS_NAMES) - 1}"


def _by_point(condition: str) -> str:
    columns = ", ".join(
        f"(SELECT json_group_array({_RUN}) FROM {kind.runs_table}"
        f" WHERE {condition.format(kind.registration_column)}{_IN_POINT} AND {_KNOWN}) AS {kind.name}"
        for kind in KINDS
    )
    return f"{_POINTS} SELECT point, {columns} FROM points"


BY_POINT = _by_point("")
"""Runs of all handlers and jobs in each point of a chart, as JSON lists of durations and statuses. A value has the
status in its lowest bits, and the duration above them. A run with an unknown status, from a damaged page, is left out,
as in the statistics."""

BY_POINT_OF_ONE = _by_point("{} = :registration_id AND ")
"""The same for one handler or job."""

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
