"""Registrations of listeners and jobs: free names, run lanes, and the tasks that run their commands."""

from hassette_core.roster.roster import Roster
from hassette_core.roster.run_lanes import AT_ONCE, MAX_WAITING, CommandRunner, Mode, RunLane, check_mode

__all__ = ["AT_ONCE", "MAX_WAITING", "CommandRunner", "Mode", "Roster", "RunLane", "check_mode"]
