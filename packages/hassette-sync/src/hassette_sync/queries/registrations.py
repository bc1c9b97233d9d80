"""Statements about handlers, jobs and apps."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.periods import SECOND_US
from hassette_sync.queries.kinds import KIND, LISTENS_TO, union_sql
from hassette_sync.queries.texts import form_sql

# Each start sets the retired_us of all registrations to the end of the last session, until the apps register again.
# Older frameworks set it during their stop, some seconds before that end. Take the newest session in which an app
# registered something. If it is still open, each retired_us means that an app removed the registration. If it has
# ended, only a retired_us more than 30 seconds before its end means this.
_SHUTDOWN_US = 30 * SECOND_US
_RETIRED = f"""
CASE WHEN retired_us < coalesce(
    (SELECT ended_us - {_SHUTDOWN_US} FROM sessions
     WHERE started_us <= (SELECT max(last_registered_us) FROM registrations) ORDER BY id DESC LIMIT 1),
    9223372036854775807) THEN retired_us END AS retired_us
"""

REGISTRATIONS = f"""
SELECT id, {KIND} AS kind, app, instance, name, {LISTENS_TO}, handler, {_RETIRED}
FROM registrations
WHERE (:kind IS NULL OR {KIND} = :kind) AND (:app IS NULL OR app = :app)
ORDER BY app, instance, name, topic
"""
"""Handlers and jobs, ordered by name. A home has hundreds of them."""

APP_OF_NAME = f"""
SELECT app FROM registrations WHERE app = :app
UNION ALL
SELECT app FROM registrations
WHERE NOT EXISTS (SELECT 1 FROM registrations WHERE app = :app) AND {form_sql("app")} = {form_sql(":app")}
LIMIT 1
"""
"""Key of the app with a name. Without an app of exactly this name, its case does not matter."""

REGISTRATION = f"""
SELECT id, {KIND} AS kind, app, instance, name, {LISTENS_TO}, handler, {_RETIRED}, settings,
       source_file, source_line, source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us
FROM registrations WHERE id = :registration_id
"""
"""All columns of one handler or job."""

NEWEST_RUN = """
SELECT id AS run_id, (SELECT name FROM statuses WHERE statuses.id = status_id) AS status
FROM runs WHERE registration_id = :registration_id ORDER BY id DESC LIMIT 1
"""
"""Newest run of one handler or job."""

# One index lookup for each registration takes a few microseconds. It reads only the newest run.
_NEWEST_IDS = union_sql(
    lambda kind: (
        f"SELECT id AS registration_id, (SELECT max(id) FROM {kind.runs_table} "
        f"WHERE {kind.registration_column} = {kind.registrations_table}.id) AS run_id FROM {kind.registrations_table}"
    )
)

NEWEST_RUNS = f"""
SELECT newest.registration_id, newest.run_id, statuses.name AS status
FROM ({_NEWEST_IDS}) AS newest
JOIN runs ON runs.id = newest.run_id
JOIN statuses ON statuses.id = runs.status_id
"""
"""Newest run of each handler and job."""
