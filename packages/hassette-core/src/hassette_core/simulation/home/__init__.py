"""A simulated home: a small home with Home Assistant's WebSocket and REST API on a loopback port."""

from hassette_core.simulation.home.activity import HomeActivity
from hassette_core.simulation.home.core import HomeContext, HomeCore
from hassette_core.simulation.home.simulated_home import SimulatedHome

__all__ = ["HomeActivity", "HomeContext", "HomeCore", "SimulatedHome"]
