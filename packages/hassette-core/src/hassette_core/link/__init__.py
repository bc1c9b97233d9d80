"""The connection to Home Assistant.

`HomeAssistantLink` opens a `Connection` and checks it (`LivenessCheck`). After a loss, the link waits (`backoff`) and
opens a new connection. `inbox` parses each event, applies it to the states, and returns it to the link. The link passes
it to the bus.
`hassette_core.api` sends commands and REST requests through the open connection. A `ConnectionService` begins its work
again on each connection.
"""

from hassette_core.link.address import Address, parse_address
from hassette_core.link.configuration import HomeConfiguration
from hassette_core.link.connection import Connection, RestAnswer
from hassette_core.link.connection_service import ConnectionService
from hassette_core.link.link import HomeAssistantLink
from hassette_core.link.liveness import LivenessCheck
from hassette_core.link.transport import Channel, ConnectionEnd, HttpAnswer, Transport
from hassette_core.link.web_transport import WebTransport

__all__ = [
    "Address",
    "Channel",
    "Connection",
    "ConnectionEnd",
    "ConnectionService",
    "HomeAssistantLink",
    "HomeConfiguration",
    "HttpAnswer",
    "LivenessCheck",
    "RestAnswer",
    "Transport",
    "WebTransport",
    "parse_address",
]
