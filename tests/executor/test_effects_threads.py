"""Threads that add effects while a run ends: each is kept, or counted, and none is both or neither.

The threads meet inside of the very operation that must not be divided, so that it does not take luck to see it divided.
"""

import logging
import threading
from collections import Counter, deque

import pytest

from hassette_executor import ExecutorSettings, LogLine, ServiceCall, effects
from hassette_executor.effects import GatheredEffects, LateEffects

CALL = ServiceCall(1, "light", "turn_on", "", "", 9, None, None)
LINE = LogLine(1, logging.WARNING, "apps.hall", "the lamp is slow")
DEADLINE_S = 10


class Meeting:
    """Holds one thread up where it is until another one is through, or has to wait for it."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()

    def hold_up(self) -> None:
        if not self.inside.is_set():
            self.inside.set()
            assert self.go.wait(DEADLINE_S)


class ToldLock:
    """The lock that effects have, whichever that is; it tells when somebody has to wait for it."""

    def __init__(self, lock, meeting: Meeting) -> None:
        self._lock = lock
        self._meeting = meeting

    def __enter__(self) -> None:
        acquire = getattr(self._lock, "acquire", None)
        if acquire is not None and not acquire(blocking=False):
            self._meeting.go.set()
            assert acquire(timeout=DEADLINE_S)
        elif acquire is None:
            self._lock.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._lock.__exit__(*raised)


@pytest.fixture
def meeting(monkeypatch) -> Meeting:
    meeting, lock = Meeting(), effects._lock
    monkeypatch.setattr(effects, "_lock", lambda: ToldLock(lock(), meeting))
    return meeting


def at_once(meeting: Meeting, held_up, other):
    """Run one function in a thread until it is held up, then the other one; return what that returns."""
    thread = threading.Thread(target=held_up)
    thread.start()
    assert meeting.inside.wait(DEADLINE_S)
    try:
        return other()
    finally:
        meeting.go.set()
        thread.join(DEADLINE_S)


def holding_up(kind: type, meeting: Meeting):
    """A container that holds up who appends to it first, just before."""

    class HoldingUp(kind):
        def append(self, item) -> None:
            meeting.hold_up()
            super().append(item)

    return HoldingUp()


def gathering(meeting: Meeting, **settings: int) -> GatheredEffects:
    gathered = GatheredEffects(ExecutorSettings(**settings), LateEffects())
    gathered._calls = holding_up(list, meeting)
    gathered._important = holding_up(deque, meeting)
    return gathered


def test_a_call_that_a_thread_adds_while_the_effects_are_taken_is_kept_or_late(meeting):
    gathered = gathering(meeting)
    taken = at_once(meeting, lambda: gathered.add_call(CALL), lambda: gathered.take(failed=False))
    assert len(taken.service_calls if taken else ()) + gathered._late.take().get("service_calls", 0) == 1


def test_a_line_that_a_thread_adds_while_the_effects_are_taken_is_kept_or_late(meeting):
    gathered = gathering(meeting)
    taken = at_once(meeting, lambda: gathered.add_line(LINE), lambda: gathered.take(failed=False))
    assert len(taken.log_lines if taken else ()) + gathered._late.take().get("log_lines", 0) == 1


def test_of_calls_that_two_threads_add_at_once_no_more_than_the_bound_are_kept(meeting):
    gathered = gathering(meeting, service_calls=1)
    at_once(meeting, lambda: gathered.add_call(CALL), lambda: gathered.add_call(CALL))
    taken = gathered.take(failed=False)
    assert (len(taken.service_calls), taken.dropped_service_calls) == (1, 1)


def test_lines_that_two_threads_add_at_once_have_a_place_each(meeting):
    gathered = gathering(meeting)
    at_once(meeting, lambda: gathered.add_line(LINE), lambda: gathered.add_line(LINE))
    assert [place for place, _, _ in gathered._important] == [0, 1]


def test_what_a_thread_counts_as_late_while_the_counts_are_taken_is_in_these_or_in_the_next(meeting):
    class HoldingUp(Counter):
        def __setitem__(self, what, count) -> None:
            meeting.hold_up()
            super().__setitem__(what, count)

    late = LateEffects()
    late._counts = HoldingUp(service_calls=1)
    first = at_once(meeting, lambda: late.add_call(CALL), lambda: dict(late.take()))
    assert first.get("service_calls", 0) + late.take().get("service_calls", 0) == 2
