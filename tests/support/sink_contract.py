"""The contract of `RecordSink`, for every sink. Needs hassette-executor only.

A test module makes a subclass with a fixture ``case``, and pytest runs the contract's tests on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hassette_executor import Batch, CommandExecutor, Record, RecordSink, Status
from support.records import T0_US, TIDY, batch, execute_job, invoke, nothing, record

SECRET = "hunter2hunter2"
MASK = "•••"


@dataclass(frozen=True)
class SinkCase:
    """A sink and a way to look at the data that it stored.

    Attributes:
        sink: A started sink.
        run_ids: Returns the ids of the stored runs, in ascending order.
        everything: Returns all stored data as text.
        stores: Whether the sink stores anything.
    """

    sink: RecordSink
    run_ids: Callable[[], list[int]]
    everything: Callable[[], str]
    stores: bool = True

    def expected(self, *records: Record) -> list[int]:
        return [one.id for one in records] if self.stores else []


def run(number: int, *, failed: bool = False) -> Record:
    """Return the record of a handler's run; the number determines its id and time."""
    return record(number, Status.ERROR if failed else Status.SUCCESS)


def job_run(number: int) -> Record:
    return record(number, registration=TIDY)


class SinkContract:
    """Tests of one sink."""

    @pytest.fixture
    def case(self) -> Any:
        raise NotImplementedError

    @pytest.fixture
    def redact(self) -> Callable[[str], str]:
        """Provide a function that replaces `SECRET` by `MASK`."""
        return lambda text: text.replace(SECRET, MASK)

    def test_sink_has_the_shape_of_the_protocol(self, case: SinkCase) -> None:
        assert isinstance(case.sink, RecordSink)

    async def test_both_kinds_of_runs_are_stored(self, case: SinkCase) -> None:
        records = [run(1), job_run(2), run(3, failed=True)]
        await case.sink.write(batch(1, *records))
        assert case.run_ids() == case.expected(*records)

    async def test_batch_with_the_same_sequence_number_is_stored_once(self, case: SinkCase) -> None:
        await case.sink.write(batch(1, run(1)))
        await case.sink.write(batch(1, run(1)))
        await case.sink.write(batch(2, run(2)))
        await case.sink.write(batch(2, run(2)))
        await case.sink.write(batch(1, run(1)))
        assert case.run_ids() == case.expected(run(1), run(2))

    async def test_sequence_numbers_may_have_gaps(self, case: SinkCase) -> None:
        await case.sink.write(batch(3, run(1)))
        await case.sink.write(batch(7, run(2)))
        assert case.run_ids() == case.expected(run(1), run(2))

    async def test_last_id_is_the_highest_stored_id(self, case: SinkCase) -> None:
        assert await case.sink.last_id() == 0
        await case.sink.write(batch(1, run(7), job_run(9)))
        await case.sink.write(batch(2))
        assert await case.sink.last_id() == (job_run(9).id if case.stores else 0)

    async def test_empty_batch_is_accepted(self, case: SinkCase) -> None:
        await case.sink.write(Batch(1, T0_US))
        assert case.run_ids() == []

    async def test_executor_delivers_every_run(self, case: SinkCase) -> None:
        async with CommandExecutor(case.sink) as executor:
            records = [await executor.execute(make(nothing)) for make in (invoke, execute_job) for _ in range(10)]
        assert executor.accounting().persisted == 20
        assert case.run_ids() == case.expected(*records)

    async def test_redacted_secret_does_not_reach_the_sink(self, case: SinkCase, redact: Callable[[str], str]) -> None:
        async def fail() -> None:
            raise ValueError(f"the password is {SECRET}")

        async with CommandExecutor(case.sink, redact=redact) as executor:
            failed = await executor.execute(invoke(fail))
        assert case.run_ids() == case.expected(failed)
        assert SECRET not in case.everything()
        if case.stores:
            # repr of a protobuf message escapes every character outside ASCII.
            escaped = "".join(f"\\{byte:o}" for byte in MASK.encode())
            assert f"the password is {MASK}" in case.everything() or f"the password is {escaped}" in case.everything()
