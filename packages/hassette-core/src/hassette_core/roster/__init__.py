"""The list of registered listeners or jobs, and the decision whether to start, queue or skip each of their runs.

Bus and scheduler share this code: the bus has a `Roster` of listeners, and the scheduler has a `Roster` of jobs. A
roster checks that the name of a new listener or job is free, and reports the registration to the executor. Each
listener and each job has a `RunLane`. When an event matches or a job is due, the lane starts, queues or skips the run,
depending on the mode. To start a run, the lane passes a command to the `CommandRunner`, which calls the executor in a
new task. All of this runs on the event loop (`loop_affinity`).
"""

from hassette_core.roster.origins import Origin, current_origin
from hassette_core.roster.registration_fields import RegistrationFields, registration_fields
from hassette_core.roster.roster import ENDED_AT_ONCE, Roster
from hassette_core.roster.run_lanes import AT_ONCE, MAX_WAITING, CommandRunner, Mode, RunLane, check_mode

__all__ = [
    "AT_ONCE",
    "ENDED_AT_ONCE",
    "MAX_WAITING",
    "CommandRunner",
    "Mode",
    "Origin",
    "RegistrationFields",
    "Roster",
    "RunLane",
    "check_mode",
    "current_origin",
    "registration_fields",
]
