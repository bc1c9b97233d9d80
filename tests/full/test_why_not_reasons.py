"""Each reason why a handler or job does not run is planted in a simulated home, and *why not* answers with it."""

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hassette_core import Hassette, HassetteConfig, MemorySink
from hassette_core.simulation.home import SimulatedHome
from hassette_store import DatabaseService
from hassette_sync import AskedTime
from hassette_sync.control import ControlAction
from support.patient_data import patient_data
from support.waiting import eventually

HOUR_US = 3_600_000_000
pytestmark = pytest.mark.timeout(120)

APPS = """
import asyncio
import time
from hassette_core import App, AppConfig

def fail(*args):
    raise RuntimeError("no answer from the radio")

class Hall(App[AppConfig]):
    async def on_initialize(self) -> None:
        on = self.bus.on_state_change
        on(self.ran, "input_boolean.a")
        on(self.condition, "input_boolean.a", where=lambda new: False)
        on(self.predicate_failed, "input_boolean.a", where=fail)
        on(self.rate_limited, "input_boolean.a", throttle=600)
        on(self.overlap, "input_boolean.a", mode="single")
        on(self.back_pressure, "input_number.level", mode="queued")
        on(self.not_matching, "input_boolean.a", changed_to="unavailable")
        on(self.nothing_came, "input_boolean.never")
        on(self.block, "input_boolean.block")
        self.paused = self.scheduler.run_in(self.disabled, 0.2)
        self.paused.pause()

    async def ran(self) -> None: ...
    async def condition(self) -> None: ...
    async def predicate_failed(self) -> None: ...
    async def rate_limited(self) -> None: ...
    async def not_matching(self) -> None: ...
    async def nothing_came(self) -> None: ...
    async def disabled(self) -> None: ...
    async def misfire(self) -> None: ...

    async def overlap(self) -> None:
        await asyncio.sleep(600)

    async def back_pressure(self) -> None:
        await asyncio.sleep(600)

    async def block(self) -> None:
        self.scheduler.run_in(self.misfire, 0.1, misfire="run_late", misfire_limit=0.2)
        time.sleep(1)

class Attic(App[AppConfig]):
    async def on_initialize(self) -> None:
        self.bus.on_state_change(self.off, "input_boolean.a", changed_to="off")

    async def off(self) -> None: ...
"""
SKIPPED = ("condition", "predicate_failed", "rate_limited", "overlap", "back_pressure", "misfire", "disabled")


@pytest.fixture
async def home() -> AsyncIterator[SimulatedHome]:
    async with SimulatedHome(speed=0) as home:
        for name in ("a", "never", "block"):
            home.core.set(f"input_boolean.{name}", "off")
        home.core.set("input_number.level", "0")
        yield home


@asynccontextmanager
async def framework(home: SimulatedHome, folder: Path) -> AsyncGenerator[tuple[Hassette, MemorySink]]:
    (folder / "planted.py").write_text(APPS, encoding="utf-8")
    config = HassetteConfig.model_validate(
        {
            "hassette": {"app_dir": str(folder), "data_dir": str(folder / "data")},
            "home_assistant": {"url": home.url, "token": home.token},
            "apps": {name.lower(): {"module": "planted", "class": name} for name in ("Hall", "Attic")},
        }
    )
    memory = MemorySink()
    async with Hassette(config, sinks=[DatabaseService(folder / "hassette.db"), memory], plugins=False) as hassette:
        await hassette.wait_ready()
        yield hassette, memory


async def test_each_reason_is_answered(home: SimulatedHome, tmp_path: Path) -> None:
    before_us = time.time_ns() // 1_000
    async with framework(home, tmp_path) as (hassette, memory), patient_data(tmp_path / "hassette.db") as data:

        def reasons() -> set[str]:
            return {one.reason for batch in memory.batches for one in batch.not_runs}

        for state in ("on", "off", "on"):
            home.core.change("input_boolean.a", state)
        for level in range(1_010):
            home.core.change("input_number.level", str(level + 1))
        home.core.change("input_boolean.block", "on")
        await eventually(lambda: reasons() >= set(SKIPPED), within_s=30, what="one trigger for each reason")
        assert await hassette.executor.force_flush()
        for reason in (*SKIPPED, "ran", "not_matching", "nothing_came"):
            answer = await data.why_not(f"hall.{reason}")
            assert answer.reason == reason, answer.sentence
        assert (await data.why_not("hall.nothing")).reason == "not_registered"
        assert (await data.why_not("hall.ran", at=AskedTime.moment(before_us - HOUR_US))).reason == "not_registered"

        await hassette.control.act(ControlAction(verb="disable_app", target="attic", by="Anna"))
        home.core.change("input_boolean.a", "off")
        assert await hassette.executor.force_flush()
        answer = await data.why_not("attic.off")
        assert answer.reason == "disabled", answer.sentence
        assert "The app attic was disabled by Anna at " in answer.sentence

        await home.stop()
        await eventually(lambda: "connection_lost" in {one.kind for batch in memory.batches for one in batch.lifecycle})
        assert await hassette.executor.force_flush()
        answer = await data.why_not("hall.nothing_came")
        assert answer.reason == "not_connected", answer.sentence

    async with patient_data(tmp_path / "hassette.db") as data:
        answer = await data.why_not("hall.nothing_came", at=AskedTime.moment(time.time_ns() // 1_000 + HOUR_US))
        assert answer.reason == "framework_down", answer.sentence
