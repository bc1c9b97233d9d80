"""Live: one contract over both feeds, and followers that miss nothing and hear nothing twice."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hassette_sync import DataSyncService, DroppedError, LiveFeed, MemoryFeed, NoFeed, RunFilter, TimeRange

SECOND = 1_000_000


def ended(id_: int, **more: Any) -> Any:
    """A run as the executor's feed brings it."""
    facts: dict[str, Any] = {
        "id": id_,
        "registration": SimpleNamespace(app="hall", instance="main", name="on_motion"),
        "trigger": SimpleNamespace(
            event_type="state_changed",
            entity_id="binary_sensor.hall",
            old_state="off",
            new_state="on",
            context_id=None,
            parent_id=None,
            user_id=None,
        ),
        "started_us": 1,
        "duration_us": 2,
        "waited_us": 3,
        "status": "success",
        "failure": None,
    }
    return SimpleNamespace(**{**facts, **more})


@pytest.fixture(params=[NoFeed, MemoryFeed])
def feed(request: pytest.FixtureRequest) -> LiveFeed:
    return request.param()


async def test_a_follower_of_a_silent_feed_waits(feed: LiveFeed) -> None:
    async with feed.subscribe(0) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        done, _ = await asyncio.wait([waiting], timeout=0.05)
        assert not done
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_feed_can_be_followed_again_and_by_many(feed: LiveFeed) -> None:
    async with feed.subscribe(0), feed.subscribe(7):
        pass
    async with feed.subscribe(0):
        pass


def test_a_snapshot_is_answered_at_once_and_adds_up(feed: LiveFeed) -> None:
    accounting = feed.snapshot().accounting
    assert accounting.executed == accounting.persisted + accounting.waiting + sum(accounting.shed.values())
    assert isinstance(feed.snapshot().ready, bool)


async def test_a_follower_gets_what_is_remembered_and_then_what_is_new_in_order() -> None:
    feed = MemoryFeed(retained=3)
    feed.publish(*(ended(id_) for id_ in range(1, 6)))
    async with feed.subscribe(4) as batches:
        assert [row.id for row in await anext(batches)] == [5]
        feed.publish(ended(6))
        feed.publish(ended(7), ended(8))
        assert [row.id for row in await anext(batches)] == [6, 7, 8]


async def test_a_follower_too_slow_is_cut_off_and_the_others_go_on() -> None:
    feed = MemoryFeed(bound=2)
    async with feed.subscribe(0) as slow, feed.subscribe(0) as quick:
        for id_ in range(1, 4):
            feed.publish(ended(id_))
            assert [row.id for row in await anext(quick)] == [id_]
        with pytest.raises(Exception, match="3 runs behind"):
            await anext(slow)


async def test_a_returning_follower_gets_the_gap_from_the_history_and_nothing_twice(
    new_history: Callable[..., Any], now_us: int
) -> None:
    feed = MemoryFeed(retained=4)
    with new_history() as history:
        history.session(now_us - 3_600 * SECOND)
        listener = history.listener("hall", "on_motion", "t")
        ids = [history.run(listener, now_us - 60 * SECOND + n * SECOND) for n in range(20)]
    # The feed remembers two runs that are history already, and two that are not yet.
    newest = [ids[-1] + 1, ids[-1] + 2]
    feed.publish(ended(ids[-2]), ended(ids[-1]), ended(newest[0]), ended(newest[1]))
    async with DataSyncService(history.path, feed) as data, aclosing(data.follow(after=ids[4])) as batches:
        heard = []
        async for batch in batches:
            heard += [run.id for run in batch]
            if heard[-1] == newest[-1]:
                break
    assert heard == ids[5:] + newest


async def test_a_run_that_ends_between_subscribing_and_reading_is_heard_once(
    new_history: Callable[..., Any], now_us: int
) -> None:
    feed = MemoryFeed()
    with new_history() as history:
        history.session(now_us - 3_600 * SECOND)
        listener = history.listener("hall", "on_motion", "t")
        first = history.run(listener, now_us - 9 * SECOND)
        second = history.run(listener, now_us - 8 * SECOND)
        async with DataSyncService(history.path, feed) as data, aclosing(data.follow(after=first - 1)) as batches:
            heard = [run.id for run in await anext(batches)]
            third = history.run(listener, now_us - 7 * SECOND)  # in the file and in the feed
            feed.publish(ended(second), ended(third))
            heard += [run.id for run in await anext(batches)]
    assert heard == [first, second, third]


async def test_a_feed_that_cuts_off_drops_the_follower_with_a_reason(plausible: Path) -> None:
    feed = MemoryFeed(bound=1)
    async with DataSyncService(plausible, feed) as data, aclosing(data.follow()) as batches:
        feed.publish(ended(1))
        await anext(batches)
        feed.publish(ended(2), ended(3))
        with pytest.raises(DroppedError, match="2 runs behind"):
            await anext(batches)


