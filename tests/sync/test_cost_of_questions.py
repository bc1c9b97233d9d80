"""Questions read only what their answers need, as their statements and the steps of SQLite show."""

import json
import re
import sqlite3
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from hassette_store import DatabaseService
from hassette_store.file.connections import connect_to_read
from hassette_store.kinds import HANDLER, KINDS
from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.queries import run_search
from hassette_sync.questions.logs import LogFilter
from hassette_sync.service import DEFAULT_DEADLINE_S
from support.history import DAY, HOUR, SECOND, NewHistory
from support.recorded_home import recorded_home
from support.rows import T0_US, Batch, Event, Listener, invocation, run_id
from support.stores import Clock
from support.waiting import patience

MINUTE_MS = 60_000


@asynccontextmanager
async def traced(path: Path) -> AsyncGenerator[tuple[DataSyncService, list[str]]]:
    """Ask a history. The list has each statement with its parameters."""
    statements: list[str] = []

    def open_traced(file: Path) -> sqlite3.Connection:
        db = connect_to_read(file)
        db.set_trace_callback(statements.append)
        return db

    async with DataSyncService(path, deadline_s=patience(DEFAULT_DEADLINE_S), open_file=open_traced) as data:
        yield data, statements


def reads(statements: Collection[str], *parts: str) -> int:
    """Return the number of statements with all parts. Line breaks and indents of the statements do not matter.

    A test that a statement is absent also makes it occur. Otherwise, the test would pass after a new wording of it.
    """
    return sum(all(part in " ".join(one.split()) for part in parts) for one in statements)


async def write_minutes(path: Path, minutes: int) -> None:
    """Write a run of 0.5 s in each minute, and let the store count and index them."""
    clock = Clock()
    clock.us = T0_US + (minutes + 10) * MINUTE_MS * 1_000
    store = DatabaseService(path, now_us=clock.now_us, monotonic=clock.monotonic)
    await store.start()
    event, listener = Event("state_changed", "light.hall", "off", "on"), Listener("on_light", topic="light.hall")
    runs = [
        invocation(number * MINUTE_MS, listener, duration_us=500_000)._replace(
            id=run_id(number * MINUTE_MS * 1_000, 0), trigger=event
        )
        for number in range(minutes)
    ]
    await store.write(Batch(store.last_sequence + 1, clock.us, tuple(runs), ()))
    await store.stop()


async def test_search_reads_few_more_minutes_than_fill_the_page(tmp_path: Path) -> None:
    await write_minutes(tmp_path / "hassette.db", 600)
    everything = TimeRange(T0_US - DAY, T0_US + DAY)
    async with traced(tmp_path / "hassette.db") as (data, statements):
        for asked in (RunFilter(entity_id="light.hall"), RunFilter(min_duration_us=100_000)):
            statements.clear()
            page = await data.runs(asked, everything, limit=50)
            lists = {text for one in statements for text in re.findall(r"json_each\('(\[\[.*?\]\])'\) AS span", one)}
            assert len(page.runs) == 50
            assert 51 <= sum(len(json.loads(text)) for text in lists) <= 70, asked


async def test_search_for_long_runs_reads_no_statistics_of_counted_runs_for_uncounted_ones(tmp_path: Path) -> None:
    await write_minutes(tmp_path / "hassette.db", 600)
    async with traced(tmp_path / "hassette.db") as (data, statements):
        page = await data.runs(RunFilter(min_duration_us=100_000), TimeRange(T0_US - DAY, T0_US + DAY))
        assert page.runs
        assert reads(statements, "counted_daily", "WHERE day BETWEEN") == 0
        # The search index has no durations below 10 ms.
        await data.runs(RunFilter(min_duration_us=1_000), TimeRange(T0_US - DAY, T0_US + DAY))
    assert reads(statements, "counted_daily", "WHERE day BETWEEN") > 0


