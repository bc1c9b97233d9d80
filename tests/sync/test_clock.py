"""A clock that was ahead leaves runs in the future, and ranges until now include them."""

import json

import pytest

from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.cli import main
from hassette_sync.settings import WebSettings
from support.history import BOOM, DAY, HOUR, SECOND, History, NewHistory


@pytest.fixture(params=[HOUR, 3 * DAY, 366 * DAY, 20 * 366 * DAY], ids=["hour", "days", "year", "decades"])
def ahead(request: pytest.FixtureRequest, new_history: NewHistory, now_us: int) -> tuple[History, int]:
    """A history with 2 runs at the present time, and 9 runs that a clock dated in the future."""
    future_us = now_us + request.param
    with new_history() as history:
        history.session(now_us - HOUR)
        handler = history.listener("app", "on_x", "t")
        for number in range(2):
            history.run(handler, now_us - 60 * SECOND + number)
        for number in range(9):
            history.run(handler, future_us + number * 1_000, status="error", error=BOOM)
        history.lifecycle(1, future_us, "connection_lost", "home")
        history.loss(1, "queue_full_count", "runs", 7, future_us, future_us)
    return history, future_us


async def test_range_until_now_includes_runs_in_the_future(ahead: tuple[History, int]) -> None:
    history, future_us = ahead
    async with DataSyncService(history.path) as data:
        overview = await data.overview()
        assert (overview.counts.total, overview.counts.failed) == (11, 9)
        assert len(overview.recent) == 11
        assert [event.kind for event in overview.lifecycle] == ["connection_lost"]
        assert overview.uptime.share == 1
        assert sum(point.counts.total for point in overview.timeline.points) == 11
        assert len(overview.timeline.points) <= 402
        assert overview.until_us > future_us
        assert len((await data.runs()).runs) == 11
        (group,) = (await data.error_groups()).groups
        assert group.recent == 9
        assert len((await data.error_group(group.id)).runs) == 9
        assert (await data.registrations()).registrations[0].counts.total == 11
        assert (await data.registration(1)).registration.counts.failed == 9
        assert (await data.run_facets()).statuses[0].count == 9
        assert len((await data.lifecycle()).events) == 1
        assert len((await data.losses()).losses) == 1
        status = await data.status()
        assert status.last_run is not None
        assert status.last_run.status == "error"
        assert sum("a clock was ahead" in notice for notice in status.notices) == 1


async def test_covered_range_of_a_covered_range_is_the_same_range(ahead: tuple[History, int]) -> None:
    history, _ = ahead
    async with DataSyncService(history.path) as data:
        covered = await data.covered(TimeRange.last())
        assert await data.covered(covered) == covered
        listed = await data.runs(RunFilter(), covered)
        counted = await data.overview(covered)
    assert len(listed.runs) == counted.counts.total == 11


async def test_range_with_an_end_excludes_runs_in_the_future(ahead: tuple[History, int], now_us: int) -> None:
    history, _ = ahead
    asked = TimeRange.parse("1h", str(now_us))
    async with DataSyncService(history.path) as data:
        assert len((await data.runs(RunFilter(), asked)).runs) == 2
        assert (await data.covered(asked)).until_us <= (now_us // HOUR + 1) * HOUR


async def test_pages_show_and_follow_runs_in_the_future(ahead: tuple[History, int]) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    history, future_us = ahead
    async with DataSyncService(history.path) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            answers = {path: await client.get(path) for path in ("/", "/runs", "/errors", "/handlers", "/sessions")}
            api = (await client.get("/api/v1/runs")).json()
        assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
        assert answers["/runs"].text.count("ValueError") >= 9
        assert f'data-newest="{(future_us // 1000 + 8) << 21 | 11}"' in answers["/"].text
        assert len(api["runs"]) == 11


def test_terminal_shows_runs_in_the_future_with_a_notice(
    ahead: tuple[History, int], capsys: pytest.CaptureFixture[str]
) -> None:
    history, _ = ahead
    assert main(["runs", "--json", "--db", str(history.path)]) == 0
    assert len(json.loads(capsys.readouterr().out)["runs"]) == 11
    assert main(["status", "--db", str(history.path)]) == 0
    output = capsys.readouterr().out
    assert "Runs       11, 9 failed" in output
    assert "a clock was ahead" in output


async def test_correct_clock_gives_no_notice(data: DataSyncService) -> None:
    assert not [notice for notice in (await data.status()).notices if "clock" in notice]


async def test_unconfirmed_clock_of_the_store_is_a_notice(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.db.execute("INSERT INTO store_state VALUES ('clock_expected_us', ?)", (now_us - 40 * DAY,))
    async with DataSyncService(history.path) as data:
        (notice,) = [notice for notice in (await data.status()).notices if "expected time" in notice]
    assert notice.startswith("Hassette deletes no old runs at present")


async def test_early_deletions_of_the_store_are_a_notice(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.db.execute(
            "INSERT INTO store_state VALUES ('early:runs', 1), ('early:lifecycle_events', 120000),"
            f" ('early:skips_daily', 5), ('early:counted_daily', 6), ('early_us', {now_us - DAY})"
        )
    async with DataSyncService(history.path) as data:
        (notice,) = [notice for notice in (await data.status()).notices if "size limit" in notice]
    assert "deleted early: 120,000 events, 11 rows of statistics, 1 run; the last at" in notice
