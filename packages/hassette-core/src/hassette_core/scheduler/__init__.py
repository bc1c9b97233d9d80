"""The scheduler: plan the runs of jobs, and start each run when it is due.

The path of one run, all on the event loop:

1. An app registers a job with its `AppScheduler`, which returns a `Job`. `SchedulerService.add` creates a `PlannedJob`.
2. The schedule of the job (`schedules`) computes the next run for the home's time zone and location (`Place`).
3. The timetable (`timetable`) puts the job into the agenda (`agenda`), which orders all jobs by their next run, and
   sets one timer for the earliest run. It plans calendar jobs again when the wall clock was set or the place has
   changed.
4. When the timer fires, the timetable plans the job's following run, and offers the run that is due to the job's lane
   (`hassette_core.roster`), which starts, queues or skips it. The executor calls the handler.
"""

from hassette_core.scheduler.app_scheduler import AppScheduler
from hassette_core.scheduler.job import Job
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.service import SchedulerService, UpcomingJob

__all__ = ["AppScheduler", "Job", "JobOptions", "Place", "SchedulerService", "UpcomingJob"]