async def test_comparison_reads_no_triggers_without_a_run(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        handler = history.listener("hall", "on_motion", "t")
        history.run(handler, now_us - HOUR)
        history.skip(handler, now_us - HOUR, "condition")
    async with traced(history.path) as (data, statements):
        comparison = await data.compare(differing=False)
        assert len(comparison.registrations) == 1
        assert reads(statements, "skips_") == 0
        await data.registration(handler)
    assert reads(statements, "skips_") > 0


async def test_search_for_a_text_reads_names_once_and_no_rows_that_the_index_covers(tmp_path: Path) -> None:
    await write_minutes(tmp_path / "hassette.db", 100)
    async with traced(tmp_path / "hassette.db") as (data, statements):
        page = await data.runs(RunFilter(text="hall"), TimeRange(T0_US - DAY, T0_US + DAY))
        assert page.runs
        for table in ("registrations WHERE CASE", "names WHERE CASE", "error_groups "):
            assert reads(statements, f"FROM {table}") == 1, table
        assert reads(statements, "FROM log_lines ") == 0
        await data.logs(LogFilter(), TimeRange(T0_US - DAY, T0_US + DAY))
    assert reads(statements, "FROM log_lines ") > 0


@pytest.mark.parametrize(("hours", "is_read"), [(4, False), (6, True)])
async def test_runs_are_read_for_a_habit_only_after_a_silence_that_can_be_unusual(
    new_history: NewHistory, now_us: int, hours: int, is_read: bool
) -> None:
    with new_history() as history:
        history.session(now_us - 30 * DAY)
        history.run(history.listener("hall", "on_motion", "t"), now_us - hours * HOUR)
    async with traced(history.path) as (data, statements):
        await data.compare()
    assert (reads(statements, "json_group_array(id)") > 0) == is_read


async def test_question_about_an_app_reads_no_statistics_of_other_apps(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        for app in ("hall", "attic"):
            history.run(history.listener(app, "on_motion", "t"), now_us - HOUR)
        history.count_runs()
    async with traced(history.path) as (data, statements):
        detail = await data.app("hall")
        (summary,) = await data.apps(app="hall")
        assert reads(statements, "sum(registration_id)") == 0
        everything = await data.apps()
        assert reads(statements, "sum(registration_id)") > 0
    assert detail.app == summary
    assert summary in everything
    assert len(everything) == 2


async def test_overview_reads_its_failing_handlers_with_one_statement(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        for number in range(5):
            handler = history.listener("hall", f"on_motion_{number}", "t")
            for failure in range(number + 2):
                error = ("exception", "ValueError", "boom")
                history.run(handler, now_us - HOUR + failure, status="error", error=error)
    async with traced(history.path) as (data, statements):
        overview = await data.overview()
        read = tuple(statements)
        await data.registration(handler)
    # The handlers with the most failures come first.
    names = [f"on_motion_{number}" for number in reversed(range(5))]
    assert [one.name for one in overview.failing] == [one.name for one in overview.failing_now] == names
    # One for those with failures, and one for those whose failures are not over.
    assert reads(read, "FROM registrations WHERE id IN (") == 2
    assert reads(read, "FROM registrations WHERE id = ") == 0
    assert reads(statements, "FROM registrations WHERE id = ") > 0


def test_failed_handler_is_not_looked_up_among_the_jobs(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - DAY)
        handler = history.listener("hall", "on_motion", "t")
        for number in range(200):
            error = ("exception", "ValueError", "boom")
            history.run(handler, now_us - number * SECOND, status="error", error=error)
    asked = {"first_id": 1, "below": 2**62, "limit": 51, "registrations": "[0]", "error_group_id": 1}
    steps: list[int] = []
    with closing(sqlite3.connect(history.path)) as db:
        for kinds in ((HANDLER,), KINDS):
            counted: list[None] = []
            db.set_progress_handler(lambda counted=counted: counted.append(None), 1)
            statement = run_search.failures_sql(kinds, ["registrations"], run_search.OF_GROUP)
            assert db.execute(statement, asked).fetchall() == []
            steps.append(len(counted))
    # Each of the 200 runs would take a dozen more steps.
    assert steps[1] < steps[0] + 400


@pytest.mark.parametrize("text", ["light" + "s" * 100, "doors " * 20, " ".join(f"ab{n}" for n in range(10, 40))])
async def test_names_are_searched_as_often_for_a_long_text_as_for_a_short_one(tmp_path: Path, text: str) -> None:
    async with recorded_home(tmp_path / "hassette.db") as home:
        home.named("light.hall", "Hall")
        await home.write()
    async with traced(tmp_path / "hassette.db") as (data, statements):
        await data.ask(f"why did the {text} turn on")
        searches = reads(statements, "SELECT key, name FROM home_names")
        statements.clear()
        await data.ask("why did the old kitchen fans turn on")
        assert 0 < searches <= reads(statements, "SELECT key, name FROM home_names")
