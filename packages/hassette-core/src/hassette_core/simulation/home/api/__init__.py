"""The two APIs of the simulated home, without a socket: `ClientConnection` (WebSocket) and `RestApi`."""

from hassette_core.simulation.home.api.connection import ClientConnection, ClientSocket
from hassette_core.simulation.home.api.rest import RestApi, RestRequest, RestResponse

__all__ = ["ClientConnection", "ClientSocket", "RestApi", "RestRequest", "RestResponse"]
