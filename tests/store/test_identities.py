"""Names and registrations with lone surrogates keep the same id in every session."""

import gc
import weakref

import pytest

from hassette_store import DatabaseService
from hassette_store.writing.row_ids import NameIds, key_of
from support.rows import Batch, Effects, Event, Job, Listener, LogLine, invocation
from support.stores import MakeStore, Reader


async def test_name_with_a_lone_surrogate_is_stored_in_every_session(make_store: MakeStore, read: Reader) -> None:
    listener = Listener()
    for number in (1, 2):
        store = make_store()
        await store.start()
        effects = Effects((LogLine(logger="hall.\ud83d"),))
        runs = (invocation(number, listener, trigger=Event(entity_id="sensor.\ud800"), effects=effects),)
        await store.write(Batch(1, registered=(listener,), invocations=runs))
        await store.stop()
    assert [row["entity"] for row in read.rows("SELECT entity FROM named_runs")] == ["sensor.?"] * 2
    assert [row["logger"] for row in read.rows("SELECT logger FROM run_log_lines")] == ["hall.?"] * 2


async def test_names_with_the_same_clean_text_are_one_name(store: DatabaseService, read: Reader) -> None:
    listener = Listener()
    names = ("sensor.\ud800", "sensor.\ud801", "sensor.?", "sensor.\ud800")
    for number, name in enumerate(names, 1):
        run = invocation(number, listener, trigger=Event(entity_id=name))
        await store.write(Batch(number, invocations=(run,)))
    assert [row["entity"] for row in read.rows("SELECT entity FROM named_runs")] == ["sensor.?"] * 4


async def test_registrations_with_the_same_clean_key_are_one_registration(make_store: MakeStore, read: Reader) -> None:
    for number in (1, 2):
        store = make_store()
        await store.start()
        one, other, job = Listener("x\ud800"), Listener("x\ud801"), Job("x\ud800")
        runs = (invocation(10 * number, one), invocation(10 * number + 1, other))
        await store.write(Batch(1, registered=(one, other, job), invocations=runs))
        await store.stop()
    assert [row["name"] for row in read.rows("SELECT name FROM registrations")] == ["x?", "x?"]
    assert len({row["registration_id"] for row in read.rows("SELECT registration_id FROM runs")}) == 1
    assert read.value("SELECT sum(success) FROM statistics_daily") == 4


def test_number_of_a_name_that_was_not_stored_is_assigned_again() -> None:
    numbers = NameIds([("known", 1)])
    assert numbers["new.\ud800"] == 2
    numbers.finish(stored=False)
    assert numbers["other"] == 2
    assert numbers["new.\ud800"] == 3
    assert numbers.new == [(2, "other"), (3, "new.?")]
    numbers.finish(stored=True)
    assert numbers["new.\ud801"] == numbers["new.?"] == 3
    assert not numbers.new


def test_natural_key_consists_of_clean_texts() -> None:
    assert key_of(Listener("x\ud800", topic="t\ud800")) == ("handler", "hall", "main", "x?", "t?")
    assert key_of(Job("x\ud800", app="\ud800")) == ("job", "?", "main", "x?")


@pytest.mark.parametrize("retirement", ["never", "in the same batch", "in the next batch", "before the last run"])
async def test_store_forgets_a_registration_that_another_has_replaced(store: DatabaseService, retirement: str) -> None:
    made: list[weakref.ref[Listener]] = []
    before: Listener | None = None
    sequence = 0
    for _ in range(20):
        listener = Listener()
        made.append(weakref.ref(listener))
        sequence += 1
        retired = (before,) if before is not None and retirement == "in the same batch" else ()
        late = (invocation(10 * sequence, before),) if before is not None else ()
        runs = (*late, invocation(10 * sequence + 1, listener))
        await store.write(Batch(sequence, registered=(listener,), retired=retired, invocations=runs))
        if retirement == "in the next batch" and before is not None:
            sequence += 1
            await store.write(Batch(sequence, retired=(before,)))
        if retirement == "before the last run":
            sequence += 1
            await store.write(Batch(sequence, retired=(listener,)))
            sequence += 1
            await store.write(Batch(sequence, invocations=(invocation(10 * sequence, listener),)))
        before = listener
    before = None
    del listener, late, runs, retired
    gc.collect()
    assert sum(ref() is not None for ref in made) <= 1
