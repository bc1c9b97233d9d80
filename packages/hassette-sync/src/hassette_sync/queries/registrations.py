"""Statements about handlers, jobs and apps, and about what statistics say of them."""

# ruff: noqa: S608  every piece of these statements is fixed text of this module

# What ended along with the whole framework is not retired: it is only not running, like everything else. The stop takes
# a few seconds, and some histories have it as a retirement of each. The session that counts is the newest in which
# anything was registered, so that one which still waits for its apps retires nothing either.
_RETIRED = """
CASE WHEN retired_us < coalesce(
    (SELECT ended_us - 30000000 FROM sessions WHERE started_us <= (SELECT max(last_registered_us) FROM registrations)
     ORDER BY id DESC LIMIT 1),
    9223372036854775807) THEN retired_us END AS retired_us
"""

REGISTRATIONS = f"""
SELECT id, kind, app, instance, name, coalesce(topic, schedule) AS listens_to, handler, {_RETIRED}
FROM registrations
WHERE (:kind IS NULL OR kind = :kind) AND (:app IS NULL OR app = :app)
ORDER BY app, instance, name, topic
"""
"""Handlers and jobs by name; a house has hundreds."""

REGISTRATION = f"""
SELECT id, kind, app, instance, name, coalesce(topic, schedule) AS listens_to, handler, {_RETIRED}, settings,
       source_file, source_line, source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us
FROM registrations WHERE id = :registration_id
"""
"""One handler or job, whole."""

NEWEST_RUN = """
SELECT id, (SELECT name FROM statuses WHERE statuses.id = status_id) AS status
FROM runs WHERE registration_id = :registration_id ORDER BY id DESC LIMIT 1
"""
"""The newest run of one handler or job."""

# A correlated look-up by index for each registration: a few microseconds each, and no walk over the runs.
NEWEST_RUNS = """
SELECT newest.registration_id, newest.run_id, statuses.name AS status
FROM (
    SELECT id AS registration_id,
           (SELECT max(id) FROM handler_invocations WHERE listener_id = listeners.id) AS run_id FROM listeners
    UNION ALL
    SELECT id, (SELECT max(id) FROM job_executions WHERE job_id = scheduled_jobs.id) FROM scheduled_jobs
) AS newest
JOIN runs ON runs.id = newest.run_id
JOIN statuses ON statuses.id = runs.status_id
"""
"""The newest run of every handler and job."""
