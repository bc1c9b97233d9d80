"""Parse the configured address of Home Assistant, and derive the address of its WebSocket API."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from hassette_core.config import SUPERVISOR_URL
from hassette_core.errors import UrlError

_PARTS = re.compile(r"((?:[a-z]+://)?)([^?#]*)(.*)", re.IGNORECASE | re.DOTALL)


class Address(NamedTuple):
    """The addresses of Home Assistant.

    Attributes:
        url: For example ``http://homeassistant.local:8123``, without a slash at the end.
        websocket_url: For example ``ws://homeassistant.local:8123/api/websocket``.
    """

    url: str
    websocket_url: str

    @property
    def websocket_path(self) -> str:
        """The path of the WebSocket API, after `url`."""
        return self.websocket_url.partition("://")[2].removeprefix(self.url.partition("://")[2])


def parse_address(url: str) -> Address:
    """Parse a configured address.

    Args:
        url: An address that begins with ``http://`` or ``https://`` and has a host. It may have a port, and the path
            prefix of a proxy.

    Raises:
        UrlError: The address is not valid. The message describes a valid address and shows no secrets.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UrlError(_without_secrets(url), "an address with a valid host, and a port from 1 to 65535") from None
    if "@" in url:
        # Logs and errors contain the address, so they would also contain the password. `parts.username` is not enough:
        # urlsplit looks for a user name only before the first slash, and a password may contain a slash.
        raise UrlError(_without_secrets(url), "an address without a user name and password")
    if parts.scheme not in ("http", "https"):
        raise UrlError(_without_secrets(url), "an address that starts with http:// or https://")
    if not parts.hostname or any(character.isspace() for character in parts.netloc):
        raise UrlError(_without_secrets(url), "an address with a host")
    if parts.query or parts.fragment:
        raise UrlError(_without_secrets(url), "an address without a ? or #")
    if port == 0:
        raise UrlError(_without_secrets(url), "an address with a port from 1 to 65535")
    path = parts.path.rstrip("/").removesuffix("/api")
    rest = f"://{parts.netloc}{path}"
    websocket_path = "/websocket" if parts.scheme + rest == SUPERVISOR_URL else "/api/websocket"
    return Address(parts.scheme + rest, ("wss" if parts.scheme == "https" else "ws") + rest + websocket_path)


def _without_secrets(url: str) -> str:
    # Replace the user name and password, the query and the fragment by "…".
    parts = _PARTS.fullmatch(url.strip())
    assert parts is not None  # each part may be empty, so every string matches
    scheme, address, end = parts.groups()
    if "@" in end:
        # The ? or # may be a character of the password. Then the text before this character contains half of the
        # password.
        return f"{scheme}…"
    _, at, host = address.rpartition("@")
    return f"{scheme}{'…' if at else ''}{at}{host}{end[:1]}{'…' if end[1:] else ''}"
