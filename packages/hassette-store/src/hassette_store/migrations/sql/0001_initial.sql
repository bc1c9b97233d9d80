-- Revision 0001: the whole history in one file.
--
-- Conventions
--   * Times end in _us: microseconds since the Unix epoch, UTC. Durations end in _us as well.
--   * A run's id has 63 bits: milliseconds since the epoch at the END of the run, shifted left by 21, and a counter.
--     So ids order runs by time, a time range is an id range, and no index on a time is needed.
--     Ids are unique over handler_invocations, job_executions and lifecycle_events together.
--   * registration_id is listeners.id or scheduled_jobs.id: both take their numbers from one sequence.
--   * Hours and days are whole UTC hours and days since the epoch; a run counts in the hour of its id.
--   * Tables are STRICT: a value that does not fit its column is refused at the door.
--   * References are written down but not enforced (foreign_keys stays off): the one writer keeps them right,
--     `hassette telemetry check` proves it, and enforcing them would cost a lookup per row.
--   * Readers need not know the encoding: the views at the end give plain columns.

-- ---------------------------------------------------------------------------------------------------------------
-- Words that repeat, kept once
-- ---------------------------------------------------------------------------------------------------------------

-- How a run can end; 0 and 1 take no byte at all in a row, so they go to the two commonest.
CREATE TABLE statuses (
    id   INTEGER PRIMARY KEY,    -- the number that runs carry
    name TEXT NOT NULL UNIQUE    -- the word that people read
) STRICT;
INSERT INTO statuses (id, name)
VALUES (0, 'success'), (1, 'error'), (2, 'cancelled'), (3, 'timed_out'), (4, 'interrupted');

-- Event types, entity ids, user ids, services, loggers and reasons.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,    -- the number that rows carry
    name TEXT NOT NULL UNIQUE    -- the word itself
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- When the framework was up
-- ---------------------------------------------------------------------------------------------------------------

-- One row from start to stop; what happened in between refers to it.
CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY,         -- counts up with each start
    started_us    INTEGER NOT NULL,            -- when the database was opened for it
    heartbeat_us  INTEGER NOT NULL,            -- the last sign of life: each batch, and at least each 5 s
    ended_us      INTEGER,                     -- when it ended (its last heartbeat if it crashed); NULL while open
    outcome       TEXT NOT NULL,               -- open, clean, crashed, or what the framework said at its end
    reason        TEXT,                        -- why it ended, such as SIGTERM
    pid           INTEGER NOT NULL,            -- the process
    host          TEXT NOT NULL,               -- the machine
    facts         TEXT NOT NULL DEFAULT '{}',  -- JSON object: versions, time zone, whatever the framework told
    last_sequence INTEGER NOT NULL DEFAULT 0,  -- the last batch kept: a batch tried again is kept once
    first_id      INTEGER,                     -- the lowest run id in it; NULL while it has none
    last_id       INTEGER,                     -- the highest run id in it, shed runs excepted
    runs          INTEGER NOT NULL DEFAULT 0,  -- how many runs ended in it, shed ones included
    failures      INTEGER NOT NULL DEFAULT 0,  -- how many of them ended as error or timed_out
    lost_runs     INTEGER NOT NULL DEFAULT 0,  -- how many runs have no row (their counts are in the statistics)
    lost_details  INTEGER NOT NULL DEFAULT 0   -- how many log lines, service calls and other details were not kept
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- Who runs: identity by natural key, so that history goes on after a restart or an edit
-- ---------------------------------------------------------------------------------------------------------------

-- Handlers that listen to a topic.
CREATE TABLE listeners (
    id                  INTEGER PRIMARY KEY,   -- the registration_id, from one sequence with scheduled_jobs
    app                 TEXT NOT NULL,         -- the app's key in hassette.toml
    instance            TEXT NOT NULL,         -- the instance's name within the app
    name                TEXT NOT NULL,         -- the listener's name within the instance
    topic               TEXT NOT NULL,         -- what it listens to, such as state_changed.light.*
    handler             TEXT NOT NULL,         -- the callable's qualified name
    settings            TEXT NOT NULL,         -- JSON object: options as a person wrote them
    source_file         TEXT,                  -- where the handler stands
    source_line         INTEGER,               -- from 1
    source_snippet      TEXT,                  -- the first lines of it
    runs_in             TEXT NOT NULL,         -- async (event loop) or sync (thread)
    timeout_s           REAL,                  -- deadline of one run; NULL: the executor's default, 0: none
    first_registered_us INTEGER NOT NULL,      -- when it was first seen
    last_registered_us  INTEGER NOT NULL,      -- when it was last registered
    retired_us          INTEGER,               -- when it ended; NULL while it is registered
    UNIQUE (app, instance, name, topic)
) STRICT;

