"""A missing, foreign, newer, damaged or slow history gives a clear error. An empty history gives empty answers."""

# ruff: noqa: ASYNC240  a test may read its small file in the event loop

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hassette_sync import (
    BadQuestionError,
    DatabaseMissingError,
    DatabaseUnreadableError,
    DataSyncService,
    NewerDatabaseError,
    NotADatabaseError,
    NotFoundError,
    QueryTimeoutError,
    RunFilter,
    TimeRange,
)
from hassette_sync.reader import Reader, ReadTransaction
from support.history import NewHistory
from support.unusable_files import make_newer
from support.waiting import patience


async def test_missing_file_is_an_error_and_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    async with DataSyncService(path) as data:
        with pytest.raises(DatabaseMissingError, match="the file does not exist"):
            await data.status()
    assert not path.exists()


async def test_history_that_appears_later_is_read(tmp_path: Path, new_history: NewHistory) -> None:
    async with DataSyncService(tmp_path / "hassette.db") as data:
        with pytest.raises(DatabaseMissingError):
            await data.sessions()
        with new_history() as history:
            history.session(1_000_000)
        assert len((await data.sessions()).sessions) == 1


async def test_directory_is_not_a_history(tmp_path: Path) -> None:
    async with DataSyncService(tmp_path) as data:
        with pytest.raises(NotADatabaseError, match="it is a directory"):
            await data.status()


async def test_text_file_is_not_a_history(tmp_path: Path) -> None:
    path = tmp_path / "hassette.db"
    path.write_text("This file is a text and not a database. " * 100)
    async with DataSyncService(path) as data:
        with pytest.raises(NotADatabaseError, match="not an SQLite file"):
            await data.status()


@pytest.mark.parametrize("statement", [None, "CREATE TABLE recipes (name TEXT)"])
async def test_file_without_tables_of_hassette_is_not_a_history(tmp_path: Path, statement: str | None) -> None:
    path = tmp_path / "hassette.db"
    path.touch()
    if statement:
        with sqlite3.connect(path) as db:
            db.execute(statement)
        db.close()
    async with DataSyncService(path) as data:
        with pytest.raises(NotADatabaseError, match="Hassette's tables do not exist"):
            await data.status()


async def test_newer_file_names_the_required_upgrade(plausible: Path) -> None:
    make_newer(plausible)
    async with DataSyncService(plausible) as data:
        with pytest.raises(NewerDatabaseError, match=r"schema revision 9999.*Install the newer hassette-store"):
            await data.overview()


async def test_damaged_file_is_an_unreadable_history(plausible: Path) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with plausible.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (plausible.stat().st_size - 4096))
    async with DataSyncService(plausible) as data:
        with pytest.raises(DatabaseUnreadableError, match="cannot be read"):
            await data.overview()


async def test_empty_history_has_empty_answers(tmp_path: Path, new_history: NewHistory) -> None:
    new_history().close()
    async with DataSyncService(tmp_path / "hassette.db") as data:
        overview = await data.overview()
        assert overview.status.session is None
        assert overview.status.last_run is None
        assert overview.counts.total == 0
        assert overview.percentiles.p95_us is None
        assert overview.uptime.share is None
        assert len(overview.timeline.points) in (24, 25)
        assert (await data.runs()).runs == ()
        assert (await data.sessions()).sessions == ()
        assert (await data.error_groups()).groups == ()
        assert (await data.registrations()).registrations == ()


@pytest.mark.parametrize("question", ["run", "registration", "error_group", "session"])
async def test_unknown_id_is_not_found(data: DataSyncService, question: str) -> None:
    with pytest.raises(NotFoundError, match="with the id 123456789"):
        await getattr(data, question)(123456789)


