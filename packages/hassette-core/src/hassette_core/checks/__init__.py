"""The checks of ``hassette check``, which find faults in apps before the apps run in a real home.

`check_address` checks the configured address. `check_source` reads the code of an app. `start_apps` starts the
apps in a simulated home, which carries out no service call. `compare` looks up the entities and services of the apps in
the real home, and `check_triggers` lets it check their triggers. Each check returns `Finding` objects.
"""

from hassette_core.checks.address import check_address
from hassette_core.checks.comparison import compare
from hassette_core.checks.findings import Finding, Level
from hassette_core.checks.home import HomeSnapshot, read_home
from hassette_core.checks.source import AppSource, check_source
from hassette_core.checks.trial import Trial, start_apps
from hassette_core.checks.triggers import check_triggers

__all__ = [
    "AppSource",
    "Finding",
    "HomeSnapshot",
    "Level",
    "Trial",
    "check_address",
    "check_source",
    "check_triggers",
    "compare",
    "read_home",
    "start_apps",
]
