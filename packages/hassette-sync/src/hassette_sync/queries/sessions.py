"""Statements about sessions, lifecycle events and losses."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's tables

from hassette_store.file.owner_note import HEARTBEAT_FUNCTION
from hassette_store.kinds import DETAILS, EVENT_TABLES, HISTORY_SINCE, KINDS, LEFT_OUT
from hassette_store.periods import PERIOD_TABLES
from hassette_store.statuses import INTERRUPTED, SUCCESS

_INTERRUPTED_RUNS = " + ".join(
    f"(SELECT count(*) FROM {kind.runs_table} WHERE id BETWEEN first_id AND last_id"
    f" AND status <> {SUCCESS} AND status = {INTERRUPTED} AND session_id = sessions.id)"
    for kind in KINDS
)

LATEST_HEARTBEAT_US = f"{HEARTBEAT_FUNCTION}(id, started_us, last_sequence, heartbeat_us)"
"""Time of the last heartbeat of an open session, from its row or from the note of the owner."""

# Between batches, the heartbeats of the open session are not in its row.
_HEARTBEAT_US = f"CASE WHEN ended_us IS NULL THEN {LATEST_HEARTBEAT_US} ELSE heartbeat_us END"

# The count of a crashed session lacks the runs that the crash interrupted. The store writes these runs at the next
# start, without changing the count. After a normal stop, the count includes interrupted runs.
_SESSION = f"""
id, started_us, {_HEARTBEAT_US} AS heartbeat_us, ended_us, outcome, reason, pid, host, facts, runs, lost_runs,
lost_details, failures + CASE WHEN outcome <> 'crashed' THEN 0 ELSE {_INTERRUPTED_RUNS} END AS failures
"""

SESSIONS = f"""
SELECT {_SESSION} FROM sessions
WHERE id < :cursor AND started_us < :until_us AND coalesce(ended_us, {LATEST_HEARTBEAT_US}) >= :since_us
ORDER BY id DESC LIMIT :limit
"""
"""Sessions that overlap a time range, newest first."""

NEWEST_SESSION = f"SELECT {_SESSION} FROM sessions ORDER BY id DESC LIMIT 1"
"""Newest session."""

SESSION = f"SELECT {_SESSION} FROM sessions WHERE id = :id"
"""One session."""

# The framework records the time zone as soon as it is connected to Home Assistant. A session with invalid JSON in
# `facts` is skipped.
HOME_TIME_ZONE = """
SELECT time_zone FROM (
    SELECT CASE WHEN json_valid(facts) THEN json_extract(facts, '$.time_zone') END AS time_zone
    FROM (SELECT id, facts FROM sessions ORDER BY id DESC LIMIT 2000) ORDER BY id DESC)
WHERE time_zone <> '' LIMIT 1
"""
"""The home's time zone, from the newest session that has recorded it."""

FIRST_START = "SELECT started_us FROM sessions ORDER BY id LIMIT 1"
"""Start of the oldest known session."""

HISTORY_LOST = f"""
SELECT CASE WHEN json_valid(facts) THEN json_extract(facts, '$.{HISTORY_SINCE}') END AS history_since FROM sessions
WHERE coalesce(ended_us, {LATEST_HEARTBEAT_US}) >= :at_us ORDER BY id LIMIT 1
"""
"""Time from which the file has the history of the first session that ended after a moment.

NULL if nothing is missing.
"""

EXPECTED_TIME = "SELECT value AS expected_us FROM store_state WHERE name = 'clock_expected_us'"
"""The time that the store expected when it found that the clock is not confirmed. No row if the clock is confirmed."""

EARLY_DELETIONS = """
SELECT substr(name, 7) AS what, value AS count, (SELECT value FROM store_state WHERE name = 'early_us') AS last_us
FROM store_state WHERE name LIKE 'early:%' ORDER BY value DESC
"""
"""For each kind of rows, the number that the store deleted early because of the size limit; and the time of the last
such deletion."""

_EARLIER_HEARTBEAT_US = (
    f"{HEARTBEAT_FUNCTION}(earlier.id, earlier.started_us, earlier.last_sequence, earlier.heartbeat_us)"
)

# After a merge or a deletion, the ids of sessions may have gaps.
_IS_NEXT = "later.id = (SELECT min(id) FROM sessions WHERE id > earlier.id)"

# A session that is still running has no gap after it.
GAPS = f"""
SELECT earlier.outcome, earlier.reason, coalesce(earlier.ended_us, {_EARLIER_HEARTBEAT_US}) AS from_us,
       later.started_us AS until_us
FROM sessions AS earlier LEFT JOIN sessions AS later ON {_IS_NEXT}
WHERE from_us < :until_us AND coalesce(until_us, :until_us) >= :since_us
  AND (until_us IS NOT NULL OR earlier.ended_us IS NOT NULL OR from_us < :last_seen_us)
ORDER BY earlier.id DESC LIMIT :limit
"""
"""Times without a session that overlap a time range, each with the end of the session before it, newest first."""

LAST_CRASH = f"""
SELECT earlier.outcome, earlier.reason, coalesce(earlier.ended_us, earlier.heartbeat_us) AS from_us,
       later.started_us AS until_us
FROM sessions AS earlier LEFT JOIN sessions AS later ON {_IS_NEXT}
WHERE earlier.outcome = 'crashed' ORDER BY earlier.id DESC LIMIT 1
"""
"""The newest crash, and the start after it."""

