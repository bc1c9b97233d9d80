"""Check of the wall clock: a deletion by age needs a clock that is confirmed.

A wall clock can be wrong. The clock of a board without a battery starts in 1970 or at the time of the last shutdown.
With an empty battery, the clock can start in any year. NTP corrects the time some seconds or hours later. If the store
deleted rows by such a clock, it would delete years of history within a minute.

The clock is confirmed

* at a start, if its time is within one day of the last confirmed time in the file, or if the file is new,
* while it then moves like the monotonic clock,
* after a step that returns it to the expected time: the last confirmed time plus the monotonic time since then,
* after ten minutes without a step, if its time is within one day of the expected time,
* after a day without a step in all other cases, for example if the machine was off for forty days.

Each step of more than two seconds ends the confirmation.

A step of more than ten seconds can be a correction, which shows that the time before the step was wrong. A step counts
as a correction in these cases:

* It returns an unconfirmed clock to the expected time.
* The clock was more than one day away from the expected time, and the step at least halves the distance.
* It comes soon after the start, and each earlier step of the session was a correction. Soon means within an hour, or
  within six hours if the clock goes back or was not confirmed before the step. The start is that of the first session
  since the machine was booted, if the clock has not stepped since.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from hassette_store.periods import DAY_US, HOUR_US, SECOND_US

_TOLERANCE_US: Final = 2 * SECOND_US
# NTP speeds the clock up or slows it down by at most this share, without a step.
_SLEWING: Final = 0.1
_MIN_CORRECTION_US: Final = 10 * SECOND_US
EXPECTED_US: Final = "clock_expected_us"
CANDIDATE_US: Final = "clock_candidate_us"
CANDIDATE_S: Final = "clock_candidate_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockRules:
    """When a clock is confirmed.

    Attributes:
        near_us: A clock is near if it differs by at most this much from the expected time.
        near_s: Seconds without a step after which a near clock is confirmed.
        far_s: Seconds without a step after which any clock is confirmed.
        correction_s: Seconds after the start in which a step can be a correction.
        forward_s: The same for a step forward of a confirmed clock.
    """

    near_us: int = DAY_US
    near_s: float = 600.0
    far_s: float = 24 * 3600.0
    correction_s: float = 6 * 3600.0
    forward_s: float = 3600.0


class WrongTime(NamedTuple):
    """A time in which the wall clock was wrong, as a step of the clock has shown.

    Attributes:
        from_us: Its start, by the wrong clock.
        until_us: Its end, by the wrong clock.
        by_us: The correction: the size of the step.
        from_start: Whether the clock was wrong since the start of the session.
    """

    from_us: int
    until_us: int
    by_us: int
    from_start: bool


class Reading(NamedTuple):
    """A reading of the wall clock.

    Attributes:
        now_us: The time.
        confirmed: Whether the clock is confirmed.
        step_us: Size of the step since the previous reading: negative if the clock went back, 0 if it did not step.
        wrong: The time before the step, if the step was a correction; None if it was not, or if there was no step.
    """

    now_us: int
    confirmed: bool
    step_us: int
    wrong: WrongTime | None = None


class ClockCheck:
    """Compares the wall clock with the monotonic clock and with the times in the file.

    Args:
        now_us: Wall clock, in microseconds since the Unix epoch.
        monotonic: Monotonic clock, in seconds.
        rules: When the clock is confirmed.
    """

    def __init__(
        self, now_us: Callable[[], int], monotonic: Callable[[], float], rules: ClockRules | None = None
    ) -> None:
        self._now_us = now_us
        self._monotonic = monotonic
        self._rules = rules or ClockRules()
        self._last = self._both()
        self._started_s = self._last[1]
        self._confirmed = True
        # Wall clock minus monotonic clock at the last confirmed reading, in microseconds. At a start, the last
        # confirmed time in the file takes the place of the wall clock.
        self._expected_offset_us = self._offset_us()
        # While a clock is confirmed only because it has not stepped for a day: the expected offset before that.
        self._doubted_offset_us: int | None = None
        self._steady_s = 0.0
        self._begin_segment(from_start=True)

    @property
    def booted_us(self) -> int:
        """Time by the wall clock at which the monotonic clock was 0, at the last reading."""
        return self._offset_us()

    @property
    def confirmed(self) -> bool:
        """Whether the last reading was confirmed."""
        return self._confirmed

    @property
    def is_past_start(self) -> bool:
        """Whether NTP has had the time to correct the clock since the start of the session."""
        return self._last[1] - self._started_s >= self._rules.near_s

    def compare_with_file(self, saved: Mapping[str, int], newest_us: int | None, *, same_clock_s: float = 0.0) -> None:
        """Compare the clock with the times in the file. Call this at each start.

        Args:
            saved: The values of `saved` that the last session stored in the file; empty if there are none.
            newest_us: The newest time in the file before this session; None if the file has no earlier session.
            same_clock_s: Seconds since the start of the first session that had the same boot time by the wall clock. So
                the clock has not stepped since.
        """
        self._last = now_us, monotonic_s = self._both()
        self._started_s = monotonic_s
        expected_us = saved.get(EXPECTED_US, newest_us)
        self._steady_s = 0.0
        self._doubted_offset_us = None
        self._begin_segment(from_start=True)
        self._segment_s -= same_clock_s
        if expected_us is None:
            self._confirmed, self._expected_offset_us = True, self._offset_us()
            return
        self._expected_offset_us = expected_us - round(monotonic_s * SECOND_US)
        self._confirmed = self._is_near()
        if self._confirmed:
            self._expected_offset_us = self._offset_us()
        elif -HOUR_US <= now_us - saved.get(CANDIDATE_US, 0) <= self._rules.near_us:
            # The clock continues from the last session, so the time without a step in that session counts. The clock of
            # a board without a battery can start up to an hour before the end of the last session.
            self._steady_s = float(saved.get(CANDIDATE_S, 0))

    def read(self) -> Reading:
        """Read the clocks, and decide whether the wall clock is confirmed."""
        before_us, before_s = self._last
        self._last = now_us, monotonic_s = self._both()
        passed_s = max(0.0, monotonic_s - before_s)
        step_us = now_us - before_us - round(passed_s * SECOND_US)
        if abs(step_us) <= _TOLERANCE_US + passed_s * _SLEWING * SECOND_US:
            step_us = 0
            self._steady_s += passed_s
        was_confirmed, wrong = self._confirmed, None
        if step_us:
            self._confirmed = False
            self._steady_s = 0.0
            wrong = self._correction(step_us, before_us + round(passed_s * SECOND_US), was_confirmed=was_confirmed)
        if not self._confirmed:
            near = self._is_near()
            needed_s = self._rules.near_s if near else self._rules.far_s
            self._confirmed = self._steady_s >= needed_s or abs(self._distance_us()) <= _TOLERANCE_US
            if self._confirmed and not near and self._doubted_offset_us is None:
                self._doubted_offset_us = self._expected_offset_us
        if self._confirmed:
            self._expected_offset_us = self._offset_us()
        return Reading(now_us, self._confirmed, step_us, wrong)

    def saved(self) -> dict[str, int]:
        """Return the values to keep in the file for the next start.

        If the clock is confirmed, there are no such values, and the next start uses the newest time in the file.
        """
        if self._confirmed:
            return {}
        now_us, monotonic_s = self._last
        expected_us = self._expected_offset_us + round(monotonic_s * SECOND_US)
        return {EXPECTED_US: expected_us, CANDIDATE_US: now_us, CANDIDATE_S: int(self._steady_s)}

    def _begin_segment(self, *, from_start: bool) -> None:
        # A segment is the time from the start of the session, or from a step, to the next step.
        self._segment_us, self._segment_s = self._last
        self._from_start = from_start

    def _correction(self, step_us: int, until_us: int, *, was_confirmed: bool) -> WrongTime | None:
        lasted_s = self._last[1] - self._segment_s
        rules = self._rules
        limit_s = rules.forward_s if was_confirmed and step_us > 0 else rules.correction_s
        returned = not was_confirmed and abs(self._distance_us()) <= _TOLERANCE_US
        soon = self._from_start and lasted_s < limit_s
        doubted_us = self._doubted_offset_us
        after_us = self._offset_us() - (self._expected_offset_us if doubted_us is None else doubted_us)
        before_us = after_us - step_us
        halved = abs(before_us) > rules.near_us and 2 * abs(after_us) <= abs(before_us)
        if halved and doubted_us is not None:
            self._expected_offset_us, self._doubted_offset_us = doubted_us, None
        if abs(step_us) <= _MIN_CORRECTION_US or not (returned or halved or soon):
            self._begin_segment(from_start=False)
            return None
        wrong = WrongTime(self._segment_us, until_us, step_us, self._from_start)
        # The rows before the step get the times of the present clock. A later correction moves them together with the
        # rows after the step.
        self._segment_us += step_us
        return wrong

    def _both(self) -> tuple[int, float]:
        return self._now_us(), self._monotonic()

    def _offset_us(self) -> int:
        now_us, monotonic_s = self._last
        return now_us - round(monotonic_s * SECOND_US)

    def _distance_us(self) -> int:
        return self._offset_us() - self._expected_offset_us

    def _is_near(self) -> bool:
        return abs(self._distance_us()) <= self._rules.near_us
