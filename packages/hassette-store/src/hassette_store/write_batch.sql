-- The whole write program, as one statement: INSERT INTO write_batch runs it, atomically, in one call into SQLite.
--
-- Why a trigger: a loop of executemany gives up and takes back the interpreter lock for each row, so a busy event loop
-- starves the writer (5 ms a row); a single statement does so once for a batch. And a statement is all or nothing without
-- BEGIN and COMMIT, each of which would be a hop to the writer's thread. (docs/adr/0010-one-statement-per-batch.md)
--
-- Each column that is not a plain number is a JSON array of arrays, one per row to write, or NULL for none; the numbers
-- that stand for names and registrations have been settled before (identities.py).

CREATE TEMP VIEW write_batch (
    session_id, at_us, sequence, first_id, last_id, runs, failed, lost_runs, lost_details, facts,
    names, listeners, jobs, retired, invocations, executions, error_groups, failures, service_calls, log_lines, dropped,
    lifecycle, losses, running, statistics, latency, skips
) AS
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TEMP TRIGGER keep_batch INSTEAD OF INSERT ON write_batch
BEGIN
    UPDATE sessions
    SET heartbeat_us = NEW.at_us,
        last_sequence = NEW.sequence,
        first_id = coalesce(min(first_id, NEW.first_id), first_id, NEW.first_id),
        last_id = coalesce(max(last_id, NEW.last_id), last_id, NEW.last_id),
        runs = runs + NEW.runs,
        failures = failures + NEW.failed,
        lost_runs = lost_runs + NEW.lost_runs,
        lost_details = lost_details + NEW.lost_details,
        facts = CASE WHEN NEW.facts IS NULL THEN facts ELSE json_patch(facts, NEW.facts) END
    WHERE id = NEW.session_id;

    INSERT INTO names (id, name)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(NEW.names);

    INSERT INTO listeners (id, app, instance, name, topic, handler, settings, source_file, source_line,
                           source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
           json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
           NEW.at_us, NEW.at_us
    FROM json_each(NEW.listeners)
    WHERE true
    ON CONFLICT DO UPDATE
    SET handler = excluded.handler, settings = excluded.settings, source_file = excluded.source_file,
        source_line = excluded.source_line, source_snippet = excluded.source_snippet, runs_in = excluded.runs_in,
        timeout_s = excluded.timeout_s, last_registered_us = excluded.last_registered_us, retired_us = NULL;

    INSERT INTO scheduled_jobs (id, app, instance, name, schedule, handler, settings, source_file, source_line,
                                source_snippet, runs_in, timeout_s, first_registered_us, last_registered_us)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
           json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]'),
           NEW.at_us, NEW.at_us
    FROM json_each(NEW.jobs)
    WHERE true
    ON CONFLICT DO UPDATE
    SET schedule = excluded.schedule, handler = excluded.handler, settings = excluded.settings,
        source_file = excluded.source_file, source_line = excluded.source_line,
        source_snippet = excluded.source_snippet, runs_in = excluded.runs_in, timeout_s = excluded.timeout_s,
        last_registered_us = excluded.last_registered_us, retired_us = NULL;

    UPDATE listeners SET retired_us = NEW.at_us WHERE id IN (SELECT value FROM json_each(NEW.retired));
    UPDATE scheduled_jobs SET retired_us = NEW.at_us WHERE id IN (SELECT value FROM json_each(NEW.retired));

    INSERT INTO handler_invocations (id, listener_id, session_id, status, started_before, duration_us, waited_us,
                                     event_type_id, entity_id, old_state, new_state, context_id, parent_id, user_id)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), NEW.session_id,
           json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
           json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]'),
           json_extract(value, '$[8]'), json_extract(value, '$[9]'), json_extract(value, '$[10]'),
           json_extract(value, '$[11]'), json_extract(value, '$[12]')
    FROM json_each(NEW.invocations);

    INSERT INTO job_executions (id, job_id, session_id, status, started_before, duration_us, waited_us, due_before, manual)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), NEW.session_id,
           json_extract(value, '$[2]'), json_extract(value, '$[3]'), json_extract(value, '$[4]'),
           json_extract(value, '$[5]'), json_extract(value, '$[6]'), json_extract(value, '$[7]')
    FROM json_each(NEW.executions);

    INSERT INTO error_groups (fingerprint, kind, type, message, traceback, first_seen_us, last_seen_us, last_run_id, count)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]')
    FROM json_each(NEW.error_groups)
    WHERE true
    ON CONFLICT (fingerprint) DO UPDATE
    SET last_seen_us = max(last_seen_us, excluded.last_seen_us), last_run_id = max(last_run_id, excluded.last_run_id),
        count = count + excluded.count;

    INSERT INTO failures (run_id, error_group_id, message)
    SELECT json_extract(value, '$[0]'), error_groups.id, nullif(json_extract(value, '$[2]'), error_groups.message)
    FROM json_each(NEW.failures)
    JOIN error_groups ON fingerprint = json_extract(value, '$[1]');

    INSERT INTO service_calls (run_id, position, at_us, service_id, target, data, duration_us, context_id, error)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]')
    FROM json_each(NEW.service_calls);

    INSERT INTO log_lines (run_id, position, at_us, level, logger_id, message)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]')
    FROM json_each(NEW.log_lines);

    INSERT INTO dropped_effects (run_id, log_lines, service_calls)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM json_each(NEW.dropped);

    INSERT INTO lifecycle_events (id, session_id, at_us, kind, subject, detail)
    SELECT json_extract(value, '$[0]'), NEW.session_id, json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]')
    FROM json_each(NEW.lifecycle);

    INSERT INTO losses (session_id, reason, what, count, first_us, last_us)
    SELECT NEW.session_id, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]')
    FROM json_each(NEW.losses);

    DELETE FROM running_executions WHERE session_id = NEW.session_id AND NEW.running IS NOT NULL;
    INSERT INTO running_executions (session_id, run, registration_id, started_us, event_type_id, entity_id,
                                    old_state, new_state, context_id, parent_id, user_id, due_us, manual)
    SELECT NEW.session_id, json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
           json_extract(value, '$[9]'), json_extract(value, '$[10]'), json_extract(value, '$[11]')
    FROM json_each(NEW.running);

    INSERT INTO statistics_hourly (hour, registration_id, success, error, cancelled, timed_out, interrupted, shed,
                                   total_us, max_us, waited_us)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
           json_extract(value, '$[9]'), json_extract(value, '$[10]')
    FROM json_each(NEW.statistics)
    WHERE true
    ON CONFLICT (hour, registration_id) DO UPDATE
    SET success = success + excluded.success, error = error + excluded.error,
        cancelled = cancelled + excluded.cancelled, timed_out = timed_out + excluded.timed_out,
        interrupted = interrupted + excluded.interrupted, shed = shed + excluded.shed,
        total_us = total_us + excluded.total_us, max_us = max(max_us, excluded.max_us),
        waited_us = waited_us + excluded.waited_us;

    INSERT INTO statistics_daily (day, registration_id, success, error, cancelled, timed_out, interrupted, shed,
                                  total_us, max_us, waited_us)
    SELECT json_extract(value, '$[0]') / 24, json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
           json_extract(value, '$[6]'), json_extract(value, '$[7]'), json_extract(value, '$[8]'),
           json_extract(value, '$[9]'), json_extract(value, '$[10]')
    FROM json_each(NEW.statistics)
    WHERE true
    ON CONFLICT (day, registration_id) DO UPDATE
    SET success = success + excluded.success, error = error + excluded.error,
        cancelled = cancelled + excluded.cancelled, timed_out = timed_out + excluded.timed_out,
        interrupted = interrupted + excluded.interrupted, shed = shed + excluded.shed,
        total_us = total_us + excluded.total_us, max_us = max(max_us, excluded.max_us),
        waited_us = waited_us + excluded.waited_us;

    INSERT INTO latency_hourly (hour, registration_id, bucket, count)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(NEW.latency)
    WHERE true
    ON CONFLICT (hour, registration_id, bucket) DO UPDATE SET count = count + excluded.count;

    INSERT INTO latency_daily (day, registration_id, bucket, count)
    SELECT json_extract(value, '$[0]') / 24, json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(NEW.latency)
    WHERE true
    ON CONFLICT (day, registration_id, bucket) DO UPDATE SET count = count + excluded.count;

    INSERT INTO skips_hourly (hour, registration_id, reason_id, count)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(NEW.skips)
    WHERE true
    ON CONFLICT (hour, registration_id, reason_id) DO UPDATE SET count = count + excluded.count;

    INSERT INTO skips_daily (day, registration_id, reason_id, count)
    SELECT json_extract(value, '$[0]') / 24, json_extract(value, '$[1]'), json_extract(value, '$[2]'),
           json_extract(value, '$[3]')
    FROM json_each(NEW.skips)
    WHERE true
    ON CONFLICT (day, registration_id, reason_id) DO UPDATE SET count = count + excluded.count;
END;
