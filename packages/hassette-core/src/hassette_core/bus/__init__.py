"""The event bus: find the listeners that match an event, and offer a run to each of them.

The path of one event, all on the event loop:

1. The link calls `BusService.dispatch` with the event.
2. `topics` finds the listeners of its event type and entity.
3. Each listener (`listener`) checks its conditions (`conditions`).
4. Its gates (`gates`) pass the event on at once, later or never: ``duration``, ``debounce`` and ``throttle``.
5. The listener binds the parameters of the handler (`hassette_core.handlers`) and offers the command to its run lane
   (`hassette_core.roster`), which starts, queues or skips the run. The executor calls the handler.

Apps register listeners with an `AppBus`, which returns a `Subscription` for each.
"""

from hassette_core.bus.app_bus import AppBus
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription

__all__ = ["AppBus", "BusService", "ListenerOptions", "Subscription"]
