"""The live feeds of core and of sync keep the promises of `LiveFeed`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import NamedTuple

import pytest

from hassette_core.config import HassetteConfig
from hassette_core.framework import Hassette
from hassette_executor import Record
from hassette_sync import LiveFeed, MemoryFeed, NoFeed
from hassette_sync.live import LiveRow
from support.records import record, sized
from support.waiting import patience

RETAINED = 100


class FeedCase(NamedTuple):
    """A feed, and a function that publishes runs to its followers."""

    feed: LiveFeed
    publish: Callable[[Sequence[Record]], None]


def case_of_core() -> FeedCase:
    config = HassetteConfig.model_validate(
        {"home_assistant": {"token": "secret"}, "executor": {"feed_records": RETAINED}}
    )
    hassette = Hassette(config, plugins=False)

    def publish(records: Sequence[Record]) -> None:
        hassette.executor.feed.publish(*sized(list(records)))

    return FeedCase(hassette.live, publish)


def case_of_sync() -> FeedCase:
    feed = MemoryFeed(retained=RETAINED)

    def publish(records: Sequence[Record]) -> None:
        feed.publish(*records)

    return FeedCase(feed, publish)


@pytest.fixture(params=[case_of_core, case_of_sync], ids=["core", "sync"])
def case(request: pytest.FixtureRequest) -> FeedCase:
    make: Callable[[], FeedCase] = request.param
    return make()


RECORDS = [record(number) for number in range(1, 11)]


async def read(runs: AsyncIterator[Sequence[LiveRow]], count: int) -> list[int]:
    """Return the ids of the next runs, exactly as many as asked for."""
    ids: list[int] = []
    async with asyncio.timeout(patience(10)):
        while len(ids) < count:
            ids += [run.id for run in await anext(runs)]
    return ids


async def test_each_follower_gets_each_new_run_once_in_order(case: FeedCase) -> None:
    async with case.feed.subscribe(0) as first, case.feed.subscribe(0) as second:
        case.publish(RECORDS[:4])
        case.publish(RECORDS[4:])
        expected = [one.id for one in RECORDS]
        assert await read(first, 10) == expected
        assert await read(second, 10) == expected


async def test_retained_runs_after_an_id_come_first(case: FeedCase) -> None:
    case.publish(RECORDS[:6])
    async with case.feed.subscribe(RECORDS[2].id) as runs:
        case.publish(RECORDS[6:])
        assert await read(runs, 7) == [one.id for one in RECORDS[3:]]


async def test_only_the_newest_runs_are_retained(case: FeedCase) -> None:
    many = [record(number) for number in range(1, 3 * RETAINED)]
    case.publish(many)
    async with case.feed.subscribe(0) as runs:
        assert await read(runs, RETAINED) == [one.id for one in many[-RETAINED:]]


async def test_follower_that_has_left_gets_no_more_runs(case: FeedCase) -> None:
    async with case.feed.subscribe(0):
        pass
    async with case.feed.subscribe(0) as runs:
        case.publish(RECORDS)
        assert await read(runs, 10) == [one.id for one in RECORDS]


async def test_follower_that_reads_nothing_is_dropped_with_an_error(case: FeedCase) -> None:
    async with case.feed.subscribe(0) as runs:
        for start in range(0, 20_000, RETAINED):
            case.publish([record(number) for number in range(start + 1, start + RETAINED + 1)])
        with pytest.raises(Exception, match=r"behind|too slow|more than"):
            await anext(runs)


def test_snapshot_accounts_for_each_run(case: FeedCase) -> None:
    state = case.feed.snapshot()
    account = state.accounting
    assert account.executed == account.persisted + sum(account.shed.values()) + account.waiting
    assert (list(state.running), list(state.upcoming), state.ready) == ([], [], False)


def test_next_run_of_an_unknown_job_is_none(case: FeedCase) -> None:
    assert case.feed.next_run_us("hall", "hall", "off") is None


async def test_feed_of_another_process_is_empty_and_its_follower_waits() -> None:
    feed = NoFeed()
    assert feed.snapshot() == MemoryFeed().snapshot()
    async with feed.subscribe(0) as runs:
        waiting = asyncio.ensure_future(anext(runs))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