NEIGHBOURS = f"""
SELECT {_SESSION} FROM sessions WHERE id IN (
    (SELECT max(id) FROM sessions WHERE started_us < :since_us),
    (SELECT min(id) FROM sessions WHERE started_us >= :until_us))
ORDER BY id DESC
"""
"""The last session before a time range and the first one after it, newest first."""

_EVENT = "SELECT id, session_id, at_us, kind, subject, detail FROM lifecycle_events"

LIFECYCLE = f"{_EVENT} WHERE id < :cursor AND id >= :first_id ORDER BY id DESC LIMIT :limit"
"""Lifecycle events, newest first."""

# In each session, services and apps start and stop with about forty events. These would hide the other events.
NOTABLE_LIFECYCLE = f"""
{_EVENT}
WHERE id < :cursor AND id >= :first_id
  AND kind NOT IN ('service_starting', 'service_started', 'service_stopping', 'service_stopped',
                   'app_started', 'app_stopped')
ORDER BY id DESC LIMIT :limit
"""
"""Lifecycle events without routine starts and stops, newest first."""

INCIDENTS = f"""
{_EVENT} WHERE id >= :first_id
  AND kind IN ('database_recovered', 'database_replaced', 'database_merged', 'database_upgraded')
ORDER BY id DESC LIMIT :limit
"""
"""Recoveries, replacements, merges and upgrades of the database file, newest first."""

# Only the newest session can be open. If its heartbeat is not before `:last_seen_us`, the session is still running, so
# it lasts until the end of the range.
_SPANS = f"""
    SELECT id, max(started_us, :since_us) AS start_us,
           min(CASE WHEN ended_us IS NULL AND {LATEST_HEARTBEAT_US} >= :last_seen_us THEN :until_us
                    ELSE coalesce(ended_us, {LATEST_HEARTBEAT_US}) END, :until_us) AS end_us,
           started_us >= :since_us AS started, outcome = 'crashed' AND ended_us < :until_us AS crashed
    FROM sessions
    WHERE started_us < :until_us AND (
        ended_us >= :since_us
        OR id = (SELECT max(id) FROM sessions) AND ended_us IS NULL AND {LATEST_HEARTBEAT_US} >= :since_us)
"""

UPTIME = f"""
SELECT coalesce(sum(max(end_us - start_us, 0)), 0) AS up_us, coalesce(sum(started), 0) AS starts,
       coalesce(sum(crashed), 0) AS crashes
FROM ({_SPANS})
"""
"""Uptime in a time range, if no two sessions overlap; and the numbers of starts and crashes.

There may be a hundred thousand sessions, so SQLite computes the sums.
"""

OVERLAP = f"""
SELECT 1 FROM ({_SPANS}) AS later JOIN sessions AS earlier ON earlier.id = later.id - 1
WHERE later.start_us < min(coalesce(earlier.ended_us, earlier.heartbeat_us), :until_us)
  AND earlier.started_us < :until_us AND coalesce(earlier.ended_us, earlier.heartbeat_us) >= :since_us
LIMIT 1
"""
"""One row if a session overlaps the session before it, because a clock was set back; otherwise no row."""

UPTIME_WITH_OVERLAPS = f"""
SELECT coalesce(sum(max(end_us - max(start_us, coalesce(covered_us, start_us)), 0)), 0) AS up_us
FROM (SELECT start_us, end_us, max(end_us) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
      AS covered_us FROM ({_SPANS}))
"""
"""Uptime in a time range. Time in which sessions overlap counts once. This statement takes several times as long as
`UPTIME`."""

LOST = f"""
SELECT coalesce(sum(count), 0) FROM losses
WHERE last_us >= :since_us AND first_us < :until_us AND reason <> '{LEFT_OUT}'
"""
"""Number of lost records in all losses that overlap a time range, without changes that were left out by intention."""

LOSSES = """
SELECT id, session_id, reason, what, count, first_us, last_us FROM losses
WHERE id < :cursor AND last_us >= :since_us AND first_us < :until_us ORDER BY id DESC LIMIT :limit
"""
"""Losses that overlap a time range, newest first."""

LOSSES_BY_REASON = """
SELECT max(id) AS id, max(session_id) AS session_id, reason, what, sum(count) AS count, min(first_us) AS first_us,
       max(last_us) AS last_us
FROM losses WHERE last_us >= :since_us AND first_us < :until_us
GROUP BY reason, what ORDER BY max(last_us) DESC LIMIT :limit
"""
"""Losses that overlap a time range, as one row for each kind of record and reason, newest first."""

SCHEMA_REVISION = "SELECT version_num FROM alembic_version"
"""Schema revision of the file."""

DATA_VERSION = "PRAGMA data_version"
"""Number that changes when another connection has changed the file."""

RUNS_OF_NEWEST_SESSION = "SELECT id, runs FROM sessions ORDER BY id DESC LIMIT 1"
"""Number of runs of the newest session. It changes with each batch of runs, whatever their ids are."""

_NEEDED_TABLES = (
    *("statuses", "names", "sessions", "error_groups", "losses"),
    *(table for kind in KINDS for table in (kind.registrations_table, kind.runs_table)),
    *DETAILS,
    *EVENT_TABLES,
    *(table for table, _ in PERIOD_TABLES),
)
ROW_OF_EACH_TABLE = " UNION ALL ".join(
    f"SELECT * FROM (SELECT 1 FROM {table} NOT INDEXED LIMIT 1)" for table in _NEEDED_TABLES
)
"""One row for each table with rows that the pages need."""
