"""The observation confirms that all changes have been received, and the age of a change is never too large."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hassette_core.errors import NotConnectedError
from hassette_core.states import Observation
from support.waiting import eventually

START = datetime(2026, 11, 28, tzinfo=UTC)


class Pings:
    """Pings that the test answers."""

    def __init__(self) -> None:
        self.sent = 0
        self.connected = True
        self._answers: list[asyncio.Future[None]] = []

    async def ping(self) -> None:
        self.sent += 1
        if not self.connected:
            raise NotConnectedError("ping Home Assistant")
        answer = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        await answer

    def answer(self) -> None:
        self._answers.pop(0).set_result(None)


async def test_callback_waits_for_the_answer_to_a_ping_that_was_sent_after_it() -> None:
    pings, called, observation = Pings(), list[str](), Observation()
    observation.begin(pings.ping)
    observation.when_current(lambda: called.append("first"))
    await eventually(lambda: pings.sent == 1)
    observation.when_current(lambda: called.append("second"))
    observation.when_current(lambda: called.append("third"))
    assert called == []
    pings.answer()
    await eventually(lambda: pings.sent == 2)
    await eventually(lambda: called == ["first"])
    pings.answer()
    await eventually(lambda: called == ["first", "second", "third"])
    assert pings.sent == 2, "two callbacks share one ping"


async def test_callback_without_a_connection_waits_for_the_next_one() -> None:
    pings, called, observation = Pings(), list[str](), Observation()
    observation.when_current(lambda: called.append("early"))
    observation.begin(pings.ping)
    await eventually(lambda: pings.sent == 1)
    observation.end()
    await asyncio.sleep(0)
    later = Pings()
    observation.begin(later.ping)
    await eventually(lambda: later.sent == 1)
    later.answer()
    await eventually(lambda: called == ["early"])


async def test_ping_that_cannot_be_sent_is_not_repeated_before_the_next_connection() -> None:
    pings, called, observation = Pings(), list[str](), Observation()
    pings.connected = False
    observation.begin(pings.ping)
    observation.when_current(lambda: called.append("once"))
    await eventually(lambda: pings.sent == 1)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (pings.sent, called) == (1, [])
    observation.end()
    later = Pings()
    observation.begin(later.ping)
    await eventually(lambda: later.sent == 1)
    later.answer()
    await eventually(lambda: called == ["once"])


class Clocks:
    """A monotonic clock together with Home Assistant's clock."""

    def __init__(self) -> None:
        self.monotonic_ns = 5_000_000_000
        self.home = START

    def move(self, seconds: float) -> None:
        self.monotonic_ns += round(seconds * 1e9)
        self.home += timedelta(seconds=seconds)


async def no_answer() -> None: ...


@given(
    delays=st.lists(st.floats(0, 20), min_size=1, max_size=80),
    before=st.floats(0, 1_000),
    after=st.floats(0, 1_000),
    jump=st.floats(-10_000, 10_000),
)
def test_age_of_a_missed_change_is_never_too_large(
    delays: list[float], before: float, after: float, jump: float
) -> None:
    """Home Assistant's clock may be set during the interruption."""
    clocks = Clocks()
    observation = Observation(monotonic_ns=lambda: clocks.monotonic_ns)

    async def connect_and_lose() -> None:
        observation.begin(no_answer)
        for delay in delays:
            fired = clocks.home
            clocks.move(delay + 0.25)
            observation.note(fired, clocks.monotonic_ns)
        observation.end()

    asyncio.run(connect_and_lose())
    clocks.move(before)
    changed = clocks.home
    clocks.move(after)
    assert observation.age_s(changed) <= after + 1e-6
    clocks.home += timedelta(seconds=jump)
    assert 0 <= observation.age_s(clocks.home) <= before + after + 1e-6


def test_age_before_the_first_event_is_zero() -> None:
    assert Observation().age_s(START) == 0


@pytest.mark.parametrize("delay_s", [0, 0.5, 12])
def test_delay_of_an_event_is_measured_against_the_quickest_of_the_last_events(delay_s: float) -> None:
    clocks = Clocks()
    observation = Observation(monotonic_ns=lambda: clocks.monotonic_ns)
    observation.note(clocks.home, clocks.monotonic_ns)
    clocks.move(60)
    fired = clocks.home
    clocks.move(delay_s)
    observation.note(fired, clocks.monotonic_ns)
    assert observation.delay_s(fired, clocks.monotonic_ns) == pytest.approx(delay_s, abs=1e-5)


def test_elapsed_time_uses_the_clock_of_home_assistant_as_soon_as_it_is_known() -> None:
    now_ns = 50_000_000_000
    observation = Observation(monotonic_ns=lambda: now_ns)
    wrong = START + timedelta(hours=5)
    assert observation.elapsed_s(START, wrong) == 5 * 3600
    assert observation.elapsed_s(wrong, START) == 0
    observation.note(START + timedelta(seconds=60), now_ns)
    assert observation.elapsed_s(START, wrong) == 60
