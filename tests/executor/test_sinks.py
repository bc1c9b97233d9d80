"""The sinks of this package keep the promises of `RecordSink`. tests/contracts/test_sinks.py tests the other sinks."""

import pytest

from hassette_executor import MemorySink, NullSink
from support.records import batch, record
from support.sink_contract import SinkCase, SinkContract


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
