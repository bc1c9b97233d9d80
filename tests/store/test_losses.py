"""Rows of losses: one for each hour, session and kind, however many batches have losses."""

from hassette_store import DatabaseService
from hassette_store.periods import HOUR_US
from support.rows import T0_US, Batch, Loss
from support.stores import MakeStore, Reader

HOUR_START_US = T0_US // HOUR_US * HOUR_US


def left_out(at_us: int, *, reason: str = "too_many", what: str = "home_changes") -> Loss:
    return Loss(reason, what, 2, at_us, at_us + 5)


async def test_losses_of_each_batch_make_one_row_an_hour(store: DatabaseService, read: Reader) -> None:
    for sequence in range(1, 31):
        await store.write(Batch(sequence, losses=(left_out(HOUR_START_US + sequence),)))
    await store.write(Batch(31, losses=(left_out(HOUR_START_US + HOUR_US),)))
    assert read.rows("SELECT reason, what, count, first_us, last_us FROM losses ORDER BY id") == [
        {
            "reason": "too_many",
            "what": "home_changes",
            "count": 60,
            "first_us": HOUR_START_US + 1,
            "last_us": HOUR_START_US + 35,
        },
        {
            "reason": "too_many",
            "what": "home_changes",
            "count": 2,
            "first_us": HOUR_START_US + HOUR_US,
            "last_us": HOUR_START_US + HOUR_US + 5,
        },
    ]


async def test_other_kinds_and_sessions_have_their_own_rows(make_store: MakeStore, read: Reader) -> None:
    losses = (
        left_out(HOUR_START_US),
        left_out(HOUR_START_US, what="home_causes"),
        left_out(HOUR_START_US, reason="queue_full_count"),
    )
    for _ in range(2):
        store = make_store()
        await store.start()
        await store.write(Batch(1, losses=losses))
        await store.write(Batch(2, losses=losses))
        await store.stop()
    rows = read.rows("SELECT session_id, reason, what, count FROM losses ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        (session, reason, what, 4)
        for session in (1, 2)
        for reason, what in (
            ("too_many", "home_changes"),
            ("too_many", "home_causes"),
            ("queue_full_count", "home_changes"),
        )
    ]


async def test_retried_batch_counts_its_losses_once(make_store: MakeStore, read: Reader) -> None:
    store = make_store()
    await store.start()
    batch = Batch(1, losses=(left_out(HOUR_START_US),))
    for _ in range(2):
        await store.write(batch)
    assert read.value("SELECT sum(count) FROM losses") == 2


async def test_changes_that_were_left_out_are_no_lost_details_of_the_session(
    store: DatabaseService, read: Reader
) -> None:
    losses = (left_out(HOUR_START_US), left_out(HOUR_START_US, reason="late_effect", what="log_lines"))
    await store.write(Batch(1, losses=losses))
    assert read.row("SELECT lost_runs, lost_details FROM sessions") == {"lost_runs": 0, "lost_details": 2}
