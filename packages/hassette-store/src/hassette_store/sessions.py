"""Sessions: from the start of a framework to its end, and what an end without a goodbye leaves behind."""

from typing import Final

from hassette_store.ids import first_id_sql, time_sql
from hassette_store.periods import DAY_US, HOUR_US

OPEN_SESSIONS: Final = "SELECT count(*) FROM sessions WHERE outcome = 'open'"
"""More than none at a start: the last end was not a clean one."""

LAST_ID: Final = """
SELECT max(
    coalesce((SELECT max(id) FROM handler_invocations), 0),
    coalesce((SELECT max(id) FROM job_executions), 0),
    coalesce((SELECT max(id) FROM lifecycle_events), 0),
    coalesce((SELECT max(last_id) FROM sessions), 0)
)
"""
"""The highest id kept so far, also when its row has aged out since."""

# An interrupted run ends with its session: its id is of the last heartbeat's millisecond, above every id given before.
# It counts in the statistics like any other run, but has no place in the latency sketch.
_INTERRUPTED: Final = f"""
CREATE TEMP TABLE interrupted AS
SELECT max({first_id_sql("heartbeat_us")}, ({LAST_ID})) + row_number() OVER (ORDER BY session_id, run) AS id,
       running_executions.*, max(heartbeat_us - running_executions.started_us, 0) AS duration_us
FROM running_executions
JOIN sessions ON sessions.id = session_id
WHERE outcome = 'open';

INSERT INTO handler_invocations
SELECT id, registration_id, session_id, 4, {time_sql("id")} - started_us, duration_us, 0, event_type_id, entity_id,
       old_state, new_state, context_id, parent_id, user_id
FROM interrupted WHERE event_type_id IS NOT NULL;

INSERT INTO job_executions
SELECT id, registration_id, session_id, 4, {time_sql("id")} - started_us, duration_us, 0,
       started_us - coalesce(due_us, started_us), coalesce(manual, 0)
FROM interrupted WHERE event_type_id IS NULL;

INSERT INTO statistics_hourly (hour, registration_id, interrupted)
SELECT {time_sql("id")} / {HOUR_US}, registration_id, count(*) FROM interrupted WHERE true GROUP BY 1, 2
ON CONFLICT DO UPDATE SET interrupted = interrupted + excluded.interrupted;

INSERT INTO statistics_daily (day, registration_id, interrupted)
SELECT {time_sql("id")} / {DAY_US}, registration_id, count(*) FROM interrupted WHERE true GROUP BY 1, 2
ON CONFLICT DO UPDATE SET interrupted = interrupted + excluded.interrupted;

UPDATE sessions
SET runs = runs + (SELECT count(*) FROM interrupted WHERE session_id = sessions.id),
    first_id = coalesce(first_id, (SELECT min(id) FROM interrupted WHERE session_id = sessions.id)),
    last_id = coalesce((SELECT max(id) FROM interrupted WHERE session_id = sessions.id), last_id)
WHERE outcome = 'open';

DROP TABLE interrupted;
DELETE FROM running_executions;
"""

# Sync adds what a crash interrupted to a session's failures; a session that was closed has them in its own count.
_INTERRUPTED_FAILED: Final = """
UPDATE sessions
SET failures = failures + (SELECT count(*) FROM running_executions WHERE session_id = sessions.id)
WHERE outcome = 'open';
"""

_CRASHED: Final = """
UPDATE sessions
SET outcome = 'crashed', reason = coalesce(reason, 'the process ended without closing the history'),
    ended_us = max(heartbeat_us, started_us)
WHERE outcome = 'open';
"""

# What was registered when the last framework ended is registered no more; whatever this one registers comes back.
_RETIRED: Final = """
UPDATE listeners SET retired_us = (SELECT max(ended_us) FROM sessions) WHERE retired_us IS NULL;
UPDATE scheduled_jobs SET retired_us = (SELECT max(ended_us) FROM sessions) WHERE retired_us IS NULL;
"""

SETTLE_THE_PAST: Final = f"BEGIN IMMEDIATE;{_INTERRUPTED}{_CRASHED}{_RETIRED}COMMIT;"
"""Close what a crash left open: for a file that nobody owns but us."""

OPEN_SESSION: Final = """
INSERT INTO sessions (started_us, heartbeat_us, outcome, pid, host) VALUES (?, ?, 'open', ?, ?) RETURNING id
"""
RESUME_SESSION: Final = """
UPDATE sessions SET outcome = 'open', reason = NULL, ended_us = NULL, heartbeat_us = ?
WHERE id = ? AND pid = ? AND host = ? AND started_us = ? RETURNING id
"""
"""For a service that is started again in one process: the session is the framework's, not the service's."""
HEARTBEAT: Final = "UPDATE sessions SET heartbeat_us = ? WHERE id = ?"
_CLOSED: Final = """
UPDATE sessions
SET outcome = coalesce(nullif(json_extract(facts, '$.outcome'), ''), 'clean'),
    reason = coalesce(json_extract(facts, '$.reason'), reason), ended_us = max(heartbeat_us, started_us)
"""


def closing(session_id: int, now_us: int, *, for_good: bool) -> str:
    """Return the script that closes a session which is the only open one.

    Args:
        session_id: The session.
        now_us: The time.
        for_good: Whether what is still running ends with the process, and is interrupted. Otherwise the service starts
            again in this process: what is running goes on, and ends as it ends.
    """
    running = _INTERRUPTED_FAILED + _INTERRUPTED if for_good else "DELETE FROM running_executions;"
    heartbeat = f"UPDATE sessions SET heartbeat_us = {now_us:d} WHERE id = {session_id:d};"
    return f"BEGIN IMMEDIATE;{heartbeat}{running}{_CLOSED}WHERE id = {session_id:d};COMMIT;"
