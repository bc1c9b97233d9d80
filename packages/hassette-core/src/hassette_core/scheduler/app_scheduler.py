"""`AppScheduler`: the scheduler as one app instance sees it, ``self.scheduler``."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypedDict, Unpack

from hassette_core.bus.options import check_name
from hassette_core.errors import RegistrationError
from hassette_core.handlers import LONGEST_S, Duration, Mode, check_hook, check_mode, describe, seconds
from hassette_core.scheduler.job import Job
from hassette_core.scheduler.schedules import Calendar, Cron, Daily, Interval, Once, Sun
from hassette_core.scheduler.service import SchedulerService
from hassette_executor import ErrorHook

Handler = Callable[..., Any]
"""Async (it runs on the event loop) or sync (it runs in a thread). It takes no arguments; `functools.partial` or a
lambda binds some."""

SHORTEST_S = 0.001
"""The least interval from run to run, in seconds: what a timer of the event loop can keep."""


class JobOptions(TypedDict, total=False):
    """What can be asked of every job.

    Attributes:
        name: The job's name in the history; the handler's name by default.
        mode: What to do when it is due while it still runs. ``single`` (the default): leave this run out, counted as
            ``overlap``. ``restart``: cancel what runs, recorded as cancelled, then run. ``queued``: run after it.
            ``parallel``: run beside it.
        timeout: Deadline of one run in seconds; None for the configured default, 0 for none.
        on_error: What to call when a run fails, instead of the app's ``on_error``.
        jitter: Put each run off by a random part of so many seconds, so that not all the house moves at once. It is
            less than the time from run to run: a run put off beyond the next one would be left out.
    """

    name: str | None
    mode: Mode
    timeout: Duration | None
    on_error: ErrorHook | None
    jitter: Duration


class AppScheduler:
    """Registers jobs for one app instance. Every method takes the options of `JobOptions` and returns a `Job`.

    A recurring job's next run is planned before each run, so that nothing that becomes of one run ends the series.
    Runs that are missed (the machine slept, the loop was blocked) are not made up for one by one: the job runs once,
    late, and the others are counted as ``misfire``.

    Args:
        service: The scheduler.
        app: The app's key.
        instance: The instance's name.
    """

    def __init__(self, service: SchedulerService, app: str, instance: str) -> None:
        self._service = service
        self._app = app
        self._instance = instance

    def run_in(self, handler: Handler, delay: Duration, **options: Unpack[JobOptions]) -> Job:
        """Run once, after a delay in seconds.

        Raises:
            RegistrationError: Something here cannot work, or the name is taken.
        """
        return self._add(handler, Interval(seconds("delay", delay, zero=True)), options)

    def run_once(self, handler: Handler, at: datetime | time, **options: Unpack[JobOptions]) -> Job:
        """Run once, at a moment to come.

        Args:
            handler: What to run.
            at: A datetime, or a time of day: today, or tomorrow if that has passed. A naive datetime is the time of
                the house, not of the machine: ``datetime.now().astimezone()`` is the latter.
            options: See `JobOptions`.

        Raises:
            RegistrationError: The moment has passed, or something here cannot work, or the name is taken.
        """
        if isinstance(at, time):
            moment = Daily(_local(at)).next_after(self._service.clock.now(), self._service.place)
            assert moment is not None  # there is always a tomorrow
        else:
            moment = self._moment("at", at, "use run_in for soon, or run_daily for every day")
        return self._add(handler, Once(moment.astimezone(self._service.place.zone)), options)

    def run_every(
        self,
        handler: Handler,
        interval: Duration,
        start: datetime | time | Duration | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Run again and again. The interval is counted from due time to due time, whatever the runs take.

        Setting the wall clock does not move it.

        Args:
            handler: What to run.
            interval: Seconds from run to run, at least 0.001.
            start: When first: seconds from now (0 for at once), a datetime or a time of day as in `run_once`; after
                one interval by default.
            options: See `JobOptions`.

        Raises:
            RegistrationError: Something here cannot work, or the name is taken.
        """
        every_s = seconds("interval", interval)
        if every_s < SHORTEST_S:
            raise RegistrationError(f"interval={interval!r} is too short: give {SHORTEST_S} seconds or more")
        return self._add(handler, Interval(self._first(start, every_s), every_s), options)

    def run_daily(self, handler: Handler, at: time | str, **options: Unpack[JobOptions]) -> Job:
        """Run every day at a local time.

        On the day when clocks go forward over that time, the job runs at the first minute after the gap; on the day
        when they show it twice, at the first.

        Args:
            handler: What to run.
            at: A time of day, or the same as text: ``"07:00"``.
            options: See `JobOptions`.

        Raises:
            RegistrationError: Something here cannot work, or the name is taken.
        """
        return self._add(handler, Daily(_local(at)), options)

    def run_cron(self, handler: Handler, expression: str, **options: Unpack[JobOptions]) -> Job:
        """Run when a cron expression comes true, in local time.

        Args:
            handler: What to run.
            expression: Five fields, such as ``0 7 * * MON-FRI``; or six, with seconds first. What happens when clocks
                change is said at `Cron`.
            options: See `JobOptions`.

        Raises:
            RegistrationError: Something here cannot work, or the name is taken.
        """
        schedule = Cron(expression)
        schedule.check()
        return self._add(handler, schedule, options)

    def run_at_sunset(self, handler: Handler, offset: Duration = 0, **options: Unpack[JobOptions]) -> Job:
        """Run every day at sunset, where the house is; on days without one, not at all.

        Until Home Assistant has said where that is, the job waits (`Job.next_run` is None).

        Args:
            handler: What to run.
            offset: Seconds after it; negative for before.
            options: See `JobOptions`.

        Raises:
            RegistrationError: Something here cannot work, or the name is taken.
        """
        return self._add(handler, Sun("sunset", _offset(offset)), options)

    def run_at_sunrise(self, handler: Handler, offset: Duration = 0, **options: Unpack[JobOptions]) -> Job:
        """Run every day at sunrise; all is as in `run_at_sunset`."""
        return self._add(handler, Sun("sunrise", _offset(offset)), options)

    def cancel_all(self) -> None:
        """Cancel every job of this app instance."""
        self._service.cancel_all(self._app, self._instance)

    def _add(self, handler: Handler, schedule: Interval | Calendar, options: JobOptions) -> Job:
        if unknown := options.keys() - JobOptions.__annotations__.keys():
            known = ", ".join(sorted(JobOptions.__annotations__))
            raise RegistrationError(f"{', '.join(sorted(unknown))}: no such option of a job; there are {known}")
        mode = options.get("mode", "single")
        check_mode(mode)
        check_name(options.get("name"))
        timeout = options.get("timeout")
        timeout_s = None if timeout is None else seconds("timeout", timeout, zero=True)
        on_error = options.get("on_error")
        check_hook(on_error)
        jitter_s = _jitter(options, schedule)
        settings: list[tuple[str, str]] = []
        if mode != "single":
            settings.append(("mode", mode))
        if timeout_s is not None:
            settings.append(("timeout", describe(timeout_s) if timeout_s else "none"))
        if jitter_s:
            settings.append(("jitter", describe(jitter_s)))
        job = self._service.add(
            self._app,
            self._instance,
            handler,
            schedule,
            name=options.get("name"),
            mode=mode,
            timeout_s=timeout_s,
            jitter_s=jitter_s,
            on_error=on_error,
            settings=tuple(settings),
        )
        return Job(job, cancel=self._service.cancel, run_now=self._service.run_now)

    def _first(self, start: datetime | time | Duration | None, every_s: float) -> float:
        if start is None:
            return every_s
        now = self._service.clock.now()
        if isinstance(start, time):
            moment = Daily(_local(start)).next_after(now, self._service.place)
            assert moment is not None  # there is always a tomorrow
        elif isinstance(start, datetime):
            moment = self._moment("start", start, "leave it out to start after one interval")
        else:
            return seconds("start", start, zero=True)
        return (moment - now).total_seconds()

    def _moment(self, option: str, at: object, instead: str) -> datetime:
        """Return a moment to come (UTC); ``instead`` ends the error about one that has passed."""
        if not isinstance(at, datetime):
            raise RegistrationError(f"{option}={at!r} is not a moment: give a datetime or a time of day")
        now, place = self._service.clock.now(), self._service.place
        try:
            moment = place.moment(at) if at.tzinfo is None else at.astimezone(UTC)
            out_of_reach = moment - now > timedelta(seconds=LONGEST_S)
        except OverflowError:  # the first or last day of the calendar, which another time zone puts outside it
            moment, out_of_reach = now, True
        if out_of_reach:
            raise RegistrationError(f"{option}={at!r} is out of reach: give a moment within the next 100 years")
        if moment >= now:
            return moment
        reading = ""
        if at.tzinfo is None:
            # Without this, an app whose machine keeps another time than the house is told that the future has passed.
            reading = (
                f": it is {moment:%Y-%m-%d %H:%M:%S} UTC, read as local time of {place.zone}, and now is"
                f" {now:%Y-%m-%d %H:%M:%S} UTC; for the machine's time write datetime.now().astimezone()"
            )
        raise RegistrationError(f"{option}={at!r} has passed{reading}; {instead}")


def _local(at: object) -> time:
    if isinstance(at, str):
        try:
            at = time.fromisoformat(at)
        except ValueError:
            raise RegistrationError(f"at={at!r} is not a time of day, such as '07:00'") from None
    if not isinstance(at, time):
        raise RegistrationError(f"at={at!r} is not a time of day, such as time(7, 0) or '07:00'")
    if at.tzinfo is not None:
        raise RegistrationError(f"at={at!r} has a time zone, but a daily time is local: leave the zone out")
    return at


def _offset(offset: Duration) -> timedelta:
    return timedelta(seconds=seconds("offset", offset, negative=True))


def _jitter(options: JobOptions, schedule: Interval | Calendar) -> float:
    jitter_s = seconds("jitter", options.get("jitter", 0), zero=True)
    if jitter_s and (gap_s := schedule.shortest_gap_s()) is not None and jitter_s >= gap_s:
        raise RegistrationError(
            f"jitter={options.get('jitter')!r} must be less than the time from run to run, here {describe(gap_s)}: a"
            " run put off beyond the next one would be left out"
        )
    return jitter_s
