"""The event bus: find the listeners of an event and run their handlers."""

from hassette_core.bus.app_bus import AppBus
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription

__all__ = ["AppBus", "BusService", "ListenerOptions", "Subscription"]
