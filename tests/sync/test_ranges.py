"""Figures and lists on one page cover the same time, for all ranges."""

import pytest

from hassette_sync import DataSyncService, RunFilter, TimeRange
from hassette_sync.cli import main
from hassette_sync.home_time import HomeTime, ShownTimes
from hassette_sync.settings import WebSettings
from support.history import BOOM, DAY, HOUR, SECOND, NewHistory


@pytest.mark.parametrize("age", ["1h", "24h", "7d"])
async def test_figures_and_lists_cover_the_same_whole_periods(new_history: NewHistory, now_us: int, age: str) -> None:
    asked = TimeRange.last(age)
    length = DAY if age == "7d" else HOUR
    with new_history() as history:
        history.session(now_us - 30 * DAY)
        handler = history.listener("app", "on_x", "t")
        # The first 50 runs are at the start of the first period, which is usually before the start of the range itself.
        # The other 50 runs are in the period before.
        for at_us in (asked.since_us // length * length + SECOND, asked.since_us // length * length - SECOND):
            for number in range(50):
                history.run(handler, at_us + number * 1_000, status="error", error=BOOM)
        history.lifecycle(1, asked.since_us // length * length + SECOND, "connection_lost", "home")
    async with DataSyncService(history.path) as data:
        overview = await data.overview(asked)
        covered = await data.covered(asked)
        listed = await data.runs(RunFilter(status="failed"), covered, limit=500)
        facets = await data.run_facets(asked)
        one = await data.registration(handler, asked)
        again = await data.covered(covered)
    assert overview.counts.failed == 50
    assert len(listed.runs) == 50 > len(overview.recent) > 0, "the overview lists only the newest runs"
    assert [group.recent for group in overview.errors] == [50]
    assert [event.kind for event in overview.lifecycle] == ["connection_lost"]
    assert overview.since_us == asked.since_us // length * length
    spans = {(it.since_us, it.until_us // HOUR) for it in (overview, overview.uptime, facets, one, covered)}
    assert len(spans) == 1
    # The present time has moved on, so the ends are compared as days.
    assert (again.since_us, again.until_us // DAY) == (covered.since_us, covered.until_us // DAY)


async def test_short_range_with_expired_hours_uses_days(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - 200 * DAY)
        handler = history.listener("app", "on_x", "t")
        for number in range(100):
            history.run(handler, now_us - 100 * DAY + number * SECOND)
        history.run(handler, now_us - HOUR)
        # The retention deletes old hours by default.
        history.count_runs(all_of_them=True)
        history.db.execute("DELETE FROM counted_hourly WHERE hour < ?", ((now_us - 60 * DAY) // HOUR,))
    long_ago = TimeRange(now_us - 101 * DAY, now_us - 99 * DAY)
    async with DataSyncService(history.path) as data:
        old, new = await data.overview(long_ago), await data.overview()
        one = await data.registration(handler, long_ago)
    assert old.counts.total == one.registration.counts.total == 100
    assert old.percentiles.p50_us is not None
    assert one.registration.percentiles.p50_us == min(old.percentiles.p50_us, one.registration.max_us)
    assert old.timeline.period_length_us == DAY
    assert (new.counts.total, new.timeline.period_length_us) == (1, HOUR), "the hours of today are kept"


async def test_timeline_of_a_new_history_uses_hours(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
        history.run(history.listener("app", "on_x", "t"), now_us - 60 * SECOND)
    async with DataSyncService(history.path) as data:
        timeline = await data.timeline()
    assert timeline.period_length_us == HOUR
    assert len(timeline.points) in (25, 26)


@pytest.mark.parametrize(("days", "points", "length"), [(3, (2, 5), DAY), (1000, (330, 402), 3 * DAY)])
async def test_range_of_all_time_begins_with_the_history_and_has_limited_points(
    new_history: NewHistory, now_us: int, days: int, points: tuple[int, int], length: int
) -> None:
    with new_history() as history:
        history.session(now_us - days * DAY)
        handler = history.listener("app", "on_x", "t")
        history.begin()
        for day in range(days):
            history.run(handler, now_us - day * DAY - 60 * SECOND, duration_us=1_000 + day)
            history.skip(handler, now_us - day * DAY - 60 * SECOND, "overlap")
        history.commit()
    async with DataSyncService(history.path) as data:
        for asked in (TimeRange(0, now_us + SECOND), TimeRange(DAY, now_us + 70 * 365 * DAY)):
            timeline = (await data.overview(asked)).timeline
            one = await data.timeline(asked, handler)
            heat = (await data.registration(handler, asked)).heat_map
            assert len(timeline.points) <= 402
            assert timeline.period_length_us in (length, HOUR)
            assert points[0] <= len(timeline.points) * timeline.period_length_us // length <= points[1]
            assert sum(point.counts.total for point in timeline.points) == days
            skipped = [point.skipped for point in timeline.points]
            assert None not in skipped
            assert sum(filter(None, skipped)) == days
            assert timeline == one, "there is only one handler"
            assert sum(cell.count for cell in heat.cells) == days
            starts = {point.start_us for point in timeline.points}
            assert {cell.period_us for cell in heat.cells} <= starts
            assert timeline.points[-1].start_us < now_us + SECOND


@pytest.mark.parametrize("since", [0, 1])
async def test_range_without_history_is_empty_and_short(new_history: NewHistory, now_us: int, since: int) -> None:
    with new_history() as history:
        pass
    beginning = since * (now_us + 400 * DAY)
    async with DataSyncService(history.path) as data:
        overview = await data.overview(TimeRange(beginning, now_us + 900 * DAY))
    assert overview.counts.total == 0
    assert 1 <= len(overview.timeline.points) <= 26


def test_terminal_shows_the_start_of_its_figures(
    new_history: NewHistory, now_us: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_history() as history:
        history.session(now_us - HOUR)
    # The range is in UTC, because figures cover UTC hours. In a time zone with a half-hour offset, a UTC hour begins at
    # half past.
    since, until = "2026-01-01T10:30+00:00", "2026-01-01T11:30+00:00"
    assert main(["status", "--since", since, "--until", until, "--db", str(history.path)]) == 0
    output = capsys.readouterr().out
    ten = TimeRange.parse("2026-01-01T10:00+00:00", until).since_us
    assert f"Since      {ShownTimes(HomeTime(), now_us)(ten, seconds=False)}" in output


async def test_page_of_runs_lists_the_runs_that_its_figures_count(new_history: NewHistory, now_us: int) -> None:
    httpx = pytest.importorskip("httpx")
    application = pytest.importorskip("hassette_sync.web.application", exc_type=ImportError)
    # The page shows the day of an hour that is not today. An hour of today would fail this test around midnight.
    hour_us = (now_us - 400 * DAY) // HOUR * HOUR
    with new_history() as history:
        history.session(hour_us - DAY)
        handler = history.listener("app", "on_x", "t")
        ids = [history.run(handler, hour_us + n * SECOND, status="error", error=BOOM) for n in range(1, 8)]
        history.run(handler, hour_us - SECOND, status="error", error=BOOM)
    asked = f"since={hour_us + 30 * 60 * SECOND}&until={hour_us + HOUR}"
    async with DataSyncService(history.path) as data:
        transport = httpx.ASGITransport(app=application.create_app(data, WebSettings()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8765") as client:
            runs = (await client.get(f"/runs?status=failed&{asked}")).text
            errors = (await client.get(f"/errors?{asked}")).text
            long = await client.get("/?since=1970-01-02")
    assert [str(id_) in runs for id_ in ids] == [True] * 7
    assert runs.count("ValueError") == 7
    assert "all failures (7)" in runs
    begin, end = (ShownTimes(HomeTime(), now_us)(us, seconds=False) for us in (hour_us, hour_us + HOUR))
    for page in (runs, errors):
        assert f"{begin} to {end}" in page
    assert len(long.content) < 100_000
