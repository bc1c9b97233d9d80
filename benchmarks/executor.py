"""What `CommandExecutor.execute` costs, as ratios against named floors measured in the same run.

    python benchmarks/executor.py [--quick]

The floor of a run: two clock reads, one slotted record, one append to a deque, around the awaited handler.
"""

import argparse
import asyncio
import gc
import logging
import statistics
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hassette_executor import (
    CommandExecutor,
    EventTrigger,
    ExecutorSettings,
    InvokeHandler,
    ListenerRegistration,
    NullSink,
)

TRIGGER = EventTrigger("state_changed", "light.hall", "off", "on", "01JDABCDEFGHJKMNPQRSTVWXYZ")


@dataclass(slots=True)
class FloorRecord:
    id: int
    registration: object
    trigger: object
    started_us: int
    duration_us: int
    waited_us: int
    status: str
    failure: object
    effects: object


def listener(name: str, timeout_s: float) -> ListenerRegistration:
    return ListenerRegistration(
        app="bench", instance="0", name=name, topic="state_changed.*", handler="handler", timeout_s=timeout_s
    )


async def handler() -> None:
    pass


def five_deep(depth: int = 4) -> None:
    if depth:
        five_deep(depth - 1)
    else:
        raise ValueError("the sensor said nothing")


async def raising_handler() -> None:
    five_deep(3)


FLOOR_RECORDS: deque[FloorRecord] = deque(maxlen=10_000)


async def floor_execute(command: InvokeHandler) -> FloorRecord:
    """The least that can be called executing and recording."""
    started_ns = time.monotonic_ns()
    await command.call()
    ended_ns = time.monotonic_ns()
    record = FloorRecord(0, command.registration, command.trigger, started_ns, ended_ns, 0, "success", None, None)
    FLOOR_RECORDS.append(record)
    return record


async def floor(count: int) -> float:
    """Nanoseconds per handler through the floor."""
    command = InvokeHandler(registration=listener("floor", 0), call=handler, trigger=TRIGGER, ready_ns=0)
    began = time.perf_counter_ns()
    for _ in range(count):
        await floor_execute(command)
    return (time.perf_counter_ns() - began) / count


async def executing(
    executor: CommandExecutor, call: Callable[[], Awaitable[None]], timeout_s: float, count: int
) -> float:
    """Execute one command over and over, yielding to the loop only between rounds; nanoseconds per execution."""
    command = InvokeHandler(
        registration=listener(call.__name__, timeout_s), call=call, trigger=TRIGGER, ready_ns=time.monotonic_ns()
    )
    spent = 0
    for _ in range(count // 400):
        began = time.perf_counter_ns()
        for _ in range(400):
            await executor.execute(command)
        spent += time.perf_counter_ns() - began
        await executor.force_flush()
    return spent / (count // 400 * 400)


async def measure(rounds: int, count: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in ("floor", "execute", "deadline", "raising")}
    logging.getLogger("hassette_executor.outcome").setLevel(logging.CRITICAL)
    async with CommandExecutor(NullSink(), settings=ExecutorSettings(timeout_s=0)) as executor:
        for _ in range(rounds):
            gc.collect()
            figures["floor"].append(await floor(count))
            figures["execute"].append(await executing(executor, handler, 0, count))
            figures["deadline"].append(await executing(executor, handler, 600, count))
            figures["raising"].append(await executing(executor, raising_handler, 0, count // 4))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    quick = parser.parse_args().quick
    figures = asyncio.run(measure(rounds=15 if quick else 60, count=2_000 if quick else 4_000))
    base = statistics.median(figures["floor"])
    print(f"floor (2 clock reads, 1 slotted record, 1 append): {base:,.0f} ns")
    for name, limit in (("execute", 3), ("deadline", 4), ("raising", 15)):
        ratios = [value / reference for value, reference in zip(figures[name], figures["floor"], strict=True)]
        ratio = statistics.median(ratios)
        print(f"{name:10} {statistics.median(figures[name]):9,.0f} ns  {ratio:5.2f} x the floor  (aim: <= {limit})")


if __name__ == "__main__":
    main()
