"""What every entity is now."""

from hassette_core.states.states import States

__all__ = ["States"]
