"""Order of waiting runs, and the choice of runs to evict."""

from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import Effects, LogLine, Record, ServiceCall, Status
from hassette_executor.delivery.backlog import LEAST_IMPORTANT_FIRST, Backlog
from hassette_executor.records.sizes import PLAIN_BYTES, total_size
from support.records import job, listener, record

LISTENERS = [listener(name) for name in "abc"]
TALK = Effects((LogLine(1, 30, "apps", "x" * 400),))
rows = st.tuples(st.sampled_from(list(Status)), st.integers(0, 2), st.booleans())


def made(facts: list[tuple[Status, int, bool]], start: int = 0) -> list[Record]:
    return [
        record(number, status, registration=LISTENERS[which], effects=TALK if talks else None)
        for number, (status, which, talks) in enumerate(facts, start)
    ]


waiting = st.lists(rows, max_size=60).map(made)


def filled(records: list[Record], index_above: int = 20) -> Backlog:
    filled = Backlog(index_above)
    for start in range(0, len(records), 7):
        some = records[start : start + 7]
        filled.extend(some, total_size(some))
    return filled


def left(backlog: Backlog) -> list[Record]:
    return list(backlog.take(len(backlog))[0])


@given(waiting, st.integers(0, 60), st.integers(0, 30_000))
def test_after_eviction_the_rest_fits_and_nothing_is_lost_or_reordered(records, max_records, max_bytes):
    backlog = filled(records)
    go = backlog.evict(max_records, max_bytes)
    count, size = len(backlog), backlog.bytes
    stay = left(backlog)
    assert (count, size) == (len(stay), total_size(stay))
    assert count <= max_records
    assert size <= max_bytes
    assert sorted(stay + go, key=lambda one: one.id) == records
    assert stay == sorted(stay, key=lambda one: one.id)
    assert go == sorted(go, key=lambda one: one.id)


@given(waiting, st.integers(0, 60))
def test_eviction_by_count_takes_the_least_valuable_status_and_its_busiest_registrations_first(records, max_records):
    backlog = filled(records)
    go = backlog.evict(max_records, 1 << 40)
    stay = left(backlog)
    assert len(go) == max(0, len(records) - max_records)
    if not go:
        return
    dearest = max(LEAST_IMPORTANT_FIRST.index(one.status) for one in go)
    assert all(LEAST_IMPORTANT_FIRST.index(one.status) >= dearest for one in stay)
    # Within the last evicted status, registrations that lost records have at most one record fewer than the others.
    left_of_status = Counter(one.registration for one in stay if one.status is LEAST_IMPORTANT_FIRST[dearest])
    losers = {one.registration for one in go if one.status is LEAST_IMPORTANT_FIRST[dearest]}
    for loser in losers:
        assert all(left_of_status[loser] >= count - 1 for count in left_of_status.values())
        lost = [one.id for one in go if one.registration is loser and one.status is LEAST_IMPORTANT_FIRST[dearest]]
        kept = [one.id for one in stay if one.registration is loser and one.status is LEAST_IMPORTANT_FIRST[dearest]]
        assert not kept or max(lost) < min(kept), "the oldest runs are evicted"


def test_busiest_registrations_are_evicted_down_to_a_common_number():
    backlog = filled(
        made([(Status.SUCCESS, 0, False)] * 30 + [(Status.SUCCESS, 1, False)] * 6 + [(Status.SUCCESS, 2, False)])
    )
    backlog.evict(25, 1 << 40)
    backlog.evict(9, 1 << 40)
    assert sorted(Counter(one.registration.name for one in left(backlog)).items()) == [("a", 4), ("b", 4), ("c", 1)]


def test_job_that_is_registered_for_each_run_counts_as_one_busy_job():
    once = [record(number, registration=job("once")) for number in range(30)]
    rare = made([(Status.SUCCESS, 0, False)] * 5, 30)
    backlog = filled([*once, *rare])
    assert backlog.evict(20, 1 << 40) == once[:15]


def test_long_backlog_is_indexed_before_it_is_full():
    backlog = filled(made([(Status.SUCCESS, 0, False)] * 20), index_above=20)
    assert not backlog.indexed
    backlog.extend(made([(Status.SUCCESS, 0, False)], 20), PLAIN_BYTES)
    assert backlog.indexed


steps = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), st.lists(rows, min_size=1, max_size=12)),
        st.tuples(st.just("take"), st.sampled_from([0, 3, 40, 200])),
        st.tuples(st.just("evict"), st.integers(0, 8)),
    ),
    max_size=40,
)


@given(steps, st.sampled_from([0, 5, 100]))
def test_records_stay_in_order_when_some_are_taken_or_evicted(steps, index_above):
    # Few successes among many errors: the evicted successes are not at the head, so they are removed later.
    first = made(
        [(Status.ERROR if number % 9 else Status.SUCCESS, number % 3, number % 2 == 0) for number in range(90)]
    )
    backlog, expected = filled(first, index_above), deque(first)
    number = len(first)
    for action, detail in steps:
        if action == "extend":
            new = made(detail, number)
            number += len(new)
            backlog.extend(new, total_size(new))
            expected.extend(new)
        elif action == "take":
            taken, size = backlog.take(detail)
            assert list(taken) == [expected.popleft() for _ in range(min(detail, len(expected)))]
            assert size == total_size(taken)
        else:
            evicted = {one.id for one in backlog.evict(max(0, len(expected) - detail), 1 << 40)}
            assert len(evicted) == min(detail, len(expected))
            expected = deque(one for one in expected if one.id not in evicted)
            assert backlog.held_bytes <= backlog.bytes * 17 / 16
        assert len(backlog) == len(expected)
        assert backlog.bytes == total_size(expected)
        assert backlog.held_bytes >= backlog.bytes
        assert backlog.oldest_id == (expected[0].id if expected else None)
    assert left(backlog) == list(expected)


def test_eviction_measures_only_the_evicted_records():
    measured: list[int] = []

    class Watched(Effects):
        """Effects that note when their size is measured."""

        @property
        def service_calls(self) -> tuple[ServiceCall, ...]:
            measured.append(self.dropped_service_calls)
            return ()

    records = [
        record(
            number,
            list(Status)[number % 4],
            registration=LISTENERS[number % 3],
            effects=Watched(dropped_service_calls=number),
        )
        for number in range(400)
    ]
    backlog = filled(records)
    measured.clear()
    evicted = backlog.evict(390, 1 << 40)
    assert [records[number] for number in sorted(measured)] == evicted
    assert len(evicted) == 10


def test_evicted_records_hold_at_most_a_sixteenth_of_the_waiting_memory():
    errors = made([(Status.ERROR, 0, False)] * 100)
    backlog = filled(errors)
    for number in range(100, 2_100):
        some = made([(Status.SUCCESS, 1, number % 2 == 0)], number)
        backlog.extend(some, total_size(some))
        backlog.evict(150, 1 << 40)
        assert backlog.held_bytes <= backlog.bytes * 17 / 16
    assert left(backlog)[:100] == errors
