"""Threads that add effects while a run ends: each effect is either in the record or counted as late.

The threads meet inside the operation that must be atomic, so that the test fails every time if the lock is missing.
"""

import logging
import threading
from dataclasses import fields

import pytest

from hassette_executor import ExecutorSettings, LogLine, ServiceCall
from hassette_executor.running.effects import GatheredEffects, LateEffects
from support.waiting import patience

CALL = ServiceCall(1, "light", "turn_on", "", "", 9, None, None)
LONG = LogLine(1, logging.WARNING, "apps.hall", "the lamp is slow")
SHORT = LogLine(2, logging.WARNING, "apps.hall", "slow")
DEADLINE_S = patience(10)


class Meeting:
    """Holds one thread in `hold_up` until another thread has finished or has to wait for the `ReportingLock`."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()

    def hold_up(self) -> None:
        if not self.inside.is_set():
            self.inside.set()
            assert self.go.wait(DEADLINE_S)


class ReportingLock:
    """A lock that lets the held thread continue when another thread has to wait for it."""

    def __init__(self, meeting: Meeting) -> None:
        self._lock = threading.RLock()
        self._meeting = meeting

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self._meeting.go.set()
            assert self._lock.acquire(timeout=DEADLINE_S)

    def __exit__(self, *raised: object) -> None:
        self._lock.release()


class HoldingSettings:
    """Settings that hold up the first thread that reads a bound. A thread reads it just before it adds an effect."""

    def __init__(self, meeting: Meeting, settings: ExecutorSettings) -> None:
        self._meeting = meeting
        self._values = {field.name: getattr(settings, field.name) for field in fields(settings)}

    def __getattr__(self, name: str) -> object:
        if name in {"log_lines", "service_calls"}:
            self._meeting.hold_up()
        return self._values[name]


class HoldingName(str):
    """The name of a count that holds up the first thread that looks it up."""

    meeting: Meeting

    def __hash__(self) -> int:
        self.meeting.hold_up()
        return super().__hash__()


@pytest.fixture
def meeting() -> Meeting:
    return Meeting()


def at_once(meeting: Meeting, held_up, other):
    """Run ``held_up`` in a thread until it is held up, then run ``other`` and return its result."""
    thread = threading.Thread(target=held_up)
    thread.start()
    assert meeting.inside.wait(DEADLINE_S)
    try:
        return other()
    finally:
        meeting.go.set()
        thread.join(DEADLINE_S)


def gathering(meeting: Meeting, late: LateEffects, **settings: int) -> GatheredEffects:
    return GatheredEffects(HoldingSettings(meeting, ExecutorSettings(**settings)), late, ReportingLock(meeting))


def test_call_added_while_the_effects_are_taken_is_kept_or_late(meeting):
    gathered = gathering(meeting, late := LateEffects())
    taken = at_once(meeting, lambda: gathered.add_call(CALL), lambda: gathered.take(all_lines=False))
    assert len(taken.service_calls if taken else ()) + late.take().get("service_calls", 0) == 1


def test_line_added_while_the_effects_are_taken_is_kept_or_late(meeting):
    gathered = gathering(meeting, late := LateEffects())
    taken = at_once(meeting, lambda: gathered.add_line(LONG), lambda: gathered.take(all_lines=False))
    assert len(taken.log_lines if taken else ()) + late.take().get("log_lines", 0) == 1


def test_calls_added_by_two_threads_at_once_stay_within_the_bound(meeting):
    gathered = gathering(meeting, LateEffects(), service_calls=1)
    at_once(meeting, lambda: gathered.add_call(CALL), lambda: gathered.add_call(CALL))
    taken = gathered.take(all_lines=False)
    assert (len(taken.service_calls), taken.dropped_service_calls) == (1, 1)


def test_lines_added_by_two_threads_at_once_keep_their_order(meeting):
    gathered = gathering(meeting, LateEffects())
    at_once(meeting, lambda: gathered.add_line(LONG), lambda: gathered.add_line(SHORT))
    assert gathered.take(all_lines=True).log_lines == (LONG, SHORT)


def test_late_effect_counted_while_the_counts_are_taken_is_in_exactly_one_of_two_takes(meeting):
    late = LateEffects(ReportingLock(meeting))
    late.count("service_calls")
    name = HoldingName("service_calls")
    name.meeting = meeting
    first = at_once(meeting, lambda: late.count(name), lambda: dict(late.take()))
    assert first.get("service_calls", 0) + late.take().get("service_calls", 0) == 2
