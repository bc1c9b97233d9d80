"""Measure what many jobs and listeners cost: the next runs for a page, and registrations.

    python benchmarks/registering.py [--quick]

Exits with 1 if a target is missed. All parts of a ratio are measured in the same process, so they are valid on any
machine:

- The next 50 runs of 100,000 jobs cost at most 3 times as much as those of 1,000 jobs.
- A further registration of the same method costs at most 0.75 of the first registration of a method.
- After an app has registered 10,000 listeners, the framework announces and stores them without more than 50 ms of work
  at a time on the event loop. The figure is CPU time, so the load of the machine affects it little.
- The end of 10,000 listeners, or of 10,000 jobs, holds the event loop for at most 25 ms of work at a time, from the
  call until the history has all of them as retired.

The 10,000 calls themselves are code of the app, which holds the loop: 0.4 s, and 0.1 to 0.2 s for the garbage
collector. An app with so many listeners should await something after each few hundred, such as ``asyncio.sleep(0)``.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Annotated

from hassette_core import NewValue
from hassette_core.bus import AppBus, BusService
from hassette_core.scheduler import AppScheduler, SchedulerService
from hassette_executor import CommandExecutor
from hassette_store import DatabaseService

FEW, MANY = 1_000, 100_000
ASKED = 20
TARGET_UPCOMING = 3.0
TARGET_REGISTERING = 0.75
LISTENERS = 10_000
TARGET_HELD_MS = 50
TARGET_ENDING_MS = 25


async def handler(value: Annotated[float, NewValue()] = 0.0) -> None:
    pass


def seconds_of(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def ask(service: SchedulerService) -> None:
    for _ in range(ASKED):
        service.upcoming()


async def upcoming_ratio(many: int, rounds: int) -> float:
    """Return the cost of the next runs with many jobs, relative to few jobs."""
    services: list[SchedulerService] = []
    for count in (FEW, many):
        service = SchedulerService(CommandExecutor())
        scheduler = AppScheduler(service, "bench", "one")
        for number in range(count):
            scheduler.run_every(handler, 3_600 + number % 997, name=f"job_{number}")
            if number % 1_000 == 0:
                await asyncio.sleep(0)
        services.append(service)
    times = [[seconds_of(partial(ask, service)) / ASKED for service in services] for _ in range(rounds)]
    few_s, many_s = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"next 50 runs      {few_s * 1e3:8.3f} ms of {FEW:,} jobs {many_s * 1e3:8.3f} ms of {many:,} jobs")
    return statistics.median(two / max(one, 1e-9) for one, two in times)


async def registering_ratio(count: int) -> float:
    """Return the cost of a further registration of a method, relative to the first registration of a method."""
    service = BusService(CommandExecutor(), states={})
    await service.start()
    bus = AppBus(service, "bench", "one")

    def copy_of_handler() -> Callable[..., object]:
        copy = FunctionType(handler.__code__, handler.__globals__, "handler", handler.__defaults__)
        copy.__annotations__ = dict(handler.__annotations__)
        return copy

    copies = [copy_of_handler() for _ in range(count)]
    firsts: list[float] = []
    further: list[float] = []
    for number, copy in enumerate(copies):
        for letter, times in (("a", firsts), ("b", further)):
            name = f"{letter}{number}"
            times.append(seconds_of(partial(bus.on_state_change, copy, f"light.{name}", name=name)))
    await service.stop()
    first_s, further_s = statistics.median(firsts), statistics.median(further)
    print(f"one registration  {first_s * 1e6:8.0f} µs of a new method {further_s * 1e6:8.0f} µs of a known method")
    return further_s / first_s


class HeldLoop:
    """Measures how long the event loop is held at a time, in CPU time.

    Attributes:
        held_ms: The CPU time of the longest turn so far, in milliseconds.
    """

    def __init__(self) -> None:
        self.held_ms = 0.0
        self._task = asyncio.create_task(self._measure())

    async def _measure(self) -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.held_ms = max(self.held_ms, (time.thread_time() - began) * 1e3)

    async def end(self) -> float:
        """End the measurement, and return the longest time."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        return self.held_ms


async def held_by(kind: str, count: int) -> tuple[float, float]:
    """Return the most CPU time, in milliseconds, that the loop was held at a time by many listeners or jobs.

    Args:
        kind: ``listeners`` or ``jobs``.
        count: Their number.

    Returns:
        The time after they were registered, and the time from the call that ends them.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with DatabaseService(Path(folder, "hassette.db")) as store, CommandExecutor(store) as executor:
            bus, scheduler = BusService(executor, states={}), SchedulerService(executor)
            async with bus, scheduler:
                listeners, jobs = AppBus(bus, "bench", "one"), AppScheduler(scheduler, "bench", "one")
                began = time.thread_time()
                for number in range(count):
                    if kind == "listeners":
                        listeners.on_state_change(handler, f"light.l{number}", name=f"l{number}")
                    else:
                        jobs.run_every(handler, 3_600 + number % 997, name=f"j{number}")
                calls_ms = (time.thread_time() - began) * 1e3
                loop = HeldLoop()
                await executor.force_flush(60)
                after_ms = await loop.end()
                loop = HeldLoop()
                await asyncio.sleep(0)
                (listeners if kind == "listeners" else jobs).cancel_all()
                await asyncio.gather(bus.roster.settle(), scheduler.roster.settle())
                await executor.force_flush(60)
                ending_ms = await loop.end()
    print(
        f"{count:,} {kind:9}  {calls_ms:8.0f} ms in the calls of the app {after_ms:6.1f} ms at a time after that"
        f" {ending_ms:6.1f} ms at a time at the end"
    )
    return after_ms, ending_ms


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer jobs and rounds, for CI")
    arguments = parser.parse_args()
    upcoming = await upcoming_ratio(MANY // 10 if arguments.quick else MANY, 5 if arguments.quick else 21)
    registering = await registering_ratio(200 if arguments.quick else 1_000)
    held = [await held_by(kind, LISTENERS) for kind in ("listeners", "jobs")]
    held_ms, ending_ms = (max(column) for column in zip(*held, strict=True))
    print(f"next runs         ratio {upcoming:.2f}  (target: <= {TARGET_UPCOMING})")
    print(f"registering       ratio {registering:.2f}  (target: <= {TARGET_REGISTERING})")
    print(f"after registering {held_ms:.1f} ms (target: <= {TARGET_HELD_MS})")
    print(f"ending            {ending_ms:.1f} ms (target: <= {TARGET_ENDING_MS})")
    missed = upcoming > TARGET_UPCOMING or registering > TARGET_REGISTERING
    sys.exit(int(missed or held_ms > TARGET_HELD_MS or ending_ms > TARGET_ENDING_MS))


if __name__ == "__main__":
    asyncio.run(main())
