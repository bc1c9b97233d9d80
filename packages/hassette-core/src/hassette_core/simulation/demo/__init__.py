"""The demonstration: a simulated home, the framework, and the example apps, on this machine alone."""

from hassette_core.simulation.demo.demo import Demo, DemoOptions
from hassette_core.simulation.demo.tally import Tally

__all__ = ["Demo", "DemoOptions", "Tally"]
