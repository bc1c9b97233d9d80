"""Statements about sessions, lifecycle events and losses."""

# ruff: noqa: S608  every piece of these statements is fixed text of this module


def _interrupted(table: str) -> str:
    return f"""
    (SELECT count(*) FROM {table}
     WHERE id BETWEEN first_id AND last_id AND status <> 0 AND +status = 4 AND session_id = sessions.id)
    """


# The store counts errors and timeouts as they come; what a crash interrupted, it writes down at the next start.
_SESSION = f"""
id, started_us, heartbeat_us, ended_us, outcome, reason, pid, host, facts, runs, lost_runs, lost_details,
failures + CASE WHEN outcome <> 'crashed' THEN 0
           ELSE {_interrupted("handler_invocations")} + {_interrupted("job_executions")} END AS failures
"""

SESSIONS = f"""
SELECT {_SESSION} FROM sessions
WHERE id < :cursor AND started_us < :until_us AND coalesce(ended_us, heartbeat_us) >= :since_us
ORDER BY id DESC LIMIT :limit
"""
"""Sessions that touch a time, newest first."""

NEWEST_SESSION = f"SELECT {_SESSION} FROM sessions ORDER BY id DESC LIMIT 1"
"""The newest session."""

SESSION = f"SELECT {_SESSION} FROM sessions WHERE id = :id"
"""One session."""

FIRST_START = "SELECT started_us FROM sessions ORDER BY id LIMIT 1"
"""When the first session that is still known began."""

_EVENT = "SELECT id, session_id, at_us, kind, subject, detail FROM lifecycle_events"

LIFECYCLE = f"{_EVENT} WHERE id < :cursor AND id >= :first_id ORDER BY id DESC LIMIT :limit"
"""Lifecycle events, newest first."""

# A service that starts or stops as it should, and an app likewise, is daily business: each session writes some forty
# such rows, and among them nobody would see the one that matters.
NOTABLE_LIFECYCLE = f"""
{_EVENT}
WHERE id < :cursor AND id >= :first_id
  AND kind NOT IN ('service_starting', 'service_started', 'service_stopping', 'service_stopped',
                   'app_started', 'app_stopped')
ORDER BY id DESC LIMIT :limit
"""
"""Lifecycle events that are not daily business, newest first."""

INCIDENTS = f"""
{_EVENT} WHERE id >= :first_id AND kind IN ('database_recovered', 'database_upgraded') ORDER BY id DESC LIMIT :limit
"""
"""What befell the history file itself, newest first."""

SPANS = """
SELECT started_us, coalesce(ended_us, heartbeat_us) AS until_us, heartbeat_us, outcome FROM sessions
WHERE started_us < :until_us AND coalesce(ended_us, heartbeat_us) >= :since_us ORDER BY id
"""
"""From when until when each session of a time lasted, oldest first, and nothing else of it: there may be many."""

LOST = "SELECT coalesce(sum(count), 0) FROM losses WHERE last_us >= :since_us AND first_us < :until_us"
"""How much all gaps that touch a time make together."""

LOSSES = """
SELECT id, session_id, reason, what, count, first_us, last_us FROM losses
WHERE id < :cursor AND last_us >= :since_us AND first_us < :until_us ORDER BY id DESC LIMIT :limit
"""
"""Gaps that touch a time, newest first."""

SCHEMA_REVISION = "SELECT version_num FROM alembic_version"
"""Which schema the file has."""

DATA_VERSION = "PRAGMA data_version"
"""A number that changes when another connection has changed the file."""
