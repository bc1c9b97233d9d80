"""Live feeds: one contract for all of them, and followers that miss no run and receive no run twice."""

import asyncio
from contextlib import aclosing
from dataclasses import fields
from pathlib import Path

import pytest

from hassette_sync import DataSyncService, DroppedError, LiveFeed, MemoryFeed, NoFeed, RunFilter, TimeRange
from hassette_sync.errors import FollowerTooSlowError
from hassette_sync.follow import TooManyRuns
from hassette_sync.live import MemoryAccounting, MemorySnapshot
from support.history import HOUR, SECOND, NewHistory
from support.live_runs import (
    Due,
    Event,
    Execution,
    Failure,
    Invocation,
    Job,
    Listener,
    Running,
    ServiceState,
    TriggerState,
    Upcoming,
)
from support.waiting import patience


@pytest.fixture(params=[NoFeed, MemoryFeed])
def feed(request: pytest.FixtureRequest) -> LiveFeed:
    return request.param()


async def test_follower_of_a_feed_without_runs_waits(feed: LiveFeed) -> None:
    async with feed.subscribe(0) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_feed_can_have_many_followers_at_the_same_time_and_again(feed: LiveFeed) -> None:
    async with feed.subscribe(0), feed.subscribe(7):
        pass
    async with feed.subscribe(0):
        pass


def test_accounting_of_a_snapshot_adds_up(feed: LiveFeed) -> None:
    accounting = feed.snapshot().accounting
    assert accounting.executed == accounting.persisted + accounting.waiting + sum(accounting.shed.values())
    assert isinstance(feed.snapshot().ready, bool)


async def test_follower_receives_retained_runs_and_then_new_runs_in_order() -> None:
    feed = MemoryFeed(retained=3)
    feed.publish(*(Invocation(id_) for id_ in range(1, 6)))
    async with feed.subscribe(4) as batches:
        assert [row.id for row in await anext(batches)] == [5]
        feed.publish(Invocation(6))
        feed.publish(Invocation(7), Execution(8))
        assert [row.id for row in await anext(batches)] == [6, 7, 8]


async def test_feed_drops_a_slow_follower_and_serves_the_others() -> None:
    feed = MemoryFeed(bound=2)
    async with feed.subscribe(0) as slow, feed.subscribe(0) as quick:
        for id_ in range(1, 4):
            feed.publish(Invocation(id_))
            assert [row.id for row in await anext(quick)] == [id_]
        with pytest.raises(FollowerTooSlowError, match="3 runs behind"):
            await anext(slow)


async def test_returning_follower_receives_missed_runs_from_the_history_once(
    new_history: NewHistory, now_us: int
) -> None:
    feed = MemoryFeed(retained=4)
    with new_history() as history:
        history.session(now_us - HOUR)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 60 * SECOND + n * SECOND) for n in range(20)]
    # The feed retains two runs that are in the history and two that are not written yet.
    newest = [ids[-1] + 1, ids[-1] + 2]
    feed.publish(*(Invocation(id_) for id_ in (*ids[-2:], *newest)))
    async with DataSyncService(history.path, feed) as data, aclosing(data.follow(after=ids[4])) as batches:
        received: list[int] = []
        async for batch in batches:
            received += [run.id for run in batch]
            if received[-1] == newest[-1]:
                break
    assert received == ids[5:] + newest


async def test_run_that_ends_between_subscribing_and_reading_is_received_once(
    new_history: NewHistory, now_us: int
) -> None:
    feed = MemoryFeed()
    with new_history() as history:
        history.session(now_us - HOUR)
        listener = history.listener("hall", "on_motion", "t")
        first = history.run(listener, now_us - 9 * SECOND)
        second = history.run(listener, now_us - 8 * SECOND)
        async with DataSyncService(history.path, feed) as data, aclosing(data.follow(after=first - 1)) as batches:
            received = [run.id for run in await anext(batches)]
            third = history.run(listener, now_us - 7 * SECOND)
            # The second and the third run are in the history and in the feed.
            feed.publish(Invocation(second), Invocation(third))
            received += [run.id for run in await anext(batches)]
    assert received == [first, second, third]


async def test_dropped_follower_gets_the_reason(plausible: Path) -> None:
    feed = MemoryFeed(bound=1)
    async with DataSyncService(plausible, feed) as data, aclosing(data.follow()) as batches:
        feed.publish(Invocation(1))
        await anext(batches)
        feed.publish(Invocation(2), Invocation(3))
        with pytest.raises(DroppedError, match="2 runs behind"):
            await anext(batches)


async def test_live_stream_continues_without_a_history(tmp_path: Path) -> None:
    feed = MemoryFeed()
    feed.publish(Invocation(5))
    async with DataSyncService(tmp_path / "none.db", feed) as data, aclosing(data.follow(after=4)) as batches:
        assert [run.id for run in await anext(batches)] == [5]


