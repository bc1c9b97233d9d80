"""Batches that are being written or wait for a retry: their memory, their order, and their announcements."""

from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import Batch, Record
from hassette_executor.delivery.unsettled import UnsettledBatches
from hassette_executor.records.sizes import total_size
from support.records import HALL, T0_US, TIDY, record

actions = st.lists(
    st.sampled_from(["write", "keep", "retry", "split", "recover"]),
    max_size=40,
)


def batch_of(records: list[Record]) -> Batch:
    return Batch(0, T0_US, registered=(HALL,)).with_records(records)


@given(actions)
def test_bytes_cover_all_unsettled_runs_and_parts_of_a_batch_have_no_sequence(actions):
    unsettled = UnsettledBatches()
    current: Batch | None = None
    waiting: list[Batch] = []
    count = last_sequence = 0
    for action in actions:
        if action == "write" and current is None:
            current = unsettled.begin_retry()
            expected = waiting.pop(0) if waiting else None
            if current is None:
                count += 1
                records = [record(10 * count + number) for number in range(count % 4)]
                expected = batch_of(records)
                current = unsettled.begin(expected, total_size(records))
            assert expected is not None
            if expected.sequence:
                assert current == expected, "a retry repeats the number of its batch"
            else:
                assert current == expected._replace(sequence=current.sequence)
                assert last_sequence < current.sequence == unsettled.newest_sequence
                last_sequence = current.sequence
            assert unsettled.is_current(current)
        elif action in {"keep", "retry", "split"} and current is not None:
            pieces = current.split() if action == "split" else ()
            assert all(piece.sequence == 0 for piece in pieces)
            remaining = [] if action == "keep" else list(pieces) or [current]
            unsettled.settle_current(remaining)
            waiting, current = remaining + waiting, None
        elif action == "recover" and current is not None:
            unsettled.recover_current()
            waiting, current = [current, *waiting], None
        batches = [*([current] if current is not None else []), *waiting]
        assert unsettled.bytes == sum(total_size(batch.records()) for batch in batches)
        assert bool(unsettled) == bool(batches)
    left = [*([current] if current is not None else []), *waiting]
    assert unsettled.drop_runs() == (sum(batch.run_count for batch in left), 0)
    assert unsettled.bytes == 0
    announcements = [batch.without_records() for batch in left if batch.has_announcements]
    for announced in announcements:
        retried = unsettled.begin_retry()
        assert retried is not None
        assert retried == (announced if announced.sequence else announced._replace(sequence=retried.sequence))
    assert unsettled.begin_retry() is None


def test_every_field_of_a_batch_is_a_run_or_an_announcement():
    # A new field that is neither would be lost when a sink rejects a batch and the queue splits it.
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
