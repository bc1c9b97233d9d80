"""Jobs, their schedules, and the service that runs them when they are due."""

from hassette_core.scheduler.app_scheduler import AppScheduler
from hassette_core.scheduler.job import Job
from hassette_core.scheduler.options import JobOptions
from hassette_core.scheduler.place import Place
from hassette_core.scheduler.service import SchedulerService, UpcomingJob

__all__ = ["AppScheduler", "Job", "JobOptions", "Place", "SchedulerService", "UpcomingJob"]
