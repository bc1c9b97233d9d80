"""`AppScheduler`: the scheduler of one app instance, ``self.scheduler``."""

from datetime import UTC, datetime, time, timedelta
from typing import Unpack

from hassette_core.errors import RegistrationError
from hassette_core.handlers import LONGEST_DURATION_S, Duration, Handler, keyword_options, seconds
from hassette_core.scheduler.job import Job
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.schedules import Cron, Daily, Interval, Once, Schedule, Sun
from hassette_core.scheduler.service import SchedulerService

SHORTEST_S = 0.001
"""The shortest interval of `run_every`, in seconds. The event loop's timers are not precise enough for less."""


class AppScheduler:
    """Registers the jobs of one app instance. Each method takes the handler first and returns a `Job`.

    The handler of a job is called without arguments. Use `functools.partial` or a lambda to pass arguments. Jobs end
    when the app instance stops. A plain ``def`` handler runs in a thread and cannot register jobs.

    Before each run of a recurring job, the scheduler plans the next run, so that a failed or cancelled run does not end
    the series. While the machine is suspended or the event loop is blocked, a job may miss several runs. Afterwards the
    job runs once, late, and the other missed runs are counted as ``misfire``.

    Example:
        ::

            self.scheduler.run_daily(self.open_blinds, "07:00")
            self.off = self.scheduler.run_in(self.turn_off, 300)

    Args:
        service: The scheduler of the framework.
        app: The app's key.
        instance: The app's instance.
    """

    def __init__(self, service: SchedulerService, app: str, instance: str) -> None:
        self._service = service
        self._app = app
        self._instance = instance
        self._ended = False

    @keyword_options
    def run_in(self, handler: Handler, /, delay: Duration, **options: Unpack[JobOptions]) -> Job:
        """Run a handler once, after a delay.

        Example:
            Turn a light off five minutes after the last motion::

                self.off.cancel()
                self.off = self.scheduler.run_in(self.turn_off, 300)

        Args:
            handler: The callable to run, without arguments. An ``async def`` runs on the event loop, a plain ``def`` in
                a thread.
            delay: Seconds (or a timedelta) from now, 0 or more. A change of the wall clock does not affect it.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job. `Job.cancel` ends it before its run, and `Job.run_now` adds a run at once.

        Raises:
            RegistrationError: The delay is negative, another option cannot work, the name is taken, or the caller runs
                in a thread. The message explains how to fix it.
        """
        return self._add(handler, Interval(seconds("delay", delay, zero=True)), options)

    @keyword_options
    def run_once(self, handler: Handler, /, at: datetime | time, **options: Unpack[JobOptions]) -> Job:
        """Run a handler once, at a moment in the future.

        Example:
            ::

                self.scheduler.run_once(self.lights_out, time(22, 30))

        Args:
            handler: The callable to run, as in `run_in`.
            at: A datetime or a time of day. If a time of day has passed today, the handler runs tomorrow. A naive
                datetime is in the home's time zone, which may differ from the machine's. For the machine's time zone,
                pass an aware datetime, such as ``datetime.now().astimezone() + timedelta(hours=1)``.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which ends when its run starts.

        Raises:
            RegistrationError: The moment has passed, the job cannot work, its name is taken, or the caller runs in a
                thread. The message explains how to fix it.
        """
        if isinstance(at, time):
            moment = Daily(_local_time("at", at)).next_after(self._service.clock.now(), self._service.place)
            assert moment is not None  # a time of day always comes again
        else:
            moment = self._moment("at", at, "use run_in for a delay, or run_daily for every day")
        return self._add(handler, Once(moment.astimezone(self._service.place.zone)), options)

    @keyword_options
    def run_every(
        self,
        handler: Handler,
        /,
        interval: Duration,
        start: datetime | time | Duration | None = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Run a handler repeatedly, at a fixed interval.

        The interval is the time between the due times of two runs. The duration of the runs and a change of the wall
        clock do not affect it.

        Example:
            Run at once, and then every ten minutes::

                self.scheduler.run_every(self.poll, 600, start=0)

        Args:
            handler: The callable to run, as in `run_in`.
            interval: Seconds (or a timedelta) from one run to the next, at least 0.001.
            start: When the first run is due: seconds (or a timedelta) from now, a datetime, or a time of day, as in
                `run_once`. 0 means at once. None means after one interval.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        every_s = seconds("interval", interval)
        if every_s < SHORTEST_S:
            raise RegistrationError(f"interval must be {SHORTEST_S} seconds or more, got {interval!r}")
        return self._add(handler, Interval(self._first_s(start, every_s), every_s), options)

    @keyword_options
    def run_daily(self, handler: Handler, /, at: time | str, **options: Unpack[JobOptions]) -> Job:
        """Run a handler every day at a local time.

        When daylight saving time begins, clocks skip an hour. If they skip the time of the job, the handler runs in the
        first minute after the skipped hour. When daylight saving time ends, clocks show an hour twice. If they show the
        time of the job twice, the handler runs only the first time.

        Example:
            ::

                self.scheduler.run_daily(self.open_blinds, "07:00")

        Args:
            handler: The callable to run, as in `run_in`.
            at: A time of day in the home's time zone, as a `time` or a string such as ``"07:00"``.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, Daily(_local_time("at", at)), options)

    @keyword_options
    def run_cron(self, handler: Handler, /, expression: str, **options: Unpack[JobOptions]) -> Job:
        """Run a handler when a cron expression matches the local time.

        For the days on which daylight saving time begins or ends, see `hassette_core.scheduler.schedules.Cron`.

        Example:
            Run at seven on working days::

                self.scheduler.run_cron(self.heat_up, "0 7 * * MON-FRI")

        Args:
            handler: The callable to run, as in `run_in`.
            expression: Five fields (minute, hour, day, month, weekday), or six fields, where the first field is the
                second. The scheduler compares the fields with the time in the home's time zone.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The expression never matches, the job cannot work, its name is taken, or the caller runs
                in a thread. The message explains how to fix it.
        """
        schedule = Cron(expression)
        schedule.check()
        return self._add(handler, schedule, options)

    @keyword_options
    def run_at_sunset(self, handler: Handler, /, offset: Duration = 0, **options: Unpack[JobOptions]) -> Job:
        """Run a handler every day at sunset. On days without a sunset, it does not run.

        Until Home Assistant has reported the home's location, no run is planned and `Job.next_run` is None.

        Example:
            Run half an hour before sunset::

                self.scheduler.run_at_sunset(self.lights_on, offset=-1800)

        Args:
            handler: The callable to run, as in `run_in`.
            offset: Seconds (or a timedelta) after sunset; negative for a time before sunset.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, Sun("sunset", _offset(offset)), options)

    @keyword_options
    def run_at_sunrise(self, handler: Handler, /, offset: Duration = 0, **options: Unpack[JobOptions]) -> Job:
        """Run a handler every day at sunrise. On days without a sunrise, it does not run.

        Until Home Assistant has reported the home's location, no run is planned and `Job.next_run` is None.

        Example:
            ::

                self.scheduler.run_at_sunrise(self.lights_off)

        Args:
            handler: The callable to run, as in `run_in`.
            offset: Seconds (or a timedelta) after sunrise; negative for a time before sunrise.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, Sun("sunrise", _offset(offset)), options)

    def cancel_all(self) -> None:
        """Cancel every job of this app instance. Runs that have started continue. May be called in a thread."""
        self._service.cancel_all(self._app, self._instance)

    def end(self) -> None:
        """Cancel every job, and refuse further jobs. The framework calls this when the app instance has ended."""
        self._ended = True
        self.cancel_all()

    def _add(self, handler: Handler, schedule: Schedule, options: JobOptions) -> Job:
        if self._ended:
            raise RegistrationError(
                f"{self._app}.{self._instance} has ended, so it cannot register a job; end the tasks of the app in"
                " on_shutdown"
            )
        job = self._service.add(self._app, self._instance, handler, schedule, options)
        return Job(job, self._service)

    def _first_s(self, start: datetime | time | Duration | None, every_s: float) -> float:
        if start is None:
            return every_s
        now = self._service.clock.now()
        if isinstance(start, time):
            moment = Daily(_local_time("start", start)).next_after(now, self._service.place)
            assert moment is not None  # a time of day always comes again
        elif isinstance(start, datetime):
            moment = self._moment("start", start, "leave it out to start after one interval")
        else:
            return seconds("start", start, zero=True)
        return (moment - now).total_seconds()

    def _moment(self, option: str, at: object, advice: str) -> datetime:
        """Return a moment in the future (UTC). ``advice`` is the end of the error message for a moment in the past."""
        if not isinstance(at, datetime):
            raise RegistrationError(f"{option} must be a datetime or a time of day, got {at!r}")
        now, place = self._service.clock.now(), self._service.place
        try:
            moment = place.moment(at) if at.tzinfo is None else at.astimezone(UTC)
            too_far = moment - now > timedelta(seconds=LONGEST_DURATION_S)
        except OverflowError:  # on the first or last day of the calendar, the conversion to UTC can leave its range
            moment, too_far = now, True
        if too_far:
            raise RegistrationError(f"{option} must be within the next 100 years, got {at!r}")
        if moment >= now:
            return moment
        reading = ""
        if at.tzinfo is None:
            # If machine and home have different time zones, the caller may have passed the machine's time.
            reading = (
                f" ({moment:%Y-%m-%d %H:%M:%S} UTC, read as local time of {place.zone}; now it is"
                f" {now:%Y-%m-%d %H:%M:%S} UTC; if you meant the machine's time, pass an aware datetime:"
                f" {option}.astimezone())"
            )
        raise RegistrationError(f"{option} must be in the future, got {at!r}{reading}; {advice}")


def _local_time(option: str, at: object) -> time:
    if isinstance(at, str):
        try:
            at = time.fromisoformat(at)
        except ValueError:
            raise RegistrationError(f"{option} must be a time of day, such as '07:00', got {at!r}") from None
    if not isinstance(at, time):
        raise RegistrationError(f"{option} must be a time of day, such as time(7, 0) or '07:00', got {at!r}")
    if at.tzinfo is not None:
        raise RegistrationError(f"{option} must be a local time without a time zone, got {at!r}")
    return at


def _offset(offset: Duration) -> timedelta:
    return timedelta(seconds=seconds("offset", offset, negative=True))
