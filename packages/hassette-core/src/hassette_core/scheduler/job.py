"""`Job`: the object with which an app controls one of its jobs."""

from datetime import datetime

from hassette_core.scheduler.planned_job import PlannedJob
from hassette_core.scheduler.service import SchedulerService
from hassette_executor import JobRegistration


class Job:
    """A registered job. The methods of `AppScheduler` return it.

    Example:
        ::

            self.off = self.scheduler.run_in(self.turn_off, 300)
            ...
            self.off.cancel()

    Args:
        job: The job in the scheduler.
        service: The scheduler in which the job is registered.
    """

    def __init__(self, job: PlannedJob, service: SchedulerService) -> None:
        self._job = job
        self._service = service

    @property
    def registration(self) -> JobRegistration:
        """The recorded description of the job: name, schedule, settings, source."""
        return self._job.registration

    @property
    def name(self) -> str:
        """The job's name in the history."""
        return self._job.registration.name

    @property
    def active(self) -> bool:
        """False once the job is cancelled. If the job runs only once, False as soon as its run has started."""
        return self._job.active

    @property
    def next_run(self) -> datetime | None:
        """The time of the next run (aware, UTC).

        None if the job has ended or is paused, if a job at sunrise or sunset still waits for the home's location, or if
        the entity that holds the time has no value.
        """
        job = self._job
        return None if job.plan is None or not job.active or job.paused else job.plan.at

    @property
    def group(self) -> str | None:
        """The name of the job's group; None for a job without a group."""
        return self._job.group

    @property
    def paused(self) -> bool:
        """Whether the job, or its group, is paused."""
        return self._job.paused

    def pause(self) -> None:
        """Pause the job: runs that are due meanwhile do not start, and are counted as ``disabled``.

        The pause survives a restart of Hassette and a reload of the app, until `resume`. It belongs to the name of the
        job, so it concerns all waiting jobs that share the name. A timer of `run_in` or `run_once` whose time passes
        during the pause ends without a run. `run_now` still works. May be called in a thread.
        """
        self._pause(True)

    def resume(self) -> None:
        """End the pause of the job. If its group is paused, the job remains paused. May be called in a thread."""
        self._pause(False)

    def _pause(self, paused: bool) -> None:
        registration = self._job.registration
        self._service.set_paused(registration.app, registration.instance, "job", registration.name, paused)

    def cancel(self) -> None:
        """End the job. Runs that have started continue. A second call has no effect.

        A handler may cancel its own job. A plain ``def`` handler runs in a thread, so its call of `cancel` or `run_now`
        takes effect a little later, when the event loop is free.
        """
        self._service.cancel(self._job)

    def run_now(self) -> None:
        """Run the job once, as soon as possible. The schedule does not change, and the option ``mode`` applies.

        The call has no effect if the job has ended.
        """
        self._service.run_now(self._job)

    def __repr__(self) -> str:
        ended = "" if self.active else ", ended"
        return f"<Job {self.name} {self.registration.schedule}{', paused' if self.paused else ended}>"


class JobGroup:
    """The jobs of one app instance that share the option ``group``. `AppScheduler.group` returns it.

    Example:
        ::

            self.scheduler.run_daily(self.lights_on, "sunset", group="holiday")
            self.scheduler.group("holiday").pause()

    Args:
        name: The name of the group.
        app: The app's key.
        instance: The app's instance.
        service: The scheduler in which the jobs are registered.
    """

    def __init__(self, name: str, app: str, instance: str, service: SchedulerService) -> None:
        self.name = name
        self._owner = (app, instance)
        self._service = service

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs of the group that have not ended."""
        return tuple(Job(job, self._service) for job in self._service.jobs(*self._owner, group=self.name))

    def pause(self) -> None:
        """Pause all jobs of the group, also those that are registered later. For the effect, see `Job.pause`."""
        self._service.set_paused(*self._owner, "group", self.name, True)

    def resume(self) -> None:
        """End the pause of the group. A job that was paused by itself remains paused."""
        self._service.set_paused(*self._owner, "group", self.name, False)

    def cancel(self) -> None:
        """End all jobs of the group. Runs that have started continue. May be called in a thread."""
        self._service.cancel_all(*self._owner, group=self.name)

    def __repr__(self) -> str:
        return f"<JobGroup {self.name}>"
