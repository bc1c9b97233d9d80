"""Check the address of Home Assistant without a connection."""

from urllib.parse import urlsplit

from hassette_core.checks.findings import Finding, Level
from hassette_core.link import parse_address

_PAGES = frozenset(
    {
        *("api", "app", "auth", "calendar", "climate", "config", "developer-tools", "energy", "hassio", "history"),
        *("home", "light", "logbook", "lovelace", "maintenance", "map", "marketplace", "media-browser", "profile"),
        *("onboarding.html", "security", "shopping-list", "todo"),
    }
)
"""First parts of the paths of Home Assistant's pages. By default, a new dashboard's path starts with
``dashboard-``."""
_SUPERVISOR = ("supervisor", "/core")
"""Host and path of Home Assistant inside a Home Assistant app (add-on)."""


def check_address(url: str) -> list[Finding]:
    """Return a finding if the address has a path, because Home Assistant serves its API only at the root of a host.

    Args:
        url: The configured address.

    Raises:
        UrlError: The address is not valid.
    """
    address = urlsplit(parse_address(url).url)
    # parse_address removes "/api", because it is part of a documented form of the address.
    if not address.path or (address.hostname, address.path) == _SUPERVISOR:
        return []
    root = f"{address.scheme}://{address.netloc}"
    first = address.path.split("/")[1]
    if first in _PAGES or first.startswith("dashboard-"):
        text = f"home_assistant.url must be the address without the path of a page: {root!r}, got {url!r}"
        return [Finding(Level.FAILED, "home_assistant.url", text)]
    text = (
        f"home_assistant.url has the path {address.path!r}, which is right only if a proxy serves Home Assistant there;"
        f" otherwise use {root!r}. `hassette check --online` finds out"
    )
    return [Finding(Level.WARNING, "home_assistant.url", text)]
