"""Losses in the overview and in the list."""

from hassette_sync import DataSyncService, TimeRange
from hassette_sync.verdict import verdict_of
from support.history import HOUR, MINUTE, NewHistory


async def test_chatty_sensor_does_not_make_records_lost(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, heartbeat_us=now_us)
        history.loss(1, "too_many", "home_changes", 5_000, now_us - MINUTE, now_us)
    day = TimeRange(now_us - 24 * HOUR, now_us + MINUTE)
    async with DataSyncService(history.path) as data:
        overview, losses = await data.overview(day), (await data.losses(day)).losses
    assert overview.lost == 0
    assert (verdict_of(overview).level, verdict_of(overview).title) == ("good", "Healthy, no runs")
    assert [(loss.reason, loss.count) for loss in losses] == [("too_many", 5_000)]


async def test_lost_runs_are_a_warning(new_history: NewHistory, now_us: int) -> None:
    with new_history() as history:
        history.session(now_us - HOUR, heartbeat_us=now_us)
        history.loss(1, "queue_full_count", "runs", 3, now_us - MINUTE, now_us)
    day = TimeRange(now_us - 24 * HOUR, now_us + MINUTE)
    async with DataSyncService(history.path) as data:
        found = verdict_of(await data.overview(day))
    assert (found.level, found.reasons[0]) == ("warning", "3 records lost")
