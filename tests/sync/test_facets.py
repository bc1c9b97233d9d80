"""The number at each value of a filter respects the other filters."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.answers.runs import Run
from hassette_sync.questions.facets import MAX_COUNTED
from support.history import HOUR, NewHistory
from support.patient_data import patient_data
from support.web_clients import app_client

pytest.importorskip("fastapi")

FAILED = ("error", "timed_out", "interrupted")


async def all_runs(data: DataSyncService, asked: RunFilter, time_range: TimeRange) -> list[Run]:
    found: list[Run] = []
    cursor = None
    while True:
        page = await data.runs(asked, time_range, cursor=cursor, limit=500)
        found += page.runs
        if (cursor := page.next_cursor) is None:
            return found


@pytest.mark.heavy
@pytest.mark.parametrize(
    "asked",
    [
        RunFilter(),
        RunFilter(app="motion_light"),
        RunFilter(app="Motion_Light"),
        RunFilter(status="failed"),
        RunFilter(status="error", kind="handler"),
        RunFilter(app="climate_guard", status="failed"),
        RunFilter(registration_id=4),
        RunFilter(text="kitchen_"),
        RunFilter(text="unavailable", app="climate_guard"),
        RunFilter(entity_id="light.kitchen", status="success"),
        RunFilter(session_id=3, text="kitchen_", kind="handler"),
        RunFilter(min_duration_us=10_000_000),
        RunFilter(error_group_id=1, status="error"),
    ],
    ids=repr,
)
async def test_facet_counts_the_runs_that_meet_the_other_filters(data: DataSyncService, asked: RunFilter) -> None:
    time_range = await data.covered(TimeRange.last("24h"))
    facets = await data.run_facets(time_range, asked)
    assert facets.complete

    def counted(name: str) -> dict[str, int]:
        return {facet.value: facet.count for facet in getattr(facets, name) if facet.count}

    async def expected(name: str, value: Any) -> Counter[str]:
        return Counter(value(run) for run in await all_runs(data, replace(asked, **{name: None}), time_range))

    assert counted("apps") == await expected("app", lambda run: run.registration.app)
    assert counted("kinds") == await expected("kind", lambda run: run.kind)
    statuses = await expected("status", lambda run: run.status)
    statuses["failed"] = sum(statuses[name] for name in FAILED)
    assert counted("statuses") == +statuses


async def test_apps_without_matching_runs_are_listed_with_zero(data: DataSyncService) -> None:
    facets = await data.run_facets(None, RunFilter(text="no such text"))
    assert {facet.value for facet in facets.apps} >= {"motion_light", "backup"}
    assert not any(facet.count for facet in facets.apps)


async def test_runs_with_a_text_beyond_the_limit_are_not_counted(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        on_x = history.listener("a", "on_x", "t")
        history.begin()
        for number in range(MAX_COUNTED + 1):
            history.run(on_x, now_us - number * 1_000)
        history.commit()
    async with patient_data(history.path) as data, app_client(data) as client:
        facets = await data.run_facets(None, RunFilter(text="on_x"))
        page = (await client.get("/runs?text=on_x")).text
        page_of_all = (await client.get("/runs")).text
    assert not facets.complete
    assert [facet.count for facet in facets.apps] == [MAX_COUNTED]
    # The page shows that there are more.
    assert f"a ({MAX_COUNTED}+)" in page
    assert f"a ({MAX_COUNTED + 1})" in page_of_all
