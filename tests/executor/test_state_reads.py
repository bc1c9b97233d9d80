"""The states that a run reads are attached to its record, once for each value and within a bound."""

import asyncio

import pytest

from hassette_executor import (
    CommandExecutor,
    Effects,
    ExecutorSettings,
    MemorySink,
    Record,
    StateRead,
    record_state_read,
)
from hassette_executor.records.sizes import size_of
from hassette_executor.running.effects import GatheredEffects, LateEffects
from support.records import MovableClock, invoke, record


def reads_of(record: Record) -> tuple[StateRead, ...]:
    return () if record.effects is None else record.effects.state_reads


async def test_reads_are_attached_once_for_each_value_and_the_first_stay() -> None:
    async def read() -> None:
        for state in ("off", "on", "on", None, "late"):
            record_state_read("light.hall", state)

    async with CommandExecutor(settings=ExecutorSettings(state_reads=3)) as executor:
        record = await executor.execute(invoke(read))
        assert [(one.entity_id, one.state) for one in reads_of(record)] == [
            ("light.hall", "off"),
            ("light.hall", "on"),
            ("light.hall", None),
        ]
        assert record.effects is not None
        assert record.effects.dropped_state_reads == 1
    async with CommandExecutor(settings=ExecutorSettings(state_reads=0)) as executor:
        assert (await executor.execute(invoke(read))).effects is None


async def test_secret_in_a_read_state_is_masked_and_a_late_read_is_no_loss() -> None:
    sink, ended = MemorySink(), asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def late() -> None:
        await ended.wait()
        record_state_read("light.late", "on")

    async def read() -> None:
        tasks.append(asyncio.create_task(late()))
        record_state_read("input_text.note", "my secret")

    async with CommandExecutor(sink, redact=lambda text: text.replace("secret", "•••")) as executor:
        record = await executor.execute(invoke(read))
        ended.set()
        await asyncio.gather(*tasks)
        record_state_read("light.outside", "on")
    assert [one.state for one in reads_of(record)] == ["my •••"]
    assert [loss for batch in sink.batches for loss in batch.losses] == []


def test_read_during_the_end_of_its_run_is_left_out() -> None:
    late = LateEffects()
    gathered = GatheredEffects(ExecutorSettings(), late)
    first, second = StateRead(1, "light.hall", "on"), StateRead(2, "light.hall", "off")
    gathered.add_read(first.entity_id, first.state, lambda: first)
    taken = gathered.take(all_lines=False)
    gathered.add_read(second.entity_id, second.state, lambda: second)
    assert taken == gathered.take(all_lines=False) == Effects(state_reads=(first,))
    assert late.take() == {}


@pytest.mark.parametrize("longer", [StateRead(1, "x" * 1_000_000, "on"), StateRead(1, "x", "on" + "x" * 999_999)])
def test_size_of_a_record_includes_every_text_of_its_reads(longer: StateRead) -> None:
    gone = StateRead(1, "light.gone", None)
    size = size_of(record(1, effects=Effects(state_reads=(StateRead(1, "x", "on"), gone))))
    assert size_of(record(1, effects=Effects(state_reads=(longer, gone)))) == size + 999_999


async def test_read_has_the_time_of_the_clock_of_the_executor() -> None:
    clock = MovableClock()
    clock.wall_s = clock.monotonic_s = -86_400

    async def read() -> None:
        record_state_read("light.hall", "on")

    async with CommandExecutor(clock=clock.clock()) as executor:
        run = await executor.execute(invoke(read))
    (one,) = reads_of(run)
    assert 0 <= one.at_us - run.started_us < 3_600_000_000
