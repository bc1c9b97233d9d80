"""Changes without a request: a resident, temperatures, an automation, and load."""

from hassette_core.simulation.home.activity.activity import HomeActivity
from hassette_core.simulation.home.activity.automation import GuestWifi
from hassette_core.simulation.home.activity.load import LoadGenerator

__all__ = ["GuestWifi", "HomeActivity", "LoadGenerator"]
