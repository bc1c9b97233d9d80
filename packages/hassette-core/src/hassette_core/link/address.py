"""Where Home Assistant is: one configured address, and the others that follow from it."""

from typing import NamedTuple
from urllib.parse import urlsplit

from hassette_core.errors import UrlError


class Address(NamedTuple):
    """Home Assistant's address.

    Attributes:
        url: Without a slash at the end, such as ``http://homeassistant.local:8123``.
        websocket_url: Such as ``ws://homeassistant.local:8123/api/websocket``.
    """

    url: str
    websocket_url: str


def parse_address(url: str) -> Address:
    """Read an address as a person configures it.

    Args:
        url: ``http://`` or ``https://``, a host, perhaps a port, perhaps a path that a proxy puts in front.

    Raises:
        UrlError: It is something else; the text says what.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise UrlError(_without_password(url), "cannot be read (is the port a number up to 65535?)") from None
    if parts.username is not None or parts.password is not None:
        # It would end in logs with everything else that names the address.
        raise UrlError(_without_password(url), "has a user name or password in it")
    if parts.scheme not in ("http", "https"):
        raise UrlError(url, "does not begin with http:// or https://")
    if not parts.hostname or any(character.isspace() for character in parts.netloc):
        raise UrlError(url, "names no host")
    if parts.query or parts.fragment:
        raise UrlError(url, "has something after a ? or a #")
    if port == 0:
        raise UrlError(url, "has port 0")
    path = parts.path.rstrip("/").removesuffix("/api")
    rest = f"://{parts.netloc}{path}"
    return Address(parts.scheme + rest, ("wss" if parts.scheme == "https" else "ws") + rest + "/api/websocket")


def _without_password(url: str) -> str:
    before, at, after = url.rpartition("@")
    scheme, separator, _ = before.partition("://")
    return f"{scheme}{separator}…@{after}" if at else url