async def test_the_live_stream_goes_on_when_the_history_is_missing(tmp_path: Path) -> None:
    feed = MemoryFeed()
    feed.publish(ended(5))
    async with DataSyncService(tmp_path / "none.db", feed) as data, aclosing(data.follow(after=4)) as batches:
        assert [run.id for run in await anext(batches)] == [5]


async def test_without_a_feed_the_file_is_followed(new_history: Callable[..., Any], now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 3_600 * SECOND)
        listener = history.listener("hall", "on_motion", "t")
        old = history.run(listener, now_us - 9 * SECOND)
        async with (
            DataSyncService(history.path) as data,
            aclosing(data.follow(after=old)) as returning,
            aclosing(data.follow()) as newcomer,
        ):
            waiting = [asyncio.ensure_future(anext(returning)), asyncio.ensure_future(anext(newcomer))]
            # Both have looked at the file by then; the new run must wake them.
            done, _ = await asyncio.wait(waiting, timeout=0.5)
            assert not done
            new = [history.run(listener, now_us - 8 * SECOND)]
            async with asyncio.timeout(5):
                assert [[run.id for run in await one] for one in waiting] == [new, new]


async def test_a_follower_of_a_file_that_is_not_there_yet_hears_its_first_run(
    tmp_path: Path, new_history: Callable[..., Any], now_us: int
) -> None:
    async with DataSyncService(tmp_path / "hassette.db") as data, aclosing(data.follow()) as batches:
        waiting = asyncio.ensure_future(anext(batches))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        with new_history() as history:
            history.session(now_us)
            first = history.run(history.listener("hall", "on_motion", "t"), now_us)
            async with asyncio.timeout(10):
                assert [run.id for run in await waiting] == [first]


async def test_what_is_live_is_shown_beside_the_history(plausible: Path, now_us: int) -> None:
    from hassette_sync.live import Accounting, Snapshot

    feed = MemoryFeed()
    due = SimpleNamespace(due_us=now_us + SECOND, manual=False)
    job = SimpleNamespace(app="energy", instance="main", name="report")
    feed.state = Snapshot(
        ready=True,
        connection="connected",
        services=[SimpleNamespace(name="store", status="degraded", detail="The disk is full.")],
        running=[SimpleNamespace(run=1, registration=job, trigger=due, started_us=now_us - SECOND)],
        upcoming=[
            SimpleNamespace(app="b", instance="", name="later", due_us=now_us + 9 * SECOND),
            SimpleNamespace(app="a", instance="", name="sooner", due_us=now_us + SECOND),
        ],
        accounting=Accounting(executed=5, persisted=3, waiting=1, shed={"queue_full_count": 1}),
    )
    async with DataSyncService(plausible, feed) as data:
        overview = await data.overview()
    assert [one.name for one in overview.upcoming] == ["sooner", "later"]
    assert (overview.running.source, [one.kind for one in overview.running.running]) == ("live", ["job"])
    assert overview.status.live is not None
    assert overview.status.live.services[0].detail == "The disk is full."
    assert overview.status.live.accounting.shed == {"queue_full_count": 1}


async def test_half_a_surrogate_pair_in_a_live_text_is_sent_as_a_question_mark(plausible: Path) -> None:
    from hassette_sync.live import Snapshot

    feed = MemoryFeed()
    half = "hall\ud83d"
    who = SimpleNamespace(app=half, instance=half, name=half)
    row = ended(2**62, registration=who, status="error", failure=SimpleNamespace(type="OSError", message=half))
    for name in vars(row.trigger):
        setattr(row.trigger, name, half)
    feed.state = Snapshot(
        running=(SimpleNamespace(run=1, registration=who, trigger=row.trigger, started_us=1),),
        upcoming=(SimpleNamespace(app=half, instance=half, name=half, due_us=1),),
        services=(SimpleNamespace(name="apps", status="failed", detail=half),),
    )
    feed.publish(row)
    async with DataSyncService(plausible, feed) as data:
        async with aclosing(data.follow()) as batches:
            (run,) = await asyncio.wait_for(anext(batches), 10)
        answers = [run, await data.overview(), await data.running(), *data.upcoming()]
    said = [answer.model_dump_json() for answer in answers]
    assert run.name == "hall?"
    assert all("hall?" in text for text in said)


async def test_live_runs_and_rows_of_the_history_read_the_same(plausible: Path) -> None:
    async with DataSyncService(plausible) as data:
        page = await data.runs(RunFilter(status="error", kind="handler"), TimeRange.last("3d"), limit=1)
        async with aclosing(data.follow(after=page.runs[0].id - 1)) as batches:
            live = (await anext(batches))[0]
    row = page.runs[0]
    assert (live.id, live.status, live.trigger, live.failure) == (row.id, row.status, row.trigger, row.failure)
    assert (live.app, live.instance, live.name) == (
        row.registration.app,
        row.registration.instance,
        row.registration.name,
    )
