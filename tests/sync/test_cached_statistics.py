"""Answers from the caches of statistics equal the answers of a new service, after any change of the history."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_store import DatabaseService
from hassette_store.clock.check import ClockCheck
from hassette_store.derived.derivation import derive_in_transaction
from hassette_store.file.connections import connect_to_write
from hassette_store.retention.retention import RetentionSchedule
from hassette_sync import DataSyncService, TimeRange
from hassette_sync.cache import ValueCache
from support.history import DAY, HOUR, History, NewHistory
from support.retention import retention_of, whole_pass
from support.rows import T0_US, Batch, Job, Listener, Summary, execution, invocation
from support.stores import Clock

HOUR_MS = HOUR // 1000
RANGES = (
    TimeRange(T0_US - 15 * HOUR, T0_US + 10 * HOUR),
    TimeRange(T0_US, T0_US + HOUR),
    TimeRange(T0_US - 9 * DAY, T0_US + DAY),
)
LISTENERS = tuple(Listener(f"on_event_{number}", ("hall", "cellar")[number % 2]) for number in range(4))
JOB = Job("nightly", "hall")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["store", "store", "late", "shed", "derive", "age", "retire"]),
        st.integers(0, 4),
        st.integers(1, 3),
        st.sampled_from([900, 1_000, 40_000]),
        st.sampled_from(["success", "error", "interrupted"]),
    ),
    max_size=10,
)


async def answers(data: DataSyncService) -> list[Any]:
    found: list[Any] = []
    for time_range in RANGES:
        overview = await data.overview(time_range)
        found += [overview.counts, overview.percentiles, overview.before, overview.apps, overview.failing]
        found += [overview.failing_now, overview.errors]
        found += [await data.registrations(time_range), await data.registrations(time_range, kind="job", idle=False)]
        found += [await data.timeline(time_range), await data.noise(time_range), await data.compare(time_range)]
        found += [await data.app("hall", time_range), await data.compare(time_range, differing=False)]
    return found


class ChangingHistory:
    """A store whose runs, statistics and clock change step by step."""

    def __init__(self, path: Path) -> None:
        self.clock = Clock()
        self.store = DatabaseService(path, now_us=self.clock.now_us, monotonic=self.clock.monotonic)
        self.newest = 0
        self.oldest = 0

    async def start(self) -> None:
        await self.store.start()
        await self._write(registered=(*LISTENERS, JOB))

    async def change(self, step: str, which: int, count: int, duration_us: int, status: str) -> None:
        if step == "derive":
            with closing(connect_to_write(self.store.path)) as db:
                derive_in_transaction(db)
        elif step == "age":
            self.clock.advance(4 * 86_400)
            await whole_pass(self.store, self.clock, keep_newest=1, keep_hourly_days=8)
        elif step == "retire":
            await self._write(retired=(LISTENERS[which % 4],))
        elif step == "shed":
            hour_us = T0_US // HOUR * HOUR - count * HOUR
            counts, total_us = (("success", count),), count * duration_us
            await self._write(
                summaries=(Summary(LISTENERS[which % 4], hour_us, counts, total_us, duration_us, 0, ((300, count),)),)
            )
        else:
            times: list[int] = []
            for _ in range(count):
                self.newest += 1_500_000
                self.oldest -= 2_700_000
                times.append(self.newest if step == "store" else self.oldest)
            await self._store(sorted(times), which, duration_us, status)

    async def _store(self, times: Sequence[int], which: int, duration_us: int, status: str) -> None:
        if which == len(LISTENERS):
            await self._write(executions=tuple(execution(ms, JOB, status, duration_us=duration_us) for ms in times))
        else:
            runs = tuple(invocation(ms, LISTENERS[which], status, duration_us=duration_us) for ms in times)
            await self._write(invocations=runs)

    async def _write(self, **records: Any) -> None:
        await self.store.write(Batch(self.store.last_sequence + 1, self.clock.now_us(), **records))


@pytest.mark.heavy
@given(steps=STEPS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
async def test_answers_with_filled_caches_equal_those_of_a_new_service(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("cached") / "hassette.db"
    history = ChangingHistory(path)
    await history.start()
    try:
        async with DataSyncService(path) as kept:
            await answers(kept)
            for step in steps:
                await history.change(*step)
                async with DataSyncService(path) as new:
                    expected = await answers(new)
                assert await answers(kept) == expected, step
                assert await answers(kept) == expected, "the caches are filled now"
    finally:
        await history.store.stop()


async def test_statistics_that_move_to_another_handler_are_not_taken_from_the_caches(
    new_history: NewHistory, now_us: int
) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        one, two = history.listener("hall", "on_a", "t"), history.listener("hall", "on_b", "t")
        for number in range(6):
            history.run(one, now_us - (number + 2) * HOUR)
        history.count_runs(all_of_them=True)
    async with DataSyncService(history.path) as data:
        before = {row.id: row.counts.total for row in (await data.registrations()).registrations}
        with History(history.path) as history:
            for table in ("counted_hourly", "counted_daily"):
                history.db.execute(f"UPDATE {table} SET registration_id = ?", (two,))
        after = {row.id: row.counts.total for row in (await data.registrations()).registrations}
        medians = {row.id: row.percentiles.p50_us for row in (await data.registrations()).registrations}
    assert (before, after) == ({one: 6, two: 0}, {one: 0, two: 6})
    assert medians[one] is None
    assert medians[two] is not None


async def test_answers_after_a_correction_of_the_clock_are_not_taken_from_the_caches(tmp_path: Path) -> None:
    history = ChangingHistory(tmp_path / "hassette.db")
    await history.start()
    try:
        for which in range(len(LISTENERS)):
            await history.change("store", which, 3, 1_000, "success")
        check = ClockCheck(history.clock.now_us, history.clock.monotonic)
        history.clock.advance(60)
        check.read()
        async with DataSyncService(history.store.path) as kept:
            before = await answers(kept)
            history.clock.step(-3_600)
            schedule = RetentionSchedule(first_pass_s=1e9)
            async with retention_of(history.store, history.clock, check=check, session_id=1, schedule=schedule) as (
                retention,
                _,
            ):
                for _ in range(200):
                    await retention.step()
            async with DataSyncService(history.store.path) as new:
                expected = await answers(new)
            assert await answers(kept) == expected
            assert expected != before
    finally:
        await history.store.stop()


def test_cache_drops_the_least_recently_used_values_above_its_limit() -> None:
    cache = ValueCache[bytes](6_500, len)
    for number in range(20):
        cache.put(number, 1, bytes(600))
        assert cache.get(0, 1) == bytes(600)
        assert cache.size_bytes <= 6_500
    assert [number for number in range(20) if cache.get(number, 1)] == [0, 16, 17, 18, 19]


def test_value_of_another_version_is_not_returned_and_replaced() -> None:
    cache = ValueCache[bytes](5_000, len)
    cache.put("key", (1, 2), b"old")
    assert cache.get("key", (1, 3)) is None
    cache.put("key", (1, 3), b"new")
    assert (cache.get("key", (1, 2)), cache.get("key", (1, 3))) == (None, b"new")


def test_value_that_is_larger_than_the_cache_is_not_kept_and_drops_no_other_value() -> None:
    cache = ValueCache[bytes](2_000, len)
    cache.put("other", 1, bytes(100))
    cache.put("key", 1, bytes(100))
    cache.put("key", 2, bytes(3_000))
    assert [cache.get("key", version) for version in (1, 2)] == [None, None]
    assert cache.get("other", 1) == bytes(100)
    assert cache.size_bytes < 1_000
