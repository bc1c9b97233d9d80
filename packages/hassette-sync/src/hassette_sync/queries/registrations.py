"""Statements about handlers, jobs and apps."""

# ruff: noqa: S608  the statements contain only text from this package and from the store's table of kinds

from hassette_store.kinds import KINDS, RunKind
from hassette_store.periods import SECOND_US
from hassette_sync.queries.kinds import KIND, LISTENS_TO, union_sql
from hassette_sync.queries.texts import form_sql

# Each start sets the retired_us of all registrations to the end of the last session, until the apps register again.
# Older frameworks set it during their stop, some seconds before that end. Take the newest session in which an app
# registered something. If it is still open, each retired_us means that an app removed the registration. If it has
# ended, only a retired_us more than 30 seconds before its end means this.
_SHUTDOWN_US = 30 * SECOND_US
RETIRED_US = f"""
CASE WHEN retired_us < coalesce(
    (SELECT ended_us - {_SHUTDOWN_US} FROM sessions
     WHERE started_us <= (SELECT max(last_registered_us) FROM registrations) ORDER BY id DESC LIMIT 1),
    9223372036854775807) THEN retired_us END
"""
"""End of a registration; NULL for a current one."""
_DISABLED = "id IN (SELECT value FROM json_each(:disabled))"
_STATE = f"{_DISABLED} AS disabled, CASE WHEN NOT {_DISABLED} THEN {RETIRED_US} END AS retired_us"

MEMBERS = f"""
SELECT app, instance, {KIND} AS kind, sum({RETIRED_US} IS NULL OR {_DISABLED}) AS current FROM registrations
WHERE :app IS NULL OR app = :app GROUP BY app, instance, kind ORDER BY app, instance
"""
"""Numbers of current and disabled handlers and jobs of each instance of all apps, or of ``:app``."""

# An app that is disabled ends all its handlers and jobs together. Those that it removed before are older.
MEMBERS_OF_DISABLED = f"""
SELECT id FROM registrations
WHERE app IN (SELECT value FROM json_each(:apps)) AND ({RETIRED_US} IS NULL OR retired_us >= (
    SELECT max(retired_us) FROM registrations AS others WHERE others.app = registrations.app) - {_SHUTDOWN_US})
"""
"""Ids of the handlers and jobs of disabled apps that were current until the app was disabled."""

REGISTRATIONS_OF_APP = "SELECT id FROM registrations WHERE app = :app"
"""Ids of the handlers and jobs of an app."""

APPS_AND_KINDS = f"SELECT id, app, name, {KIND} AS kind FROM registrations"
"""App, name and kind of each handler and job."""

# A registration is shown if it is current or disabled, if the question also asks for all retired registrations, or if
# it has runs in the time range.
_SHOWN = f"(:retired OR {RETIRED_US} IS NULL OR {_DISABLED} OR id IN (SELECT value FROM json_each(:registrations)))"
_AFTER = "(app, instance, name, id) > (:after_app, :after_instance, :after_name, :after_id)"


def _registrations_of(kind: RunKind, conditions: str) -> str:
    # Each kind needs a separate ORDER BY and LIMIT. Otherwise SQLite would read and sort all registrations for each
    # page.
    return f"""
        SELECT id, '{kind.name}' AS kind, app, instance, name, {kind.trigger_source} AS listens_to, handler, {_STATE}
        FROM {kind.registrations_table}
        WHERE (:kind IS NULL OR '{kind.name}' = :kind) AND {_SHOWN} AND {conditions}
        ORDER BY app, instance, name, id LIMIT :limit
    """


def registrations_sql(*, of_app: bool, after: bool) -> str:
    """Return the statement for one page of handlers and jobs, ordered by app, instance, name and id.

    Args:
        of_app: Select only registrations of ``:app``.
        after: Select only registrations after ``:after_app``, ``:after_instance``, ``:after_name`` and ``:after_id``.
    """
    conditions = " AND ".join(["true", *["app = :app"] * of_app, *[_AFTER] * after])
    parts = union_sql(lambda kind: f"SELECT * FROM ({_registrations_of(kind, conditions)})")
    return f"SELECT * FROM ({parts}) ORDER BY app, instance, name, id LIMIT :limit"


def hidden_sql() -> str:
    """Return the statement for the number of handlers and jobs that the pages of `registrations_sql` leave out."""
    return f"""
        SELECT count(*) AS hidden FROM registrations
        WHERE (:kind IS NULL OR {KIND} = :kind) AND (:app IS NULL OR app = :app) AND NOT {_SHOWN}
    """


APP_OF_NAME = f"""
SELECT app FROM registrations WHERE app = :app
UNION ALL
SELECT app FROM registrations
WHERE NOT EXISTS (SELECT 1 FROM registrations WHERE app = :app) AND {form_sql("app")} = {form_sql(":app")}
LIMIT 1
"""
"""Key of the app with a name. If no app has exactly this name, case does not matter."""

REGISTRATION = f"""
SELECT id, {KIND} AS kind, app, instance, name, {LISTENS_TO}, handler, {_STATE}, settings,
       source_file, source_line, source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us
FROM registrations WHERE id = :registration_id
"""
"""All columns of one handler or job."""

SOME_REGISTRATIONS = f"""
SELECT id, {KIND} AS kind, app, instance, name, {LISTENS_TO}, handler, {_STATE}
FROM registrations WHERE id IN (SELECT value FROM json_each(:registrations))
"""
"""Some handlers and jobs, in any order."""

NEWEST_RUN = """
SELECT id AS run_id, (SELECT name FROM statuses WHERE statuses.id = status_id) AS status
FROM runs WHERE registration_id = :registration_id ORDER BY id DESC LIMIT 1
"""
"""Newest run of one handler or job."""

# One index lookup for each registration takes a few microseconds. It reads only the newest run.
NEWEST_IDS = ", ".join(
    f"(SELECT max(id) FROM {kind.runs_table} WHERE {kind.registration_column} = value)" for kind in KINDS
)
"""Expressions for the id of the newest run of the handler or job ``value``, one for each kind."""

NEWEST_RUNS = f"""
SELECT newest.registration_id, newest.run_id, statuses.name AS status
FROM (SELECT value AS registration_id, coalesce({NEWEST_IDS}) AS run_id FROM json_each(:registrations)) AS newest
JOIN runs ON runs.id = newest.run_id
JOIN statuses ON statuses.id = runs.status_id
"""
"""Newest run of each of some handlers and jobs."""