async def test_followers_without_a_feed_follow_the_file(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        listener = history.listener("hall", "on_motion", "t")
        old = history.run(listener, now_us - 9 * SECOND)
        async with (
            DataSyncService(history.path) as data,
            aclosing(data.follow(after=old)) as returning,
            aclosing(data.follow()) as newcomer,
        ):
            waiting = [asyncio.ensure_future(anext(returning)), asyncio.ensure_future(anext(newcomer))]
            # After this wait, both followers have read the file. The new run must wake them.
            done, _ = await asyncio.wait(waiting, timeout=0.5)
            assert not done
            new = [history.run(listener, now_us - 8 * SECOND)]
            async with asyncio.timeout(patience(10)):
                assert [[run.id for run in await batch] for batch in waiting] == [new, new]


@pytest.mark.parametrize("at_most", [10, None])
async def test_follower_of_the_file_gets_an_update_after_the_clock_went_back(
    new_history: NewHistory, now_us: int, at_most: int | None
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, runs=1)
        listener = history.listener("hall", "on_motion", "t")
        ahead = history.run(listener, now_us + HOUR)

        def store(ended_us: int) -> int:
            history.begin()
            run = history.run(listener, ended_us)
            history.db.execute("UPDATE sessions SET runs = runs + 1")
            history.commit()
            return run

        async with DataSyncService(history.path) as data, aclosing(data.follow_limited(ahead, at_most)) as updates:
            waiting = asyncio.ensure_future(anext(updates))
            # After this wait, the follower has read the file.
            done, _ = await asyncio.wait([waiting], timeout=0.5)
            assert not done
            newest = store(now_us - 2 * SECOND)
            async with asyncio.timeout(patience(10)):
                assert await waiting == TooManyRuns(ahead)
                # The store moves the run to its true time.
                waiting = asyncio.ensure_future(anext(updates))
                history.db.execute("UPDATE handler_invocations SET id = ? WHERE id = ?", (newest - 5, ahead))
                assert await waiting == TooManyRuns(newest)
                waiting = asyncio.ensure_future(anext(updates))
                later = store(now_us)
                update = await waiting
                assert isinstance(update, tuple)
                assert [run.id for run in update] == [later]


async def test_follower_of_a_missing_file_receives_its_first_run(
    tmp_path: Path, new_history: NewHistory, now_us: int
) -> None:
    async with DataSyncService(tmp_path / "hassette.db") as data, aclosing(data.follow()) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        with new_history() as history:
            history.session(now_us)
            first = history.run(history.listener("hall", "on_motion", "t"), now_us)
            async with asyncio.timeout(patience(10)):
                assert [run.id for run in await waiting] == [first]


async def test_overview_contains_the_live_state(plausible: Path, now_us: int) -> None:
    feed = MemoryFeed()
    feed.state = MemorySnapshot(
        ready=True,
        connection="connected",
        services=[ServiceState("store", "degraded", "The disk is full.")],
        running=[Running(Job(), Due(now_us + SECOND), started_us=now_us - SECOND)],
        upcoming=[Upcoming("b", "later", now_us + 9 * SECOND), Upcoming("a", "sooner", now_us + SECOND)],
        accounting=MemoryAccounting(executed=5, persisted=3, waiting=1, shed={"queue_full_count": 1}),
    )
    async with DataSyncService(plausible, feed) as data:
        overview = await data.overview()
    assert [one.name for one in overview.upcoming] == ["sooner", "later"]
    assert (overview.running.source, [one.kind for one in overview.running.running]) == ("live", ["job"])
    assert overview.status.live is not None
    assert overview.status.live.services[0].detail == "The disk is full."
    assert overview.status.live.accounting.shed == {"queue_full_count": 1}


async def test_lone_surrogates_in_live_texts_become_question_marks(plausible: Path) -> None:
    feed = MemoryFeed()
    lone = "hall\ud83d"
    listener = Listener(app=lone, instance=lone, name=lone)
    event = Event(**{field.name: lone for field in fields(Event) if field.name not in ("missed", "immediate")})
    feed.state = MemorySnapshot(
        running=[Running(listener, event)],
        upcoming=[Upcoming(lone, lone, 1, instance=lone)],
        triggers=[TriggerState(lone, lone, lone, lone, "refused", lone)],
        services=[ServiceState("apps", "failed", lone)],
    )
    feed.publish(Invocation(2**62, listener, event, status="error", failure=Failure("OSError", lone)))
    async with DataSyncService(plausible, feed) as data:
        async with aclosing(data.follow()) as batches:
            (run,) = await asyncio.wait_for(anext(batches), patience(10))
        answers = [run, await data.overview(), await data.running(), *data.upcoming(), *data.triggers()]
    texts = [answer.model_dump_json() for answer in answers]
    assert run.name == "hall?"
    assert all("hall?" in text for text in texts)


async def test_live_run_equals_the_run_of_the_history(plausible: Path) -> None:
    async with DataSyncService(plausible) as data:
        page = await data.runs(RunFilter(status="error", kind="handler"), TimeRange.last("3d"), limit=1)
        async with aclosing(data.follow(after=page.runs[0].id - 1)) as batches:
            live = (await anext(batches))[0]
    run = page.runs[0]
    assert (live.id, live.status, live.trigger, live.failure) == (run.id, run.status, run.trigger, run.failure)
    assert (live.app, live.instance, live.name) == (
        run.registration.app,
        run.registration.instance,
        run.registration.name,
    )


@pytest.mark.parametrize(
    ("row", "kind", "trigger"), [(Invocation(1), "handler", "event"), (Execution(1), "job", "due")]
)
async def test_live_run_has_the_kind_of_its_registration(
    plausible: Path, row: Invocation | Execution, kind: str, trigger: str
) -> None:
    feed = MemoryFeed()
    feed.publish(row)
    async with DataSyncService(plausible, feed) as data, aclosing(data.follow()) as batches:
        (run,) = await asyncio.wait_for(anext(batches), patience(10))
    assert (run.kind, run.trigger.kind) == (kind, trigger)
