"""`AppScheduler`: the scheduler of one app instance, ``self.scheduler``."""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from typing import Unpack

from hassette_core.app_component import AppComponent
from hassette_core.containment import check_own_registration
from hassette_core.errors import RegistrationError
from hassette_core.handlers import Duration, Handler, keyword_options, seconds
from hassette_core.moments import SunEvent, SunTime, parse_days
from hassette_core.scheduler.job import Job, JobGroup
from hassette_core.scheduler.options import JobOptions, check_group
from hassette_core.scheduler.parsing import hourly, minutely
from hassette_core.scheduler.planned_job import PlannedJob
from hassette_core.scheduler.schedules import AtMoment, Cron, Interval, Schedule
from hassette_core.scheduler.service import SchedulerService

DayNames = str | Collection[str] | None
"""Days of the week, such as ``"mon-fri"`` or ``["sat", "sun"]``; None for every day."""


class AppScheduler(AppComponent, attribute="scheduler"):
    """Registers the jobs of one app instance. Each method takes the handler first and returns a `Job`.

    The option ``kwargs`` passes arguments to the handler. Jobs end when the app instance stops. A plain ``def`` handler
    runs in a thread and cannot register jobs.

    A *moment* is a time of day such as ``"07:00"``, the sun such as ``"sunset - 00:30"``, an entity such as
    ``"input_datetime.wake_up"``, or a `time` or `datetime`. The page *Schedules and times* of the documentation has the
    whole grammar. When an entity changes, the clock is set or the home moves, the scheduler plans the job again.

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
        self._ended = self._suspended = False
        self._registered: list[PlannedJob] | None = []  # None after `restore`

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
    def run_once(self, handler: Handler, /, at: str | datetime | time, **options: Unpack[JobOptions]) -> Job:
        """Run a handler once, when a moment comes next.

        Example:
            ::

                self.scheduler.run_once(self.lights_out, "22:30")
                self.scheduler.run_once(self.ring, "sensor.phone_next_alarm - 00:15")

        Args:
            handler: The callable to run, as in `run_in`.
            at: A moment. If a time of day has passed today, the handler runs tomorrow. A naive datetime is in the
                home's time zone, which may differ from the machine's. For the machine's time zone, pass an aware
                datetime, such as ``datetime.now().astimezone() + timedelta(hours=1)``. While the time is unknown, for
                example because the entity is unavailable, no run is planned and `Job.next_run` is None.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which ends when its run starts.

        Raises:
            RegistrationError: The moment has passed, the job cannot work, its name is taken, or the caller runs in a
                thread. The message explains how to fix it.
        """
        return self._add(handler, self._service.parser().once("at", at), options)

    @keyword_options
    def run_every(
        self,
        handler: Handler,
        /,
        interval: Duration,
        start: str | datetime | time | Duration | None = None,
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
            start: The time of the first run: seconds (or a timedelta) from now, or a moment, as in `run_once`. 0 means
                at once. None means after one interval.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, self._service.parser().every(interval, start), options)

    @keyword_options
    def run_minutely(
        self, handler: Handler, /, second: int = 0, days: DayNames = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Run a handler every minute, when the clock shows a second.

        Example:
            ::

                self.scheduler.run_minutely(self.update_display)

        Args:
            handler: The callable to run, as in `run_in`.
            second: The second of the minute, 0 to 59.
            days: The local days of the runs, such as ``"mon-fri"``, ``"sat,sun"`` or ``["mon", "wed"]``. None means
                every day.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, minutely(second, days), options)

    @keyword_options
    def run_hourly(
        self,
        handler: Handler,
        /,
        minute: int = 0,
        second: int = 0,
        days: DayNames = None,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Run a handler every hour, when the clock shows a minute and a second.

        Example:
            Run at 00:15, 01:15 and so on::

                self.scheduler.run_hourly(self.chime, minute=15)

        Args:
            handler: The callable to run, as in `run_in`.
            minute: The minute of the hour, 0 to 59.
            second: The second of the minute, 0 to 59.
            days: The local days of the runs, as in `run_minutely`.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops. When daylight saving time ends,
            it runs in both passes of the repeated hour.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, hourly(minute, second, days), options)

    @keyword_options
    def run_daily(
        self, handler: Handler, /, at: str | time, days: DayNames = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Run a handler each time that a moment comes, on every day or on some days of the week.

        When daylight saving time begins, clocks skip an hour. If they skip the time of the job, the handler runs in the
        first minute after the skipped hour. When daylight saving time ends, clocks show an hour twice. If they show the
        time of the job twice, the handler runs only the first time.

        Example:
            ::

                self.scheduler.run_daily(self.open_blinds, "07:00", days="mon-fri")
                self.scheduler.run_daily(self.lights_on, "sunset - 00:30")
                self.scheduler.run_daily(self.wake_up, "input_datetime.wake_up")

        Args:
            handler: The callable to run, as in `run_in`.
            at: A moment, in the home's time zone. If an entity holds a date and a time, the handler runs once at that
                moment, and again after the entity has got another date. While the entity has no value, no run is
                planned. If it is set to a time of day that has passed today, the next run is tomorrow.
            days: The local days of the runs, as in `run_minutely`. The day is that of the run, with the offset and
                without the jitter.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, self._service.parser().daily("at", at, days), options)

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
    def run_at_sunset(
        self, handler: Handler, /, offset: Duration = 0, days: DayNames = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Run a handler every day at sunset. On days without a sunset, it does not run.

        Until Home Assistant has reported the home's location, no run is planned and `Job.next_run` is None.

        Example:
            Run half an hour before sunset::

                self.scheduler.run_at_sunset(self.lights_on, offset=-1800)

        Args:
            handler: The callable to run, as in `run_in`.
            offset: Seconds (or a timedelta) after sunset; negative for a time before sunset.
            days: The local days of the runs, as in `run_daily`.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, _sun("sunset", offset, days), options)

    @keyword_options
    def run_at_sunrise(
        self, handler: Handler, /, offset: Duration = 0, days: DayNames = None, **options: Unpack[JobOptions]
    ) -> Job:
        """Run a handler every day at sunrise. On days without a sunrise, it does not run.

        Until Home Assistant has reported the home's location, no run is planned and `Job.next_run` is None.

        Example:
            ::

                self.scheduler.run_at_sunrise(self.lights_off)

        Args:
            handler: The callable to run, as in `run_in`.
            offset: Seconds (or a timedelta) after sunrise; negative for a time before sunrise.
            days: The local days of the runs, as in `run_daily`.
            **options: The options of every job, `JobOptions`.

        Returns:
            The job, which runs until `Job.cancel` is called or the app instance stops.

        Raises:
            RegistrationError: The job cannot work, its name is taken, or the caller runs in a thread. The message
                explains how to fix it.
        """
        return self._add(handler, _sun("sunrise", offset, days), options)

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs of this app instance that have not ended, in the order of their registration.

        Example:
            Show when each job runs next::

                for job in self.scheduler.jobs():
                    self.logger.info("Job", extra={"job": job.name, "next_run": job.next_run})
        """
        return tuple(Job(job, self._service) for job in self._service.jobs(self._app, self._instance))

    def group(self, name: str) -> JobGroup:
        """Return the jobs with the option ``group=name``, to pause, resume or cancel them together.

        Example:
            ::

                self.scheduler.group("holiday").pause()

        Raises:
            RegistrationError: The name is not a non-blank string.
        """
        return JobGroup(check_group("name", name), self._app, self._instance, self._service)

    def cancel_all(self) -> None:
        """Cancel every job of this app instance. Runs that have started continue. May be called in a thread."""
        self._service.cancel_all(self._app, self._instance)

    def restore(self, owner: object) -> None:
        """Register the persistent timers of an earlier start again. The framework calls this after ``on_initialize``.

        Args:
            owner: The object of the app.
        """
        registered, self._registered = self._registered or (), None
        self._service.restore(self._app, self._instance, owner, registered)

    def suspend(self) -> None:
        """End every job, but keep the persistent timers for the next start. The framework calls this at a stop."""
        self._suspended = True
        self._service.cancel_all(self._app, self._instance, keep_timers=True)

    def end(self) -> None:
        """Cancel every job, and refuse further jobs. The framework calls this when the app instance has ended.

        After `suspend`, persistent timers are still accepted and kept for the next start, because a running handler has
        a grace period at a stop.
        """
        self._ended = True
        self._service.cancel_all(self._app, self._instance, keep_timers=self._suspended)

    def _add(self, handler: Handler, schedule: Schedule, options: JobOptions) -> Job:
        if self._ended and not (self._suspended and options.get("persist")):
            raise RegistrationError(
                f"{self._app}.{self._instance} has ended, so it cannot register a job; end the tasks of the app in"
                " on_shutdown"
            )
        check_own_registration((self._app, self._instance))
        job = self._service.add(self._app, self._instance, handler, schedule, options)
        if self._registered is not None:
            self._registered.append(job)
        if self._ended:
            self._service.keep_for_next_start(job)
        return Job(job, self._service)


def _sun(event: SunEvent, offset: Duration, days: DayNames) -> AtMoment:
    elapsed = timedelta(seconds=seconds("offset", offset, negative=True))
    return AtMoment(SunTime(event, elapsed), parse_days(days))
