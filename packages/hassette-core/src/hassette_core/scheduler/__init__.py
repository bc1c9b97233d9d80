"""The scheduler: plan the runs of jobs, and start each run when it is due.

A run takes this path. All steps run on the event loop, except plain ``def`` handlers, which run in threads:

1. An app registers a job with its `AppScheduler`, which returns a `Job`. `SchedulerService.add` creates a `PlannedJob`.
2. The schedule of the job (`schedules`) computes the next run for the home's time zone and location (`Place`).
3. The timetable (`timetable`) puts the job into the agenda (`agenda`), which orders all jobs by their next run. The
   timetable sets one timer, for the earliest run. When the wall clock is set or the place changes, the timetable plans
   all calendar jobs again.
4. When the timer fires, the timetable first plans the job's next run. It then offers the due run to the run lane of the
   job (`hassette_core.roster`). The lane starts, queues or skips the due run. The executor calls the handler.
"""

from hassette_core.scheduler.app_scheduler import AppScheduler
from hassette_core.scheduler.job import Job, JobGroup
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.planned_job import PlannedJob, UpcomingJob
from hassette_core.scheduler.service import SchedulerService

__all__ = ["AppScheduler", "Job", "JobGroup", "JobOptions", "PlannedJob", "SchedulerService", "UpcomingJob"]
