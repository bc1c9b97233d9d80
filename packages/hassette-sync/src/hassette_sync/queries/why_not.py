"""Statements about one handler or job around a moment."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_sync.queries.kinds import KIND, LISTENS_TO
from hassette_sync.queries.registrations import RETIRED_US
from hassette_sync.queries.runs import with_names
from hassette_sync.queries.sessions import LATEST_HEARTBEAT_US
from hassette_sync.queries.texts import form_sql

_NAMES = """
name = :name OR app || '.' || name = :name OR app || '.' || instance || '.' || name = :name OR app = :name
OR app || '.' || instance = :name
"""
_FORM = form_sql(":name")
_FORMS = " OR ".join(
    f"{form_sql(text)} = {_FORM}"
    for text in ("name", "app || '.' || name", "app || '.' || instance || '.' || name", "app", "app || '.' || instance")
)
_REGISTRATION = f"""
SELECT id, {KIND} AS kind, app, instance, name, {LISTENS_TO}, settings, first_registered_us, {RETIRED_US} AS retired_us
FROM registrations
"""

REGISTRATIONS_NAMED = f"{_REGISTRATION} WHERE {_NAMES} OR {_FORMS} ORDER BY retired_us IS NOT NULL, id LIMIT 50"
"""Handlers and jobs with a name, or of an app with this name. Case does not matter."""

REGISTRATION_BY_ID = f"{_REGISTRATION} WHERE id = :registration_id"
"""One handler or job."""

_OF_RUNS = "SELECT registration_id FROM runs WHERE id IN (SELECT value FROM json_each(:runs))"

REGISTRATIONS_OF_RUNS = f"{_REGISTRATION} WHERE id IN ({_OF_RUNS}) ORDER BY id LIMIT 50"
"""Handlers and jobs of some runs."""

REGISTRATION_OF_EACH_RUN = _OF_RUNS
"""Id of the handler or job of each of some runs."""

REGISTRATION_NAMES = f"SELECT id, {KIND} AS kind, app, instance, name FROM registrations ORDER BY id DESC LIMIT 2000"
"""Names of handlers and jobs, for suggestions."""

RUNS_NEAR = with_names(
    """
    SELECT * FROM runs WHERE registration_id = :registration_id AND id >= :first_id AND id < :end_id
      AND started_us < :until_us ORDER BY id DESC LIMIT :limit
"""
)
"""Runs of one handler or job in a range that started before its end, newest first."""

SESSION_BEFORE = f"""
SELECT id, started_us, coalesce(ended_us, {LATEST_HEARTBEAT_US}) AS end_us, outcome FROM sessions
WHERE started_us <= :at_us ORDER BY id DESC LIMIT 1
"""
"""The last session that had started before a moment, and its end. The end of an open session is its last heartbeat."""

SESSION_AFTER = "SELECT started_us FROM sessions WHERE started_us > :at_us ORDER BY id LIMIT 1"
"""Start of the first session after a moment."""

LAST_EVENT = """
SELECT kind, at_us, subject, detail FROM (
    SELECT id, kind, at_us, subject, detail FROM lifecycle_events
    WHERE id >= :first_id AND id < :end_id ORDER BY id DESC LIMIT :examined)
WHERE subject IN (SELECT value FROM json_each(:subjects)) AND kind IN (SELECT value FROM json_each(:kinds))
ORDER BY id DESC LIMIT 1
"""
"""The last event of some kinds about some subjects in a range, among the newest ``:examined`` events."""

CONNECTIONS_IN = """
SELECT kind, at_us, session_id FROM lifecycle_events
WHERE id >= :first_id AND id < :end_id AND kind IN ('connection_lost', 'connection_restored') ORDER BY id LIMIT 1000
"""
"""The losses and restorations of the connection to Home Assistant in a range, oldest first."""

STARTS_OF_APP = """
SELECT kind, at_us, subject, detail FROM (
    SELECT id, kind, at_us, subject, detail FROM lifecycle_events WHERE id < :end_id ORDER BY id DESC LIMIT :examined)
WHERE kind IN ('app_failed', 'app_started') AND (subject = :app OR substr(subject, 1, length(:app) + 1) = :app || '.')
ORDER BY id DESC LIMIT 50
"""
"""Starts and failed starts of the instances of an app before a moment, among the newest ``:examined`` events."""
