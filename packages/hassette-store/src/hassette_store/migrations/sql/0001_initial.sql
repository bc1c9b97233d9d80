-- Revision 0001: all tables, indexes and views of the history.
--
-- Conventions
--   * Times end in _us: microseconds since the Unix epoch, UTC. Durations end in _us as well.
--   * A run's id has 63 bits. The upper 42 bits hold the millisecond at which the run ENDED, counted from the epoch.
--     The lower 21 bits hold a counter. So ids order runs by time, a time range is an id range, and no index on a time
--     is needed.
--     Ids are unique over handler_invocations, job_executions, lifecycle_events and the tables of section 6 together.
--   * registration_id is listeners.id or scheduled_jobs.id: both tables take their ids from one sequence.
--   * Hours and days are whole UTC hours and days since the epoch. A run counts in the hour that its id contains.
--   * Tables are STRICT: SQLite rejects a value of the wrong type.
--   * References are declared but not enforced (foreign_keys is off): a check would cost a look-up per row. The store,
--     which is the only writer, keeps the references valid, and `hassette telemetry check` checks them.
--   * An evicted run was dropped from the full write queue before it got a row. The statistics and the counts in its
--     session include it.
--   * Readers can use the views at the end, which have plain columns and hide the encoding.

-- Section 1: repeated texts, stored once.

-- Statuses of a run. SQLite needs no data byte for 0 and 1, so these numbers stand for the two most common statuses.
CREATE TABLE statuses (
    id   INTEGER PRIMARY KEY,    -- the value of `status` in runs
    name TEXT NOT NULL UNIQUE    -- the name in pages and in the API
) STRICT;
INSERT INTO statuses (id, name)
VALUES (0, 'success'), (1, 'error'), (2, 'cancelled'), (3, 'timed_out'), (4, 'interrupted');

-- Event types, entity ids, user ids, services, loggers and reasons. The retention deletes names that no row uses.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,    -- the number that other columns store in place of the name
    name TEXT NOT NULL UNIQUE    -- the text
) STRICT;

-- Section 2: sessions.

-- One row per session, from the framework's startup to its shutdown. Runs and events refer to it.
CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY,         -- higher with each start of the framework
    started_us    INTEGER NOT NULL,            -- when the session began
    heartbeat_us  INTEGER NOT NULL,            -- the last heartbeat; updated by each batch, and at least every 5 s
    ended_us      INTEGER,                     -- when it ended, or the last heartbeat before a crash; NULL while open
    outcome       TEXT NOT NULL,               -- open, clean, crashed, or the outcome that the framework reported
    reason        TEXT,                        -- why it ended, for example SIGTERM
    pid           INTEGER NOT NULL,            -- process id
    host          TEXT NOT NULL,               -- name of the machine
    facts         TEXT NOT NULL DEFAULT '{}',  -- JSON object: versions, time zone and other facts from the framework
    last_sequence INTEGER NOT NULL DEFAULT 0,  -- number of the last stored batch: a retried batch is not stored twice
    first_id      INTEGER,                     -- the lowest run id of the session; NULL while it has none
    last_id       INTEGER,                     -- the highest run id of the session; evicted runs do not count
    runs          INTEGER NOT NULL DEFAULT 0,  -- number of runs that ended in the session, including evicted runs
    failures      INTEGER NOT NULL DEFAULT 0,  -- number of errors and timeouts; a normal stop adds interrupted runs
    lost_runs     INTEGER NOT NULL DEFAULT 0,  -- number of runs without a row (the statistics count them)
    lost_details  INTEGER NOT NULL DEFAULT 0   -- number of log lines, service calls and other details that were lost
) STRICT;

-- Section 3: registrations. The UNIQUE columns identify a registration, so that its history continues after a restart
-- or an edit of the app.

