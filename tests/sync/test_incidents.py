"""Recoveries and upgrades of the history file are always visible."""

from pathlib import Path

import pytest

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.cli import main
from hassette_sync.verdict import verdict_of
from support.history import DAY, HOUR, SECOND, History, NewHistory

RECOVERED = "The database was damaged or missing and was replaced"
ROUTINE = ("service_starting", "service_started", "app_started", "app_stopped", "service_stopping", "service_stopped")


def _with_routine_events(history: History, at_us: int, kind: str, detail: str) -> None:
    """Write an incident, and after it the routine events of five sessions."""
    session = history.session(at_us)
    history.lifecycle(session, at_us, kind, "hassette.db", detail)
    for number in range(200):
        history.lifecycle(session, at_us + (number + 1) * SECOND, ROUTINE[number % len(ROUTINE)], f"service {number}")


@pytest.fixture
def recovered(new_history: NewHistory, now_us: int) -> Path:
    with new_history() as history:
        _with_routine_events(history, now_us - HOUR, "database_recovered", "It is kept as hassette.db.corrupt.")
        history.run(history.listener("app", "on_x", "t"), now_us - 60 * SECOND)
    return history.path


async def test_recovery_is_first_on_the_overview_despite_later_starts(recovered: Path) -> None:
    async with DataSyncService(recovered) as data:
        overview = await data.overview()
    assert [event.kind for event in overview.lifecycle] == ["database_recovered"]
    assert overview.status.notices[0].startswith(RECOVERED)
    assert overview.status.notices[0].endswith("It is kept as hassette.db.corrupt.")
    verdict = verdict_of(overview)
    assert (verdict.level, verdict.reasons[0]) == ("warning", RECOVERED)


def test_terminal_shows_the_recovery(recovered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--db", str(recovered)]) == 0
    output = capsys.readouterr().out
    assert f"· {RECOVERED}" in output
    assert f"Note       {RECOVERED}" in output
    assert "It is kept as hassette.db.corrupt." in output


async def test_upgrade_is_reported_without_a_warning(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        _with_routine_events(history, now_us - HOUR, "database_upgraded", "From schema revision 0000 to 0001.")
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
    verdict = verdict_of(overview)
    assert (verdict.level, verdict.reasons) == ("good", ("The database was upgraded",))
    assert "From schema revision 0000 to 0001." in overview.status.notices[0]


async def test_old_recovery_is_no_warning(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        _with_routine_events(history, now_us - 5 * DAY, "database_recovered", "")
        _with_routine_events(history, now_us - 40 * DAY, "database_recovered", "Long ago.")
    async with DataSyncService(history.path) as data:
        day, week = await data.overview(), await data.overview(TimeRange.last("7d"))
    assert RECOVERED not in verdict_of(day).reasons, "five days ago is not in the last day"
    assert RECOVERED in verdict_of(week).reasons
    assert [notice.startswith(RECOVERED) for notice in day.status.notices].count(True) == 1, "for 30 days"


async def test_routine_events_can_be_included(recovered: Path) -> None:
    async with DataSyncService(recovered) as data:
        assert len((await data.lifecycle(limit=500)).events) == 201
        page = await data.lifecycle(limit=500, routine=False)
    assert [event.kind for event in page.events] == ["database_recovered"]
