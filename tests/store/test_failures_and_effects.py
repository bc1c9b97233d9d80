"""Failures and the effects of runs are stored completely, and shared texts once."""

from hassette_store import DatabaseService
from hassette_store.writing.encoding import BatchEncoder
from hassette_store.writing.row_ids import NameIds, RegistrationIds
from hassette_store.writing.statements import INSERTIONS
from support.rows import (
    T0_US,
    Batch,
    Effects,
    Event,
    Failure,
    Frame,
    Job,
    Listener,
    LogLine,
    ServiceCall,
    Silence,
    execution,
    invocation,
    run_id,
)
from support.stores import Reader


async def test_failures_with_the_same_cause_share_a_group_and_its_traceback(
    store: DatabaseService, read: Reader
) -> None:
    listener, other = Listener(), Listener("other")
    first = Failure(message="light.hall did not answer after 3 s")
    second = Failure(message="light.attic did not answer after 11 s")
    await store.write(Batch(1, invocations=(invocation(1, listener, "error", failure=first),)))
    await store.write(
        Batch(
            2,
            invocations=(
                invocation(2, other, "error", failure=second),
                invocation(3, other, "error", failure=first),
            ),
        )
    )
    group = read.row("SELECT * FROM error_groups")
    assert (group["count"], group["message"], group["traceback"]) == (3, first.message, first.traceback)
    assert (group["first_seen_us"], group["last_seen_us"]) == (T0_US + 1_000, T0_US + 3_000)
    assert group["last_run_id"] == run_id(3_000)
    assert [row["message"] for row in read.rows("SELECT message FROM run_failures ORDER BY run_id")] == [
        first.message,
        second.message,
        first.message,
    ]


async def test_group_of_a_handler_and_a_job_has_the_times_of_its_first_and_last_run(
    store: DatabaseService, read: Reader
) -> None:
    invocations = tuple(invocation(number, Listener(), "error") for number in (30, 20))
    executions = tuple(execution(number, Job(), "error") for number in (10, 25))
    await store.write(Batch(1, invocations=invocations, executions=executions))
    group = read.row("SELECT first_seen_us, last_seen_us, first_run_id, last_run_id, count FROM error_groups")
    assert group == {
        "first_seen_us": T0_US + 10_000,
        "last_seen_us": T0_US + 30_000,
        "first_run_id": run_id(10_000),
        "last_run_id": run_id(30_000),
        "count": 4,
    }


async def test_sample_of_an_error_group_is_the_failure_of_its_run(store: DatabaseService, read: Reader) -> None:
    late, early = Failure(message="No such key 'late'"), Failure(message="No such key 'early'")
    runs = (invocation(30, Listener(), "error", failure=late), invocation(20, Listener(), "error", failure=early))
    await store.write(Batch(1, invocations=runs))
    group = read.row("SELECT message, traceback, first_run_id FROM error_groups")
    assert group == {"message": early.message, "traceback": early.traceback, "first_run_id": run_id(20_000)}
    messages = read.rows("SELECT message FROM run_failures ORDER BY run_id")
    assert [row["message"] for row in messages] == [early.message, late.message]


async def test_failure_after_a_step_back_of_the_clock_lowers_the_first_time_of_its_group(
    store: DatabaseService, read: Reader
) -> None:
    # The clock goes back after the first batch. The group keeps its sample.
    for sequence, (number, key) in enumerate(((30_000, "'a'"), (10_000, "'b'"), (20_000, "'c'")), 1):
        run = invocation(number, Listener(), "error", failure=Failure(message=f"No such key {key}"))
        await store.write(Batch(sequence, invocations=(run,)))
    columns = "first_seen_us, last_seen_us, first_run_id, message, count"
    assert read.row(f"SELECT {columns} FROM error_groups") == {
        "first_seen_us": T0_US + 10_000_000,
        "last_seen_us": T0_US + 30_000_000,
        "first_run_id": run_id(30_000_000),
        "message": "No such key 'a'",
        "count": 3,
    }


async def test_each_failure_of_a_group_keeps_its_message_and_its_failing_line(
    store: DatabaseService, read: Reader
) -> None:
    file = "/config/apps/lights.py"
    brightness = Frame(file, 12, "Lights.on_light", 'level = attributes["brightness"]')
    colour = Frame(file, 19, "Lights.on_light", 'warmth = attributes["color_temp"]')
    library = Frame("/usr/lib/python3.13/json/__init__.py", 299, "loads", "return decode(s)")
    failures = (
        Failure(type="KeyError", message="'brightness'", frames=(brightness,)),
        Failure(type="KeyError", message="'color_temp'", frames=(colour,)),
        Failure(type="KeyError", message="'brightness'", frames=(brightness, library)),
        Failure(kind="dependency", type="CallError", message="no answer", frames=()),
    )
    for number, failure in enumerate(failures, 1):
        await store.write(Batch(number, invocations=(invocation(number, Listener(), "error", failure=failure),)))
    columns = "message, file, line, function, code, sample_run_id"
    assert [tuple(row.values()) for row in read.rows(f"SELECT {columns} FROM run_failures ORDER BY run_id")] == [
        ("'brightness'", *brightness, run_id(1_000)),
        ("'color_temp'", *colour, run_id(1_000)),
        ("'brightness'", *brightness, run_id(1_000)),
        ("no answer", "", 0, "", "", run_id(4_000)),
    ]
    stored = read.rows("SELECT message, file, line, function, code FROM failures ORDER BY run_id")
    assert set(stored[2].values()) == {None}, "a value that equals that of the group takes no space"


