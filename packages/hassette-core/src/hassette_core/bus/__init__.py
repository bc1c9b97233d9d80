"""The event bus: pass each event to the listeners that match it.

An event takes this path. All steps run on the event loop, except plain ``def`` handlers, which run in threads:

1. The link calls `BusService.dispatch` with the event.
2. `topics` finds the listeners of the event's type and entity.
3. Each listener (`listener`) checks its conditions (`conditions`).
4. The listener's gates (`gates`) pass the event on at once, later or never. The options ``duration``, ``debounce`` and
   ``throttle`` each create a gate.
5. The listener binds the parameters of the handler (`hassette_core.handlers`) and offers a command to its run lane
   (`hassette_core.roster`). The lane starts, queues or skips the run. The executor calls the handler.

For `AppBus.on_trigger`, `hassette_core.triggers` subscribes in Home Assistant to each configuration in `HomeTriggers`.
It dispatches each firing as a `TriggerFired`, which the bus passes to the listeners of that configuration.

Apps register listeners with an `AppBus`, which returns a `Subscription` for each.
"""

from hassette_core.bus.app_bus import AppBus
from hassette_core.bus.home_triggers import HomeTriggers, TriggerReport, TriggerStatus
from hassette_core.bus.options import ListenerOptions
from hassette_core.bus.own_events import OwnEvents
from hassette_core.bus.service import BusService
from hassette_core.bus.subscription import Subscription
from hassette_core.bus.trigger_config import TriggerConfig

__all__ = [
    "AppBus",
    "BusService",
    "HomeTriggers",
    "ListenerOptions",
    "OwnEvents",
    "Subscription",
    "TriggerConfig",
    "TriggerReport",
    "TriggerStatus",
]
