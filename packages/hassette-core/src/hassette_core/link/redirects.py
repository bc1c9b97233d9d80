"""Decide which redirects of the server are followed. The token must never reach another host."""

from contextlib import suppress
from urllib.parse import urljoin, urlsplit

from hassette_core.errors import LinkError, UrlError
from hassette_core.link.address import Address, parse_address

MAX_REDIRECTS = 5


def redirected(address: Address, path: str, location: str) -> Address:
    """Return the address to which a server redirects.

    A redirect from ``http`` to ``https``, to another port or to another path of the same host is followed. All other
    redirects are refused: the token would be sent to a host that the user has not named, or without encryption.

    Args:
        address: The address that was used.
        path: The path of the request, such as ``/api/websocket``.
        location: The header ``Location`` of the answer.

    Raises:
        LinkError: The redirect is refused. The message contains the address to which the server redirects.
    """
    old, found = urlsplit(address.url), None
    with suppress(ValueError, UrlError):  # the address is not valid
        page = urljoin(address.url + path, location)
        if page.endswith(path):
            found = parse_address(page.removesuffix(path))
    if found is None:
        raise LinkError(
            f"cannot connect to {address.url}: the server redirects {path} to a page that is not Home Assistant's API;"
            " set url in [home_assistant] to the address of Home Assistant"
        )
    new = urlsplit(found.url)
    if new.hostname != old.hostname:
        raise LinkError(
            f"cannot connect to {address.url}: the server redirects to another host, {found.url}, and the token is not"
            f" sent there; if this is your Home Assistant, set url in [home_assistant] to {found.url!r}"
        )
    if (old.scheme, new.scheme) == ("https", "http"):
        raise LinkError(
            f"cannot connect to {address.url}: the server redirects to {found.url}, and the token is not sent there"
            " without encryption"
        )
    return found
