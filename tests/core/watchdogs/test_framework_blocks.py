"""A service of the framework that blocks the event loop is named by its module."""

import asyncio
import logging
import threading
import time
from types import FunctionType

from hassette_core import MemorySink
from hassette_core.watchdogs import LoopWatch
from hassette_core.watchdogs.block_reports import BlockReports
from hassette_executor import CommandExecutor
from support.waiting import eventually, patience

WATCH = logging.getLogger("hassette_core.watchdogs.loop_watch")


def block_until_found() -> None:
    """Block the event loop until the watch has found the block."""
    found, until_s = threading.Event(), time.monotonic() + patience(60)

    def note(record: logging.LogRecord) -> bool:
        found.set()
        return True

    WATCH.addFilter(note)
    while not found.is_set() and time.monotonic() < until_s:
        time.sleep(0.05)
    WATCH.removeFilter(note)
    time.sleep(0.3)


def call() -> None:
    block()  # type: ignore[name-defined]  # noqa: F821  `in_module` defines it


def in_module(name: str) -> FunctionType:
    """Return the function `call` as if it were defined in a module with this name."""
    return FunctionType(call.__code__, {"__name__": name, "block": block_until_found})


async def blocked(module: str) -> str:
    """Let a module block the event loop, and return the detail of the event."""
    memory = MemorySink()

    def details() -> list[str]:
        return [one.detail for batch in memory.batches for one in batch.lifecycle if one.kind == "loop_blocked"]

    async with CommandExecutor(memory) as executor, LoopWatch(executor, blocked_s=0.2):
        asyncio.get_running_loop().call_soon(in_module(module))
        await eventually(lambda: bool(details()))
    return details()[0]


async def test_innermost_module_of_the_framework_is_named() -> None:
    detail = await blocked("hassette_sync.web.compression")
    assert detail.startswith("hassette_sync.web.compression blocked the event loop for ")


async def test_library_that_no_module_of_the_framework_calls_is_named() -> None:
    assert (await blocked("uvicorn.protocols")).startswith("uvicorn.protocols blocked the event loop for ")


def test_blocks_of_two_modules_are_recorded_apart() -> None:
    events: list[str] = []

    async def add() -> None:
        reports = BlockReports(lambda kind, subject, detail: events.append(f"{subject}: {detail}"))
        for module in ("hassette_sync.web.compression", "hassette_store.file", "hassette_store.file"):
            reports.add("", module, 1.0, "Line 1.")
        reports.close()

    asyncio.run(add())
    assert [event.split(" blocked")[0] for event in events] == [
        ": hassette_sync.web.compression",
        ": hassette_store.file",
        ": hassette_store.file",
    ]
    assert "once more within 60 s" in events[-1]
