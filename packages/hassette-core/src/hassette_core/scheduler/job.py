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

        None if the job has ended, or if a job at sunrise or sunset still waits for the home's location.
        """
        return None if self._job.plan is None or not self._job.active else self._job.plan.at

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
        return f"<Job {self.name} {self.registration.schedule}{'' if self.active else ', ended'}>"
