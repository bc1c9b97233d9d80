import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import CommandExecutor, Feed, SubscriberTooSlowError
from hassette_executor.delivery.dispatcher import DISPATCH_S
from hassette_executor.records.sizes import total_size
from support.records import invoke, nothing, record
from support.waiting import patience


def ids(records) -> list[int]:
    return [one.id for one in records]


NUMBERED = [record(number) for number in range(1, 41)]


def publish(feed: Feed, *records) -> None:
    feed.publish(records, total_size(records))


async def test_records_reach_a_subscriber_in_order_within_a_tenth_of_a_second():
    async with CommandExecutor() as executor, executor.feed.subscribe() as subscription:
        made = [await executor.execute(invoke(nothing)) for _ in range(5)]
        assert DISPATCH_S <= 0.1  # the interval of the timer; a busy machine may add to it
        async with asyncio.timeout(patience(10)):
            assert list(await anext(subscription)) == made
        later = await executor.execute(invoke(nothing))
        assert await anext(subscription) == (later,)
    publish(executor.feed, record(1))
    assert subscription.waiting == 0, "the feed has dropped its subscription"


async def test_returning_subscriber_gets_the_missed_records_first():
    feed = Feed(10, 1_000_000)
    publish(feed, *NUMBERED[:8])
    async with feed.subscribe(NUMBERED[4].id) as subscription:
        publish(feed, *NUMBERED[8:9])
        assert list(await anext(subscription)) == NUMBERED[5:9]


async def test_new_subscriber_gets_only_new_records():
    feed = Feed(10, 1_000_000)
    publish(feed, *NUMBERED[:3])
    async with feed.subscribe() as subscription:
        publish(feed, *NUMBERED[3:4])
        assert list(await anext(subscription)) == NUMBERED[3:4]


@given(
    retain=st.integers(1, 12),
    steps=st.lists(st.integers(1, 15), max_size=6),
    after=st.integers(0, 40),
    limit=st.integers(1, 20),
)
def test_all_requested_retained_records_are_replayed_whatever_the_limit(retain, steps, after, limit):
    async def scenario() -> None:
        feed = Feed(retain, 1_000_000)
        left = list(NUMBERED)
        published = []
        for step in steps:
            now, left = left[:step], left[step:]
            published += now
            if now:
                publish(feed, *now)
        after_id = NUMBERED[after - 1].id if after else 0
        expected = [one for one in published[-retain:] if one.id > after_id]
        async with feed.subscribe(after_id, limit=limit) as subscription:
            assert subscription.waiting == len(expected)
            if expected:
                assert list(await anext(subscription)) == expected

    asyncio.run(scenario())


async def test_slow_subscriber_is_disconnected_with_an_error():
    feed = Feed(100, 1_000_000)
    async with feed.subscribe(limit=5) as slow, feed.subscribe() as quick:
        publish(feed, *NUMBERED[:5])
        publish(feed, *NUMBERED[5:6])
        with pytest.raises(SubscriberTooSlowError, match="more than 5 records"):
            await anext(slow)
        publish(feed, *NUMBERED[6:7])
        assert slow.waiting == 0, "a disconnected subscriber gets no more records"
        assert list(await anext(quick)) == NUMBERED[:7]


async def test_subscriber_that_never_reads_slows_nothing_down():
    async with CommandExecutor() as executor, executor.feed.subscribe(limit=10) as idle:
        async with asyncio.timeout(patience(10)):
            for _ in range(2_000):
                await executor.execute(invoke(nothing))
        await executor.force_flush()
        assert executor.accounting().persisted == 2_000
        with pytest.raises(SubscriberTooSlowError):
            await anext(idle)


async def test_iteration_ends_when_its_subscription_is_closed():
    feed = Feed(10, 1_000_000)
    subscription = feed.subscribe()

    async def follow() -> list[int]:
        return [one.id async for records in subscription for one in records]

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0)
    publish(feed, *NUMBERED[:2])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    subscription.close()
    assert await following == ids(NUMBERED[:2])
