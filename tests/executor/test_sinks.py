"""The sinks of this package keep the promises of `RecordSink`. tests/contracts/test_sinks.py tests the other sinks."""

import asyncio

import pytest

from hassette_executor import CommandExecutor, ExecutorSettings, MemorySink, NullSink, RecordSink, SinkWithLosses
from support.records import batch, invoke, nothing, record
from support.sink_contract import SinkCase, SinkContract
from support.sinks import FaultySink
from support.waiting import eventually, patience


class TestNullSink(SinkContract):
    @pytest.fixture
    def case(self) -> SinkCase:
        return SinkCase(NullSink(), list, str, stores=False)


class TestMemorySink(SinkContract):
    @pytest.fixture
    def case(self) -> SinkCase:
        sink = MemorySink()
        return SinkCase(sink, lambda: [one.id for one in sink.records], lambda: repr(sink.batches))

    async def test_oldest_records_are_dropped_and_the_last_id_stays(self) -> None:
        sink = MemorySink(max_records=2)
        for number in range(1, 5):
            await sink.write(batch(number, record(number)))
        assert [one.id for one in sink.records] == [record(3).id, record(4).id]
        assert await sink.last_id() == record(4).id


class FileSink(MemorySink):
    """A sink whose file can be removed."""

    lost_runs = 0

    def remove(self) -> None:
        self.lost_runs += len(self.records)
        self.records.clear()


async def test_runs_of_a_removed_file_are_no_longer_claimed_as_persisted() -> None:
    sink = FileSink()
    assert isinstance(sink, RecordSink)
    assert isinstance(sink, SinkWithLosses)
    async with CommandExecutor(sink) as executor:
        for _ in range(5):
            await executor.execute(invoke(nothing))
        await eventually(lambda: executor.accounting().waiting == 0)
        sink.remove()
        await executor.execute(invoke(nothing))
        await eventually(lambda: executor.accounting().waiting == 0)
        await executor.execute(invoke(nothing))
        account = executor.accounting()
        assert (account.executed, account.persisted, account.waiting) == (7, 1, 1)
        assert account.shed == {"file_lost": 5}
    assert executor.accounting().persisted == 2


async def test_runs_that_an_earlier_executor_stored_are_not_subtracted() -> None:
    sink = FileSink()
    async with CommandExecutor(sink) as executor:
        await executor.execute(invoke(nothing))
    sink.remove()
    async with CommandExecutor(sink) as executor:
        await executor.execute(invoke(nothing))
        await eventually(lambda: executor.accounting().waiting == 0)
        assert executor.accounting().persisted == 1
        assert executor.accounting().shed == {}


class RemoteSink(FaultySink):
    """A sink for which the stop does not wait for the whole stop timeout."""

    stop_limit_s = 0.2


async def test_stop_does_not_wait_for_a_hung_sink_beyond_its_limit():
    remote, store = RemoteSink("hang"), MemorySink()
    settings = ExecutorSettings(flush_interval_s=0.05, stop_timeout_s=600)
    async with CommandExecutor(remote, store, settings=settings) as executor:
        await executor.execute(invoke(nothing))
        await eventually(lambda: remote.calls)
        async with asyncio.timeout(patience(30)):
            await executor.stop()
    assert len(store.records) == 1
    assert sum(executor.accounting(0).shed.values()) == 1
