"""Announcements, the list of running runs, and the results of a flush."""

import asyncio
from collections import Counter

from hassette_executor import (
    Clock,
    CommandExecutor,
    EventTrigger,
    ExecutorLimits,
    ExecutorSettings,
    Loss,
    MemorySink,
)
from support.loops import manual_loop
from support.records import execute_job, forever, invoke, job, listener, nothing, raising
from support.sinks import FaultySink
from support.waiting import eventually


async def test_force_flush_returns_whether_everything_was_settled():
    async with CommandExecutor(sink := FaultySink("hang"), settings=ExecutorSettings(stop_timeout_s=0.3)) as executor:
        await executor.execute(invoke(nothing))
        assert executor.accounting().waiting == 1
        assert not await executor.force_flush(0.02)
        sink.released.set()
        assert await executor.force_flush()
        assert executor.accounting().waiting == 0


async def test_running_returns_runs_in_progress_oldest_first():
    first, second = listener("first"), job("second")
    async with CommandExecutor(settings=ExecutorSettings(stop_timeout_s=0.2)) as executor:
        assert executor.running() == ()
        tasks = [asyncio.ensure_future(executor.execute(invoke(forever, first)))]
        await eventually(executor.running)
        tasks.append(asyncio.ensure_future(executor.execute(execute_job(forever, second))))
        await eventually(lambda: len(executor.running()) == 2)
        one, two = executor.running()
        assert (one.registration, two.registration) == (first, second)
        assert one.run < two.run
        assert one.started_us <= two.started_us
        assert two.trigger.manual
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert executor.running() == ()


def test_long_run_is_in_the_batches_until_its_end_and_a_short_run_never_is():
    sink = FaultySink()
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                go = asyncio.Event()
                running = asyncio.ensure_future(executor.execute(invoke(go.wait, listener("long"))))
                await asyncio.sleep(0.2)
                # The sweeper finds the short run in progress, but the run is too young to be reported.
                await executor.execute(invoke(lambda: asyncio.sleep(0.1), listener("short")))
                await asyncio.sleep(1)
                assert [run.registration.name for run in sink.stored("running")] == ["long"]
                assert loop.count_timers() == 1, "only the timer for the deadline of the long run"
                go.set()
                await running
                await asyncio.sleep(1)
                assert [batch.running for batch in sink.batches if batch.running is not None][-1] == ()

        loop.run_until_complete(scenario())


def test_long_run_leaves_the_list_at_its_end_although_nothing_else_runs():
    sink = FaultySink()
    with manual_loop() as loop:

        async def scenario() -> None:
            async with CommandExecutor(sink, clock=Clock(monotonic_ns=loop.monotonic_ns)) as executor:
                await executor.execute(invoke(lambda: asyncio.sleep(60)))
                await asyncio.sleep(1)
                lists = [batch.running for batch in sink.batches if batch.running is not None]
                assert [len(running) for running in lists] == [1, 0]

        loop.run_until_complete(scenario())


async def test_failures_of_different_kinds_have_a_line_each(caplog):
    async with CommandExecutor() as executor:
        for error in (ValueError("one"), KeyError("two"), ValueError("three")):
            await executor.execute(invoke(raising(error)))
    lines = [line.getMessage() for line in caplog.records if line.name == "hassette_executor.outcome"]
    assert [text.split(" failed: ")[1].split(":")[0] for text in lines] == ["ValueError", "KeyError"]


async def test_last_list_of_running_runs_is_empty_after_the_stop():
    # With a run left in the last list, the store would record the run as "interrupted" after a clean session.
    executor = CommandExecutor(sink := FaultySink())
    await executor.start()
    go = asyncio.Event()
    running = asyncio.ensure_future(executor.execute(invoke(go.wait)))
    await eventually(lambda: any(batch.running for batch in sink.batches))
    go.set()
    await running
    await executor.stop()
    assert [batch.running for batch in sink.batches if batch.running is not None][-1] == ()


