"""The connection to Home Assistant: opened, watched, and restored after a loss."""

from hassette_core.link.address import Address, parse_address
from hassette_core.link.configuration import HomeConfiguration
from hassette_core.link.connection import Connection, RestAnswer
from hassette_core.link.link import HomeAssistantLink
from hassette_core.link.liveness import LivenessCheck

__all__ = [
    "Address",
    "Connection",
    "HomeAssistantLink",
    "HomeConfiguration",
    "LivenessCheck",
    "RestAnswer",
    "parse_address",
]