async def test_failing_line_is_read_once_for_a_batch(store: DatabaseService, read: Reader) -> None:
    class Watched(Frame):
        asked = 0

        @property
        def code(self) -> str:
            Watched.asked += 1
            return "…"

    failing = [
        invocation(n, Listener(), "error", failure=Failure(frames=(Watched("/config/apps/hall.py", 12, "f"),)))
        for n in range(5)
    ]
    await store.write(Batch(1, invocations=tuple(failing)))
    assert Watched.asked == 1
    assert read.value("SELECT count(*) FROM run_failures WHERE code = '…'") == 5


async def test_traceback_is_rendered_once_per_group(store: DatabaseService) -> None:
    class Watched(Failure):
        asked = 0

        @property
        def traceback(self) -> str:
            Watched.asked += 1
            return "…"

    for sequence in range(1, 4):
        failing = [invocation(10 * sequence + n, Listener(), "error", failure=Watched()) for n in range(5)]
        await store.write(Batch(sequence, invocations=tuple(failing)))
    assert Watched.asked == 1


COLUMNS = next(one.columns for one in INSERTIONS if one.table == "error_groups")


def test_encoder_remembers_a_limited_number_of_error_groups() -> None:
    encoder = BatchEncoder(1, NameIds(), RegistrationIds(), max_known_groups=1)

    def traceback_of(sequence: int, error_type: str) -> object:
        failing = invocation(sequence, status="error", failure=Failure(type=error_type))
        (group,) = encoder.encode(Batch(sequence, invocations=(failing,)), T0_US).rows["error_groups"]
        encoder.finish(stored=True)
        return group[COLUMNS.index("traceback")]

    assert traceback_of(1, "A")
    assert not traceback_of(2, "A")
    assert traceback_of(3, "B")
    assert traceback_of(4, "C")
    assert traceback_of(5, "A")


async def test_effects_are_stored_in_order_with_dropped_counts(store: DatabaseService, read: Reader) -> None:
    effects = Effects(
        (LogLine(message="one"), LogLine(message="two", level=40)),
        (
            ServiceCall(),
            ServiceCall(data='{"x":1}', error="no", attempt=2),
            ServiceCall(confirmed_us=800_000, attempt=3, rehearsed=True),
        ),
        7,
        1,
    )
    await store.write(Batch(1, invocations=(invocation(1, Listener(), effects=effects),)))
    assert [(row["position"], row["logger"], row["message"]) for row in read.rows("SELECT * FROM run_log_lines")] == [
        (0, "hall.main", "one"),
        (1, "hall.main", "two"),
    ]
    calls = read.rows("SELECT service, target, data, error FROM run_service_calls ORDER BY position")
    assert calls[0] == {
        "service": "light.turn_on",
        "target": '{"entity_id":"light.hall"}',
        "data": None,
        "error": None,
    }
    assert (calls[1]["data"], calls[1]["error"]) == ('{"x":1}', "no")
    confirmations = read.rows("SELECT attempt, confirmed_us, rehearsed FROM run_service_calls ORDER BY position")
    assert [tuple(row.values()) for row in confirmations] == [(1, None, 0), (2, None, 0), (3, 800_000, 1)]
    assert read.row("SELECT log_lines, service_calls FROM dropped_effects") == {"log_lines": 7, "service_calls": 1}


async def test_effects_and_causes_are_found_by_index(store: DatabaseService, read: Reader) -> None:
    cause = invocation(1, Listener(), effects=Effects((), (ServiceCall(context_id="CTX"),)))
    effect = invocation(2, Listener("other"), trigger=Event(context_id="CTX", user_id="hassette"))
    await store.write(Batch(1, invocations=(cause, effect)))
    forwards = "FROM runs WHERE context_id = 'CTX' AND (user_id IS NOT NULL OR parent_id IS NOT NULL)"
    backwards = "FROM service_calls WHERE context_id = 'CTX'"
    assert read.value(f"SELECT id {forwards}") == effect.id
    assert read.value(f"SELECT run_id {backwards}") == cause.id
    for query, index in ((forwards, "handler_invocations_by_context"), (backwards, "service_calls_by_context")):
        assert index in str(read.rows(f"EXPLAIN QUERY PLAN SELECT 1 {query}"))


async def test_silence_of_an_error_group_is_stored_until_it_is_ended(store: DatabaseService, read: Reader) -> None:
    failing, other = Failure(message="one"), Failure(message="two", type="OtherError")
    runs = (invocation(1, Listener(), "error", failure=failing), invocation(2, Listener(), "error", failure=other))
    await store.write(Batch(1, invocations=runs))
    silenced = read.value("SELECT fingerprint FROM error_groups WHERE message = 'one'")
    until = "SELECT silenced_until_us FROM error_groups ORDER BY message"

    await store.write(Batch(2, silences=(Silence(silenced, T0_US), Silence("1:gone", T0_US))))
    assert [row["silenced_until_us"] for row in read.rows(until)] == [T0_US, None]

    await store.write(Batch(3, invocations=(invocation(3, Listener(), "error", failure=failing),)))
    assert read.value("SELECT count FROM error_groups WHERE message = 'one'") == 2
    assert [row["silenced_until_us"] for row in read.rows(until)] == [T0_US, None]

    await store.write(Batch(4, silences=(Silence(silenced, None),)))
    assert [row["silenced_until_us"] for row in read.rows(until)] == [None, None]
