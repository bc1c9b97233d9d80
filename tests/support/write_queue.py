"""Steps of a test that drives a write queue on a clock moved by hand."""

import asyncio
from typing import Any

from hassette_executor import (
    Clock,
    ExecutorLimits,
    ExecutorSettings,
    Record,
)
from hassette_executor.delivery.write_queue import WriteQueue
from support.loops import ManualLoop
from support.records import T0_US, record, sized


def pass_time(loop: ManualLoop, seconds: float) -> None:
    loop.run_until_complete(asyncio.sleep(seconds))


def started(loop: ManualLoop, sink: Any, limits: ExecutorLimits | None = None, **settings: Any) -> WriteQueue:
    async def start() -> WriteQueue:
        queue = WriteQueue(
            sink,
            ExecutorSettings(**settings),
            limits,
            Clock(wall_ns=lambda: T0_US * 1000, monotonic_ns=loop.monotonic_ns),
        )
        queue.start()
        await asyncio.sleep(0)
        return queue

    return loop.run_until_complete(start())


def extend(loop: ManualLoop, queue: WriteQueue, records: list[Record]) -> None:
    async def put() -> None:
        queue.extend(*sized(records))

    loop.run_until_complete(put())


def announce(loop: ManualLoop, queue: WriteQueue, kind: str, *args: Any) -> None:
    async def put() -> None:
        getattr(queue.builder, kind)(*args)
        queue.schedule_flush()

    loop.run_until_complete(put())


def records(count: int, start: int = 1, **more: Any) -> list[Record]:
    return [record(number, **more) for number in range(start, start + count)]


def settled(queue: WriteQueue) -> int:
    return queue.persisted + queue.shed.total()


def flush(loop: ManualLoop, queue: WriteQueue, timeout_s: float) -> bool:
    async def wait() -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                await queue.flush()
        except TimeoutError:
            return False
        return True

    return loop.run_until_complete(wait())


def close(loop: ManualLoop, queue: WriteQueue, timeout_s: float) -> float:
    before = loop.time()
    loop.run_until_complete(queue.close(timeout_s))
    return loop.time() - before
