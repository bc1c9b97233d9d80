"""What the executor's tests are made of: commands, records, a sink in any kind of trouble, a clock by hand."""

import asyncio
import selectors
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

from hassette_executor import (
    Batch,
    CommandExecutor,
    DueTrigger,
    EventTrigger,
    ExecuteJob,
    Failure,
    HandlerInvocation,
    InvokeHandler,
    JobExecution,
    JobRegistration,
    ListenerRegistration,
    Record,
    Status,
)
from hassette_executor.records.sizes import total_size
from hassette_executor.records.sketch import value_of

TRIGGER = EventTrigger("state_changed", "binary_sensor.hall", "off", "on", "01JD", None, None)
HOUR_US = 3_600_000_000
T0_US = 1_795_392_000_000_000
"""The tests' beginning of time: an hour's start in November 2026."""


def listener(name: str = "on_motion", **more: Any) -> ListenerRegistration:
    facts = {"app": "hall", "instance": "main", "topic": "state_changed.binary_sensor.hall", "handler": "Hall.run"}
    return ListenerRegistration(name=name, **{**facts, **more})


def job(name: str = "tidy", **more: Any) -> JobRegistration:
    facts = {"app": "hall", "instance": "main", "schedule": "every 30 s", "handler": "Hall.tidy"}
    return JobRegistration(name=name, **{**facts, **more})


def invoke(
    call: Callable[[], Any],
    registration: ListenerRegistration | None = None,
    **more: Any,
) -> InvokeHandler:
    """A command for a listener; ``more`` are facts of its registration."""
    return InvokeHandler(
        registration=registration or listener(**more),
        call=call,
        trigger=TRIGGER,
        ready_ns=time.monotonic_ns(),
    )


def execute_job(call: Callable[[], Any], registration: JobRegistration | None = None, **more: Any) -> ExecuteJob:
    return ExecuteJob(
        registration=registration or job(**more),
        call=call,
        trigger=DueTrigger(T0_US, manual=True),
        ready_ns=time.monotonic_ns(),
    )


async def nothing() -> None:
    """A handler that does nothing."""


async def failing() -> None:
    raise ValueError("the sensor said nothing")


def raising(error: BaseException) -> Callable[[], Any]:
    """A handler that raises."""

    async def handler() -> None:
        raise error

    return handler


HALL = listener()
TIDY = job()


def record(number: int, status: Status = Status.SUCCESS, **more: Any) -> Record:
    """A record as the executor makes it; ``number`` is its place in time, in milliseconds."""
    registration = more.pop("registration", HALL)
    failure = Failure("exception", "ValueError", "no") if status is Status.ERROR else None
    facts: dict[str, Any] = {
        "id": (T0_US // 1000 + number) << 21,
        "registration": registration,
        "started_us": T0_US + number * 1000,
        "duration_us": 1_000,
        "waited_us": 10,
        "status": status,
        "failure": failure,
        **more,
    }
    if isinstance(registration, JobRegistration):
        return JobExecution(trigger=DueTrigger(T0_US), **facts)
    return HandlerInvocation(trigger=TRIGGER, **facts)


def sized(records: list[Record]) -> tuple[list[Record], int]:
    """What `WriteQueue.extend` takes."""
    return records, total_size(records)


class TroubledSink:
    """Keeps batches as the protocol wants it (whole, in order, each sequence number once), unless told otherwise.

    As the store does, it remembers the last number only: one that is not above it is taken for kept already.

    Attributes:
        mode: ``ok``; ``fail`` raises OSError; ``hang`` waits to be released; ``slow`` takes `slow_s`; ``cancel`` raises
            CancelledError by itself; ``keep_then_fail`` keeps the batch and raises all the same.
        rejects: Says which items of a batch can never be kept.
        records: What was kept, as it came.
        batches: The batches that were kept.
        calls: How often `write` was called.
    """

    def __init__(self, mode: str = "ok", *, slow_s: float = 0.02, last_id: int = 0) -> None:
        self.mode = mode
        self.slow_s = slow_s
        self.rejects: Callable[[Any], bool] = lambda item: False
        self.records: list[Record] = []
        self.batches: list[Batch] = []
        self.calls = 0
        self.released = asyncio.Event()
        self._last = 0
        self._last_id = last_id

    async def write(self, batch: Batch) -> None:
        self.calls += 1
        mode = self.mode
        if mode == "fail":
            raise OSError("database is locked")
        if mode == "cancel":
            raise asyncio.CancelledError
        if mode == "hang":
            await self.released.wait()
        if mode == "slow":
            await asyncio.sleep(self.slow_s)
        announcements = (batch.registered, batch.retired, batch.lifecycle, batch.skipped, batch.summaries, batch.losses)
        for items in (batch.records(), *announcements):
            if any(map(self.rejects, items)):
                raise ValueError("this row can never be kept")
        if batch.running is not None and self.rejects(batch.running):
            raise ValueError("this list can never be kept")
        # What comes again is the last one that was kept; a lower number would be lost, and counted as kept.
        assert batch.sequence >= self._last, "numbers rise"
        if batch.sequence > self._last:
            self._last = batch.sequence
            self.batches.append(batch)
            self.records += batch.records()
        if mode == "keep_then_fail":
            raise OSError("the connection was lost after the commit")

    async def last_id(self) -> int:
        if self.mode == "fail":
            raise OSError("database is locked")
        return max((kept.id for kept in self.records), default=self._last_id)

    def said(self, field: str) -> list[Any]:
        """All items of one field, over every batch that was kept."""
        return [item for batch in self.batches for item in getattr(batch, field) or ()]


def percentile(buckets: Counter[int], share: float) -> float:
    """Return the duration in microseconds at or below which a share of the counted durations lies."""
    rank = ceil(share * buckets.total())
    counted = 0
    for bucket in sorted(buckets):
        counted += buckets[bucket]
        if counted >= rank:
            return value_of(bucket)
    raise AssertionError("no durations were counted")


async def eventually(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: It did not in time.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  conditions of every kind, most without an event
            await asyncio.sleep(0.001)


def let_deadlines_pass(executor: CommandExecutor) -> None:
    """Have the deadline of every run that is going on pass at this moment.

    For tests about what happens after it: a short deadline could pass before a thread has begun on a busy machine.
    """
    for execution in executor._executions:
        assert execution.timeout_s, "it has no deadline"
        execution.timeout_s = 1e-9
    executor._inflight._sweep()


class _HandSelector(selectors.DefaultSelector):
    """Where the loop would wait for time to pass, time passes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("the loop would wait for ever: nothing is left that could happen")
        events = super().select(0)
        if not events:
            self.now += max(0, timeout)
        return events


class HandLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only when there is nothing else to do, and then at once to the next timer."""

    def __init__(self) -> None:
        self.hands = _HandSelector()
        super().__init__(self.hands)

    def time(self) -> float:
        return self.hands.now

    def monotonic_ns(self) -> int:
        """The same clock in nanoseconds, to be passed to what reads clocks itself."""
        return int(self.hands.now * 1e9)

    def timers(self) -> int:
        """How many timers are set."""
        return sum(not timer.cancelled() for timer in self._scheduled)  # type: ignore[attr-defined]


@contextmanager
def hand_loop() -> Iterator[HandLoop]:
    loop = HandLoop()
    try:
        yield loop
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