async def test_skips_are_counted_by_registration_and_reason_in_their_hour():
    one, two = listener("one"), job("two")
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.count_skip(one, "rate_limited")
        executor.count_skip(one, "rate_limited", 3)
        executor.count_skip(one, "overlap")
        executor.count_skip(two, "misfire")
    skips: Counter[tuple[object, str]] = Counter()
    for skip in sink.stored("skipped"):  # the counts are in two hours if a new hour began between the calls
        skips[skip.registration, skip.reason] += skip.count
    assert skips == {(one, "rate_limited"): 4, (one, "overlap"): 1, (two, "misfire"): 1}
    assert all(skip.hour_us % 3_600_000_000 == 0 for skip in sink.stored("skipped"))


async def test_newest_triggers_that_led_to_no_run_are_kept_with_their_details():
    one, two = listener("one"), job("two")
    limits = ExecutorLimits(not_runs=3, all_not_runs=5)
    executor = CommandExecutor(sink := FaultySink(), limits=limits, redact=lambda text: text.replace("1234", "***"))
    async with executor:
        executor.count_skip(two, "misfire", 7)
        for number in range(4):
            executor.count_skip(one, "condition", trigger=EventTrigger("e", new_state=str(number)), detail="code 1234")
    kept = [(item.registration.name, item.reason, item.detail, item.trigger) for item in sink.stored("not_runs")]
    events = [EventTrigger("e", new_state=str(number)) for number in (1, 2, 3)]
    assert kept == [("two", "misfire", "", None), *(("one", "condition", "code ***", event) for event in events)]
    assert sum(skip.count for skip in sink.stored("skipped")) == 11


async def test_triggers_of_many_registrations_that_led_to_no_run_are_bounded():
    async with CommandExecutor(sink := FaultySink(), limits=ExecutorLimits(all_not_runs=5)) as executor:
        for number in range(8):
            executor.count_skip(listener(f"on_{number}"), "condition")
    assert [item.registration.name for item in sink.stored("not_runs")] == [f"on_{number}" for number in range(3, 8)]
    assert sum(skip.count for skip in sink.stored("skipped")) == 8


async def test_announcements_before_the_start_are_written_without_a_run():
    executor = CommandExecutor(sink := FaultySink())
    executor.register(hall := listener())
    executor.report("app_started", "hall.main", "in 3 ms")
    executor.set_session_facts(home_assistant="2025.4.4")
    await executor.start()
    await eventually(lambda: sink.batches)
    await executor.stop()
    assert sink.stored("registered") == [hall]
    (event,) = sink.stored("lifecycle")
    assert (event.kind, event.subject, event.detail, event.id > 0) == ("app_started", "hall.main", "in 3 ms", True)
    assert sink.stored("session_facts") == [("home_assistant", "2025.4.4")]


async def test_retiring_a_replaced_registration_announces_nothing():
    old, new = listener("same"), listener("same")
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.register(old)
        executor.register(new)
        executor.retire(old)
        await executor.force_flush()
        assert sink.stored("registered") == [new]
        assert sink.stored("retired") == []
        executor.retire(new)
    assert sink.stored("retired") == [new]


async def test_registration_that_the_next_start_makes_again_is_not_announced_as_retired():
    hall = listener("hall")
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.register(hall)
        executor.retire(hall, announce=False)
        executor.retire(hall)
    assert sink.stored("registered") == [hall]
    assert sink.stored("retired") == []


async def test_lost_items_of_the_same_kind_are_added_up():
    sink = MemorySink()
    async with CommandExecutor(sink) as executor:
        executor.count_loss("slow_reader", "events", 3, 10, 20)
        executor.count_loss("slow_reader", "events", 4, 5, 15)
    (loss,) = [loss for batch in sink.batches for loss in batch.losses]
    assert loss == Loss("slow_reader", "events", 7, 5, 20)


async def test_last_silence_of_each_error_group_is_written():
    async with CommandExecutor(sink := FaultySink()) as executor:
        executor.silence("1:a", 5)
        executor.silence("1:b", 7)
        executor.silence("1:a", None)
    assert sink.stored("silences") == [("1:a", None), ("1:b", 7)]


async def test_silences_above_the_bound_are_a_loss():
    async with CommandExecutor(sink := FaultySink(), limits=ExecutorLimits(lifecycle_events=2)) as executor:
        for number in range(5):
            executor.silence(f"1:{number}", 5)
    assert sink.stored("silences") == [("1:3", 5), ("1:4", 5)]
    assert [(loss.what, loss.count) for loss in sink.stored("losses")] == [("silences", 3)]
