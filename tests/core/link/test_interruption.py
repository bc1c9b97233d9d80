"""An interruption is a cut only if there is evidence for it, and its loss is never larger than the evidence."""

import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from hassette_core.clock import ManualClock
from hassette_core.link import ConnectionEnd
from hassette_core.link.inbox import Inbox, MissedChanges
from hassette_core.link.interruption import Interruption
from hassette_core.states import Observation, StateCache
from hassette_core.watchdogs import LoopLag
from support.waiting import eventually

CLOCK = ManualClock()
CLOSED = ConnectionEnd("Home Assistant closed the connection", closed_by_home=True)
BROKEN = ConnectionEnd("the connection to Home Assistant broke")
KEPT = MissedChanges(different=3, touched=5, kept=True)
NOTHING_CHANGED = MissedChanges(kept=True)
RESTARTED = MissedChanges(different=3, touched=40, kept=False)


def receive(inbox: Inbox, fired: datetime) -> None:
    context = {"id": "C1", "parent_id": None, "user_id": None}
    inbox.receive({"event": {"event_type": "any", "data": {}, "time_fired": fired.isoformat(), "context": context}})


def interruption(end: ConnectionEnd, late_s: float, blocked_s: float = 12) -> Interruption:
    """Return an interruption after an event that was read late, because the event loop was blocked."""
    observation = Observation(monotonic_ns=CLOCK.monotonic_ns)
    fired = CLOCK.now() - timedelta(seconds=late_s)
    observation.note(fired, CLOCK.monotonic_ns() - round(late_s * 1e9))
    inbox = Inbox(StateCache(), lambda event: None, clock=CLOCK, observation=observation)
    receive(inbox, fired)
    return Interruption.begin(end, inbox, observation, blocked_s, CLOCK)


@pytest.mark.parametrize(
    ("end", "late_s", "missed", "at_least"),
    [
        (CLOSED, 0, KEPT, 1_024),
        (CLOSED, 12, KEPT, 1_024),
        (CLOSED, 0, NOTHING_CHANGED, 1_024),
        (CLOSED, 0, MissedChanges(different=1, touched=3_000, kept=True), 3_000),
        (CLOSED, 12, RESTARTED, None),
        (BROKEN, 12, KEPT, 5),
        (BROKEN, 12, NOTHING_CHANGED, None),
        (BROKEN, 12, RESTARTED, None),
        (BROKEN, 0.5, KEPT, None),
    ],
)
def test_loss_depends_on_the_end_the_delay_and_the_missed_changes(
    end: ConnectionEnd, late_s: float, missed: MissedChanges, at_least: int | None
) -> None:
    loss = interruption(end, late_s).loss(missed, CLOCK)
    assert (loss and loss.at_least) == at_least


def test_interruption_in_which_home_assistant_was_unreachable_is_no_cut() -> None:
    assert interruption(CLOSED, 12).unreachable().loss(KEPT, CLOCK) is None


def test_slow_network_that_breaks_is_no_cut() -> None:
    assert interruption(BROKEN, 12, blocked_s=0.02).loss(KEPT, CLOCK) is None


def test_text_of_a_loss_estimates_the_number_from_the_rate_before() -> None:
    clock, home = ManualClock(), datetime(2026, 11, 28, tzinfo=UTC)
    inbox = Inbox(StateCache(), lambda event: None, clock=clock)
    for _ in range(60):  # an event every 0.1 s is read every 0.2 s
        receive(inbox, home)
        clock.advance(0.2)
        home += timedelta(seconds=0.1)
    assert inbox.rate == pytest.approx(10, rel=0.05)
    cut = Interruption.begin(CLOSED, inbox, Observation(), 0, clock)
    clock.advance(1_000)
    loss = cut.loss(KEPT, clock)
    assert loss is not None
    assert loss.at_least == 1_024
    assert re.search(r"at the rate before, about (9,[5-9]|10,[0-5])\d\d events were lost in 1000", loss.text)


async def test_lag_of_a_blocked_event_loop_is_measured_and_forgotten_at_the_next_start() -> None:
    lag = LoopLag()
    assert lag.worst_s == 0
    lag.start()
    time.sleep(1)  # noqa: ASYNC251  the event loop must be blocked
    await eventually(lambda: lag.worst_s)
    lag.stop()
    assert lag.worst_s >= 0.45, "the first check was due after half of the time"
    lag.start()
    assert lag.worst_s == 0
    lag.stop()


def test_loss_begins_when_the_last_event_was_sent() -> None:
    loss = interruption(CLOSED, 12).loss(KEPT, CLOCK)
    assert loss is not None
    assert loss.seconds == 12
    assert "the last event was read 12.0 s after it had been sent" in loss.text
    assert "the event loop of Hassette was blocked for 12.0 s" in loss.text


def test_connection_without_an_event_has_an_interruption_too() -> None:
    inbox = Inbox(StateCache(), lambda event: None)
    loss = Interruption.begin(CLOSED, inbox, Observation(), 0, CLOCK).loss(KEPT, CLOCK)
    assert loss is not None
    assert loss.at_least == 1_024