-- Handlers that listen to a topic.
CREATE TABLE listeners (
    id                  INTEGER PRIMARY KEY,   -- the registration_id; scheduled_jobs takes ids from the same sequence
    app                 TEXT NOT NULL,         -- the app's key in hassette.toml
    instance            TEXT NOT NULL,         -- the instance's name within the app
    name                TEXT NOT NULL,         -- the listener's name within the instance
    topic               TEXT NOT NULL,         -- the events that it receives, for example state_changed.light.*
    handler             TEXT NOT NULL,         -- the callable's qualified name
    settings            TEXT NOT NULL,         -- JSON object: readable values of the options
    source_file         TEXT,                  -- file with the handler's source code
    source_line         INTEGER,               -- line number, from 1
    source_snippet      TEXT,                  -- the first lines of the source code
    runs_in             TEXT NOT NULL,         -- async (event loop) or sync (thread)
    timeout_s           REAL,                  -- timeout of one run; NULL: the executor's default, 0: none
    first_registered_us INTEGER NOT NULL,      -- when it was first registered
    last_registered_us  INTEGER NOT NULL,      -- when it was last registered
    retired_us          INTEGER,               -- when it was retired; NULL while it is registered
    UNIQUE (app, instance, name, topic)
) STRICT;

-- Jobs on a schedule.
CREATE TABLE scheduled_jobs (
    id                  INTEGER PRIMARY KEY,   -- the registration_id; listeners takes ids from the same sequence
    app                 TEXT NOT NULL,         -- the app's key in hassette.toml
    instance            TEXT NOT NULL,         -- the instance's name within the app
    name                TEXT NOT NULL,         -- the job's name within the instance
    schedule            TEXT NOT NULL,         -- description of the schedule
    handler             TEXT NOT NULL,         -- the callable's qualified name
    settings            TEXT NOT NULL,         -- JSON object: readable values of the options
    source_file         TEXT,                  -- file with the job's source code
    source_line         INTEGER,               -- line number, from 1
    source_snippet      TEXT,                  -- the first lines of the source code
    runs_in             TEXT NOT NULL,         -- async (event loop) or sync (thread)
    timeout_s           REAL,                  -- timeout of one run; NULL: the executor's default, 0: none
    first_registered_us INTEGER NOT NULL,      -- when it was first registered
    last_registered_us  INTEGER NOT NULL,      -- when it was last registered
    retired_us          INTEGER,               -- when it was retired; NULL while it is registered
    UNIQUE (app, instance, name)
) STRICT;

-- Section 4: runs.

-- One run of a listener's handler. A plain success takes at most 100 bytes, indexes included.
CREATE TABLE handler_invocations (
    id             INTEGER PRIMARY KEY,                         -- see the conventions above
    listener_id    INTEGER NOT NULL REFERENCES listeners (id),  -- the registration
    session_id     INTEGER NOT NULL REFERENCES sessions (id),   -- the session in which it ended
    status         INTEGER NOT NULL REFERENCES statuses (id),   -- how it ended
    started_before INTEGER NOT NULL,  -- microseconds from the start to the time in the id (3 bytes instead of 8)
    duration_us    INTEGER NOT NULL,  -- how long it ran
    waited_us      INTEGER NOT NULL,  -- from the event to the start, without the time in debounce or duration
    event_type_id  INTEGER NOT NULL REFERENCES names (id),      -- type of the event
    entity_id      INTEGER REFERENCES names (id),               -- entity of the event (names.id)
    old_state      TEXT,              -- state before the event
    new_state      TEXT,              -- state after the event
    context_id     TEXT,              -- Home Assistant's context of the event
    parent_id      TEXT,              -- parent of that context, if it has one
    user_id        INTEGER REFERENCES names (id),               -- the user who caused the event, if known
    missed         INTEGER NOT NULL DEFAULT 0, -- 1 if the event happened while Home Assistant was not connected
    immediate      INTEGER NOT NULL DEFAULT 0  -- 1 if the listener ran at its registration, without an event
) STRICT;
-- Index for reading the runs of one registration, newest first. Each index entry also contains the id of the run.
CREATE INDEX handler_invocations_by_listener ON handler_invocations (listener_id);
-- Two indexes for reading unsuccessful runs, newest first: one for all registrations, one for a single registration.
-- SQLite uses an index only if the query repeats its condition: `status <> 0 AND status = ?`.
CREATE INDEX handler_invocations_unsuccessful ON handler_invocations (id, status) WHERE status <> 0;
CREATE INDEX handler_invocations_unsuccessful_by_listener ON handler_invocations (listener_id) WHERE status <> 0;
-- Indexes for finding the runs that a service call triggered. Each event that a service call causes has a user or a
-- parent. So the indexes leave out all other events, which include most events of sensors. SQLite uses an index
-- only if the query repeats the condition of that index.
CREATE INDEX handler_invocations_by_context ON handler_invocations (context_id)
    WHERE user_id IS NOT NULL OR parent_id IS NOT NULL;
