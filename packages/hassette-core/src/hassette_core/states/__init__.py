"""The current states of all entities. The link updates the `StateCache`; apps and the bus read `States`."""

from hassette_core.states.cache import StateCache
from hassette_core.states.observation import Observation
from hassette_core.states.states import States
from hassette_core.states.watch import StateWatch

__all__ = ["Observation", "StateCache", "StateWatch", "States"]
