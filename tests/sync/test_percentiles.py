"""Percentiles have one definition, the nearest rank, in the store, in the answers and on the pages."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store.sketch import bucket_of, pack, quantiles
from hassette_sync import DataSyncService
from hassette_sync.answers.values import Percentiles
from hassette_sync.questions.sketches import Durations, percentiles
from hassette_sync.settings import WebSettings
from support.history import HOUR, NewHistory

DURATIONS_US = (100, 100_000)


def nearest_rank(durations_us: list[int], share: float) -> int:
    return sorted(durations_us)[ceil(share * len(durations_us)) - 1]


async def test_p95_of_two_runs_is_the_longer_one_everywhere(new_history: NewHistory, now_us: int) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        for number, duration_us in enumerate(DURATIONS_US):
            history.run(handler, now_us - 1_000_000 + number, duration_us=duration_us)
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
        (listed,) = (await data.registrations()).registrations
        detail = await data.registration(handler)
        timeline = await data.timeline(None, handler)
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            pages = [(await client.get(path)).text for path in ("/", "/handlers", f"/registrations/{handler}")]
    (in_store,) = quantiles([pack(map(bucket_of, DURATIONS_US))], (0.95,))
    assert round(in_store) == 99_741
    shown = [overview.percentiles, listed.percentiles, detail.registration.percentiles]
    shown += [point.percentiles for point in timeline.points if point.counts.total]
    assert shown == [Percentiles(p50_us=100, p95_us=99_741, p99_us=99_741)] * 4
    assert all("100 ms" in page for page in pages)


@given(st.lists(st.integers(2, 10_000_000), min_size=1, max_size=300), st.integers(0, 300))
def test_percentiles_are_within_one_percent_of_the_nearest_rank(durations_us: list[int], counted: int) -> None:
    buckets = [bucket_of(duration_us) for duration_us in durations_us]
    found = percentiles([Durations([pack(buckets[:counted])], buckets[counted:])])
    for share, value_us in ((0.50, found.p50_us), (0.95, found.p95_us), (0.99, found.p99_us)):
        exact_us = nearest_rank(durations_us, share)
        # The limit is 1 % plus one microsecond, because the answer is rounded.
        assert value_us == pytest.approx(exact_us, abs=0.01 * exact_us + 1)


def test_no_durations_have_no_percentiles() -> None:
    assert percentiles([Durations()]) == Percentiles()


async def test_no_percentile_is_longer_than_the_longest_run(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        for number in range(3):
            history.run(handler, now_us - 1_000_000 + number, duration_us=834)
    async with DataSyncService(history.path) as data:
        (listed,) = (await data.registrations()).registrations
        detail = (await data.registration(handler)).registration
    assert Percentiles(p50_us=834, p95_us=834, p99_us=834) == listed.percentiles == detail.percentiles
    assert Percentiles().at_most(0) == Percentiles()
