"""The current states of all entities: `States` to read them, `StateCache` to keep them current."""

from hassette_core.states.cache import StateCache
from hassette_core.states.states import States

__all__ = ["StateCache", "States"]
