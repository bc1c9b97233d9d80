"""Pages neither skip nor repeat an entry, for all filters and all lengths of a page."""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hassette_sync import BadQuestionError, DataSyncService, RunFilter, TimeRange
from support.history import HOUR, SECOND, History, NewHistory

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


def _pages_stay_complete(
    path: Path, ask: str, items: str, change: Callable[[History, random.Random], None], seed: int
) -> None:
    """Change the history between the pages of a list. No entry of the start may be skipped or repeated."""
    chance = random.Random(seed)

    async def read() -> tuple[list[int], list[int]]:
        async with DataSyncService(path) as data:
            time_range = TimeRange.parse("60d", None)
            first = [one.id for one in getattr(await getattr(data, ask)(time_range=time_range, limit=500), items)]
            found: list[int] = []
            cursor = None
            while True:
                page = await getattr(data, ask)(time_range=time_range, cursor=cursor, limit=chance.randint(1, 4))
                found += [one.id for one in getattr(page, items)]
                if (cursor := page.next_cursor) is None:
                    return first, found
                with History(path) as history:
                    for _ in range(chance.randint(1, 5)):
                        change(history, chance)

    first, found = asyncio.run(read())
    assert found == first


def _fail_again(history: History, chance: random.Random) -> None:
    """Add a failure of one of twelve old errors, or of a new error."""
    kind = chance.choice([f"Error{chance.randrange(12)}", f"New{chance.randrange(100)}"])
    _fail(history, kind, int(time.time() * SECOND))


def _fail(history: History, kind: str, at_us: int) -> None:
    history.run(1, at_us, status="error", error=("exception", kind, f"{kind} happened"))


def _run(history: History, chance: random.Random) -> None:
    history.run(1, int(time.time() * SECOND), status=chance.choice(["success", "cancelled"]))


def _restart(history: History, chance: random.Random) -> None:
    now_us = int(time.time() * SECOND)
    history.db.execute(
        "UPDATE sessions SET ended_us = ?, heartbeat_us = ?, outcome = ? WHERE ended_us IS NULL",
        (now_us, now_us, chance.choice(["clean", "crashed"])),
    )
    history.session(now_us)


def _happen(history: History, chance: random.Random) -> None:
    history.lifecycle(1, int(time.time() * SECOND), chance.choice(["app_started", "connection_lost"]), "home")


def _lose(history: History, chance: random.Random) -> None:
    now_us = int(time.time() * SECOND)
    history.loss(1, "queue_full_count", "runs", 1, now_us - chance.randrange(20) * HOUR, now_us)


LISTS = {
    "error_groups": ("groups", _fail_again),
    "runs": ("runs", _run),
    "sessions": ("sessions", _restart),
    "lifecycle": ("events", _happen),
    "losses": ("losses", _lose),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ask", LISTS)
def test_pages_are_complete_as_of_the_first_page_while_the_history_changes(
    new_history: NewHistory, now_us: int, ask: str, seed: int
) -> None:
    items, change = LISTS[ask]
    with new_history() as history:
        for n in range(12):
            started_us = now_us - (20 - n) * HOUR
            history.session(started_us, *((started_us + HOUR // 2, "clean") if n < 11 else ()))
            if n == 0:
                history.listener("app", "on_x", "t")
            _fail(history, f"Error{n}", started_us)
            history.run(1, started_us + SECOND)
            history.lifecycle(1, started_us, "connection_lost", "home")
            history.loss(1, "queue_full_count", "runs", 1, started_us, started_us)
    _pages_stay_complete(history.path, ask, items, change, seed)


async def test_errors_that_happen_again_between_two_pages_are_not_skipped(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 20 * HOUR)
        history.listener("app", "on_x", "t")
        for n in range(12):
            _fail(history, f"Error{n}", now_us - (13 - n) * HOUR)
    async with DataSyncService(history.path) as data:
        first = await data.error_groups(limit=4)
        with History(history.path) as history:
            for n in (0, 3, 5, 9):
                _fail(history, f"Error{n}", now_us)
            _fail(history, "New", now_us)
        second = await data.error_groups(limit=4, cursor=first.next_cursor)
        third = await data.error_groups(limit=4, cursor=second.next_cursor)
        newest = await data.error_groups(limit=5)
    pages = [[group.type for group in page.groups] for page in (first, second, third)]
    assert pages == [[f"Error{n}" for n in range(last, last - 4, -1)] for last in (11, 7, 3)]
    assert third.next_cursor is None
    assert {group.type for group in newest.groups} == {"New", "Error0", "Error3", "Error5", "Error9"}


@pytest.mark.parametrize("cursor", ["1", "1-2", "a-b-c", "1-2-3-4", "--", "9" * 30 + "-1-1"])
async def test_invalid_cursor_of_errors_is_refused(data: DataSyncService, cursor: str) -> None:
    with pytest.raises(BadQuestionError, match="cursor must be"):
        await data.error_groups(cursor=cursor)
