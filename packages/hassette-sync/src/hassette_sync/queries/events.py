"""Statements about the events of the framework."""

# ruff: noqa: S608  the statements contain only text from this package

from collections.abc import Collection

from hassette_store.ids import first_id_sql, time_sql
from hassette_sync.queries.texts import contains_sql, form_sql

_PREFIXED = "EXISTS (SELECT 1 FROM json_each(:prefixes) WHERE substr(kind, 1, length(value)) = value)"

# A start of an unchanged app is no event.
_NEW_VERSIONS = f"""
    SELECT id, session_id, {time_sql("id")} AS at_us, 'app_changed' AS kind, app AS subject,
           'Version ' || version || coalesce(', commit ' || substr(git_commit, 1, 8), '') || '.' AS detail
    FROM deploys
    WHERE version <> coalesce(
        (SELECT version FROM deploys AS earlier WHERE earlier.app = deploys.app AND earlier.id < deploys.id
         ORDER BY earlier.id DESC LIMIT 1), '')
"""

# The store finds a crash at the next start and records no event of it. Its id is made from its time.
_CRASHES = f"""
    SELECT {first_id_sql("ended_us")} AS id, id AS session_id, ended_us AS at_us, 'hassette_crashed' AS kind,
           'hassette' AS subject, coalesce(reason, '') AS detail
    FROM sessions WHERE outcome = 'crashed' AND ended_us IS NOT NULL
"""

CONDITIONS = {
    "prefixed": _PREFIXED,
    "not_prefixed": f"NOT {_PREFIXED}",
    "notable": "kind NOT IN (SELECT value FROM json_each(:routine))",
    "app": "(subject = :app OR substr(subject, 1, length(:app) + 1) = :app || '.')",
    "text": f"({contains_sql('kind')} OR {contains_sql('subject')} OR {contains_sql('detail')})",
}
"""Conditions of the filters on events."""

ACTIONS = """
SELECT session_id, at_us, kind, subject, detail FROM (
    SELECT * FROM lifecycle_events ORDER BY id DESC LIMIT :examined)
WHERE kind IN (SELECT value FROM json_each(:kinds)) ORDER BY id
"""
"""Actions of some kinds among the newest ``:examined`` events, oldest first."""

APP_OF_STARTS = f"""
SELECT substr(subject, 1, instr(subject || '.', '.') - 1) AS app FROM (
    SELECT kind, subject FROM lifecycle_events ORDER BY id DESC LIMIT :examined)
WHERE kind IN ('app_failed', 'app_started')
  AND {form_sql("substr(subject, 1, instr(subject || '.', '.') - 1)")} = {form_sql(":app")}
LIMIT 1
"""
"""Key of the app with a name whose start is among the newest ``:examined`` events. Case does not matter."""


def events_sql(conditions: Collection[str]) -> str:
    """Return the statement for the newest events below ``:cursor`` that meet the named conditions."""
    where = " AND ".join(["id < :cursor", "id >= :first_id", *(CONDITIONS[name] for name in conditions)])
    return f"""
        SELECT id, session_id, at_us, kind, subject, detail FROM (
            SELECT * FROM (
                SELECT id, session_id, at_us, kind, subject, detail FROM lifecycle_events
                WHERE {where} ORDER BY id DESC LIMIT :limit)
            UNION ALL
            SELECT * FROM (
                SELECT id, session_id, at_us, kind, subject, detail FROM ({_NEW_VERSIONS})
                WHERE {where} ORDER BY id DESC LIMIT :limit)
            UNION ALL
            SELECT * FROM (
                SELECT id, session_id, at_us, kind, subject, detail FROM ({_CRASHES})
                WHERE {where} ORDER BY id DESC LIMIT :limit))
        ORDER BY id DESC LIMIT :limit
    """
