"""Containment of app code: an app can end its own work, and nothing else.

An app may call ``sys.exit()``, raise any other `BaseException`, or cancel tasks. The module `actor` records which app's
code runs. `ContainedTasks` is the task factory of the event loop while the framework runs. It ends only the task in
which an app calls ``sys.exit()``. It refuses an app's request to cancel a task of the framework or of another app.
`run_contained` runs an event loop that an app cannot end. `contained_log_handlers` prevents that a broken
logging handler of an app breaks other code. `kept_signal_handlers` keeps the handlers of the signals that stop the
process.
"""

from hassette_core.containment.actor import ACTOR, FRAMEWORK, Actor, AppActor, acting_for, current_app, subject_of
from hassette_core.containment.containment_log import CONTAINMENT_LOGGER, ContainmentLog, RecordEvent
from hassette_core.containment.event_loop import run_contained
from hassette_core.containment.log_handlers import contained_log_handlers
from hassette_core.containment.rehearsal import (
    ContextThreads,
    app_actor,
    check_may_control,
    check_own_registration,
    is_rehearsing,
    may_change_the_home,
    rehearsals,
    set_rehearsal,
    threads_with_actors,
    why_refused,
)
from hassette_core.containment.signal_handlers import kept_signal_handlers
from hassette_core.containment.task_factory import ContainedTasks, GuardedTask, containing_tasks, on_foreign_loop

__all__ = [
    "ACTOR",
    "CONTAINMENT_LOGGER",
    "FRAMEWORK",
    "Actor",
    "AppActor",
    "ContainedTasks",
    "ContainmentLog",
    "ContextThreads",
    "GuardedTask",
    "RecordEvent",
    "acting_for",
    "app_actor",
    "check_may_control",
    "check_own_registration",
    "contained_log_handlers",
    "containing_tasks",
    "current_app",
    "is_rehearsing",
    "kept_signal_handlers",
    "may_change_the_home",
    "on_foreign_loop",
    "rehearsals",
    "run_contained",
    "set_rehearsal",
    "subject_of",
    "threads_with_actors",
    "why_refused",
]
