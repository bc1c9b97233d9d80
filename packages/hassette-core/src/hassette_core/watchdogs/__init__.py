"""Watchdogs: find app code that stops or floods the other apps, name it, and limit the damage.

`LoopWatch` reports code that blocks the event loop. `CauseChains` finds listeners that trigger themselves through the
changes that they cause. `report_ignored_cancellations` records runs that cannot be cancelled.
"""

from hassette_core.watchdogs.cancellations import report_ignored_cancellations
from hassette_core.watchdogs.causes import CauseChains, CauseLoop
from hassette_core.watchdogs.loop_lag import LoopLag
from hassette_core.watchdogs.loop_watch import LoopWatch

__all__ = ["CauseChains", "CauseLoop", "LoopLag", "LoopWatch", "report_ignored_cancellations"]
