"""The states that runs read are stored in order, and deleted with their runs."""

from hassette_store import DatabaseService
from support.retention import DAY_MS, DAY_S, fill, whole_pass
from support.rows import Effects, Listener, StateRead, invocation
from support.stores import Clock, Reader


async def test_reads_are_stored_in_order_with_their_dropped_count(store: DatabaseService, read: Reader) -> None:
    effects = Effects(state_reads=(StateRead(), StateRead(state=None)), dropped_state_reads=3)
    await fill(store, [invocation(1, Listener(), effects=effects)])
    reads = read.rows("SELECT position, entity_id, state FROM run_state_reads")
    assert [tuple(row.values()) for row in reads] == [(0, "sensor.dark", "on"), (1, "sensor.dark", None)]
    dropped = read.row("SELECT log_lines, service_calls, state_reads FROM dropped_effects")
    assert dropped == {"log_lines": 0, "service_calls": 0, "state_reads": 3}


async def test_reads_are_deleted_with_their_runs(store: DatabaseService, read: Reader, clock: Clock) -> None:
    effects = Effects(state_reads=(StateRead(),))
    await fill(store, [invocation(day * DAY_MS, Listener(), effects=effects) for day in range(20)])
    clock.advance(20 * DAY_S)
    await whole_pass(store, clock, keep_newest=0)
    left = read.value("SELECT count(*) FROM runs")
    assert 0 < left < 20
    assert read.value("SELECT count(*) FROM state_reads") == left
