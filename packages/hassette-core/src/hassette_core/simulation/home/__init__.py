"""A simulated home: Home Assistant's API on loopback, with a small house behind it that lives."""

from hassette_core.simulation.home.core import HomeContext, HomeCore
from hassette_core.simulation.home.home import SimulatedHome
from hassette_core.simulation.home.life import Life

__all__ = ["HomeContext", "HomeCore", "Life", "SimulatedHome"]
