"""The states that a run reads are attached to its record, once for each value and within a bound."""

import asyncio

from hassette_executor import CommandExecutor, ExecutorSettings, MemorySink, Record, StateRead, record_state_read
from support.records import invoke


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
