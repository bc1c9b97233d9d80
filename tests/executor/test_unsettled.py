"""Batches that are being written or wait for a retry: their memory, their order, and their announcements."""

from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import Batch, Record
from hassette_executor.delivery.unsettled import UnsettledBatches
from hassette_executor.records.sizes import total_size
from support.records import HALL, T0_US, TIDY, record

actions = st.lists(
    st.sampled_from(["write", "keep", "retry", "split", "take_records", "recover"]),
    max_size=40,
)


def batch_of(sequence: int, records: list[Record]) -> Batch:
    return Batch(sequence, T0_US, registered=(HALL,)).with_records(records)


@given(actions)
def test_bytes_cover_all_unsettled_runs_and_parts_of_a_batch_have_no_sequence(actions):
    unsettled = UnsettledBatches()
    current: Batch | None = None
    waiting: list[Batch] = []
    sequence = 0
    for action in actions:
        if action == "write" and current is None:
            new_bytes = 0
            current = unsettled.next_retry()
            assert current == (waiting.pop(0) if waiting else None)
            if current is None:
                sequence += 1
                records = [record(10 * sequence + number) for number in range(sequence % 4)]
                current, new_bytes = batch_of(sequence, records), total_size(records)
            unsettled.begin(current, new_bytes)
            assert unsettled.is_current(current)
        elif action in {"keep", "retry", "split"} and current is not None:
            pieces = current.split() if action == "split" else ()
            put_back = [piece._replace(sequence=0) for piece in pieces] if pieces else [current]
            if action == "keep":
                put_back = []
            unsettled.put_back(put_back)
            unsettled.settle_current()
            waiting, current = put_back + waiting, None
        elif action == "take_records":
            taken = unsettled.take_records()
            assert [records for records, _ in taken] == [batch.records() for batch in waiting]
            waiting = [batch.without_records() for batch in waiting if batch.has_announcements]
        elif action == "recover" and current is not None:
            unsettled.recover_current()
            waiting, current = [current, *waiting], None
        batches = [*([current] if current is not None else []), *waiting]
        assert unsettled.bytes == sum(total_size(batch.records()) for batch in batches)
        assert bool(unsettled) == bool(batches)
        assert unsettled.has_waiting == bool(waiting)
    assert unsettled.take_all() == [*([current] if current is not None else []), *waiting]
    assert unsettled.bytes == 0


def test_every_field_of_a_batch_is_a_run_or_an_announcement():
    # Otherwise a new field would get lost when a sink rejects a batch with it.
    for field in set(Batch._fields) - {"sequence", "at_us"}:
        batch = Batch(1, T0_US)._replace(**{field: ("item",)})
        assert not batch.is_empty, field
        assert batch.has_announcements is (field not in {"invocations", "executions"}), field


def test_batch_is_split_into_announcements_and_halves_of_its_runs():
    records = [record(1), record(2, registration=TIDY), record(3)]
    batch = Batch(7, T0_US, registered=(HALL, TIDY)).with_records(records)
    announcements, runs = batch.split()
    assert (announcements.run_count, runs.records(), runs.has_announcements) == (0, records, False)
    assert [piece.registered for piece in announcements.split()] == [(HALL,), (TIDY,)]
    first, second = runs.split()
    assert first.records() + second.records() == records
    assert first.split() == ()
