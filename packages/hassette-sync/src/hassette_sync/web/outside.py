"""Links to programs outside of the pages: Home Assistant, and the visitor's editor."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


def home_address(configured: str | None, facts: Mapping[str, str]) -> str | None:
    """Return the address of Home Assistant's pages without a slash at its end.

    Args:
        configured: The setting ``home_url``.
        facts: Facts of the newest session. They contain the address to which the framework connects.
    """
    address = configured or facts.get("home_assistant_url", "")
    try:
        parts = urlsplit(address)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # the facts may contain any text
        return None
    scheme = _SCHEMES.get(parts.scheme)
    # The supervisor's address leads to Home Assistant only inside of its machine.
    if scheme is None or not parts.hostname or (not configured and parts.hostname == "supervisor"):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path.removesuffix("/").removesuffix("/api/websocket")
    return f"{scheme}://{host}{port}{path}"


def editor_address(template: str | None, file: str, line: int) -> str | None:
    """Return the address that opens a line of a file in the visitor's editor, or None without a template."""
    if not template or not file:
        return None
    return template.replace("{file}", quote(file)).replace("{line}", str(max(line, 1)))
