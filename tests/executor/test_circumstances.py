"""Circumstances of runs: each gets an id, and they are written with the runs, bounded and counted."""

from typing import Any

import pytest

from hassette_executor import (
    Batch,
    CommandExecutor,
    Deploy,
    ExecutorLimits,
    FrameworkLogLine,
    HomeCause,
    HomeChange,
    HomeName,
    MemorySink,
)
from support.records import T0_US, invoke, nothing, record
from support.sinks import FaultySink
from support.write_queue import announce, pass_time, settled, started

CHANGE = HomeChange(0, "light.hall", "off", "on", "C")
CAUSE = HomeCause(0, "automation", "automation.evening", None, "", "state of sun.sun", "C")
NAME = HomeName("entity", "light.hall", "Hall light", "Hall")
DEPLOY = Deploy(0, "hall", "abc", "abc", "def")
LINE = FrameworkLogLine(0, 30, "hassette_core.link", "Connection lost")
FIELDS = {"home_changes": CHANGE, "home_causes": CAUSE, "home_names": NAME, "deploys": DEPLOY, "framework_log": LINE}


async def test_circumstances_get_ids_in_the_order_of_the_runs() -> None:
    sink = MemorySink()
    async with CommandExecutor(sink) as executor:
        executor.note(CHANGE)
        run = await executor.execute(invoke(nothing))
        for circumstance in (CAUSE, NAME, DEPLOY, LINE):
            executor.note(circumstance)
    stored = {field: [item for one in sink.batches for item in getattr(one, field)] for field in FIELDS}
    assert {field: len(items) for field, items in stored.items()} == dict.fromkeys(FIELDS, 1)
    ids = [stored[field][0].id for field in ("home_causes", "deploys", "framework_log")]
    assert [stored["home_changes"][0].id, run.id, *ids] == sorted({stored["home_changes"][0].id, run.id, *ids})
    assert stored["home_names"] == [NAME]
    assert executor.accounting().persisted == 1, "a circumstance is no run"


@pytest.mark.parametrize("field", FIELDS)
def test_circumstances_are_bounded_and_the_dropped_ones_are_counted(loop: Any, field: str) -> None:
    queue = started(loop, sink := FaultySink("fail"), ExecutorLimits(circumstances=5))
    for number in range(8):
        announce(loop, queue, "note", FIELDS[field], T0_US + number)
    assert queue.builder.announcement_counts()[field] == 5
    sink.mode = "ok"
    pass_time(loop, 60)
    assert len(sink.stored(field)) <= 6, "one batch was already being written"
    losses = sink.stored("losses")
    assert {(loss.reason, loss.what) for loss in losses} == {("queue_full_count", field)}
    assert sum(loss.count for loss in losses) == 8 - len(sink.stored(field))
    assert settled(queue) == 0


def test_rejected_circumstance_is_found_in_few_steps_and_the_others_are_stored(loop: Any) -> None:
    rejects = CHANGE._replace(entity_id="poison")

    class Rejecting(MemorySink):
        writes = 0

        async def write(self, batch: Batch) -> None:
            self.writes += 1
            if rejects in batch.home_changes:
                raise ValueError("a wrong value")
            await super().write(batch)

    queue = started(loop, sink := Rejecting())
    for number in range(1_000):
        queue.builder.note(rejects if number == 700 else CHANGE, T0_US)
    announce(loop, queue, "note", LINE, T0_US)
    pass_time(loop, 5)
    assert sum(len(one.home_changes) for one in sink.batches) == 999
    assert sink.writes < 30
    losses = [loss for one in sink.batches for loss in one.losses]
    assert [(loss.reason, loss.what, loss.count) for loss in losses] == [("rejected_row", "home_changes", 1)]
    assert sum(len(one.framework_log) for one in sink.batches) == 1


def test_announcements_of_each_field_are_split_in_halves() -> None:
    changes = tuple(CHANGE._replace(id=number) for number in range(1, 6))
    both = Batch(1, T0_US).with_records([record(1)])._replace(home_changes=changes, framework_log=(LINE,))
    announcements, runs = both.split()
    assert (runs.run_count, runs.has_announcements) == (1, False)
    pieces = announcements.split()
    assert [(piece.home_changes, piece.framework_log) for piece in pieces] == [(changes, ()), ((), (LINE,))]
    assert [piece.home_changes for piece in pieces[0].split()] == [changes[:2], changes[2:]]
    assert pieces[1].split() == ()
