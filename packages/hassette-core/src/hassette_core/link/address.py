"""Parse the configured address of Home Assistant, and derive the address of its WebSocket API."""

from typing import NamedTuple
from urllib.parse import urlsplit

from hassette_core.errors import UrlError


class Address(NamedTuple):
    """The addresses of Home Assistant.

    Attributes:
        url: For example ``http://homeassistant.local:8123``, without a slash at the end.
        websocket_url: For example ``ws://homeassistant.local:8123/api/websocket``.
    """

    url: str
    websocket_url: str


def parse_address(url: str) -> Address:
    """Parse a configured address.

    Args:
        url: An address that begins with ``http://`` or ``https://`` and has a host. It may have a port, and the path
            prefix of a proxy.

    Raises:
        UrlError: The address is not valid. The message names the problem.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UrlError(_without_password(url), "cannot be parsed (is the port a number up to 65535?)") from None
    if parts.username is not None or parts.password is not None:
        # Logs and errors contain the address, so they would also contain the password.
        raise UrlError(_without_password(url), "contains a user name or password")
    if parts.scheme not in ("http", "https"):
        raise UrlError(url, "does not start with http:// or https://")
    if not parts.hostname or any(character.isspace() for character in parts.netloc):
        raise UrlError(url, "has no host")
    if parts.query or parts.fragment:
        raise UrlError(url, "contains a ? or a #")
    if port == 0:
        raise UrlError(url, "has port 0")
    path = parts.path.rstrip("/").removesuffix("/api")
    rest = f"://{parts.netloc}{path}"
    return Address(parts.scheme + rest, ("wss" if parts.scheme == "https" else "ws") + rest + "/api/websocket")


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    scheme, separator, _ = before.partition("://")
    return f"{scheme}{separator}…@{after}" if at else url
