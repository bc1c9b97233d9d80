"""Pages neither skip nor repeat an entry, for all filters and all lengths of a page."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_sync import DataSyncService, RunFilter, TimeRange

filters = st.builds(
    RunFilter,
    app=st.sampled_from([None, "motion_light", "climate_guard", "unknown"]),
    status=st.sampled_from([None, "success", "error", "failed", "cancelled"]),
    kind=st.sampled_from([None, "handler", "job"]),
    text=st.sampled_from([None, "kitchen", "temp"]),
    min_duration_us=st.sampled_from([None, 2_000, 10_000]),
    error_group_id=st.sampled_from([None, None, 1, 2]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters, limits=st.lists(st.integers(1, 500), min_size=1, max_size=6), hours=st.integers(1, 40))
def test_pages_of_runs_contain_each_run_once(plausible: Path, asked: RunFilter, limits: list[int], hours: int) -> None:
    async def pages() -> tuple[list[int], list[int]]:
        time_range = TimeRange.last(f"{hours}h")
        found: list[int] = []
        async with DataSyncService(plausible) as data:
            cursor: str | None = None
            turn = 0
            while True:
                # Only the first pages have the given lengths. All pages of one run would take thousands of queries.
                limit = limits[turn] if turn < len(limits) else 500
                page = await data.runs(asked, time_range, cursor=cursor, limit=limit)
                assert len(page.runs) <= limit
                found += [run.id for run in page.runs]
                cursor, turn = page.next_cursor, turn + 1
                if cursor is None:
                    break
            whole: list[int] = []
            while True:
                page = await data.runs(asked, time_range, cursor=cursor, limit=500)
                whole += [run.id for run in page.runs]
                if (cursor := page.next_cursor) is None:
                    return found, whole

    found, whole = asyncio.run(pages())
    assert found == whole
    assert found == sorted(set(found), reverse=True)


async def test_new_runs_do_not_shift_later_pages(plausible: Path) -> None:
    time_range = TimeRange.last("24h")
    async with DataSyncService(plausible) as data:
        before = [run.id for run in (await data.runs(time_range=time_range, limit=300)).runs]
        first = await data.runs(time_range=time_range, limit=100)
        with sqlite3.connect(plausible) as db:
            newest = db.execute("SELECT max(id) FROM handler_invocations").fetchone()[0]
            db.execute(
                "INSERT INTO handler_invocations (id, listener_id, session_id, status, started_before, duration_us,"
                " waited_us, event_type_id) SELECT ? + id % 1000, listener_id, session_id, status, 1, 1, 1,"
                " event_type_id FROM handler_invocations GROUP BY id % 1000 LIMIT 50",
                (newest + 1,),
            )
        db.close()
        second = await data.runs(time_range=time_range, limit=200, cursor=first.next_cursor)
    assert [run.id for run in (*first.runs, *second.runs)] == before


async def test_pages_of_the_other_lists_contain_each_entry_once(data: DataSyncService) -> None:
    time_range = TimeRange.last("3d")

    async def read_pages(ask: str, items: str) -> list[int]:
        found: list[int] = []
        cursor = None
        while True:
            page = await getattr(data, ask)(time_range, cursor=cursor, limit=1)
            found += [one.id for one in getattr(page, items)]
            if (cursor := page.next_cursor) is None:
                return found

    for ask, items in (
        ("sessions", "sessions"),
        ("error_groups", "groups"),
        ("lifecycle", "events"),
        ("losses", "losses"),
    ):
        whole = [one.id for one in getattr(await getattr(data, ask)(time_range, limit=100), items)]
        assert await read_pages(ask, items) == whole
        assert whole


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_last_page_has_no_cursor(data: DataSyncService, limit: int) -> None:
    page = await data.runs(RunFilter(status="interrupted"), limit=limit)
    assert len(page.runs) == 1
    assert page.next_cursor is None
