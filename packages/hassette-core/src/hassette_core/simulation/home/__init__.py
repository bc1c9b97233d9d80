"""A simulated home: a server with Home Assistant's WebSocket and REST API on a loopback port.

`api` receives the request of a client, `services` validates and carries out a service call, and `core` changes states
and fires events. `api` sends the events to the clients. `server` connects the API to a port; a client in the same
process can do without it. `activity` changes states without a request. All times and timers come from one clock.
``tests/homeassistant`` compares this behaviour with real versions of Home Assistant.
"""

from hassette_core.simulation.home.activity import HomeActivity
from hassette_core.simulation.home.api import ClientSocket, RestRequest, RestResponse
from hassette_core.simulation.home.core import HomeContext, HomeCore
from hassette_core.simulation.home.simulated_home import SimulatedHome

__all__ = [
    "ClientSocket",
    "HomeActivity",
    "HomeContext",
    "HomeCore",
    "RestRequest",
    "RestResponse",
    "SimulatedHome",
]
