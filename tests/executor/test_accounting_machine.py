"""At every moment ``executed == persisted + sum(shed) + waiting``, whatever the sink does.

A state machine uses an executor as a home does (runs that end in every way, bursts, registrations, skips). Meanwhile
the sink fails, hangs, is slow, cancels itself and rejects rows, in an order that hypothesis chooses. The clock is moved
by hand, so an hour of failures takes a moment.
"""

import asyncio
import logging
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from hassette_executor import CommandExecutor, ExecutorSettings, Status
from support.loops import ManualLoop, manual_loop
from support.records import execute_job, failing, invoke, job, listener, nothing, raising
from support.sinks import FaultySink

STEPS_OF_AN_EXAMPLE = 50
LISTENERS = [listener(name) for name in ("chatty", "rare", "poison")]
JOB = job()
taken: Counter[str] = Counter()


class Accounting(RuleBasedStateMachine):
    """One executor from start to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.loops = manual_loop()
        self.loop: ManualLoop = self.loops.__enter__()
        self.executed: Counter[Status] = Counter()
        self.skipped = 0
        self.kept_and_failed = False
        self.looked_at = 0

    def do(self, work: Any) -> Any:
        taken["steps"] += 1
        return self.loop.run_until_complete(work)

    @initialize(
        max_records=st.sampled_from([5, 25, 100_000]),
        batch_records=st.sampled_from([1, 7, 50]),
        max_bytes=st.sampled_from([4_000, 10_000_000]),
    )
    def start(self, max_records: int, batch_records: int, max_bytes: int) -> None:
        self.bounded = max_records < 1_000 or max_bytes < 1_000_000
        self.max_records = max_records
        self.batch_records = batch_records
        self.sink = FaultySink()
        self.sink.rejects = lambda item: (
            getattr(getattr(item, "registration", None), "name", "") == "poison" and hasattr(item, "trigger")
        )
        self.executor = CommandExecutor(
            self.sink,
            settings=ExecutorSettings(
                timeout_s=0,
                max_records=max_records,
                max_bytes=max_bytes,
                batch_records=batch_records,
                stop_timeout_s=20,
            ),
        )
        self.do(self.executor.start())

    @rule(
        which=st.integers(0, 2),
        count=st.integers(1, 15),
        end=st.sampled_from(["success", "success", "success", "error", "cancelled"]),
    )
    def execute(self, which: int, count: int, end: str) -> None:
        call = {"success": nothing, "error": failing, "cancelled": raising(asyncio.CancelledError())}[end]
        command = invoke(call, LISTENERS[which])

        async def burst() -> None:
            for _ in range(count):
                try:
                    await self.executor.execute(command)
                except asyncio.CancelledError:
                    assert end == "cancelled"

        self.do(burst())
        self.executed[Status(end)] += count

    @rule(count=st.integers(1, 8))
    def execute_jobs(self, count: int) -> None:
        async def burst() -> None:
            for _ in range(count):
                await self.executor.execute(execute_job(nothing, JOB))

        self.do(burst())
        self.executed[Status.SUCCESS] += count

    @rule(which=st.integers(0, 1), again=st.booleans())
    def announce(self, which: int, again: bool) -> None:
        async def announce_all() -> None:
            self.executor.register(LISTENERS[which])
            self.executor.count_skip(LISTENERS[which], "overlap")
            self.executor.report("connection_lost", "home")
            self.executor.set_session_facts(reason="test")
            if again:
                self.executor.retire(LISTENERS[which])

        self.do(announce_all())
        self.skipped += 1

    @rule(mode=st.sampled_from(["ok", "fail", "hang", "slow", "cancel", "keep_then_fail"]))
    def set_sink_mode(self, mode: str) -> None:
        taken["steps"] += 1
        # A sink may store a batch and then raise. It recognises the retry only if the whole batch comes again, but
        # eviction takes batches apart. So this test does not combine such a sink with a full queue.
        self.sink.mode = "fail" if mode == "keep_then_fail" and self.bounded else mode
        self.kept_and_failed = self.kept_and_failed or self.sink.mode == "keep_then_fail"
        if mode != "hang":
            self.sink.released.set()
            self.sink.released = asyncio.Event()

    @rule(seconds=st.sampled_from([0, 0.05, 0.2, 0.6, 3, 60]))
    def pass_time(self, seconds: float) -> None:
        self.do(asyncio.sleep(seconds))

    @precondition(lambda self: self.sink.mode != "hang")
    @rule()
    def flush(self) -> None:
        before = self.executor.accounting().executed
        if self.do(self.executor.force_flush(1)):
            account = self.executor.accounting()
            assert account.persisted + sum(account.shed.values()) == before
            assert account.waiting == 0

    @invariant()
    def every_run_is_somewhere(self) -> None:
        if not hasattr(self, "executor"):
            return
        account = self.executor.accounting()
        assert account.executed == self.executed.total()
        assert account.executed == account.persisted + sum(account.shed.values()) + account.waiting
        assert account.waiting >= 0
        assert account.waiting <= self.max_records + self.batch_records, "a full batch never stays in the buffer"
        newest = [record.id for record in self.sink.records[max(0, self.looked_at - 1) :]]
        assert all(earlier < later for earlier, later in pairwise(newest)), "in order, without repeats"
        self.looked_at = len(self.sink.records)
        assert account.persisted <= self.looked_at

    def teardown(self) -> None:
        try:
            if hasattr(self, "executor"):
                self.end()
        finally:
            self.loops.__exit__(None, None, None)

    def end(self) -> None:
        released = self.sink.mode
        if released in {"hang", "keep_then_fail"}:
            self.sink.mode = "ok"
        self.sink.released.set()
        self.do(self.executor.stop())
        self.every_run_is_somewhere()
        account = self.executor.accounting()
        assert account.waiting == 0
        # If a sink stored a batch, raised an error and stayed down, the accounting counts the stored runs as lost.
        assert len(self.sink.records) == account.persisted or (self.kept_and_failed and "stop_deadline" in account.shed)
        if "stop_deadline" in account.shed:
            assert self.sink.mode in {"fail", "cancel", "slow"}
            return
        if account.shed and self.sink.mode in {"fail", "cancel"}:
            return  # the summaries of evicted records were not written, and the stop has logged this loss
        ended = Counter(record.status for record in self.sink.records)
        for summary in self.sink.stored("summaries"):
            ended.update(dict(summary.counts))
        assert +ended == +self.executed
        losses = Counter[str]()
        for loss in self.sink.stored("losses"):
            losses[loss.reason] += loss.count if loss.what == "runs" else 0
        assert +losses == +Counter(account.shed)
        if self.sink.mode in {"ok", "slow"}:
            assert sum(skip.count for skip in self.sink.stored("skipped")) == self.skipped
        assert self.loop.count_timers() == 0


@pytest.mark.parametrize("steps", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.timeout(300)
def test_every_run_is_persisted_shed_or_waiting_at_every_moment(steps: int, quiet_outcomes):
    logging.getLogger("hassette_executor.delivery.write_queue").disabled = True
    taken.clear()
    try:
        while taken["steps"] < steps:
            run_state_machine_as_test(
                Accounting,
                settings=settings(
                    max_examples=min(150, steps // STEPS_OF_AN_EXAMPLE),
                    stateful_step_count=STEPS_OF_AN_EXAMPLE,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
    finally:
        logging.getLogger("hassette_executor.delivery.write_queue").disabled = False
    assert taken["steps"] >= steps
