"""Rows in the file after a batch."""

import asyncio
import sqlite3
from typing import Any

import pytest

from hassette_store import DatabaseAccessError, DatabaseService, RejectedBatchError, StoreUnavailableError
from hassette_store.periods import HOUR_US
from hassette_store.sketch import bucket_of
from support.rows import (
    T0_US,
    Batch,
    Due,
    Effects,
    Event,
    Job,
    LifecycleEvent,
    Listener,
    LogLine,
    Loss,
    NotRun,
    Run,
    Skip,
    Summary,
    invocation,
    run_id,
)
from support.stores import MakeStore, Reader


async def test_run_is_stored_with_all_its_fields(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    heard = Event(parent_id="01HZX3PARENT", user_id="a-user", missed=True, immediate=True)
    await store.write(
        Batch(1, registered=(listener,), invocations=(invocation(5, listener, trigger=heard, waited_us=77),))
    )
    assert read.row("SELECT * FROM named_runs") == {
        "id": run_id(5_000),
        "kind": "handler",
        "registration_id": 1,
        "session_id": 1,
        "status_id": 0,
        "status": "success",
        "started_us": T0_US + 5_000 - 3_000,
        "duration_us": 3_000,
        "waited_us": 77,
        "event_type": "state_changed",
        "entity": "binary_sensor.hall",
        "old_state": "off",
        "new_state": "on",
        "context_id": heard.context_id,
        "parent_id": "01HZX3PARENT",
        "user": "a-user",
        "missed": 1,
        "immediate": 1,
        "due_us": None,
        "manual": None,
    }


async def test_job_is_stored_with_its_due_time(store: DatabaseService, read: Reader) -> None:
    job = Job()
    run = Run(run_id(9_000), job, Due(T0_US - 40, True), T0_US + 10, 4, 50, "cancelled")
    await store.write(Batch(1, executions=(run,)))
    row = read.row("SELECT kind, status, started_us, due_us, manual, waited_us FROM named_runs")
    assert row == {
        "kind": "job",
        "status": "cancelled",
        "started_us": T0_US + 10,
        "due_us": T0_US - 40,
        "manual": 1,
        "waited_us": 50,
    }


async def test_registration_is_stored_with_its_settings_and_source(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, registered=(Listener(), Job())))
    listener, job = read.rows("SELECT * FROM registrations ORDER BY id")
    assert (listener["kind"], listener["topic"], listener["settings"]) == (
        "listener",
        "state_changed.binary_sensor.hall",
        '{"debounce":"2 s"}',
    )
    assert (listener["source_file"], listener["source_line"]) == ("apps/hall.py", 12)
    assert (job["kind"], job["schedule"], job["timeout_s"], job["source_file"]) == ("job", "every 30 s", 5.0, None)


async def test_natural_key_continues_the_history_after_a_restart_and_an_edit(
    make_store: MakeStore, read: Reader
) -> None:
    for sequence, settings in ((1, (("throttle", "1 s"),)), (2, (("throttle", "9 s"),))):
        store = make_store()
        await store.start()
        listener = Listener(settings=settings)
        await store.write(Batch(sequence, registered=(listener,), invocations=(invocation(sequence, listener),)))
        await store.stop()
    assert read.row("SELECT count(*) AS n, min(settings) AS s FROM listeners") == {"n": 1, "s": '{"throttle":"9 s"}'}
    assert read.value("SELECT count(*) FROM handler_invocations WHERE listener_id = 1") == 2


async def test_same_name_on_another_topic_is_another_listener(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, registered=(Listener(), Listener(topic="state_changed.light.*"), Job("on_motion"))))
    assert read.value("SELECT count(DISTINCT id) FROM registrations") == 3


async def test_record_of_an_unknown_registration_stores_it(store: DatabaseService, read: Reader) -> None:
    await store.write(Batch(1, invocations=(invocation(1, Listener("stray")),)))
    assert read.value("SELECT name FROM listeners") == "stray"


