"""Topics, listeners, and the way from an event to a run."""

from hassette_core.bus.app_bus import AppBus
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription

__all__ = ["AppBus", "BusService", "Subscription"]