-- Jobs on a schedule.
CREATE TABLE scheduled_jobs (
    id                  INTEGER PRIMARY KEY,   -- the registration_id, from one sequence with listeners
    app                 TEXT NOT NULL,         -- the app's key in hassette.toml
    instance            TEXT NOT NULL,         -- the instance's name within the app
    name                TEXT NOT NULL,         -- the job's name within the instance
    schedule            TEXT NOT NULL,         -- when it runs, in words
    handler             TEXT NOT NULL,         -- the callable's qualified name
    settings            TEXT NOT NULL,         -- JSON object: options as a person wrote them
    source_file         TEXT,                  -- where the job stands
    source_line         INTEGER,               -- from 1
    source_snippet      TEXT,                  -- the first lines of it
    runs_in             TEXT NOT NULL,         -- async (event loop) or sync (thread)
    timeout_s           REAL,                  -- deadline of one run; NULL: the executor's default, 0: none
    first_registered_us INTEGER NOT NULL,      -- when it was first seen
    last_registered_us  INTEGER NOT NULL,      -- when it was last registered
    retired_us          INTEGER,               -- when it ended; NULL while it is registered
    UNIQUE (app, instance, name)
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- What ran
-- ---------------------------------------------------------------------------------------------------------------

-- One run of a listener's handler; at most 100 bytes for a plain success, indexes included.
CREATE TABLE handler_invocations (
    id             INTEGER PRIMARY KEY,                         -- see the conventions above
    listener_id    INTEGER NOT NULL REFERENCES listeners (id),  -- whose run
    session_id     INTEGER NOT NULL REFERENCES sessions (id),   -- in which session it ended
    status         INTEGER NOT NULL REFERENCES statuses (id),   -- how it ended
    started_before INTEGER NOT NULL,  -- microseconds from the start to the millisecond in the id: 3 bytes for 8
    duration_us    INTEGER NOT NULL,  -- how long it ran
    waited_us      INTEGER NOT NULL,  -- from the event's receipt to the start
    event_type_id  INTEGER NOT NULL REFERENCES names (id),      -- what was heard
    entity_id      INTEGER REFERENCES names (id),               -- whom it concerned (names.id), if anyone
    old_state      TEXT,              -- its state before
    new_state      TEXT,              -- its state after
    context_id     TEXT,              -- Home Assistant's context of the event
    parent_id      TEXT,              -- that context's parent, if it had one
    user_id        INTEGER REFERENCES names (id)                -- the user behind the event, if any
) STRICT;
-- A registration's runs, newest first (the id is in every index entry).
CREATE INDEX handler_invocations_by_listener ON handler_invocations (listener_id);
-- All that did not succeed, newest first, over all registrations and of one: successes pay nothing for them. A query
-- for one status says `status <> 0 AND +status = ?`; without the plus SQLite does not see that the index will do.
CREATE INDEX handler_invocations_unsuccessful ON handler_invocations (id, status) WHERE status <> 0;
CREATE INDEX handler_invocations_unsuccessful_by_listener ON handler_invocations (listener_id) WHERE status <> 0;
-- From a service call to its effects. Only events that somebody caused can be effects, so the many that come from
-- sensors pay nothing; a query must repeat the condition to use the index.
CREATE INDEX handler_invocations_by_context ON handler_invocations (context_id)
    WHERE user_id IS NOT NULL OR parent_id IS NOT NULL;
CREATE INDEX handler_invocations_by_parent ON handler_invocations (parent_id) WHERE parent_id IS NOT NULL;

-- One run of a scheduled job.
CREATE TABLE job_executions (
    id             INTEGER PRIMARY KEY,                              -- see the conventions above
    job_id         INTEGER NOT NULL REFERENCES scheduled_jobs (id),  -- whose run
    session_id     INTEGER NOT NULL REFERENCES sessions (id),        -- in which session it ended
    status         INTEGER NOT NULL REFERENCES statuses (id),        -- how it ended
    started_before INTEGER NOT NULL,  -- microseconds from the start to the millisecond in the id
    duration_us    INTEGER NOT NULL,  -- how long it ran
    waited_us      INTEGER NOT NULL,  -- from the due time to the start
    due_before     INTEGER NOT NULL,  -- microseconds from the due time to the start, on the wall clock
    manual         INTEGER NOT NULL   -- 1 when somebody asked for this run, outside the schedule
) STRICT;
CREATE INDEX job_executions_by_job ON job_executions (job_id);
CREATE INDEX job_executions_unsuccessful ON job_executions (id, status) WHERE status <> 0;
CREATE INDEX job_executions_unsuccessful_by_job ON job_executions (job_id) WHERE status <> 0;

-- What is running for longer than a moment: the list of the last heartbeat. After a crash its rows become runs with the
-- status `interrupted`.
CREATE TABLE running_executions (
    session_id      INTEGER NOT NULL REFERENCES sessions (id),
    run             INTEGER NOT NULL,  -- its number in the process, not a run's id
    registration_id INTEGER NOT NULL,  -- whose run
    started_us      INTEGER NOT NULL,
    event_type_id   INTEGER REFERENCES names (id),  -- of a listener; NULL for a job
    entity_id       INTEGER REFERENCES names (id),
    old_state       TEXT,
    new_state       TEXT,
    context_id      TEXT,
    parent_id       TEXT,
    user_id         INTEGER REFERENCES names (id),
    due_us          INTEGER,           -- of a job; NULL for a listener
    manual          INTEGER,
    PRIMARY KEY (session_id, run)
) WITHOUT ROWID, STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- What a run raised, logged and called
-- ---------------------------------------------------------------------------------------------------------------

-- Failures that are the same mistake: same fingerprint (hassette_store/writing/fingerprints.py says how it is made).
CREATE TABLE error_groups (
    id            INTEGER PRIMARY KEY,
    fingerprint   TEXT NOT NULL UNIQUE,  -- its version, a colon, and a hash of kind, type, innermost frames and message
    kind          TEXT NOT NULL,         -- exception, hassette, dependency, timeout, exit
    type          TEXT NOT NULL,         -- the exception's class
    message       TEXT NOT NULL,         -- the first one's message, as a sample
    traceback     TEXT NOT NULL,         -- the first one's traceback, stored once; empty when none was taken
    first_seen_us INTEGER NOT NULL,
    last_seen_us  INTEGER NOT NULL,
    last_run_id   INTEGER NOT NULL,      -- the newest run that raised it
    count         INTEGER NOT NULL       -- how many runs raised it, those whose rows have aged out included
) STRICT;

-- Which run raised what.
CREATE TABLE failures (
    run_id         INTEGER PRIMARY KEY,  -- handler_invocations.id or job_executions.id
    error_group_id INTEGER NOT NULL REFERENCES error_groups (id),
    message        TEXT                  -- NULL when it is the group's sample message, word for word
) STRICT;
CREATE INDEX failures_by_group ON failures (error_group_id);

-- Home Assistant services (actions) that a run called.
CREATE TABLE service_calls (
    run_id      INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position    INTEGER NOT NULL,  -- from 0, in the order of their answers
    at_us       INTEGER NOT NULL,  -- when it was sent
    service_id  INTEGER NOT NULL REFERENCES names (id),  -- such as light.turn_on
    target      TEXT,              -- compact JSON: entities, areas, devices; NULL if none
    data        TEXT,              -- compact JSON; NULL if none
    duration_us INTEGER NOT NULL,  -- from sending to the answer
    context_id  TEXT,              -- the context that Home Assistant answered with: its effects carry it
    error       TEXT,              -- why it failed; NULL if it did not
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;
-- From an event to the call that caused it.
CREATE INDEX service_calls_by_context ON service_calls (context_id) WHERE context_id IS NOT NULL;

-- Lines that a run logged.
CREATE TABLE log_lines (
    run_id    INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position  INTEGER NOT NULL,  -- from 0, oldest first
    at_us     INTEGER NOT NULL,
    level     INTEGER NOT NULL,  -- the number of Python's logging
    logger_id INTEGER NOT NULL REFERENCES names (id),
    message   TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;

-- What the bounds on effects cut off a run, when they did.
CREATE TABLE dropped_effects (
    run_id        INTEGER PRIMARY KEY,
    log_lines     INTEGER NOT NULL,
    service_calls INTEGER NOT NULL
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- What happened to the framework itself
-- ---------------------------------------------------------------------------------------------------------------

-- Connections lost and restored, apps failed, services restarted, a database recovered.
CREATE TABLE lifecycle_events (
    id         INTEGER PRIMARY KEY,  -- from the same source as the runs' ids
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    at_us      INTEGER NOT NULL,
    kind       TEXT NOT NULL,        -- connection_lost, app_failed, database_recovered, …
    subject    TEXT NOT NULL,        -- the app instance, service, address or file concerned
    detail     TEXT NOT NULL         -- one sentence; may be empty
) STRICT;

-- Detail that was not kept: a gap, said aloud.
CREATE TABLE losses (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    reason     TEXT NOT NULL,     -- queue_full_count, rejected_row, stop_deadline, …
    what       TEXT NOT NULL,     -- runs, log_lines, service_calls, lifecycle
    count      INTEGER NOT NULL,
    first_us   INTEGER NOT NULL,  -- start of the gap
    last_us    INTEGER NOT NULL   -- end of the gap
) STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- Statistics: written in the transaction of the rows that they sum up, and kept when those have gone.
-- The period comes first in each key: a batch then dirties one or two pages of the table and not one for each
-- registration, which spares the SD card; "one registration over time" seeks once for each period.
-- ---------------------------------------------------------------------------------------------------------------

CREATE TABLE statistics_hourly (
    hour            INTEGER NOT NULL,            -- since the epoch
    registration_id INTEGER NOT NULL,
    success         INTEGER NOT NULL DEFAULT 0,  -- runs, by status, shed ones included
    error           INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    timed_out       INTEGER NOT NULL DEFAULT 0,
    interrupted     INTEGER NOT NULL DEFAULT 0,
    shed            INTEGER NOT NULL DEFAULT 0,  -- how many of them have no row
    total_us        INTEGER NOT NULL DEFAULT 0,  -- sum of the durations
    max_us          INTEGER NOT NULL DEFAULT 0,  -- the longest
    waited_us       INTEGER NOT NULL DEFAULT 0,  -- sum of the waiting times
    PRIMARY KEY (hour, registration_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE statistics_daily (
    day             INTEGER NOT NULL,            -- since the epoch
    registration_id INTEGER NOT NULL,
    success         INTEGER NOT NULL DEFAULT 0,
    error           INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    timed_out       INTEGER NOT NULL DEFAULT 0,
    interrupted     INTEGER NOT NULL DEFAULT 0,
    shed            INTEGER NOT NULL DEFAULT 0,
    total_us        INTEGER NOT NULL DEFAULT 0,
    max_us          INTEGER NOT NULL DEFAULT 0,
    waited_us       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, registration_id)
) WITHOUT ROWID, STRICT;

-- Latency sketch as rows: a duration of d microseconds falls in bucket ceil(log(max(d, 1), 101/99)), whose value
-- 2 * (101/99)^bucket / (1 + 101/99) is within 1 % of d. Sketches merge by adding counts, so a percentile over any
-- range and any set of registrations is a running sum. Interrupted runs have no duration and are not in it.
CREATE TABLE latency_hourly (
    hour            INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    bucket          INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    PRIMARY KEY (hour, registration_id, bucket)
) WITHOUT ROWID, STRICT;

CREATE TABLE latency_daily (
    day             INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    bucket          INTEGER NOT NULL,
    count           INTEGER NOT NULL,
    PRIMARY KEY (day, registration_id, bucket)
) WITHOUT ROWID, STRICT;

-- How often a registration did not run, and why: rate_limited, overlap, back_pressure, misfire, predicate_failed.
CREATE TABLE skips_hourly (
    hour            INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    reason_id       INTEGER NOT NULL REFERENCES names (id),
    count           INTEGER NOT NULL,
    PRIMARY KEY (hour, registration_id, reason_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE skips_daily (
    day             INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    reason_id       INTEGER NOT NULL REFERENCES names (id),
    count           INTEGER NOT NULL,
    PRIMARY KEY (day, registration_id, reason_id)
) WITHOUT ROWID, STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- The store's own memory
-- ---------------------------------------------------------------------------------------------------------------

-- How far the retention has come, and the like.
CREATE TABLE store_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- ---------------------------------------------------------------------------------------------------------------
-- For readers: plain columns. `WHERE id < ? ORDER BY id DESC LIMIT ?` on each of them walks the primary keys, which
-- SQLite manages only while both halves of a union agree in the affinity of each column: hence the casts of NULL.
-- ---------------------------------------------------------------------------------------------------------------

-- Listeners and jobs in one list.
CREATE VIEW registrations (
    id, kind, app, instance, name, topic, schedule, handler, settings, source_file, source_line, source_snippet,
    runs_in, timeout_s, first_registered_us, last_registered_us, retired_us
) AS
SELECT id, 'listener', app, instance, name, topic, CAST(NULL AS TEXT), handler, settings, source_file, source_line, source_snippet,
       runs_in, timeout_s, first_registered_us, last_registered_us, retired_us
FROM listeners
UNION ALL
SELECT id, 'job', app, instance, name, CAST(NULL AS TEXT), schedule, handler, settings, source_file, source_line, source_snippet,
       runs_in, timeout_s, first_registered_us, last_registered_us, retired_us
FROM scheduled_jobs;

-- Runs of both kinds, names as numbers: what lists and pages filter on. For runs of one status other than success say
-- `status_id <> 0 AND +status_id = ?`.
CREATE VIEW runs (
    id, kind, registration_id, session_id, status_id, started_us, duration_us, waited_us,
    event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id, due_us, manual
) AS
SELECT id, 'handler', listener_id, session_id, status, (id >> 21) * 1000 - started_before, duration_us, waited_us,
       event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id, NULL, CAST(NULL AS INTEGER)
FROM handler_invocations
UNION ALL
SELECT id, 'job', job_id, session_id, status, (id >> 21) * 1000 - started_before, duration_us, waited_us,
       CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS INTEGER), (id >> 21) * 1000 - started_before - due_before, manual
FROM job_executions;

-- The same with names in words.
CREATE VIEW named_runs (
    id, kind, registration_id, session_id, status_id, status, started_us, duration_us, waited_us,
    event_type, entity, old_state, new_state, context_id, parent_id, user, due_us, manual
) AS
SELECT runs.id, kind, registration_id, session_id, status_id, statuses.name, started_us, duration_us, waited_us,
       event_types.name, entities.name, old_state, new_state, context_id, parent_id, users.name, due_us, manual
FROM runs
LEFT JOIN statuses ON statuses.id = status_id
LEFT JOIN names AS event_types ON event_types.id = event_type_id
LEFT JOIN names AS entities ON entities.id = entity_id
LEFT JOIN names AS users ON users.id = user_id;

-- What runs raised.
CREATE VIEW run_failures (run_id, error_group_id, kind, type, message, traceback) AS
SELECT run_id, error_group_id, kind, type, coalesce(failures.message, error_groups.message), traceback
FROM failures
JOIN error_groups ON error_groups.id = error_group_id;

-- What runs called.
CREATE VIEW run_service_calls (
    run_id, position, at_us, service, target, data, duration_us, context_id, error
) AS
SELECT run_id, position, at_us, (SELECT name FROM names WHERE names.id = service_id), target, data, duration_us,
       context_id, error
FROM service_calls;

-- What runs logged.
CREATE VIEW run_log_lines (run_id, position, at_us, level, logger, message) AS
SELECT run_id, position, at_us, level, (SELECT name FROM names WHERE names.id = logger_id), message
FROM log_lines;
