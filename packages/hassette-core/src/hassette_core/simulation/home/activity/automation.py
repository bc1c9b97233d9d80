"""`GuestWifi`: the automation of the simulated home, which switches the guest Wi-Fi."""

import asyncio
import logging

from hassette_core.errors import RefusedError
from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.services import ServiceRegistry
from hassette_core.simulation.home.services.scripts import trigger_automation

logger = logging.getLogger(__name__)

AUTOMATION = "automation.guest_wifi"
TRIGGER = "input_boolean.guests"
SWITCH = "switch.guest_wifi"


class GuestWifi:
    """Switches ``switch.guest_wifi`` on and off together with ``input_boolean.guests``.

    As in Home Assistant, the actions of the automation have a new context, whose parent is the context of the trigger.
    The automation runs in a later turn of the event loop. So the client that changed the boolean gets its answer before
    the automation acts.

    Args:
        core: The states and events of the home.
        services: The services of the home.
    """

    def __init__(self, core: HomeCore, services: ServiceRegistry) -> None:
        self._core = core
        self._services = services
        core.listen("state_changed", self._on_state_changed)

    def _on_state_changed(self, event: Json) -> None:
        data = event["data"]
        if data["entity_id"] != TRIGGER or data["old_state"] is None or data["new_state"] is None:
            return
        wanted = data["new_state"]["state"]
        automation = self._core.entities.get(AUTOMATION)
        if wanted != data["old_state"]["state"] and automation is not None and automation.state == "on":
            asyncio.get_running_loop().call_soon(self._run, wanted, HomeContext(**event["context"]))

    def _run(self, wanted: str, cause: HomeContext) -> None:
        if AUTOMATION not in self._core.entities:
            return  # removed since the trigger
        context = self._core.context(parent=cause)
        trigger_automation(self._core, AUTOMATION, context, source=f"state of {TRIGGER}", current=1)
        try:
            self._services.call("switch", f"turn_{wanted}", {"entity_id": [SWITCH]}, context)
        except RefusedError as error:  # a client has written a state other than on and off into the trigger
            logger.warning("Automation failed", extra={"automation": AUTOMATION, "error": error.message})
        self._core.change(AUTOMATION, context=context, current=0)
