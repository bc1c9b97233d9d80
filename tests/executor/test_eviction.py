"""Summaries of evicted records, sizes of records, and the latency sketch."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_executor import Effects, Failure, Frame, LogLine, ServiceCall, Status
from hassette_executor.delivery.batch_builder import BatchBuilder
from hassette_executor.delivery.summaries import Summaries
from hassette_executor.records.ids import hour_of
from hassette_executor.records.sizes import PLAIN_BYTES, size_of, total_size
from hassette_executor.records.sketch import bucket_of, value_of
from hassette_executor.settings import ExecutorLimits
from support.records import HOUR_US, T0_US, listener, percentile, record

LISTENERS = [listener(name) for name in "abc"]
TALK = Effects((LogLine(1, 30, "apps", "x" * 400),), (ServiceCall(1, "light", "turn_on", "{}", "{}", 9, None, None),))


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Status)), st.integers(0, 2), st.integers(0, 10**9), st.integers(0, 7_200_000)),
        min_size=1,
        max_size=80,
    ),
)
def test_summaries_keep_counts_sums_and_percentiles(rows):
    records = [
        record(at_ms, status, registration=LISTENERS[which], duration_us=duration_us)
        for status, which, duration_us, at_ms in rows
    ]
    summaries = Summaries(10_000)
    assert not summaries
    for one in records:
        summaries.add(one)
    assert summaries
    taken = summaries.take()
    counts, buckets = Counter(), Counter()
    for summary in taken:
        counts.update(dict(summary.counts))
        buckets.update(dict(summary.buckets))
        mine = [
            one for one in records if one.registration is summary.registration and hour_of_id(one) == summary.hour_us
        ]
        assert summary.total_us == sum(one.duration_us for one in mine)
        assert summary.waited_us == sum(one.waited_us for one in mine)
        assert summary.max_us == max(one.duration_us for one in mine)
    assert counts == Counter(one.status for one in records)
    durations = sorted(one.duration_us for one in records)
    for q in (0.5, 0.95, 0.99, 1.0):
        exact = durations[max(0, -(-int(q * 100) * len(durations) // 100) - 1)]
        assert percentile(buckets, q) == pytest.approx(max(exact, 1), rel=0.0101)


def hour_of_id(one) -> int:
    return hour_of((one.id >> 21) * 1000)


@given(st.integers(1, 10**13))
def test_value_of_a_bucket_is_within_one_percent_of_its_durations(duration_us):
    assert value_of(bucket_of(duration_us)) == pytest.approx(duration_us, rel=0.0101)


def test_shortest_durations_share_the_first_bucket():
    assert (bucket_of(0), bucket_of(1), value_of(0)) == (0, 0, 1.0)


def test_sizes_include_failures_and_effects():
    plain, talking = record(1), record(2, effects=TALK)
    assert size_of(plain) == PLAIN_BYTES
    assert size_of(talking) > PLAIN_BYTES + 400
    cause = Failure("exception", "KeyError", "k" * 50)
    failed = record(3)._replace(failure=Failure("exception", "ValueError", "v", (Frame("a", 1, "b"),) * 5, cause))
    assert size_of(failed) > PLAIN_BYTES + 5 * 100 + 50
    grouped = failed._replace(failure=failed.failure._replace(group=(cause, cause)))
    assert size_of(grouped) == size_of(failed) + 2 * (size_of(record(4)._replace(failure=cause)) - PLAIN_BYTES)
    assert total_size([plain, talking, failed]) == size_of(plain) + size_of(talking) + size_of(failed)


@pytest.mark.parametrize("field", ["domain", "service", "target", "data", "error"])
def test_size_includes_every_text_of_a_service_call(field):
    call = TALK.service_calls[0]
    longer = call._replace(**{field: (getattr(call, field) or "") + "x" * 1_000_000})
    size = size_of(record(1, effects=Effects(service_calls=(call,))))
    assert size_of(record(1, effects=Effects(service_calls=(longer,)))) == size + 1_000_000


@pytest.mark.parametrize("field", ["logger", "message"])
def test_size_includes_every_text_of_a_log_line(field):
    line = TALK.log_lines[0]
    longer = line._replace(**{field: getattr(line, field) + "x" * 1_000_000})
    size = size_of(record(1, effects=Effects((line,))))
    assert size_of(record(1, effects=Effects((longer,)))) == size + 1_000_000


@pytest.mark.parametrize("times", [(3, 9, 1, 4), (3, 1, 9, 4)])
def test_time_range_of_a_loss_contains_each_run_after_the_clock_went_back(times):
    builder = BatchBuilder(ExecutorLimits())
    builder.count_shed("queue_full_count", [record(number) for number in times])
    (loss,) = builder.build(T0_US).losses
    assert (loss.first_us, loss.last_us) == (T0_US + 1_000, T0_US + 9_000)


def test_hour_of_rounds_down_to_the_full_hour():
    assert hour_of(T0_US) == hour_of(T0_US + HOUR_US - 1) == T0_US


def test_week_of_summaries_is_bounded_and_only_the_oldest_hours_are_merged():
    summaries, hours, handlers = Summaries(100), 168, [listener(f"handler_{number}") for number in range(5)]
    for hour in range(hours):
        for handler in handlers:
            shed = record(hour * 3_600_000, Status.ERROR, registration=handler, duration_us=1_000 * (hour + 1))
            summaries.add(shed)
            summaries.add(shed)
    taken = summaries.take()
    assert len(taken) == 100
    for handler in handlers:
        its = sorted((one for one in taken if one.registration == handler), key=lambda one: one.hour_us)
        assert sum(count for one in its for _, count in one.counts) == 2 * hours
        assert sum(one.total_us for one in its) == 2 * sum(1_000 * (hour + 1) for hour in range(hours))
        assert sum(count for one in its for _, count in one.buckets) == 2 * hours
        # The newest hours are still separate.
        newest = T0_US + (hours - 1) * HOUR_US
        assert [one.hour_us for one in its[1:]] == [newest - HOUR_US * back for back in range(len(its) - 2, -1, -1)]


def test_each_registration_keeps_its_summary_within_one_hour():
    summaries = Summaries(10)
    for number in range(25):
        summaries.add(record(number, registration=listener(f"handler_{number}")))
    assert len(summaries.take()) == 25