CREATE INDEX handler_invocations_by_parent ON handler_invocations (parent_id) WHERE parent_id IS NOT NULL;

-- One run of a scheduled job.
CREATE TABLE job_executions (
    id             INTEGER PRIMARY KEY,                              -- see the conventions above
    job_id         INTEGER NOT NULL REFERENCES scheduled_jobs (id),  -- the registration
    session_id     INTEGER NOT NULL REFERENCES sessions (id),        -- the session in which it ended
    status         INTEGER NOT NULL REFERENCES statuses (id),        -- how it ended
    started_before INTEGER NOT NULL,  -- microseconds from the start to the millisecond in the id
    duration_us    INTEGER NOT NULL,  -- how long it ran
    waited_us      INTEGER NOT NULL,  -- from the due time to the start, on the monotonic clock
    due_before     INTEGER NOT NULL,  -- the start minus due_us, on the wall clock
    manual         INTEGER NOT NULL   -- 1 if a user or an app started the run outside the schedule
) STRICT;
CREATE INDEX job_executions_by_job ON job_executions (job_id);
CREATE INDEX job_executions_unsuccessful ON job_executions (id, status) WHERE status <> 0;
CREATE INDEX job_executions_unsuccessful_by_job ON job_executions (job_id) WHERE status <> 0;

-- Runs that, at the last flush, had been in progress for longer than about 0.25 s. If the process stops or crashes,
-- the store moves these runs to the tables above, with the status `interrupted`.
CREATE TABLE running_executions (
    session_id      INTEGER NOT NULL REFERENCES sessions (id),
    run             INTEGER NOT NULL,  -- number of the run in its process, not its id
    registration_id INTEGER NOT NULL,  -- the registration
    started_us      INTEGER NOT NULL,
    event_type_id   INTEGER REFERENCES names (id),  -- for a listener; NULL for a job
    entity_id       INTEGER REFERENCES names (id),
    old_state       TEXT,
    new_state       TEXT,
    context_id      TEXT,
    parent_id       TEXT,
    user_id         INTEGER REFERENCES names (id),
    missed          INTEGER,
    immediate       INTEGER,
    due_us          INTEGER,           -- for a job; NULL for a listener
    manual          INTEGER,
    PRIMARY KEY (session_id, run)
) WITHOUT ROWID, STRICT;

-- Section 5: failures, log lines and service calls of runs.

-- Groups of failures with the same cause. The failures of a group have the same fingerprint (see
-- hassette_store/writing/fingerprints.py).
CREATE TABLE error_groups (
    id            INTEGER PRIMARY KEY,
    fingerprint   TEXT NOT NULL UNIQUE,  -- version, a colon, and hash of kind, type, innermost frames and message
    kind          TEXT NOT NULL,         -- exception, hassette, dependency, timeout, exit
    type          TEXT NOT NULL,         -- the exception's class
    message       TEXT NOT NULL,         -- message of the first failure, as a sample
    file          TEXT NOT NULL,         -- failing line of the first failure: file, empty if it has no traceback
    line          INTEGER NOT NULL,      -- … line number, or 0
    function      TEXT NOT NULL,         -- … function
    code          TEXT NOT NULL,         -- … source code
    traceback     TEXT NOT NULL,         -- traceback of the first failure, as a sample; empty if it has none
    first_seen_us INTEGER NOT NULL,
    last_seen_us  INTEGER NOT NULL,
    first_run_id  INTEGER NOT NULL,      -- the run of the first failure, which may have been deleted
    last_run_id   INTEGER NOT NULL,      -- the newest run with this failure
    count         INTEGER NOT NULL,      -- number of runs with this failure, including deleted runs
    silenced_until_us INTEGER            -- end of the silence; NULL if the group is not silenced
) STRICT;
-- Without the index, a search for the silenced groups would read the tracebacks of all groups.
CREATE INDEX error_groups_silenced ON error_groups (silenced_until_us) WHERE silenced_until_us IS NOT NULL;

