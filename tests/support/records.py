"""Commands, records and clocks for tests of the executor. Needs hassette-executor only."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from math import ceil
from typing import Any

from hassette_executor import (
    Batch,
    Clock,
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
"""Start of the tests' time: the start of an hour in November 2026."""


def listener(name: str = "on_motion", **facts: Any) -> ListenerRegistration:
    defaults: dict[str, Any] = {
        "app": "hall",
        "instance": "main",
        "topic": "state_changed.binary_sensor.hall",
        "handler": "Hall.run",
    }
    return ListenerRegistration(name=name, **{**defaults, **facts})


def job(name: str = "tidy", **facts: Any) -> JobRegistration:
    defaults: dict[str, Any] = {"app": "hall", "instance": "main", "schedule": "every 30 s", "handler": "Hall.tidy"}
    return JobRegistration(name=name, **{**defaults, **facts})


def invoke(call: Callable[[], Any], registration: ListenerRegistration | None = None, **facts: Any) -> InvokeHandler:
    """Return a command for a listener; ``facts`` are fields of its registration."""
    return InvokeHandler(
        registration=registration or listener(**facts), call=call, trigger=TRIGGER, ready_ns=time.monotonic_ns()
    )


def execute_job(call: Callable[[], Any], registration: JobRegistration | None = None, **facts: Any) -> ExecuteJob:
    """Return a command for a job; ``facts`` are fields of its registration."""
    return ExecuteJob(
        registration=registration or job(**facts),
        call=call,
        trigger=DueTrigger(T0_US, manual=True),
        ready_ns=time.monotonic_ns(),
    )


async def nothing() -> None:
    """Handle nothing."""


async def forever() -> None:
    """Wait until cancelled."""
    await asyncio.Event().wait()


async def failing() -> None:
    raise ValueError("the sensor did not respond")


def raising(error: BaseException) -> Callable[[], Any]:
    """Return a handler that raises an error."""

    async def handler() -> None:
        raise error

    return handler


HALL = listener()
TIDY = job()


def record(number: int, status: Status = Status.SUCCESS, **facts: Any) -> Record:
    """Return a record as the executor makes it; ``number`` is its time in milliseconds after `T0_US`."""
    registration = facts.pop("registration", HALL)
    failure = Failure("exception", "ValueError", "no") if status is Status.ERROR else None
    defaults: dict[str, Any] = {
        "id": (T0_US // 1000 + number) << 21,
        "registration": registration,
        "started_us": T0_US + number * 1000,
        "duration_us": 1_000,
        "waited_us": 10,
        "status": status,
        "failure": failure,
    }
    all_facts: dict[str, Any] = {**defaults, **facts}
    if isinstance(registration, JobRegistration):
        return JobExecution(trigger=DueTrigger(T0_US), **all_facts)
    return HandlerInvocation(trigger=TRIGGER, **all_facts)


def batch(sequence: int, *records: Record) -> Batch:
    """Return a batch of records that also registers `HALL` and `TIDY`."""
    return Batch(
        sequence,
        records[-1].started_us if records else T0_US,
        invocations=tuple(one for one in records if isinstance(one, HandlerInvocation)),
        executions=tuple(one for one in records if isinstance(one, JobExecution)),
        registered=(HALL, TIDY),
    )


def sized(records: list[Record]) -> tuple[list[Record], int]:
    """Return the arguments of `WriteQueue.extend` and `Feed.publish`."""
    return records, total_size(records)


def percentile(buckets: Counter[int], share: float) -> float:
    """Return a percentile of the counted durations, in microseconds; ``share`` is 0.95 for p95.

    The executor's tests also run without hassette-store, so they cannot use `hassette_store.sketch.quantiles`.
    """
    rank = ceil(share * buckets.total())
    counted = 0
    for bucket in sorted(buckets):
        counted += buckets[bucket]
        if counted >= rank:
            return value_of(bucket)
    raise AssertionError("no durations were counted")


class MovableClock:
    """The clocks of this machine, which a test can move.

    Attributes:
        wall_s: Seconds by which the wall clock is ahead.
        monotonic_s: Seconds by which the monotonic clock is ahead.
    """

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.monotonic_s = 0.0

    def clock(self) -> Clock:
        return Clock(
            wall_ns=lambda: time.time_ns() + int(self.wall_s * 1e9),
            monotonic_ns=lambda: time.monotonic_ns() + int(self.monotonic_s * 1e9),
        )

    async def let_deadlines_pass(self, executor: CommandExecutor) -> None:
        """Let the deadlines of all runs in progress pass, and return once the executor has cancelled these runs.

        A test uses this if it must decide when a deadline passes: on a busy machine, a short deadline could pass too
        early.
        """
        self.monotonic_s += 86_400
        # The short deadline of this extra run wakes up the sweeper, which looks at all runs.
        await executor.execute(invoke(forever, name="short", timeout_s=0.001))
