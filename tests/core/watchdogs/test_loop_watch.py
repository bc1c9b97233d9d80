"""Code that blocks the event loop is found, named and recorded."""

import selectors
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hassette_core import MemorySink, Status
from hassette_core.watchdogs import LoopWatch
from hassette_executor import CommandExecutor
from support.records import invoke
from support.waiting import eventually
from support.whole_home import WholeHome, whole_home

# A block ends when the watch has found it: a test of a blocked loop cannot move its clock.
BLOCKS = """
    import logging

    LIMIT_S = 60

    def block():
        found, until = threading.Event(), time.monotonic() + LIMIT_S
        log, note = logging.getLogger("hassette_core.watchdogs.loop_watch"), lambda record: found.set() or True
        log.addFilter(note)
        while not found.is_set() and time.monotonic() < until:
            time.sleep(0.05)
        log.removeFilter(note)
        time.sleep(0.3)  # a shorter delay of other runs is not reported

    def deep():
        block()

    class App1(App[AppConfig]):
        async def on_initialize(self):
            self.bus.on_event(self.blocks, "go")
            self.bus.on_event(self.harmless, "condition", where=self.slow_condition)
            self.bus.on_event(self.timer, "timer")
            self.bus.on_event(self.fails, "fails")

        async def blocks(self):
            deep()

        async def harmless(self):
            pass

        def slow_condition(self, event):
            deep()
            return False

        async def timer(self):
            asyncio.get_running_loop().call_later(0, deep)

        async def fails(self):
            raise ValueError("no")

        async def on_error(self, context):
            deep()

        async def on_shutdown(self):
            if getattr(self, "slow_shutdown", False):
                deep()

    class App2(App[AppConfig]):
        async def on_initialize(self):
            self.go = asyncio.Event()
            self.bus.on_event(self.waits, "begin")
            self.bus.on_event(self.also, "go")

        async def waits(self):
            await self.go.wait()

        async def also(self):
            pass
"""
SETTINGS = {"blocked_s": 0.2}


async def blocked(place: WholeHome, count: int = 1) -> tuple[str, str]:
    """Wait for this many events, and return subject and detail of the last one."""
    found: list[tuple[str, str]] = []

    async def look() -> bool:
        found[:] = await place.lifecycle("loop_blocked")
        return len(found) >= count

    while not await look():
        await eventually(lambda: True)
    return found[-1]


async def test_handler_that_blocks_the_loop_is_named_on_its_run_and_on_the_runs_that_waited(tmp_path: Path) -> None:
    async with whole_home(tmp_path, BLOCKS, watchdogs=SETTINGS) as place:
        place.home.core.fire("begin", {})
        await eventually(lambda: place.app(1).go and place.hassette.executor.in_flight.executions())
        place.home.core.fire("go", {})
        subject, detail = await blocked(place)
        place.app(1).go.set()
        records = {record.registration.name: record for record in await place.records(3)}
    assert subject == "app1.app1.blocks"
    assert detail.startswith("blocks of app1.app1 blocked the event loop for ")
    assert "apps.py in block (time.sleep(0.05))" in detail
    assert "in deep, called in line" in detail
    assert "in App1.blocks" in detail
    lines = {
        name: [line.message for line in record.effects.log_lines] if record.effects else []
        for name, record in records.items()
    }
    assert lines["blocks"][0].startswith("the run blocks the event loop, and all apps wait: line ")
    assert lines["waits"][0].startswith("the run waited up to ")
    assert "because blocks of app1.app1 blocked the event loop" in lines["waits"][0]
    assert lines["also"][0].startswith("the run began late: blocks of app1.app1 blocked the event loop for ")
    assert {record.status for record in records.values()} == {Status.SUCCESS}


@pytest.mark.long
async def test_condition_timer_and_error_hook_that_block_are_attributed(tmp_path: Path) -> None:
    async with whole_home(tmp_path, BLOCKS, watchdogs=SETTINGS) as place:
        for number, (event, who) in enumerate([("condition", "harmless"), ("timer", "timer"), ("fails", "fails")], 1):
            place.home.core.fire(event, {})
            subject, detail = await blocked(place, number)
            assert (subject, detail.partition(" blocked ")[0]) == (f"app1.app1.{who}", f"{who} of app1.app1")
            assert "in deep" in detail
            assert ("App1.on_error" in detail) == (event == "fails")


@pytest.mark.long
async def test_on_initialize_and_on_shutdown_that_block_are_attributed(tmp_path: Path) -> None:
    source = BLOCKS.replace('self.bus.on_event(self.blocks, "go")', "deep()", 1)
    async with whole_home(tmp_path, source, watchdogs=SETTINGS) as place:
        assert (await blocked(place))[1].startswith("on_initialize of app1.app1 blocked the event loop")
        place.app().slow_shutdown = True
    events = [e for batch in place.sink.batches for e in batch.lifecycle if e.kind == "loop_blocked"]
    assert [event.detail.partition(" blocked ")[0] for event in events] == [
        "on_initialize of app1.app1",
        "on_shutdown of app1.app1",
    ]


async def test_watch_that_is_switched_off_reports_nothing(tmp_path: Path) -> None:
    source = BLOCKS.replace("LIMIT_S = 60", "LIMIT_S = 0.8")
    async with whole_home(tmp_path, source, watchdogs={"blocked_s": 0}) as place:
        place.home.core.fire("go", {})
        records = await place.records(2)
        assert await place.lifecycle("loop_blocked") == []
    assert [record.effects for record in records] == [None, None]


async def report_of(call: Callable[[], None]) -> str:
    """Call a function in a run while the loop is watched, and return the report about it."""
    sink = MemorySink()
    async with CommandExecutor(sink) as executor, LoopWatch(executor, blocked_s=0.2):

        async def handler() -> None:
            call()

        await executor.execute(invoke(handler))
        await eventually(lambda: any(batch.lifecycle for batch in sink.batches))
    return next(event.detail for batch in sink.batches for event in batch.lifecycle)


async def test_handler_that_waits_in_a_selector_is_found(caplog: pytest.LogCaptureFixture) -> None:
    # `subprocess.run` and `multiprocessing` wait in this way, and so does the event loop.
    selector = selectors.DefaultSelector()

    def wait() -> None:
        while "Code blocks the event loop; all apps wait" not in caplog.messages:
            selector.select(0.05)

    assert "test_loop_watch.py in test_handler" in await report_of(wait)


STOPPED = """
import asyncio, logging, os, subprocess, time
from hassette_core.watchdogs import LoopWatch
from hassette_executor import CommandExecutor

async def main():
    async with CommandExecutor() as executor, LoopWatch(executor, blocked_s=0.5):
        stop = f"kill -STOP {os.getpid()}; sleep 1.2; kill -CONT {os.getpid()}"
        loop = asyncio.get_running_loop()
        # The timer is due while the process is stopped.
        loop.call_later(0.9, time.sleep, 0.1)
        await (await asyncio.create_subprocess_shell("sleep 0.3; " + stop)).wait()
        await asyncio.sleep(0.3)

logging.basicConfig(level=logging.WARNING)
asyncio.run(main())
"""


@pytest.mark.long
def test_code_that_runs_after_a_stopped_process_continues_is_not_reported() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], capture_output=True, text=True, check=True)
    assert done.stderr == ""