-- Failures of runs. Each failure has its message and its failing line: the innermost line of app code in its traceback.
-- A value that equals the value of the group is NULL.
CREATE TABLE failures (
    run_id         INTEGER PRIMARY KEY,  -- handler_invocations.id or job_executions.id
    error_group_id INTEGER NOT NULL REFERENCES error_groups (id),
    message        TEXT,
    file           TEXT,
    line           INTEGER,
    function       TEXT,
    code           TEXT
) STRICT;
CREATE INDEX failures_by_group ON failures (error_group_id);

-- Home Assistant services (actions) that a run called.
CREATE TABLE service_calls (
    run_id       INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position     INTEGER NOT NULL,  -- from 0, in the order of the responses
    at_us        INTEGER NOT NULL,  -- when the request was sent
    service_id   INTEGER NOT NULL REFERENCES names (id),  -- for example light.turn_on
    target       TEXT,              -- compact JSON: entities, areas, devices; NULL for no target
    data         TEXT,              -- compact JSON; NULL for no data
    duration_us  INTEGER NOT NULL,  -- from the request to the response
    context_id   TEXT,              -- context in the response; the events that it causes have this context or a child of it
    error        TEXT,              -- error message; NULL if the call succeeded
    attempt      INTEGER NOT NULL,  -- from 1; a call that is not confirmed may be repeated, and each attempt has a row
    confirmed_us INTEGER,           -- from the request to the expected states; NULL if none were expected or seen
    rehearsed    INTEGER NOT NULL,  -- 1 for a call of a rehearsal, which was not sent
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;
-- Index for finding the call that caused an event.
CREATE INDEX service_calls_by_context ON service_calls (context_id) WHERE context_id IS NOT NULL;

-- Lines that a run logged.
CREATE TABLE log_lines (
    run_id    INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position  INTEGER NOT NULL,  -- from 0, oldest first
    at_us     INTEGER NOT NULL,
    level     INTEGER NOT NULL,  -- level number of Python's logging
    logger_id INTEGER NOT NULL REFERENCES names (id),
    message   TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;

-- States that a run read. A run that reads the same value of an entity again adds no second row.
CREATE TABLE state_reads (
    run_id    INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position  INTEGER NOT NULL,  -- from 0, in the order of the first read
    at_us     INTEGER NOT NULL,  -- of the first read
    entity_id INTEGER NOT NULL REFERENCES names (id),  -- or a domain, such as light.*
    state     TEXT,              -- NULL if there was no such entity; of a domain, the number of its entities
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;

-- Number of log lines, service calls and reads that were not recorded, because a run exceeded the executor's limits. A
-- run within the limits has no row.
CREATE TABLE dropped_effects (
    run_id        INTEGER PRIMARY KEY,
    log_lines     INTEGER NOT NULL,
    service_calls INTEGER NOT NULL,
    state_reads   INTEGER NOT NULL
) STRICT;

-- Section 6: events and losses of the framework, and circumstances of the runs.

-- For example: connection lost or restored, app failed, service restarted, database recovered.
CREATE TABLE lifecycle_events (
    id         INTEGER PRIMARY KEY,  -- from the same sequence as the ids of runs
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    at_us      INTEGER NOT NULL,
    kind       TEXT NOT NULL,        -- connection_lost, app_failed, database_recovered, …
    subject    TEXT NOT NULL,        -- the app instance, service, address or file
    detail     TEXT NOT NULL         -- one sentence; may be empty
) STRICT;
-- The retention uses this index and `losses_by_session` to find the sessions without events and losses. The condition is
-- always true. It only keeps SQLite from reading the whole table through the index, in an order other than by id.
CREATE INDEX lifecycle_events_by_session ON lifecycle_events (session_id) WHERE session_id IS NOT NULL;

-- Lost records and details.
CREATE TABLE losses (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    reason     TEXT NOT NULL,     -- queue_full_count, queue_full_bytes, rejected_row, late_effect, slow_reader,
                                  -- too_many (changes of a flapping entity) or file_lost (the open database file was removed, replaced or damaged)
    what       TEXT NOT NULL,     -- runs, log_lines, service_calls, lifecycle, events, home_changes and others;
                                  -- for rejected_row, any part of a batch
    count      INTEGER NOT NULL,
    first_us   INTEGER NOT NULL,  -- start of the time range of the losses
    last_us    INTEGER NOT NULL   -- end of the time range of the losses
) STRICT;
CREATE INDEX losses_by_session ON losses (session_id) WHERE session_id IS NOT NULL;

-- The tables below contain circumstances that explain the runs. Their ids are from the sequence of the ids of runs, so an
-- id contains the time. First: changes of states of the home that a person, an automation, a script or a device caused.
-- Sensors that only measure are left out.
CREATE TABLE home_changes (
    id         INTEGER PRIMARY KEY,  -- contains the time at which the framework received the change
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    entity_id  INTEGER NOT NULL REFERENCES names (id),
    old_state  TEXT,                 -- NULL if the entity was new
    new_state  TEXT,                 -- NULL if the entity was removed
    context_id TEXT NOT NULL,        -- Home Assistant's context of the change
    parent_id  TEXT,                 -- parent of that context, if it has one
    user_id    INTEGER REFERENCES names (id)  -- the user who caused the change, if known
) STRICT;
CREATE INDEX home_changes_by_entity ON home_changes (entity_id);
CREATE INDEX home_changes_by_context ON home_changes (context_id);

-- Automations, scripts and service calls of Home Assistant. Changes that they cause have their context. Service calls of
-- the framework are in `service_calls`.
CREATE TABLE home_causes (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    kind       TEXT NOT NULL,        -- automation, script, service_call, or event: another trigger
    entity_id  INTEGER REFERENCES names (id),  -- the automation or script; NULL for a service call
    service_id INTEGER REFERENCES names (id),  -- for example light.turn_on; NULL for an automation or script
    target     TEXT,                 -- of a service call: compact JSON; NULL for no target
    detail     TEXT,                 -- for example `state of binary_sensor.door`, the name of a script, or the calling app
    context_id TEXT NOT NULL,        -- Home Assistant's context of the cause
    parent_id  TEXT,                 -- parent of that context, if it has one
    user_id    INTEGER REFERENCES names (id),  -- the user who caused it, if known
    item_id    TEXT,                 -- id of the automation or script in Home Assistant's traces, if known
    trace_id   TEXT                  -- id of the trace, if known: Home Assistant names it from 2026.11 on
) STRICT;
CREATE INDEX home_causes_by_context ON home_causes (context_id);
-- A home can have a hundred times as many runs of automations as service calls. Most of these calls are only wanted by
-- their time.
CREATE INDEX home_causes_service_calls ON home_causes (id, service_id) WHERE kind = 'service_call';

-- Names that Home Assistant shows. `names` has the ids.
CREATE TABLE home_names (
    kind TEXT NOT NULL,              -- entity, user, device or area; follower: an entity that follows others
    key  TEXT NOT NULL,              -- the id, for example light.hall
    name TEXT NOT NULL,              -- of a follower: the followed entity, or its integration
    area TEXT,                       -- name of the area of the entity or device, if it has one
    PRIMARY KEY (kind, key)
) WITHOUT ROWID, STRICT;

-- Versions of apps: one row for each start of an app with the framework, and for each reload that changed the app. A
-- version is new if it differs from that of the previous row of the app.
CREATE TABLE deploys (
    id            INTEGER PRIMARY KEY,
    session_id    INTEGER NOT NULL REFERENCES sessions (id),
    app           TEXT NOT NULL,     -- the app's key
    version       TEXT NOT NULL,     -- short hash of the code and the settings
    code_hash     TEXT NOT NULL,     -- hash of the app's modules
    settings_hash TEXT NOT NULL,     -- hash of the settings, with secrets masked
    git_commit    TEXT,              -- commit of the repository of the app folder, if there is one
    at_start      INTEGER NOT NULL   -- 1 if the app was started with the framework; 0 for a reload
) STRICT;
CREATE INDEX deploys_by_app ON deploys (app);

-- Warnings and errors that were logged outside runs. The lines of runs are in `log_lines`.
CREATE TABLE framework_log (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    level      INTEGER NOT NULL,     -- level number of Python's logging
    logger_id  INTEGER NOT NULL REFERENCES names (id),
    message    TEXT NOT NULL,
    app        TEXT                  -- key of the app that logged it; NULL for the framework
) STRICT;

-- Section 7: statistics. The store keeps them for longer than the rows that they count. It counts the runs at most once
-- a minute: `derived_below` in `store_state` is the id below which all runs are counted. The views `statistics_hourly`
-- and `statistics_daily` add the runs from that id on, so they are exact at each moment. Only the statistics of evicted
-- runs are written at once.
--
-- The period comes first in each key. The store then changes one or two pages of a table instead of one page for each
-- registration, which reduces wear of the SD card. The cost of this order is that a query for one registration seeks
-- once for each period.
--
-- `sketch` is a latency sketch, packed as hassette_store/sketch.py describes. A duration of d microseconds belongs to
-- the bucket with the number ceil(log(max(d, 1), 101/99)). The value of a bucket is 2 * (101/99)^bucket / (1 + 101/99),
-- which is within 1 % of each d in the bucket. Interrupted runs are not in the sketch and not in the durations, because
-- their durations are unknown.

CREATE TABLE counted_hourly (
    hour            INTEGER NOT NULL,            -- since the epoch
    registration_id INTEGER NOT NULL,
    success         INTEGER NOT NULL DEFAULT 0,  -- number of runs by status, including evicted runs
    error           INTEGER NOT NULL DEFAULT 0,
    cancelled       INTEGER NOT NULL DEFAULT 0,
    timed_out       INTEGER NOT NULL DEFAULT 0,
    interrupted     INTEGER NOT NULL DEFAULT 0,
    shed            INTEGER NOT NULL DEFAULT 0,  -- number of runs without a row; the columns above include them
    total_us        INTEGER NOT NULL DEFAULT 0,  -- total duration
    max_us          INTEGER NOT NULL DEFAULT 0,  -- the longest duration
    waited_us       INTEGER NOT NULL DEFAULT 0,  -- total waiting time
    sketch          BLOB NOT NULL DEFAULT x'',   -- durations
    PRIMARY KEY (hour, registration_id)
) WITHOUT ROWID, STRICT;

CREATE TABLE counted_daily (
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
    sketch          BLOB NOT NULL DEFAULT x'',
    PRIMARY KEY (day, registration_id)
) WITHOUT ROWID, STRICT;

-- Number of triggers that led to no run, by reason: condition, rate_limited, overlap, back_pressure, misfire,
-- predicate_failed and others.
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

-- The newest triggers of each registration that led to no run, at most 20. `skips_hourly` counts all of them.
CREATE TABLE not_runs (
    id              INTEGER PRIMARY KEY,   -- higher for later rows of the same registration
    registration_id INTEGER NOT NULL,
    session_id      INTEGER NOT NULL REFERENCES sessions (id),
    at_us           INTEGER NOT NULL,
    reason_id       INTEGER NOT NULL REFERENCES names (id),  -- condition, rate_limited, overlap, …
    detail          TEXT,                  -- one sentence, for example which condition did not hold
    event_type_id   INTEGER REFERENCES names (id),  -- the trigger; all columns are NULL if it is not known
    entity_id       INTEGER REFERENCES names (id),
    old_state       TEXT,
    new_state       TEXT,
    context_id      TEXT,
    parent_id       TEXT,
    user_id         INTEGER REFERENCES names (id),
    missed          INTEGER,
    immediate       INTEGER,
    due_us          INTEGER,               -- for a job; NULL for a listener
    manual          INTEGER
) STRICT;
CREATE INDEX not_runs_by_registration ON not_runs (registration_id);

-- Search index: the minutes of each hour in which a run has an entity, a service, a part of a text or a long duration.
-- hassette_store/derived/search_index.py describes the terms. The index covers the runs from `searchable_from` in
-- `store_state` up to `derived_below`; without `searchable_from` it is off. A search reads the rows of these minutes.
CREATE TABLE search_minutes (
    hour    INTEGER NOT NULL,        -- since the epoch
    term    INTEGER NOT NULL,        -- kind of the term and its value
    minutes INTEGER NOT NULL,        -- bit n is set if the minute n of the hour may contain such a run
    PRIMARY KEY (hour, term)
) WITHOUT ROWID, STRICT;

-- The hours of each day that have a term, so that a search looks a rare term up in few hours.
CREATE TABLE search_hours (
    day   INTEGER NOT NULL,          -- since the epoch
    term  INTEGER NOT NULL,
    hours INTEGER NOT NULL,          -- bit n is set if the hour n of the day has a row with this term
    PRIMARY KEY (day, term)
) WITHOUT ROWID, STRICT;

-- Section 8: state of the store.

-- Progress of the retention, of the statistics and of the search index, by name.
CREATE TABLE store_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- Section 9: views for readers, with plain columns. A query with `WHERE id < ? ORDER BY id DESC LIMIT ?` on a view
-- reads along the primary keys only if each column has the same affinity in both SELECTs of the union. Therefore a NULL
-- column is cast to the type of the column in the other SELECT. `due_us` needs no cast: it is an expression in one
-- SELECT and NULL in the other, and neither an expression nor NULL has an affinity.

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

-- Runs of both kinds, with ids in place of names. Use this view for filters. To filter by a status other than success,
-- write `status_id <> 0 AND status_id = ?`, so that SQLite uses an index.
CREATE VIEW runs (
    id, kind, registration_id, session_id, status_id, started_us, duration_us, waited_us,
    event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id, missed, immediate, due_us, manual
) AS
SELECT id, 'handler', listener_id, session_id, status, (id >> 21) * 1000 - started_before, duration_us, waited_us,
       event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id, missed, immediate, NULL, CAST(NULL AS INTEGER)
FROM handler_invocations
UNION ALL
SELECT id, 'job', job_id, session_id, status, (id >> 21) * 1000 - started_before, duration_us, waited_us,
       CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT),
       CAST(NULL AS TEXT), CAST(NULL AS INTEGER), CAST(NULL AS INTEGER), CAST(NULL AS INTEGER),
       (id >> 21) * 1000 - started_before - due_before, manual
FROM job_executions;

-- Runs of both kinds, with names.
CREATE VIEW named_runs (
    id, kind, registration_id, session_id, status_id, status, started_us, duration_us, waited_us,
    event_type, entity, old_state, new_state, context_id, parent_id, user, missed, immediate, due_us, manual
) AS
SELECT runs.id, kind, registration_id, session_id, status_id, statuses.name, started_us, duration_us, waited_us,
       event_types.name, entities.name, old_state, new_state, context_id, parent_id, users.name, missed, immediate, due_us, manual
FROM runs
LEFT JOIN statuses ON statuses.id = status_id
LEFT JOIN names AS event_types ON event_types.id = event_type_id
LEFT JOIN names AS entities ON entities.id = entity_id
LEFT JOIN names AS users ON users.id = user_id;

-- Failures of runs.
CREATE VIEW run_failures (
    run_id, error_group_id, kind, type, message, file, line, function, code, sample_run_id, sample_traceback
) AS
SELECT run_id, error_group_id, kind, type, coalesce(failures.message, error_groups.message),
       coalesce(failures.file, error_groups.file), coalesce(failures.line, error_groups.line),
       coalesce(failures.function, error_groups.function), coalesce(failures.code, error_groups.code),
       first_run_id, traceback
FROM failures
JOIN error_groups ON error_groups.id = error_group_id;

-- Service calls of runs.
CREATE VIEW run_service_calls (
    run_id, position, at_us, service, target, data, duration_us, context_id, error, attempt, confirmed_us, rehearsed
) AS
SELECT run_id, position, at_us, (SELECT name FROM names WHERE names.id = service_id), target, data, duration_us,
       context_id, error, attempt, confirmed_us, rehearsed
FROM service_calls;

-- Log lines of runs.
CREATE VIEW run_log_lines (run_id, position, at_us, level, logger, message) AS
SELECT run_id, position, at_us, level, (SELECT name FROM names WHERE names.id = logger_id), message
FROM log_lines;

-- States that runs read.
CREATE VIEW run_state_reads (run_id, position, at_us, entity_id, state) AS
SELECT run_id, position, at_us, (SELECT name FROM names WHERE names.id = entity_id), state
FROM state_reads;

-- Runs that the statistics tables do not count yet.
CREATE VIEW uncounted_runs (id, hour, day, registration_id, status, duration_us, waited_us) AS
SELECT id, (id >> 21) * 1000 / 3600000000, (id >> 21) * 1000 / 86400000000, listener_id, status,
       CASE WHEN status <> 4 THEN duration_us ELSE 0 END, waited_us
FROM handler_invocations
WHERE id >= (SELECT coalesce(max(value), 0) FROM store_state WHERE name = 'derived_below')
UNION ALL
SELECT id, (id >> 21) * 1000 / 3600000000, (id >> 21) * 1000 / 86400000000, job_id, status,
       CASE WHEN status <> 4 THEN duration_us ELSE 0 END, waited_us
FROM job_executions
WHERE id >= (SELECT coalesce(max(value), 0) FROM store_state WHERE name = 'derived_below');

-- Statistics, exact at each moment.
CREATE VIEW statistics_hourly (
    hour, registration_id, success, error, cancelled, timed_out, interrupted, shed, total_us, max_us, waited_us
) AS
SELECT hour, registration_id, sum(success), sum(error), sum(cancelled), sum(timed_out), sum(interrupted), sum(shed),
       sum(total_us), max(max_us), sum(waited_us)
FROM (
    SELECT hour, registration_id, success, error, cancelled, timed_out, interrupted, shed, total_us, max_us, waited_us
    FROM counted_hourly
    UNION ALL
    SELECT hour, registration_id, status = 0, status = 1, status = 2, status = 3, status = 4, 0, duration_us,
           duration_us, waited_us
    FROM uncounted_runs
)
GROUP BY hour, registration_id;

CREATE VIEW statistics_daily (
    day, registration_id, success, error, cancelled, timed_out, interrupted, shed, total_us, max_us, waited_us
) AS
SELECT day, registration_id, sum(success), sum(error), sum(cancelled), sum(timed_out), sum(interrupted), sum(shed),
       sum(total_us), max(max_us), sum(waited_us)
FROM (
    SELECT day, registration_id, success, error, cancelled, timed_out, interrupted, shed, total_us, max_us, waited_us
    FROM counted_daily
    UNION ALL
    SELECT day, registration_id, status = 0, status = 1, status = 2, status = 3, status = 4, 0, duration_us,
           duration_us, waited_us
    FROM uncounted_runs
)
GROUP BY day, registration_id;

-- Create SQLite's table of statistics now. Otherwise the first `PRAGMA optimize` would create it, and would move a part
-- of the schema to the end of the file, which is the first part that a truncated file loses.
ANALYZE;
