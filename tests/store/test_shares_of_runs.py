"""Above the size limit, the handlers that use most of the space lose runs. The others keep theirs."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_store.kinds import HANDLER
from hassette_store.retention.largest import RegistrationSize, runs_to_delete
from support.retention import DAY_S, fill, used_bytes, whole_pass
from support.rows import (
    Batch,
    Effects,
    Failure,
    Listener,
    LogLine,
    Run,
    ServiceCall,
    invocation,
    run_id,
)
from support.stores import Clock, MakeStore, Reader

pytestmark = pytest.mark.heavy

MB = 1_000_000
LOUD = Listener("loud", "loud")
CALM = tuple(Listener(f"calm_{number}", "calm") for number in range(10))


def with_log_lines(number: int) -> Run:
    return invocation(number, LOUD, effects=Effects(tuple(LogLine(message="x" * 200) for _ in range(20))))


def with_calls(number: int) -> Run:
    return invocation(number, LOUD, effects=Effects((), tuple(ServiceCall(data="y" * 200) for _ in range(20))))


def failed(number: int) -> Run:
    # Each failure has its own group.
    return invocation(number, LOUD, "error", failure=Failure(type=f"E{number}", message="m" * 4_000))


def plain(number: int) -> Run:
    return invocation(number, LOUD)


@pytest.mark.parametrize(("loud", "count"), [(with_log_lines, 600), (with_calls, 400), (failed, 800), (plain, 30_000)])
async def test_handler_that_fills_the_file_loses_runs_and_the_others_keep_theirs(
    make_store: MakeStore, read: Reader, clock: Clock, loud: Callable[[int], Run], count: int
) -> None:
    store = make_store()
    await store.start()
    runs = [loud(number * 10) for number in range(count)]
    runs += [invocation(number * (count // 600 or 1) * 10 + 1, CALM[number % 10]) for number in range(600)]
    await fill(store, sorted(runs, key=lambda run: run.id))
    assert used_bytes(read) > 2 * MB
    await whole_pass(store, clock, max_size_mb=1.5)
    assert used_bytes(read) <= 1.5 * MB
    left = {
        row["app"]: row["n"]
        for row in read.rows(
            "SELECT app, count(*) AS n FROM named_runs JOIN registrations"
            " ON registrations.id = registration_id GROUP BY app"
        )
    }
    assert left["calm"] == 600
    assert 20 < left["loud"] < count
    assert read.value("SELECT value FROM store_state WHERE name = 'early:runs'") == count - left["loud"]
    for table in ("log_lines", "service_calls", "failures"):
        assert read.value(f"SELECT count(*) FROM {table} WHERE run_id NOT IN (SELECT id FROM runs)") == 0
    # The oldest runs are deleted.
    newest = run_id((count - 1) * 10_000)
    assert read.value("SELECT max(id) FROM runs WHERE id % 2 = ?", newest % 2) >= newest


async def test_failures_of_the_largest_handler_outlive_its_successes(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    store = make_store()
    await store.start()
    runs = [invocation(number, LOUD, "error" if number % 100 == 0 else "success") for number in range(40_000)]
    await fill(store, [*runs, *(invocation(50_000 + number, CALM[0]) for number in range(500))])
    await whole_pass(store, clock, max_size_mb=2)
    assert read.value("SELECT count(*) FROM runs WHERE status_id <> 0") == 400
    assert read.value("SELECT count(*) FROM handler_invocations WHERE listener_id <> 1") == 500


async def test_apps_with_a_new_name_for_each_start_do_not_displace_runs(
    make_store: MakeStore, read: Reader, clock: Clock
) -> None:
    for start in range(4):
        store = make_store()
        await store.start()
        made_up = tuple(Listener(f"on_{number}", f"app_{start}") for number in range(1_000))
        await store.write(Batch(1, registered=made_up))
        await fill(store, [invocation(start * 1_000_000 + number, CALM[0]) for number in range(1_000)])
        await store.stop()
        clock.advance(DAY_S)
    store = make_store()
    await store.start()
    await store.write(Batch(1, registered=(CALM[0],)))
    assert used_bytes(read) > 1.5 * MB
    await whole_pass(store, clock, max_size_mb=1.2)
    assert used_bytes(read) <= 1.2 * MB
    assert read.value("SELECT count(*) FROM runs") == 4_000
    # The newest start is kept, because its app may only have failed to load in this session.
    assert read.value("SELECT count(*) FROM listeners WHERE app = 'app_3'") == 1_000
    assert read.value("SELECT count(*) FROM listeners WHERE app = 'app_0'") == 0
    assert read.value("SELECT sum(success) FROM statistics_daily") == 4_000


@given(
    sizes=st.lists(st.tuples(st.integers(1, 10**6), st.floats(80, 10**5)), max_size=20),
    kept_share=st.floats(0.01, 1),
)
def test_no_registration_that_loses_runs_becomes_smaller_than_those_that_keep_all(
    sizes: list[tuple[int, float]], kept_share: float
) -> None:
    measured = [RegistrationSize(HANDLER, id_, 0, runs, each) for id_, (runs, each) in enumerate(sizes)]
    loses = {size.id: count for size, count in runs_to_delete(measured, kept_share)}
    left = {size.id: size.bytes - loses.get(size.id, 0) * size.bytes_a_run for size in measured}
    for size in measured:
        if size.id in loses:
            assert 0 < loses[size.id] <= size.runs
            assert all(left[size.id] + size.bytes_a_run >= left[other] - 1e-3 for other in left if other not in loses)
    if loses:
        total = sum(size.bytes for size in measured)
        assert sum(left.values()) <= total * kept_share * (1 + 1e-9)