async def test_retired_registration_keeps_its_history_and_can_return(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    await store.write(Batch(1, registered=(listener,), invocations=(invocation(1, listener),)))
    await store.write(Batch(2, retired=(listener,)))
    assert read.value("SELECT retired_us FROM listeners") is not None
    await store.write(Batch(3, registered=(Listener(),)))
    assert read.row("SELECT retired_us, (SELECT count(*) FROM handler_invocations) AS runs FROM listeners") == {
        "retired_us": None,
        "runs": 1,
    }


@pytest.mark.parametrize("together", [True, False])
async def test_new_registration_before_the_old_one_is_retired_stays_registered(
    store: DatabaseService, read: Reader, together: bool
) -> None:
    old, new = Listener(), Listener()
    await store.write(Batch(1, registered=(old,)))
    if together:
        await store.write(Batch(2, registered=(new,), retired=(old,)))
    else:
        await store.write(Batch(2, registered=(new,)))
        await store.write(Batch(3, retired=(old,)))
    assert read.value("SELECT retired_us FROM listeners") is None


async def test_job_registered_and_retired_in_one_batch_is_retired(store: DatabaseService, read: Reader) -> None:
    job = Job("once")
    run = Run(run_id(1), job, Due(), T0_US, 4, 5, "success")
    await store.write(Batch(1, registered=(job,), executions=(run,), retired=(job,)))
    assert read.value("SELECT retired_us FROM scheduled_jobs") is not None


async def test_statistics_are_the_sum_of_the_rows(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    statuses = ("success", "success", "error", "cancelled", "timed_out")
    runs = tuple(
        invocation(number, listener, status, duration_us=1_000 * (number + 1)) for number, status in enumerate(statuses)
    )
    await store.write(Batch(1, invocations=runs[:2]))
    await store.write(Batch(2, invocations=runs[2:]))
    for table in ("statistics_hourly", "statistics_daily"):
        row = read.row(f"SELECT * FROM {table}")
        assert (row["success"], row["error"], row["cancelled"], row["timed_out"], row["shed"]) == (2, 1, 1, 1, 0)
        assert (row["total_us"], row["max_us"], row["waited_us"]) == (15_000, 5_000, 5 * 250)
    assert read.value("SELECT hour * 3600000000 FROM statistics_hourly") == T0_US // HOUR_US * HOUR_US
    for unit in ("hour", "day"):
        (buckets,) = read.latency(unit).values()
        assert buckets == {bucket_of(duration): 1 for duration in (1_000, 2_000, 3_000, 4_000, 5_000)}


async def test_batch_over_the_turn_of_an_hour_counts_in_both_hours(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    hour = 3_600_000
    await store.write(Batch(1, invocations=(invocation(0, listener), invocation(hour, listener))))
    assert [row["success"] for row in read.rows("SELECT success FROM statistics_hourly")] == [1, 1]
    assert read.value("SELECT success FROM statistics_daily") == 2


async def test_evicted_runs_count_in_the_statistics(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    shed = Summary(
        listener, T0_US // HOUR_US * HOUR_US, (("success", 40), ("error", 2)), 90_000, 9_000, 800, ((401, 42),)
    )
    loss = Loss("queue_full_count", "runs", 42, T0_US, T0_US + 5)
    other = Loss("late_effect", "log_lines", 3, T0_US, T0_US + 5)
    await store.write(Batch(1, invocations=(invocation(1, listener),), summaries=(shed,), losses=(loss, other)))
    row = read.row("SELECT success, error, shed, total_us, max_us FROM statistics_hourly")
    assert row == {"success": 41, "error": 2, "shed": 42, "total_us": 93_000, "max_us": 9_000}
    assert sum(counts.total() for counts in read.latency().values()) == 43
    session = read.row("SELECT runs, failures, lost_runs, lost_details FROM sessions")
    assert session == {"runs": 43, "failures": 2, "lost_runs": 42, "lost_details": 3}
    assert read.rows("SELECT reason, what, count FROM losses")[0] == {
        "reason": "queue_full_count",
        "what": "runs",
        "count": 42,
    }


async def test_skips_are_added_up_by_hour_and_reason(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    hour_us = T0_US // HOUR_US * HOUR_US
    for sequence in (1, 2):
        await store.write(
            Batch(
                sequence,
                skipped=(Skip(listener, hour_us, "rate_limited", 5), Skip(listener, hour_us, "overlap", 1)),
            )
        )
    for table in ("skips_hourly", "skips_daily"):
        rows = read.rows(f"SELECT name, count FROM {table} JOIN names ON names.id = reason_id")
        assert {row["name"]: row["count"] for row in rows} == {"rate_limited": 10, "overlap": 2}


async def test_trigger_that_led_to_no_run_is_stored_with_its_reason(store: DatabaseService, read: Reader) -> None:
    listener, job = Listener(), Job()
    false = NotRun(listener, T0_US, "condition", "sensor.lux is below 50: it was 80", Event(new_state="on"))
    await store.write(Batch(1, not_runs=(false, NotRun(job, T0_US, "overlap", trigger=Due(T0_US - 5, manual=True)))))
    await store.write(Batch(2, not_runs=(NotRun(job, T0_US + 7, "misfire"),)))
    rows = read.rows(
        "SELECT (SELECT name FROM names WHERE id = reason_id) AS reason, at_us - ? AS at, detail, "
        "(SELECT name FROM names WHERE id = entity_id) AS entity, new_state, due_us - ? AS due, manual FROM not_runs",
        T0_US,
        T0_US,
    )
    assert [tuple(row.values()) for row in rows] == [
        ("condition", 0, "sensor.lux is below 50: it was 80", "binary_sensor.hall", "on", None, None),
        ("overlap", 0, None, None, None, -5, 1),
        ("misfire", 7, None, None, None, None, None),
    ]


async def test_only_the_newest_triggers_of_each_registration_that_led_to_no_run_are_kept(
    store: DatabaseService, read: Reader
) -> None:
    busy, quiet = Listener("busy"), Listener("quiet")
    await store.write(Batch(1, not_runs=(NotRun(quiet, T0_US),)))
    for number in range(50):
        some = tuple(NotRun(busy, T0_US + number * 3 + place) for place in range(3))
        await store.write(Batch(2 + number, not_runs=some))
    rows = read.rows("SELECT registration_id, at_us - ? AS at FROM not_runs ORDER BY registration_id, id", T0_US)
    assert [tuple(row.values()) for row in rows] == [(1, 0), *((2, at) for at in range(130, 150))]


async def test_lifecycle_events_are_stored(store: DatabaseService, read: Reader) -> None:
    event = LifecycleEvent(run_id(1), T0_US, "connection_lost", "ws://home", "it went away")
    await store.write(Batch(1, lifecycle=(event,)))
    assert tuple(read.row("SELECT id, at_us, kind, subject, detail FROM lifecycle_events").values()) == tuple(event)
    assert await store.last_id() == event.id


async def test_retried_batch_is_stored_once(store: DatabaseService, read: Reader) -> None:
    batch = Batch(1, invocations=(invocation(1, Listener()),))
    await store.write(batch)
    await store.write(batch)
    assert read.value("SELECT success FROM statistics_hourly") == 1


async def test_batch_of_a_cancelled_write_is_stored_once(store: DatabaseService, read: Reader) -> None:
    batch = Batch(1, registered=(Listener(),), invocations=(invocation(1, Listener()),))
    writing = asyncio.create_task(store.write(batch))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await store.write(batch)
    await store.write(Batch(2, invocations=(invocation(2, Listener("new", topic="new")),)))
    assert read.value("SELECT sum(success) FROM statistics_hourly") == 2
    assert read.value("SELECT count(*) FROM listeners") == 2


async def test_run_that_is_stored_already_is_not_stored_twice(store: DatabaseService, read: Reader) -> None:
    run, other = invocation(1, Listener(), "error"), invocation(2, Listener())
    event = LifecycleEvent(run_id(5_000), T0_US, "app_started", "hall", "")
    await store.write(Batch(1, invocations=(run,), lifecycle=(event,)))
    await store.write(Batch(2, invocations=(run, other), lifecycle=(event,)))
    assert read.value("SELECT count(*) FROM runs") == 2
    assert read.row("SELECT success, error FROM statistics_hourly") == {"success": 1, "error": 1}
    assert read.value("SELECT count(*) FROM failures") == 1
    assert read.value("SELECT runs FROM sessions") == 2
    assert read.value("SELECT count(*) FROM lifecycle_events") == 1


async def test_run_with_the_id_of_another_run_gets_a_free_id(store: DatabaseService, read: Reader) -> None:
    """An older copy in place of the file may contain runs with the ids of new runs."""
    effects = Effects((LogLine(),))
    old = tuple(invocation(1, Listener(), duration_us=n, id=run_id(1_000) + n) for n in range(100))
    event = LifecycleEvent(run_id(1_000) + 100, T0_US, "app_started", "hall", "")
    await store.write(Batch(1, invocations=old, lifecycle=(event,)))
    new = tuple(
        invocation(1, Listener(), "error", duration_us=500 + n, id=run_id(1_000) + 2 * n, effects=effects)
        for n in range(60)
    )
    job = Run(run_id(1_000) + 1, Job(), Due(), T0_US, 700, 1, "success")
    other = LifecycleEvent(run_id(1_000) + 3, T0_US, "app_failed", "hall", "")
    await store.write(Batch(2, invocations=new, executions=(job,), lifecycle=(other,)))
    stored = read.rows("SELECT id, duration_us FROM runs ORDER BY duration_us")
    assert [row["duration_us"] for row in stored] == [*range(100), *range(500, 560), 700]
    assert {row["id"] >> 21 for row in stored} == {run_id(1_000) >> 21}
    assert read.value("SELECT count(*) FROM failures JOIN runs ON runs.id = run_id WHERE duration_us >= 500") == 60
    assert read.value("SELECT count(*) FROM log_lines JOIN runs ON runs.id = run_id WHERE duration_us >= 500") == 60
    assert read.value("SELECT count(*) FROM lifecycle_events") == 2
    assert read.value("SELECT last_id FROM sessions") == read.value("SELECT max(id) FROM runs")


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "exploded"},
        {"duration_us": 2**70},
        {"duration_us": "long"},
        {"duration_us": None},
        {"trigger": None},
        {"waited_us": float("nan")},
        {"started_us": 0.5},
    ],
    ids=str,
)
async def test_batch_with_an_invalid_row_is_rejected_completely(
    store: DatabaseService, read: Reader, broken: dict[str, Any]
) -> None:
    listener = Listener()
    good, bad = invocation(1, listener), invocation(2, listener)._replace(**broken)
    with pytest.raises(RejectedBatchError):
        await store.write(Batch(1, registered=(listener,), invocations=(good, bad)))
    assert read.value("SELECT (SELECT count(*) FROM listeners) + (SELECT count(*) FROM handler_invocations)") == 0
    await store.write(Batch(2, registered=(listener,), invocations=(good,)))
    assert read.row("SELECT name, (SELECT success FROM statistics_hourly) AS n FROM listeners") == {
        "name": "on_motion",
        "n": 1,
    }


@pytest.mark.parametrize(
    ("logged", "stored"),
    [
        ("lone \ud83d surrogate", "lone ? surrogate"),
        ("a NUL \0 within", "a NUL \0 within"),
        ("Grüße, 日本 🏠 \"'\n", "Grüße, 日本 🏠 \"'\n"),
    ],
)
async def test_any_log_message_is_stored_readably(
    store: DatabaseService, read: Reader, logged: str, stored: str
) -> None:
    effects = Effects((LogLine(message=logged),))
    await store.write(Batch(1, invocations=(invocation(1, Listener(), effects=effects),)))
    assert read.value("SELECT message FROM log_lines") == stored


async def test_batch_may_be_retried_after_a_lock(store: DatabaseService, read: Reader) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    batch = Batch(1, registered=(Listener(),), invocations=(invocation(1, Listener()),))
    try:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseAccessError) as caught:
            await store.write(batch)
        assert not isinstance(caught.value, ValueError)
    finally:
        other.close()
    await store.write(batch)
    assert read.value("SELECT success FROM statistics_hourly") == 1


async def test_write_before_start_or_after_stop_is_an_error(make_store: MakeStore) -> None:
    store = make_store()
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await store.write(Batch(1))
        with pytest.raises(StoreUnavailableError):
            await store.last_id()
        await store.start()
        await store.stop()


async def test_batch_needs_one_thread_switch_of_the_event_loop(
    store: DatabaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    call_soon_threadsafe = loop.call_soon_threadsafe
    hops = 0

    def count(*arguments: Any, **options: Any) -> asyncio.Handle:
        nonlocal hops
        hops += 1
        return call_soon_threadsafe(*arguments, **options)

    monkeypatch.setattr(loop, "call_soon_threadsafe", count)
    await store.write(Batch(1, invocations=tuple(invocation(n, Listener()) for n in range(50))))
    assert hops == 1
