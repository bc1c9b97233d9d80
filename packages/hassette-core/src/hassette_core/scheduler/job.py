"""`Job`: an app's handle of a job."""

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
        job: The job.
        service: The scheduler in which the job is registered.
    """

    def __init__(self, job: PlannedJob, service: SchedulerService) -> None:
        self._job = job
        self._service = service

    @property
    def registration(self) -> JobRegistration:
        """The description of the job that is recorded: name, schedule, settings, source."""
        return self._job.registration

    @property
    def name(self) -> str:
        """The job's name in the history."""
        return self._job.registration.name

    @property
    def active(self) -> bool:
        """False once the job is cancelled, or once the run of a job that runs only once has started."""
        return self._job.active

    @property
    def next_run(self) -> datetime | None:
        """The time of the next run (aware, UTC). None if the job has ended, or while it waits for the location."""
        return None if self._job.plan is None or not self._job.active else self._job.plan.at

    def cancel(self) -> None:
        """End the job. Runs that have started continue. A second call has no effect.

        A job may cancel itself. A plain ``def`` handler runs in a thread, so its call takes effect a little later, when
        the event loop is free. The same is true for `run_now`.
        """
        self._service.cancel(self._job)

    def run_now(self) -> None:
        """Run the job once, as soon as possible. The schedule does not change, and the option ``mode`` applies.

        The call has no effect if the job has ended.
        """
        self._service.run_now(self._job)

    def __repr__(self) -> str:
        return f"<Job {self.name} {self.registration.schedule}{'' if self.active else ', ended'}>"
