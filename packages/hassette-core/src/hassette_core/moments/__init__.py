"""Moments: times such as ``07:00``, ``sunset - 00:30`` or the time that an entity holds, and windows between them.

`parse_moment` reads the grammar (`grammar`). A `Moment` (`moment`) computes its next time from the home's time zone and
location (`Place`) and the states. The sun comes from `sun`. A `Window` lies between two moments. `AppTime` is
``self.time`` of an app. The scheduler plans runs at moments, and the conditions compare the current time with windows.
"""

from hassette_core.moments.app_time import AppSun, AppTime, is_sun_up
from hassette_core.moments.days import Days, parse_days
from hassette_core.moments.grammar import parse_moment
from hassette_core.moments.moment import NO_STATES, DateTime, EntityTime, Moment, StateMap, SunEvent, SunTime, TimeOfDay
from hassette_core.moments.place import Place
from hassette_core.moments.window import Window, parse_window

__all__ = [
    "NO_STATES",
    "AppSun",
    "AppTime",
    "DateTime",
    "Days",
    "EntityTime",
    "Moment",
    "Place",
    "StateMap",
    "SunEvent",
    "SunTime",
    "TimeOfDay",
    "Window",
    "is_sun_up",
    "parse_days",
    "parse_moment",
    "parse_window",
]
