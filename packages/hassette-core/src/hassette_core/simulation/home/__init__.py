"""A simulated home: a server with Home Assistant's WebSocket and REST API on a loopback port.

`websocket` or `rest` receives the request of a client, `services` validates and carries out a service call, and `core`
changes states and fires events. `websocket` sends the events to the clients. `activity` and `climate` change states
without a request. ``tests/homeassistant`` compares this behaviour with a real Home Assistant.
"""

from hassette_core.simulation.home.activity import HomeActivity
from hassette_core.simulation.home.core import HomeContext, HomeCore
from hassette_core.simulation.home.simulated_home import SimulatedHome

__all__ = ["HomeActivity", "HomeContext", "HomeCore", "SimulatedHome"]