async def test_slow_question_is_stopped_and_the_next_one_is_answered(plausible: Path) -> None:
    with sqlite3.connect(plausible) as db:
        # An endless view takes the place of a very long history.
        db.execute("DROP VIEW registrations")
        db.execute(
            "CREATE VIEW registrations AS"
            " WITH RECURSIVE forever (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM forever)"
            " SELECT id, 'job' AS kind, '' AS app, '' AS instance, '' AS name, '' AS topic, '' AS schedule,"
            " '' AS handler, NULL AS retired_us, 0 AS last_registered_us FROM forever"
        )
    db.close()
    # The next question must meet the same deadline, so a slow machine needs a longer deadline.
    deadline_s = patience(0.25)
    async with DataSyncService(plausible, deadline_s=deadline_s) as data:
        for _ in range(3):
            with pytest.raises(QueryTimeoutError, match=f"“registrations” took longer than {deadline_s:g} s"):
                await data.registrations()
        assert (await data.sessions()).sessions


async def test_replaced_file_is_opened_again(plausible: Path, tmp_path: Path, new_history: NewHistory) -> None:
    async with DataSyncService(plausible) as data:
        assert len((await data.sessions()).sessions) == 3
        with new_history("restored.db") as history:
            history.session(1_000_000, 2_000_000, "clean")
        for suffix in ("-wal", "-shm"):
            plausible.with_name(plausible.name + suffix).unlink(missing_ok=True)
        (tmp_path / "restored.db").replace(plausible)
        assert len((await data.sessions()).sessions) == 1


async def test_questions_never_change_the_file(plausible: Path) -> None:
    with sqlite3.connect(plausible) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    before = plausible.read_bytes()
    async with DataSyncService(plausible) as data:
        await data.overview()
    reader = Reader(plausible, deadline_s=patience(5))
    with pytest.raises(DatabaseUnreadableError, match="attempt to write a readonly database"):
        await reader.ask("writing", ReadTransaction.all, "DELETE FROM sessions")
    await reader.close()
    assert plausible.read_bytes() == before


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda data: data.runs(limit=0), "limit must be from 1 to 500"),
        (lambda data: data.runs(limit=501), "limit must be from 1 to 500"),
        (
            lambda data: data.runs(cursor="soon"),
            "cursor must be a whole number from 0 .*, got 'soon'",
        ),
        (lambda data: data.runs(cursor="9" * 30), "cursor must be a whole number"),
        (lambda data: data.error_groups(cursor="5"), "cursor must be the next_cursor of a page of errors, got '5'"),
        (lambda data: data.logs(cursor="5"), "cursor must be the next_cursor of a page of log lines, got '5'"),
        (lambda data: data.logs(cursor="1.x"), "cursor must be the next_cursor of a page of log lines"),
        (lambda data: data.not_runs(cursor="1.2.3"), "cursor must be the next_cursor of a page of not-runs"),
        (lambda data: data.not_runs(cursor="\u0661.2"), "cursor must be the next_cursor of a page of not-runs"),
        (lambda data: data.not_runs(cursor="1." + "9" * 19), "cursor must be the next_cursor of a page of not-runs"),
        (lambda data: data.registrations(kind="robot"), "kind must be handler or job, got 'robot'"),
    ],
)
async def test_invalid_question_states_the_reason(
    data: DataSyncService, ask: Callable[[DataSyncService], Any], message: str
) -> None:
    with pytest.raises(BadQuestionError, match=message):
        await ask(data)


def test_filters_and_time_ranges_check_their_values() -> None:
    with pytest.raises(BadQuestionError, match=r"status must be one of success, .*, failed, got 'fine'"):
        RunFilter(status="fine")
    with pytest.raises(BadQuestionError, match="kind must be handler or job, got 'robot'"):
        RunFilter(kind="robot")
    with pytest.raises(BadQuestionError, match=r"since must be an age .*, got 'tomorrow'"):
        TimeRange.last("tomorrow")
    with pytest.raises(BadQuestionError, match="start must be before its end"):
        TimeRange.parse("1h", "2h")
    for number in ("0" * 5000, "01796061953672706", "9" * 21):
        with pytest.raises(BadQuestionError, match=r"since must be an age .*, got '"):
            TimeRange.last(number)
    with pytest.raises(BadQuestionError, match=r"since must be in the years 1970 to 2100, got '9999-01-01'"):
        TimeRange.parse("9999-01-01", None)
