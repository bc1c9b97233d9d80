"""The demo: the simulated home, the framework and the example apps in one process.

The command ``hassette demo`` runs a `Demo` and prints a summary of its `DemoResult`.
"""

from hassette_core.simulation.demo.demo import Demo, DemoOptions, DemoResult
from hassette_core.simulation.demo.failure_counter import FailureCounter

__all__ = ["Demo", "DemoOptions", "DemoResult", "FailureCounter"]
