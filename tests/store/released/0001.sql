-- A history as hassette-store 0.1.0 left it (schema revision 0001).
-- Made by scripts/freeze_schema.py; do not edit it.
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1213420372;
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
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
INSERT INTO "counted_daily" VALUES(20717,1,4,2,2,2,1,0,30000,3000,2500,X'0191010A');
INSERT INTO "counted_daily" VALUES(20717,2,2,0,0,0,0,0,6000,3000,500,X'01910102');
INSERT INTO "counted_daily" VALUES(20717,3,4,2,2,2,1,0,30000,3000,2500,X'0191010A');
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
INSERT INTO "counted_hourly" VALUES(497222,1,4,2,2,2,1,0,30000,3000,2500,X'0191010A');
INSERT INTO "counted_hourly" VALUES(497222,2,2,0,0,0,0,0,6000,3000,500,X'01910102');
INSERT INTO "counted_hourly" VALUES(497222,3,4,2,2,2,1,0,30000,3000,2500,X'0191010A');
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
INSERT INTO "deploys" VALUES(3753902080071303168,1,'hall','a1b2c3d4','c0de','5e77','0123abc',1);
INSERT INTO "deploys" VALUES(3753902101042823168,2,'hall','a1b2c3d4','c0de','5e77','0123abc',1);
CREATE TABLE dropped_effects (
    run_id        INTEGER PRIMARY KEY,
    log_lines     INTEGER NOT NULL,
    service_calls INTEGER NOT NULL,
    state_reads   INTEGER NOT NULL
) STRICT;
INSERT INTO "dropped_effects" VALUES(3753902080002097152,2,1,4);
INSERT INTO "dropped_effects" VALUES(3753902080006291456,2,1,4);
INSERT INTO "dropped_effects" VALUES(3753902100973617152,2,1,4);
INSERT INTO "dropped_effects" VALUES(3753902100977811456,2,1,4);
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
INSERT INTO "error_groups" VALUES(1,'1:4d6d39b06d39cc196d9db58f','exception','ZeroDivisionError','division by zero','/config/apps/hall.py',12,'Hall.on_motion','self.brightness = 254 / state.attributes["dim"]','Traceback (most recent call last):
  File "/config/apps/hall.py", line 12, in Hall.on_motion
ZeroDivisionError: division by zero
',1790000000001000,1790000010021000,3753902080002097152,3753902101015560192,4,NULL);
CREATE TABLE failures (
    run_id         INTEGER PRIMARY KEY,  -- handler_invocations.id or job_executions.id
    error_group_id INTEGER NOT NULL REFERENCES error_groups (id),
    message        TEXT,
    file           TEXT,
    line           INTEGER,
    function       TEXT,
    code           TEXT
) STRICT;
INSERT INTO "failures" VALUES(3753902080002097152,1,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "failures" VALUES(3753902080044040192,1,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "failures" VALUES(3753902100973617152,1,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "failures" VALUES(3753902101015560192,1,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE framework_log (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    level      INTEGER NOT NULL,     -- level number of Python's logging
    logger_id  INTEGER NOT NULL REFERENCES names (id),
    message    TEXT NOT NULL,
    app        TEXT                  -- key of the app that logged it; NULL for the framework
) STRICT;
INSERT INTO "framework_log" VALUES(3753902080073400320,1,30,10,'Connection to Home Assistant was lost','hall');
INSERT INTO "framework_log" VALUES(3753902101044920320,2,30,10,'Connection to Home Assistant was lost','hall');
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
INSERT INTO "handler_invocations" VALUES(3753902080000000000,1,1,0,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902080002097152,1,1,1,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902080004194304,1,1,2,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902080006291456,1,1,3,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902080008388608,1,1,0,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902080016777216,2,1,0,3000,3000,250,6,NULL,NULL,NULL,'01HZX3CHILD','01HZX3PARENT',7,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100971520000,1,2,0,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100973617152,1,2,1,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100975714304,1,2,2,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100977811456,1,2,3,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100979908608,1,2,0,3000,3000,250,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
INSERT INTO "handler_invocations" VALUES(3753902100988297216,2,2,0,3000,3000,250,6,NULL,NULL,NULL,'01HZX3CHILD','01HZX3PARENT',7,0,0);
INSERT INTO "handler_invocations" VALUES(3753902121943040001,1,1,4,10000000,10000000,0,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0);
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
INSERT INTO "home_causes" VALUES(3753902080067108864,1,'automation',9,NULL,NULL,'state of sun.sun','01HZX3CHANGE','01HZX3PARENT',NULL,'evening','0123456789abcdef');
INSERT INTO "home_causes" VALUES(3753902080069206016,1,'service_call',NULL,4,'{"entity_id":["light.hall"]}',NULL,'01HZX3CHANGE','01HZX3PARENT',NULL,NULL,NULL);
INSERT INTO "home_causes" VALUES(3753902101038628864,2,'automation',9,NULL,NULL,'state of sun.sun','01HZX3CHANGE','01HZX3PARENT',NULL,'evening','0123456789abcdef');
INSERT INTO "home_causes" VALUES(3753902101040726016,2,'service_call',NULL,4,'{"entity_id":["light.hall"]}',NULL,'01HZX3CHANGE','01HZX3PARENT',NULL,NULL,NULL);
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
INSERT INTO "home_changes" VALUES(3753902080065011712,1,8,'off','on','01HZX3CHANGE','01HZX3PARENT',7);
INSERT INTO "home_changes" VALUES(3753902101036531712,2,8,'off','on','01HZX3CHANGE','01HZX3PARENT',7);
CREATE TABLE home_names (
    kind TEXT NOT NULL,              -- entity, user, device or area; follower: an entity that follows others
    key  TEXT NOT NULL,              -- the id, for example light.hall
    name TEXT NOT NULL,              -- of a follower: the followed entity, or its integration
    area TEXT,                       -- name of the area of the entity or device, if it has one
    PRIMARY KEY (kind, key)
) WITHOUT ROWID, STRICT;
INSERT INTO "home_names" VALUES('entity','light.hall','Hall light','Hall');
INSERT INTO "home_names" VALUES('user','01HZX3USER','Ada',NULL);
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
INSERT INTO "job_executions" VALUES(3753902080041943040,3,1,0,3000,3000,250,17000,0);
INSERT INTO "job_executions" VALUES(3753902080044040192,3,1,1,3000,3000,250,18000,1);
INSERT INTO "job_executions" VALUES(3753902080046137344,3,1,2,3000,3000,250,19000,0);
INSERT INTO "job_executions" VALUES(3753902080048234496,3,1,3,3000,3000,250,20000,0);
INSERT INTO "job_executions" VALUES(3753902080050331648,3,1,0,3000,3000,250,21000,0);
INSERT INTO "job_executions" VALUES(3753902101013463040,3,2,0,3000,3000,250,10017000,0);
INSERT INTO "job_executions" VALUES(3753902101015560192,3,2,1,3000,3000,250,10018000,1);
INSERT INTO "job_executions" VALUES(3753902101017657344,3,2,2,3000,3000,250,10019000,0);
INSERT INTO "job_executions" VALUES(3753902101019754496,3,2,3,3000,3000,250,10020000,0);
INSERT INTO "job_executions" VALUES(3753902101021851648,3,2,0,3000,3000,250,10021000,0);
INSERT INTO "job_executions" VALUES(3753902121943040002,3,1,4,10000000,10000000,0,10000000,0);
CREATE TABLE lifecycle_events (
    id         INTEGER PRIMARY KEY,  -- from the same sequence as the ids of runs
    session_id INTEGER NOT NULL REFERENCES sessions (id),
    at_us      INTEGER NOT NULL,
    kind       TEXT NOT NULL,        -- connection_lost, app_failed, database_recovered, …
    subject    TEXT NOT NULL,        -- the app instance, service, address or file
    detail     TEXT NOT NULL         -- one sentence; may be empty
) STRICT;
INSERT INTO "lifecycle_events" VALUES(3753902080062914560,1,1790000000000000,'app_failed','hall','no such entity');
INSERT INTO "lifecycle_events" VALUES(3753902101034434560,2,1790000000000000,'app_failed','hall','no such entity');
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
INSERT INTO "listeners" VALUES(1,'hall','main','on_motion','state_changed.binary_sensor.hall','Hall.on_motion','{"debounce":"2 s"}','apps/hall.py',12,'async def on_motion(self): ...','async',NULL,1790000010000000,1790000030000000,NULL);
INSERT INTO "listeners" VALUES(2,'hall','main','on_door','state_changed.binary_sensor.door','Hall.on_motion','{"debounce":"2 s"}','apps/hall.py',12,'async def on_motion(self): ...','async',NULL,1790000010000000,1790000030000000,1790000030000000);
CREATE TABLE log_lines (
    run_id    INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position  INTEGER NOT NULL,  -- from 0, oldest first
    at_us     INTEGER NOT NULL,
    level     INTEGER NOT NULL,  -- level number of Python's logging
    logger_id INTEGER NOT NULL REFERENCES names (id),
    message   TEXT NOT NULL,
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;
INSERT INTO "log_lines" VALUES(3753902080002097152,0,1790000000000000,30,3,'the lamp did not answer');
INSERT INTO "log_lines" VALUES(3753902080002097152,1,1790000000000000,20,3,'done');
INSERT INTO "log_lines" VALUES(3753902080006291456,0,1790000000000000,30,3,'the lamp did not answer');
INSERT INTO "log_lines" VALUES(3753902080006291456,1,1790000000000000,20,3,'done');
INSERT INTO "log_lines" VALUES(3753902100973617152,0,1790000000000000,30,3,'the lamp did not answer');
INSERT INTO "log_lines" VALUES(3753902100973617152,1,1790000000000000,20,3,'done');
INSERT INTO "log_lines" VALUES(3753902100977811456,0,1790000000000000,30,3,'the lamp did not answer');
INSERT INTO "log_lines" VALUES(3753902100977811456,1,1790000000000000,20,3,'done');
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
INSERT INTO "losses" VALUES(1,1,'queue_full_count','log_lines',4,1790000000000000,1790000001000000);
INSERT INTO "losses" VALUES(2,2,'queue_full_count','log_lines',4,1790000000000000,1790000001000000);
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,    -- the number that other columns store in place of the name
    name TEXT NOT NULL UNIQUE    -- the text
) STRICT;
INSERT INTO "names" VALUES(1,'state_changed');
INSERT INTO "names" VALUES(2,'binary_sensor.hall');
INSERT INTO "names" VALUES(3,'hall.main');
INSERT INTO "names" VALUES(4,'light.turn_on');
INSERT INTO "names" VALUES(5,'sensor.dark');
INSERT INTO "names" VALUES(6,'call_service');
INSERT INTO "names" VALUES(7,'01HZX3USER');
INSERT INTO "names" VALUES(8,'light.hall');
INSERT INTO "names" VALUES(9,'automation.evening');
INSERT INTO "names" VALUES(10,'hassette_core.link');
INSERT INTO "names" VALUES(11,'overlap');
INSERT INTO "names" VALUES(12,'misfire');
INSERT INTO "names" VALUES(13,'condition');
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
INSERT INTO "not_runs" VALUES(1,1,1,1790000010000000,13,'sun.sun is below_horizon: it was above_horizon',1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0,NULL,NULL);
INSERT INTO "not_runs" VALUES(2,3,1,1790000010000000,11,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1790000000000000,0);
INSERT INTO "not_runs" VALUES(3,3,1,1790000011000000,12,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "not_runs" VALUES(4,1,2,1790000030000000,13,'sun.sun is below_horizon: it was above_horizon',1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0,NULL,NULL);
INSERT INTO "not_runs" VALUES(5,3,2,1790000030000000,11,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1790000000000000,0);
INSERT INTO "not_runs" VALUES(6,3,2,1790000031000000,12,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "running_executions" VALUES(2,1,1,1790000030000000,1,2,'off','on','01HZX3ABCDEFGHJKMNPQRSTVWX',NULL,NULL,0,0,NULL,NULL);
INSERT INTO "running_executions" VALUES(2,2,3,1790000030000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1790000000000000,0);
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
INSERT INTO "scheduled_jobs" VALUES(3,'hall','main','tidy','every 30 s','Hall.tidy','{}',NULL,NULL,NULL,'sync',5.0,1790000010000000,1790000030000000,NULL);
CREATE TABLE search_hours (
    day   INTEGER NOT NULL,          -- since the epoch
    term  INTEGER NOT NULL,
    hours INTEGER NOT NULL,          -- bit n is set if the hour n of the day has a row with this term
    PRIMARY KEY (day, term)
) WITHOUT ROWID, STRICT;
INSERT INTO "search_hours" VALUES(20717,16777218,16384);
INSERT INTO "search_hours" VALUES(20717,33554434,16384);
INSERT INTO "search_hours" VALUES(20717,50331649,16384);
INSERT INTO "search_hours" VALUES(20717,50331654,16384);
INSERT INTO "search_hours" VALUES(20717,67108868,16384);
INSERT INTO "search_hours" VALUES(20717,83886080,16384);
INSERT INTO "search_hours" VALUES(20717,100663349,16384);
INSERT INTO "search_hours" VALUES(20717,100663350,16384);
INSERT INTO "search_hours" VALUES(20717,100663351,16384);
INSERT INTO "search_hours" VALUES(20717,100663352,16384);
INSERT INTO "search_hours" VALUES(20717,100663353,16384);
INSERT INTO "search_hours" VALUES(20717,100663354,16384);
INSERT INTO "search_hours" VALUES(20717,100663355,16384);
INSERT INTO "search_hours" VALUES(20717,100663356,16384);
INSERT INTO "search_hours" VALUES(20717,100663357,16384);
INSERT INTO "search_hours" VALUES(20717,100663358,16384);
INSERT INTO "search_hours" VALUES(20717,100663359,16384);
INSERT INTO "search_hours" VALUES(20717,100663360,16384);
INSERT INTO "search_hours" VALUES(20717,100663361,16384);
INSERT INTO "search_hours" VALUES(20717,100663362,16384);
INSERT INTO "search_hours" VALUES(20717,100663363,16384);
INSERT INTO "search_hours" VALUES(20717,100663364,16384);
INSERT INTO "search_hours" VALUES(20717,100663365,16384);
INSERT INTO "search_hours" VALUES(20717,100663366,16384);
INSERT INTO "search_hours" VALUES(20717,100663367,16384);
INSERT INTO "search_hours" VALUES(20717,100663368,16384);
INSERT INTO "search_hours" VALUES(20717,100663369,16384);
INSERT INTO "search_hours" VALUES(20717,100663370,16384);
INSERT INTO "search_hours" VALUES(20717,100663371,16384);
INSERT INTO "search_hours" VALUES(20717,100663372,16384);
INSERT INTO "search_hours" VALUES(20717,100663373,16384);
INSERT INTO "search_hours" VALUES(20717,100663374,16384);
INSERT INTO "search_hours" VALUES(20717,100663375,16384);
INSERT INTO "search_hours" VALUES(20717,100663376,16384);
INSERT INTO "search_hours" VALUES(20717,100663377,16384);
INSERT INTO "search_hours" VALUES(20717,100663378,16384);
INSERT INTO "search_hours" VALUES(20717,100663379,16384);
INSERT INTO "search_hours" VALUES(20717,100663380,16384);
INSERT INTO "search_hours" VALUES(20717,100663381,16384);
INSERT INTO "search_hours" VALUES(20717,100663382,16384);
INSERT INTO "search_hours" VALUES(20717,100663383,16384);
INSERT INTO "search_hours" VALUES(20717,100663384,16384);
INSERT INTO "search_hours" VALUES(20717,100663385,16384);
INSERT INTO "search_hours" VALUES(20717,100663386,16384);
INSERT INTO "search_hours" VALUES(20717,100663387,16384);
INSERT INTO "search_hours" VALUES(20717,100663388,16384);
INSERT INTO "search_hours" VALUES(20717,100663389,16384);
INSERT INTO "search_hours" VALUES(20717,134754542,16384);
INSERT INTO "search_hours" VALUES(20717,134754547,16384);
INSERT INTO "search_hours" VALUES(20717,134754921,16384);
INSERT INTO "search_hours" VALUES(20717,134755439,16384);
INSERT INTO "search_hours" VALUES(20717,134755937,16384);
INSERT INTO "search_hours" VALUES(20717,134755951,16384);
INSERT INTO "search_hours" VALUES(20717,134756207,16384);
INSERT INTO "search_hours" VALUES(20717,134756975,16384);
INSERT INTO "search_hours" VALUES(20717,134757345,16384);
INSERT INTO "search_hours" VALUES(20717,135821040,16384);
INSERT INTO "search_hours" VALUES(20717,135821171,16384);
INSERT INTO "search_hours" VALUES(20717,135821172,16384);
INSERT INTO "search_hours" VALUES(20717,135821728,16384);
INSERT INTO "search_hours" VALUES(20717,135821811,16384);
INSERT INTO "search_hours" VALUES(20717,135854062,16384);
INSERT INTO "search_hours" VALUES(20717,135854697,16384);
INSERT INTO "search_hours" VALUES(20717,135860334,16384);
INSERT INTO "search_hours" VALUES(20717,135869668,16384);
INSERT INTO "search_hours" VALUES(20717,135870446,16384);
INSERT INTO "search_hours" VALUES(20717,135876705,16384);
INSERT INTO "search_hours" VALUES(20717,135876716,16384);
INSERT INTO "search_hours" VALUES(20717,135885300,16384);
INSERT INTO "search_hours" VALUES(20717,135934624,16384);
INSERT INTO "search_hours" VALUES(20717,135935981,16384);
INSERT INTO "search_hours" VALUES(20717,135950880,16384);
INSERT INTO "search_hours" VALUES(20717,135952366,16384);
INSERT INTO "search_hours" VALUES(20717,135952884,16384);
INSERT INTO "search_hours" VALUES(20717,135999725,16384);
INSERT INTO "search_hours" VALUES(20717,136001523,16384);
INSERT INTO "search_hours" VALUES(20717,136016544,16384);
INSERT INTO "search_hours" VALUES(20717,136017952,16384);
INSERT INTO "search_hours" VALUES(20717,136024180,16384);
INSERT INTO "search_hours" VALUES(20717,136032995,16384);
INSERT INTO "search_hours" VALUES(20717,136034149,16384);
INSERT INTO "search_hours" VALUES(20717,136034292,16384);
INSERT INTO "search_hours" VALUES(20717,136034807,16384);
INSERT INTO "search_hours" VALUES(20717,136034848,16384);
INSERT INTO "search_hours" VALUES(20717,136040552,16384);
INSERT INTO "search_hours" VALUES(20717,136050405,16384);
INSERT INTO "search_hours" VALUES(20717,136050464,16384);
INSERT INTO "search_hours" VALUES(20717,136050533,16384);
INSERT INTO "search_hours" VALUES(20717,136050542,16384);
INSERT INTO "search_hours" VALUES(20717,136051188,16384);
INSERT INTO "search_hours" VALUES(20717,136051232,16384);
INSERT INTO "search_hours" VALUES(20717,136056932,16384);
INSERT INTO "search_hours" VALUES(20717,136106092,16384);
INSERT INTO "search_hours" VALUES(20717,136115443,16384);
INSERT INTO "search_hours" VALUES(20717,136116713,16384);
INSERT INTO "search_hours" VALUES(20717,136116833,16384);
INSERT INTO "search_hours" VALUES(20717,136117221,16384);
INSERT INTO "search_hours" VALUES(20717,136122465,16384);
INSERT INTO "search_hours" VALUES(20717,136122487,16384);
INSERT INTO "search_hours" VALUES(20717,136130798,16384);
INSERT INTO "search_hours" VALUES(20717,136131685,16384);
INSERT INTO "search_hours" VALUES(20717,136131823,16384);
INSERT INTO "search_hours" VALUES(20717,136132512,16384);
INSERT INTO "search_hours" VALUES(20717,136179955,16384);
INSERT INTO "search_hours" VALUES(20717,136180466,16384);
INSERT INTO "search_hours" VALUES(20717,151559458,16384);
INSERT INTO "search_hours" VALUES(20717,151565038,16384);
INSERT INTO "search_hours" VALUES(20717,151565929,16384);
INSERT INTO "search_hours" VALUES(20717,151762017,16384);
INSERT INTO "search_hours" VALUES(20717,151949676,16384);
INSERT INTO "search_hours" VALUES(20717,152564964,16384);
INSERT INTO "search_hours" VALUES(20717,152598124,16384);
INSERT INTO "search_hours" VALUES(20717,152637754,16384);
INSERT INTO "search_hours" VALUES(20717,152663924,16384);
INSERT INTO "search_hours" VALUES(20717,152695924,16384);
INSERT INTO "search_hours" VALUES(20717,152711404,16384);
INSERT INTO "search_hours" VALUES(20717,152713774,16384);
INSERT INTO "search_hours" VALUES(20717,152728098,16384);
INSERT INTO "search_hours" VALUES(20717,152728552,16384);
INSERT INTO "search_hours" VALUES(20717,152730233,16384);
INSERT INTO "search_hours" VALUES(20717,152768893,16384);
INSERT INTO "search_hours" VALUES(20717,152777959,16384);
INSERT INTO "search_hours" VALUES(20717,152778274,16384);
INSERT INTO "search_hours" VALUES(20717,152812137,16384);
INSERT INTO "search_hours" VALUES(20717,152901480,16384);
INSERT INTO "search_hours" VALUES(20717,152909044,16384);
INSERT INTO "search_hours" VALUES(20717,152911071,16384);
INSERT INTO "search_hours" VALUES(20717,152989673,16384);
INSERT INTO "search_hours" VALUES(20717,153014629,16384);
CREATE TABLE search_minutes (
    hour    INTEGER NOT NULL,        -- since the epoch
    term    INTEGER NOT NULL,        -- kind of the term and its value
    minutes INTEGER NOT NULL,        -- bit n is set if the minute n of the hour may contain such a run
    PRIMARY KEY (hour, term)
) WITHOUT ROWID, STRICT;
INSERT INTO "search_minutes" VALUES(497222,16777218,8192);
INSERT INTO "search_minutes" VALUES(497222,33554434,8192);
INSERT INTO "search_minutes" VALUES(497222,50331649,8192);
INSERT INTO "search_minutes" VALUES(497222,50331654,8192);
INSERT INTO "search_minutes" VALUES(497222,67108868,8192);
INSERT INTO "search_minutes" VALUES(497222,83886080,8192);
INSERT INTO "search_minutes" VALUES(497222,100663349,8192);
INSERT INTO "search_minutes" VALUES(497222,100663350,8192);
INSERT INTO "search_minutes" VALUES(497222,100663351,8192);
INSERT INTO "search_minutes" VALUES(497222,100663352,8192);
INSERT INTO "search_minutes" VALUES(497222,100663353,8192);
INSERT INTO "search_minutes" VALUES(497222,100663354,8192);
INSERT INTO "search_minutes" VALUES(497222,100663355,8192);
INSERT INTO "search_minutes" VALUES(497222,100663356,8192);
INSERT INTO "search_minutes" VALUES(497222,100663357,8192);
INSERT INTO "search_minutes" VALUES(497222,100663358,8192);
INSERT INTO "search_minutes" VALUES(497222,100663359,8192);
INSERT INTO "search_minutes" VALUES(497222,100663360,8192);
INSERT INTO "search_minutes" VALUES(497222,100663361,8192);
INSERT INTO "search_minutes" VALUES(497222,100663362,8192);
INSERT INTO "search_minutes" VALUES(497222,100663363,8192);
INSERT INTO "search_minutes" VALUES(497222,100663364,8192);
INSERT INTO "search_minutes" VALUES(497222,100663365,8192);
INSERT INTO "search_minutes" VALUES(497222,100663366,8192);
INSERT INTO "search_minutes" VALUES(497222,100663367,8192);
INSERT INTO "search_minutes" VALUES(497222,100663368,8192);
INSERT INTO "search_minutes" VALUES(497222,100663369,8192);
INSERT INTO "search_minutes" VALUES(497222,100663370,8192);
INSERT INTO "search_minutes" VALUES(497222,100663371,8192);
INSERT INTO "search_minutes" VALUES(497222,100663372,8192);
INSERT INTO "search_minutes" VALUES(497222,100663373,8192);
INSERT INTO "search_minutes" VALUES(497222,100663374,8192);
INSERT INTO "search_minutes" VALUES(497222,100663375,8192);
INSERT INTO "search_minutes" VALUES(497222,100663376,8192);
INSERT INTO "search_minutes" VALUES(497222,100663377,8192);
INSERT INTO "search_minutes" VALUES(497222,100663378,8192);
INSERT INTO "search_minutes" VALUES(497222,100663379,8192);
INSERT INTO "search_minutes" VALUES(497222,100663380,8192);
INSERT INTO "search_minutes" VALUES(497222,100663381,8192);
INSERT INTO "search_minutes" VALUES(497222,100663382,8192);
INSERT INTO "search_minutes" VALUES(497222,100663383,8192);
INSERT INTO "search_minutes" VALUES(497222,100663384,8192);
INSERT INTO "search_minutes" VALUES(497222,100663385,8192);
INSERT INTO "search_minutes" VALUES(497222,100663386,8192);
INSERT INTO "search_minutes" VALUES(497222,100663387,8192);
INSERT INTO "search_minutes" VALUES(497222,100663388,8192);
INSERT INTO "search_minutes" VALUES(497222,100663389,8192);
INSERT INTO "search_minutes" VALUES(497222,134754542,8192);
INSERT INTO "search_minutes" VALUES(497222,134754547,8192);
INSERT INTO "search_minutes" VALUES(497222,134754921,8192);
INSERT INTO "search_minutes" VALUES(497222,134755439,8192);
INSERT INTO "search_minutes" VALUES(497222,134755937,8192);
INSERT INTO "search_minutes" VALUES(497222,134755951,8192);
INSERT INTO "search_minutes" VALUES(497222,134756207,8192);
INSERT INTO "search_minutes" VALUES(497222,134756975,8192);
INSERT INTO "search_minutes" VALUES(497222,134757345,8192);
INSERT INTO "search_minutes" VALUES(497222,135821040,8192);
INSERT INTO "search_minutes" VALUES(497222,135821171,8192);
INSERT INTO "search_minutes" VALUES(497222,135821172,8192);
INSERT INTO "search_minutes" VALUES(497222,135821728,8192);
INSERT INTO "search_minutes" VALUES(497222,135821811,8192);
INSERT INTO "search_minutes" VALUES(497222,135854062,8192);
INSERT INTO "search_minutes" VALUES(497222,135854697,8192);
INSERT INTO "search_minutes" VALUES(497222,135860334,8192);
INSERT INTO "search_minutes" VALUES(497222,135869668,8192);
INSERT INTO "search_minutes" VALUES(497222,135870446,8192);
INSERT INTO "search_minutes" VALUES(497222,135876705,8192);
INSERT INTO "search_minutes" VALUES(497222,135876716,8192);
INSERT INTO "search_minutes" VALUES(497222,135885300,8192);
INSERT INTO "search_minutes" VALUES(497222,135934624,8192);
INSERT INTO "search_minutes" VALUES(497222,135935981,8192);
INSERT INTO "search_minutes" VALUES(497222,135950880,8192);
INSERT INTO "search_minutes" VALUES(497222,135952366,8192);
INSERT INTO "search_minutes" VALUES(497222,135952884,8192);
INSERT INTO "search_minutes" VALUES(497222,135999725,8192);
INSERT INTO "search_minutes" VALUES(497222,136001523,8192);
INSERT INTO "search_minutes" VALUES(497222,136016544,8192);
INSERT INTO "search_minutes" VALUES(497222,136017952,8192);
INSERT INTO "search_minutes" VALUES(497222,136024180,8192);
INSERT INTO "search_minutes" VALUES(497222,136032995,8192);
INSERT INTO "search_minutes" VALUES(497222,136034149,8192);
INSERT INTO "search_minutes" VALUES(497222,136034292,8192);
INSERT INTO "search_minutes" VALUES(497222,136034807,8192);
INSERT INTO "search_minutes" VALUES(497222,136034848,8192);
INSERT INTO "search_minutes" VALUES(497222,136040552,8192);
INSERT INTO "search_minutes" VALUES(497222,136050405,8192);
INSERT INTO "search_minutes" VALUES(497222,136050464,8192);
INSERT INTO "search_minutes" VALUES(497222,136050533,8192);
INSERT INTO "search_minutes" VALUES(497222,136050542,8192);
INSERT INTO "search_minutes" VALUES(497222,136051188,8192);
INSERT INTO "search_minutes" VALUES(497222,136051232,8192);
INSERT INTO "search_minutes" VALUES(497222,136056932,8192);
INSERT INTO "search_minutes" VALUES(497222,136106092,8192);
INSERT INTO "search_minutes" VALUES(497222,136115443,8192);
INSERT INTO "search_minutes" VALUES(497222,136116713,8192);
INSERT INTO "search_minutes" VALUES(497222,136116833,8192);
INSERT INTO "search_minutes" VALUES(497222,136117221,8192);
INSERT INTO "search_minutes" VALUES(497222,136122465,8192);
INSERT INTO "search_minutes" VALUES(497222,136122487,8192);
INSERT INTO "search_minutes" VALUES(497222,136130798,8192);
INSERT INTO "search_minutes" VALUES(497222,136131685,8192);
INSERT INTO "search_minutes" VALUES(497222,136131823,8192);
INSERT INTO "search_minutes" VALUES(497222,136132512,8192);
INSERT INTO "search_minutes" VALUES(497222,136179955,8192);
INSERT INTO "search_minutes" VALUES(497222,136180466,8192);
INSERT INTO "search_minutes" VALUES(497222,151559458,8192);
INSERT INTO "search_minutes" VALUES(497222,151565038,8192);
INSERT INTO "search_minutes" VALUES(497222,151565929,8192);
INSERT INTO "search_minutes" VALUES(497222,151762017,8192);
INSERT INTO "search_minutes" VALUES(497222,151949676,8192);
INSERT INTO "search_minutes" VALUES(497222,152564964,8192);
INSERT INTO "search_minutes" VALUES(497222,152598124,8192);
INSERT INTO "search_minutes" VALUES(497222,152637754,8192);
INSERT INTO "search_minutes" VALUES(497222,152663924,8192);
INSERT INTO "search_minutes" VALUES(497222,152695924,8192);
INSERT INTO "search_minutes" VALUES(497222,152711404,8192);
INSERT INTO "search_minutes" VALUES(497222,152713774,8192);
INSERT INTO "search_minutes" VALUES(497222,152728098,8192);
INSERT INTO "search_minutes" VALUES(497222,152728552,8192);
INSERT INTO "search_minutes" VALUES(497222,152730233,8192);
INSERT INTO "search_minutes" VALUES(497222,152768893,8192);
INSERT INTO "search_minutes" VALUES(497222,152777959,8192);
INSERT INTO "search_minutes" VALUES(497222,152778274,8192);
INSERT INTO "search_minutes" VALUES(497222,152812137,8192);
INSERT INTO "search_minutes" VALUES(497222,152901480,8192);
INSERT INTO "search_minutes" VALUES(497222,152909044,8192);
INSERT INTO "search_minutes" VALUES(497222,152911071,8192);
INSERT INTO "search_minutes" VALUES(497222,152989673,8192);
INSERT INTO "search_minutes" VALUES(497222,153014629,8192);
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
INSERT INTO "service_calls" VALUES(3753902080002097152,0,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,NULL,0);
INSERT INTO "service_calls" VALUES(3753902080002097152,1,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL','no',2,NULL,0);
INSERT INTO "service_calls" VALUES(3753902080002097152,2,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,8,0);
INSERT INTO "service_calls" VALUES(3753902080006291456,0,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,NULL,0);
INSERT INTO "service_calls" VALUES(3753902080006291456,1,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL','no',2,NULL,0);
INSERT INTO "service_calls" VALUES(3753902080006291456,2,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,8,0);
INSERT INTO "service_calls" VALUES(3753902100973617152,0,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,NULL,0);
INSERT INTO "service_calls" VALUES(3753902100973617152,1,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL','no',2,NULL,0);
INSERT INTO "service_calls" VALUES(3753902100973617152,2,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,8,0);
INSERT INTO "service_calls" VALUES(3753902100977811456,0,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,NULL,0);
INSERT INTO "service_calls" VALUES(3753902100977811456,1,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL','no',2,NULL,0);
INSERT INTO "service_calls" VALUES(3753902100977811456,2,1790000000000000,4,'{"entity_id":"light.hall"}',NULL,12000,'01HZX3CALLCALLCALLCALLCALL',NULL,1,8,0);
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
INSERT INTO "sessions" VALUES(1,1790000000000000,1790000020000000,1790000020000000,'clean',NULL,4711,'casa','{"hassette":"0.1.0","python":"3.12.4"}',1,3753902080000000000,3753902121943040002,13,6,0,4);
INSERT INTO "sessions" VALUES(2,1790000020000000,1790000030000000,NULL,'open',NULL,4711,'casa','{"hassette":"0.1.0","python":"3.12.4"}',1,3753902100971520000,3753902101021851648,11,4,0,4);
CREATE TABLE skips_daily (
    day             INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    reason_id       INTEGER NOT NULL REFERENCES names (id),
    count           INTEGER NOT NULL,
    PRIMARY KEY (day, registration_id, reason_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "skips_daily" VALUES(20717,1,11,6);
INSERT INTO "skips_daily" VALUES(20717,3,12,2);
CREATE TABLE skips_hourly (
    hour            INTEGER NOT NULL,
    registration_id INTEGER NOT NULL,
    reason_id       INTEGER NOT NULL REFERENCES names (id),
    count           INTEGER NOT NULL,
    PRIMARY KEY (hour, registration_id, reason_id)
) WITHOUT ROWID, STRICT;
INSERT INTO "skips_hourly" VALUES(497222,1,11,6);
INSERT INTO "skips_hourly" VALUES(497222,3,12,2);
ANALYZE "sqlite_master";
INSERT INTO "sqlite_stat1" VALUES('statuses','sqlite_autoindex_statuses_1','5 1');
INSERT INTO "sqlite_stat1" VALUES('service_calls','service_calls_by_context','6 6');
INSERT INTO "sqlite_stat1" VALUES('service_calls','service_calls','6 3 1');
INSERT INTO "sqlite_stat1" VALUES('log_lines','log_lines','4 2 1');
INSERT INTO "sqlite_stat1" VALUES('not_runs','not_runs_by_registration','3 2');
CREATE TABLE state_reads (
    run_id    INTEGER NOT NULL,  -- handler_invocations.id or job_executions.id
    position  INTEGER NOT NULL,  -- from 0, in the order of the first read
    at_us     INTEGER NOT NULL,  -- of the first read
    entity_id INTEGER NOT NULL REFERENCES names (id),  -- or a domain, such as light.*
    state     TEXT,              -- NULL if there was no such entity; of a domain, the number of its entities
    PRIMARY KEY (run_id, position)
) WITHOUT ROWID, STRICT;
INSERT INTO "state_reads" VALUES(3753902080002097152,0,1790000000000000,5,'on');
INSERT INTO "state_reads" VALUES(3753902080002097152,1,1790000000000000,5,NULL);
INSERT INTO "state_reads" VALUES(3753902080006291456,0,1790000000000000,5,'on');
INSERT INTO "state_reads" VALUES(3753902080006291456,1,1790000000000000,5,NULL);
INSERT INTO "state_reads" VALUES(3753902100973617152,0,1790000000000000,5,'on');
INSERT INTO "state_reads" VALUES(3753902100973617152,1,1790000000000000,5,NULL);
INSERT INTO "state_reads" VALUES(3753902100977811456,0,1790000000000000,5,'on');
INSERT INTO "state_reads" VALUES(3753902100977811456,1,1790000000000000,5,NULL);
CREATE TABLE statuses (
    id   INTEGER PRIMARY KEY,    -- the value of `status` in runs
    name TEXT NOT NULL UNIQUE    -- the name in pages and in the API
) STRICT;
INSERT INTO "statuses" VALUES(0,'success');
INSERT INTO "statuses" VALUES(1,'error');
INSERT INTO "statuses" VALUES(2,'cancelled');
INSERT INTO "statuses" VALUES(3,'timed_out');
INSERT INTO "statuses" VALUES(4,'interrupted');
CREATE TABLE store_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
INSERT INTO "store_state" VALUES('all_runs_below',1);
INSERT INTO "store_state" VALUES('derived_below',3753902121943040003);
INSERT INTO "store_state" VALUES('file_number',4711);
INSERT INTO "store_state" VALUES('searchable_from',0);
CREATE INDEX handler_invocations_by_listener ON handler_invocations (listener_id);
CREATE INDEX handler_invocations_unsuccessful ON handler_invocations (id, status) WHERE status <> 0;
CREATE INDEX handler_invocations_unsuccessful_by_listener ON handler_invocations (listener_id) WHERE status <> 0;
CREATE INDEX handler_invocations_by_context ON handler_invocations (context_id)
    WHERE user_id IS NOT NULL OR parent_id IS NOT NULL;
CREATE INDEX handler_invocations_by_parent ON handler_invocations (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_executions_by_job ON job_executions (job_id);
CREATE INDEX job_executions_unsuccessful ON job_executions (id, status) WHERE status <> 0;
CREATE INDEX job_executions_unsuccessful_by_job ON job_executions (job_id) WHERE status <> 0;
CREATE INDEX error_groups_silenced ON error_groups (silenced_until_us) WHERE silenced_until_us IS NOT NULL;
CREATE INDEX failures_by_group ON failures (error_group_id);
CREATE INDEX service_calls_by_context ON service_calls (context_id) WHERE context_id IS NOT NULL;
CREATE INDEX lifecycle_events_by_session ON lifecycle_events (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX losses_by_session ON losses (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX home_changes_by_entity ON home_changes (entity_id);
CREATE INDEX home_changes_by_context ON home_changes (context_id);
CREATE INDEX home_causes_by_context ON home_causes (context_id);
CREATE INDEX home_causes_service_calls ON home_causes (id, service_id) WHERE kind = 'service_call';
CREATE INDEX deploys_by_app ON deploys (app);
CREATE INDEX not_runs_by_registration ON not_runs (registration_id);
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
CREATE VIEW run_failures (
    run_id, error_group_id, kind, type, message, file, line, function, code, sample_run_id, sample_traceback
) AS
SELECT run_id, error_group_id, kind, type, coalesce(failures.message, error_groups.message),
       coalesce(failures.file, error_groups.file), coalesce(failures.line, error_groups.line),
       coalesce(failures.function, error_groups.function), coalesce(failures.code, error_groups.code),
       first_run_id, traceback
FROM failures
JOIN error_groups ON error_groups.id = error_group_id;
CREATE VIEW run_service_calls (
    run_id, position, at_us, service, target, data, duration_us, context_id, error, attempt, confirmed_us, rehearsed
) AS
SELECT run_id, position, at_us, (SELECT name FROM names WHERE names.id = service_id), target, data, duration_us,
       context_id, error, attempt, confirmed_us, rehearsed
FROM service_calls;
CREATE VIEW run_log_lines (run_id, position, at_us, level, logger, message) AS
SELECT run_id, position, at_us, level, (SELECT name FROM names WHERE names.id = logger_id), message
FROM log_lines;
CREATE VIEW run_state_reads (run_id, position, at_us, entity_id, state) AS
SELECT run_id, position, at_us, (SELECT name FROM names WHERE names.id = entity_id), state
FROM state_reads;
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
COMMIT;
