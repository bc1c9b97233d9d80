"""The sinks of this package keep the promises of `RecordSink`.

tests/contracts/test_sinks.py runs a contract over all sinks; this file needs hassette-executor only.
"""

import asyncio
from collections.abc import Sequence

import pytest

from hassette_executor import Batch, CommandExecutor, MemorySink, NullSink, Record, RecordSink
from support.records import HALL, TIDY, batch, invoke, nothing, record


class SinkContract:
    """Contract of `RecordSink`."""

    keeps = True

    @pytest.fixture
    def sink(self) -> RecordSink:
        raise NotImplementedError

    def kept(self, sink: RecordSink) -> Sequence[Record]:
        """Return the runs that the sink has kept, oldest first."""
        raise NotImplementedError

    def test_sink_has_the_shape_of_the_protocol(self, sink):
        assert isinstance(sink, RecordSink)

    async def test_both_kinds_of_runs_are_kept_in_the_order_of_their_ids(self, sink):
        made = [record(1), record(2, registration=TIDY), record(3)]
        await sink.write(batch(1, *made))
        assert list(self.kept(sink)) == (made if self.keeps else [])

    async def test_repeated_sequence_is_kept_once(self, sink):
        await sink.write(batch(1, record(1)))
        await sink.write(batch(1, record(1)))
        await sink.write(batch(2, record(2)))
        await sink.write(batch(1, record(1)))
        assert list(self.kept(sink)) == ([record(1), record(2)] if self.keeps else [])

    async def test_last_id_is_the_highest_kept_id(self, sink):
        assert await sink.last_id() == 0
        await sink.write(batch(1, record(7), record(9, registration=TIDY)))
        await sink.write(batch(2))
        assert await sink.last_id() == (record(9).id if self.keeps else 0)

    async def test_empty_batch_is_accepted(self, sink):
        await sink.write(Batch(1, 0))
        assert list(self.kept(sink)) == []

    async def test_executor_delivers_every_run(self, sink):
        async with CommandExecutor(sink) as executor:
            made = [await executor.execute(invoke(nothing, HALL)) for _ in range(20)]
        assert executor.accounting().persisted == 20
        assert list(self.kept(sink)) == (made if self.keeps else [])


class TestNullSink(SinkContract):
    keeps = False

    @pytest.fixture
    def sink(self) -> RecordSink:
        return NullSink()

    def kept(self, sink: RecordSink) -> Sequence[Record]:
        return ()


class TestMemorySink(SinkContract):
    @pytest.fixture
    def sink(self) -> RecordSink:
        return MemorySink()

    def kept(self, sink: RecordSink) -> Sequence[Record]:
        assert isinstance(sink, MemorySink)
        return sink.records

    def test_oldest_records_are_dropped_and_the_last_id_stays(self):
        async def scenario() -> None:
            sink = MemorySink(max_records=2)
            for number in range(1, 5):
                await sink.write(batch(number, record(number)))
            assert [one.id for one in sink.records] == [record(3).id, record(4).id]
            assert await sink.last_id() == record(4).id

        asyncio.run(scenario())
