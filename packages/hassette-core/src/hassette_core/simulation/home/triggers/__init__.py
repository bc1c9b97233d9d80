"""The triggers of ``subscribe_trigger`` in the simulated home."""

from hassette_core.simulation.home.triggers.firing import fire_trigger
from hassette_core.simulation.home.triggers.triggers import attach_triggers

__all__ = ["attach_triggers", "fire_trigger"]
