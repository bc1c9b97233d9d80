"""The line to Home Assistant: connected, kept, and restored when it breaks."""

from hassette_core.link.address import Address, parse_address
from hassette_core.link.configuration import HomeConfiguration
from hassette_core.link.connection import Connection, RestAnswer
from hassette_core.link.link import HomeAssistantLink
from hassette_core.link.pulse import Pulse

__all__ = ["Address", "Connection", "HomeAssistantLink", "HomeConfiguration", "Pulse", "RestAnswer", "parse_address"]
