"""The house's one automation of its own: guests get their Wi-Fi."""

import asyncio
from datetime import UTC, datetime

from hassette_core.simulation.home.core import HomeContext, HomeCore, Json
from hassette_core.simulation.home.services import Services

AUTOMATION = "automation.guest_wifi"
WATCHED = "input_boolean.guests"
ACTED_ON = "switch.guest_wifi"


class GuestWifi:
    """Makes ``switch.guest_wifi`` follow ``input_boolean.guests``, as an automation of Home Assistant would.

    What it causes carries a context of its own, whose parent is the context of what triggered it. It runs on a later
    turn of the loop, so the caller who switched the boolean has the answer before the Wi-Fi follows.

    Args:
        core: The house's states and events.
        services: The house's services.
    """

    def __init__(self, core: HomeCore, services: Services) -> None:
        self._core = core
        self._services = services
        core.listen("state_changed", self._hear)

    def _hear(self, event: Json) -> None:
        data = event["data"]
        if data["entity_id"] != WATCHED or data["old_state"] is None or data["new_state"] is None:
            return
        wanted = data["new_state"]["state"]
        if wanted != data["old_state"]["state"] and self._core.states[AUTOMATION]["state"] == "on":
            asyncio.get_running_loop().call_soon(self._run, wanted, HomeContext(**event["context"]))

    def _run(self, wanted: str, cause: HomeContext) -> None:
        context = self._core.context(parent=cause)
        self._core.fire(
            "automation_triggered",
            {"name": "Guest wifi", "entity_id": AUTOMATION, "source": f"state of {WATCHED}"},
            context,
        )
        now = datetime.now(UTC).isoformat()
        self._core.change(AUTOMATION, context=context, last_triggered=now, current=1)
        self._services.call("switch", f"turn_{wanted}", {"entity_id": [ACTED_ON]}, context)
        self._core.change(AUTOMATION, context=context, current=0)
