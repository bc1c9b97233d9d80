"""Parse the times that apps pass to `AppScheduler`."""

import logging
from datetime import UTC, datetime, time, timedelta

from hassette_core.errors import RegistrationError
from hassette_core.handlers import LONGEST_DURATION_S, Duration, seconds
from hassette_core.moments import DateTime, EntityTime, Moment, Place, StateMap, parse_days, parse_moment
from hassette_core.scheduler.schedules import AtMoment, Cron, Interval, Once, Schedule, StartAt

logger = logging.getLogger(__name__)

SHORTEST_S = 0.001
"""The shortest interval of `AppScheduler.run_every`, in seconds. Timers are not precise enough for less."""
_PAST_START = "leave it out to start after one interval"
_PAST_RUN = "use run_in for a delay, or run_daily for every day"


class ScheduleParser:
    """Parses the arguments of one registration.

    Args:
        now: The time of the wall clock (aware, UTC).
        place: The home's time zone and location.
        states: The current states of all entities.
    """

    def __init__(self, now: datetime, place: Place, states: StateMap) -> None:
        self._now = now
        self._place = place
        self._states = states

    def daily(self, option: str, at: object, days: object = None) -> AtMoment:
        """Return the schedule of a job that runs each time that a moment comes.

        Raises:
            RegistrationError: The moment or the days cannot be read, or the moment has a date.
        """
        moment = self._moment(option, at)
        if isinstance(moment, DateTime):
            raise RegistrationError(
                f"{option} must be a time of day, a sunrise or sunset, or an entity, got {at!r}, which comes only once;"
                " use run_once"
            )
        return AtMoment(moment, parse_days(days))

    def once(self, option: str, at: object, advice: str = _PAST_RUN) -> Once:
        """Return the schedule of a job that runs when a moment comes next.

        Raises:
            RegistrationError: The moment cannot be read, or has passed.
        """
        moment = self._moment(option, at)
        if isinstance(moment, DateTime):
            return Once(DateTime(self._future(option, at, moment, advice).astimezone(self._place.zone)))
        return Once(moment)

    def every(self, interval: Duration, start: str | datetime | time | Duration | None) -> Schedule:
        """Return the schedule of a job that runs at an interval, from a start.

        Raises:
            RegistrationError: The interval or the start cannot work.
        """
        every_s = seconds("interval", interval)
        if every_s < SHORTEST_S:
            raise RegistrationError(f"interval must be {SHORTEST_S} seconds or more, got {interval!r}")
        if start is None:
            return Interval(every_s, every_s)
        if isinstance(start, str | datetime | time):
            return StartAt(self.once("start", start, _PAST_START), every_s)
        return Interval(seconds("start", start, zero=True), every_s)

    def _moment(self, option: str, at: object) -> Moment:
        moment = parse_moment(at, option=option)
        if isinstance(moment, EntityTime):
            if moment.is_no_time(self._states):
                raise RegistrationError(
                    f"{option} must name an entity whose state is a time, such as '07:00:00' or a timestamp, got"
                    f" {at!r}: {moment.unknown_reason(self._place, self._states)}"
                )
            if moment.entity_id not in self._states:
                logger.warning(
                    "Job waits for an entity that Home Assistant does not have", extra={"entity_id": moment.entity_id}
                )
        return moment

    def _future(self, option: str, at: object, moment: DateTime, advice: str) -> datetime:
        """Return a moment in the future (UTC). ``advice`` is the end of the error message for a moment in the past."""
        found = moment.moment(self._place)
        if found is None:
            too_far = moment.at.year > self._now.year
        else:
            too_far = found - self._now > timedelta(seconds=LONGEST_DURATION_S)
        if too_far:
            raise RegistrationError(f"{option} must be within the next 100 years, got {at!r}")
        if found is not None and found >= self._now:
            return found
        reading = ""
        if found is not None and moment.at.tzinfo is None:
            # If machine and home have different time zones, the caller may have passed the machine's time.
            machine = (
                f"; if you meant the machine's time, pass an aware datetime: {option}.astimezone()"
                if isinstance(at, datetime)
                else ""
            )
            reading = (
                f" ({found:%Y-%m-%d %H:%M:%S} UTC, read as local time of {self._place.zone}; now it is"
                f" {self._now.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC{machine})"
            )
        raise RegistrationError(f"{option} must be in the future, got {at!r}{reading}; {advice}")


def hourly(minute: int, second: int, days: object) -> Cron:
    """Return the schedule of a job that runs every hour.

    Raises:
        RegistrationError: A number is out of range, or the days cannot be read.
    """
    fields = f"{_of_60('second', second)} {_of_60('minute', minute)} *"
    at = f":{minute:02}:{second:02}" if second else f":{minute:02}"
    return _on_days(fields, f"hourly at {at}", days)


def minutely(second: int, days: object) -> Cron:
    """Return the schedule of a job that runs every minute.

    Raises:
        RegistrationError: The second is out of range, or the days cannot be read.
    """
    return _on_days(f"{_of_60('second', second)} * *", f"every minute at second {second}", days)


def _on_days(fields: str, text: str, days: object) -> Cron:
    found = parse_days(days)
    if found is None:
        return Cron(f"{fields} * * *", text)
    # In a cron expression, 0 is Sunday.
    weekdays = ",".join(str((number + 1) % 7) for number in sorted(found.numbers))
    return Cron(f"{fields} * * {weekdays}", f"{text} on {found.describe()}")


def _of_60(option: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 60:
        raise RegistrationError(f"{option} must be a whole number from 0 to 59, got {value!r}")
    return value
