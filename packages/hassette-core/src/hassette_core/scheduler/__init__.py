"""Jobs, their schedules, and when they run."""

from hassette_core.scheduler.app_scheduler import AppScheduler, JobOptions
from hassette_core.scheduler.job import Job
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.service import SchedulerService, UpcomingJob

__all__ = ["AppScheduler", "Job", "JobOptions", "Place", "SchedulerService", "UpcomingJob"]
