"""The live feed and each subscriber stay within their bounds in bytes."""

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import (
    CommandExecutor,
    Effects,
    ExecutorSettings,
    Feed,
    LogLine,
    NullSink,
    SubscriberTooSlowError,
)
from hassette_executor.records.sizes import PLAIN_BYTES, size_of, total_size
from support.records import invoke, record
from support.waiting import patience

app_log = logging.getLogger("apps.chat")


def talking(number: int, characters: int):
    return record(number, effects=Effects((LogLine(1, 30, "apps", "x" * characters),)))


def publish(feed: Feed, *records) -> None:
    feed.publish(records, total_size(records))


async def test_feed_and_subscriber_stay_within_their_bytes_when_handlers_log_much():
    max_bytes = 1_000_000

    async def chat() -> None:
        for number in range(30):
            app_log.warning("%s", str(number % 10) * 2_000)

    async with (
        CommandExecutor(NullSink(), settings=ExecutorSettings(max_bytes=max_bytes)) as executor,
        executor.feed.subscribe() as idle,
    ):
        for number in range(200):
            size = size_of(await executor.execute(invoke(chat)))
            if number % 2:
                await executor.force_flush()
                assert executor.feed.bytes == total_size(executor.feed.retained) <= max_bytes // 4
                assert idle.bytes <= max_bytes // 2
        assert executor.feed.bytes > max_bytes // 4 - 3 * size
        with pytest.raises(SubscriberTooSlowError):
            await anext(idle)


def test_dropped_batch_no_longer_counts_its_bytes():
    feed = Feed(3, 20 * PLAIN_BYTES)
    publish(feed, talking(1, 1_000))
    publish(feed, record(2), record(3), record(4))
    publish(feed, talking(5, 100))
    assert feed.bytes == total_size(feed.retained)
    assert [kept.id for kept in feed.retained] == [record(number).id for number in (3, 4, 5)]


@given(
    retain=st.integers(1, 12),
    max_bytes=st.integers(1, 20 * PLAIN_BYTES),
    batches=st.lists(st.lists(st.sampled_from([0, 0, 0, 1, 700, 3_000]), min_size=1, max_size=8), max_size=8),
)
def test_newest_records_are_retained_within_both_bounds(retain, max_bytes, batches):
    feed, published = Feed(retain, max_bytes), []
    for batch in batches:
        first = len(published) + 1
        new = [talking(number, much) if much else record(number) for number, much in enumerate(batch, first)]
        published += new
        publish(feed, *new)
        kept = list(feed.retained)
        assert kept == published[len(published) - len(kept) :]
        assert len(kept) <= retain
        assert total_size(kept) <= max_bytes
        if total_size(published) <= max_bytes:
            assert len(kept) == min(retain, len(published))
    # The sizes of dropped records are no longer counted: plain records can fill the feed to its bound.
    fits = min(retain, max_bytes // PLAIN_BYTES)
    plain = [record(number) for number in range(len(published) + 1, len(published) + 31)]
    for one in plain:
        publish(feed, one)
    assert list(feed.retained) == plain[len(plain) - fits :]
    assert feed.bytes == PLAIN_BYTES * len(feed.retained)


async def test_subscriber_is_disconnected_by_bytes_and_read_records_do_not_count():
    feed = Feed(100, 5_000)
    async with feed.subscribe() as slow, feed.subscribe() as quick:
        publish(feed, talking(1, 4_000))
        assert len(await anext(quick)) == 1
        publish(feed, talking(2, 4_000))
        assert slow.waiting == 2
        publish(feed, talking(3, 4_000))
        assert slow.waiting == 0
        assert list(await anext(quick)) == [talking(2, 4_000), talking(3, 4_000)]
        with pytest.raises(SubscriberTooSlowError, match="more than 2 records"):
            await anext(slow)


async def test_subscriber_that_has_read_everything_accepts_a_batch_of_any_size():
    feed = Feed(100, 1_000)
    async with feed.subscribe(limit=3) as subscription:
        for first in (1, 6):
            batch = [talking(number, 10_000) for number in range(first, first + 5)]
            publish(feed, *batch)
            assert list(await anext(subscription)) == batch
    assert list(feed.retained) == []


async def test_replayed_records_count_for_the_subscriber():
    feed = Feed(100, 3_000)
    publish(feed, talking(1, 2_000))
    async with feed.subscribe(after=0) as back:
        publish(feed, talking(2, 2_000))
        publish(feed, talking(3, 2_000))
        with pytest.raises(SubscriberTooSlowError):
            await asyncio.wait_for(anext(back), patience(10))
