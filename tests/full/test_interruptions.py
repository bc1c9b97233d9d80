"""The history shows what an interruption of the connection cost."""

import time
from pathlib import Path

from hassette_core import Hassette, HassetteConfig, SimulatedHome
from hassette_sync import DataSyncService, TimeRange
from support.waiting import eventually


async def test_cut_of_a_slow_reader_is_in_the_history_with_its_cause_time_and_number(tmp_path: Path) -> None:
    async with SimulatedHome(speed=0) as home:
        config = HassetteConfig.model_validate(
            {
                "hassette": {"data_dir": tmp_path, "app_dir": tmp_path},
                "home_assistant": {"url": home.url, "token": home.token},
                "plugins": {"sync": {"port": 0}},
            }
        )
        async with Hassette(config) as hassette:
            await hassette.wait_ready()
            began_us = time.time_ns() // 1000
            for number in range(5_000):
                home.core.set(f"sensor.number_{number % 1_500}", str(number))
            await eventually(lambda: hassette.states.get("sensor.number_499") is not None)
            await eventually(hassette.link.ready.is_set)
            assert await hassette.executor.force_flush()
    async with DataSyncService(tmp_path / "hassette.db") as history:
        ever = TimeRange(0, time.time_ns() // 1000 + 1)
        (loss,) = (await history.losses(ever)).losses
        events = (await history.lifecycle(ever)).events
    assert (loss.reason, loss.what, loss.count) == ("slow_reader", "events", 1_500)
    assert began_us - 60_000_000 < loss.first_us <= loss.last_us
    (lost,) = [event for event in events if event.kind == "events_lost"]
    assert "kept running and discarded at least 1,500 events; 1,500 entities changed" in lost.detail
