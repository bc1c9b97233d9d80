"""Results of actions, which the page shows once after a button was pressed."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

PARAMETER: Final = "notice"
_KEPT: Final = 200


@dataclass(frozen=True, slots=True)
class Notice:
    """The result of an action.

    Attributes:
        text: One sentence.
        good: Whether the action succeeded.
    """

    text: str
    good: bool


class Notices:
    """The newest notices, by a random name. The address of the page contains the name and not the text.

    Otherwise a link from another site could put any text onto a page.
    """

    def __init__(self) -> None:
        self._notices: OrderedDict[str, Notice] = OrderedDict()

    def add_to(self, page: str, text: str, *, good: bool) -> str:
        """Keep a notice. Return the address of the page that shows it, relative to ``/control``.

        Args:
            page: Path and query of a page of this server, such as ``/runs?since=7d``. Any other address is replaced by
                the first page.
            text: One sentence.
            good: Whether the action succeeded.
        """
        name = secrets.token_urlsafe(12)
        self._notices[name] = Notice(text, good)
        while len(self._notices) > _KEPT:
            self._notices.popitem(last=False)
        path, query = _local(page)
        return f".{path}?{urlencode([*_without_notice(query), (PARAMETER, name)])}"

    def get(self, name: str) -> Notice | None:
        """Return a notice; None if the name is empty, unknown or old."""
        return self._notices.get(name)


def local_address(page: str) -> str:
    """Return the address of a page of this server without its notice; ``/`` for any other address."""
    path, query = _local(page)
    kept = urlencode(_without_notice(query))
    return f"{path}?{kept}" if kept else path


def _without_notice(query: str) -> list[tuple[str, str]]:
    return [(key, value) for key, value in parse_qsl(query, keep_blank_values=True) if key != PARAMETER]


def _local(page: str) -> tuple[str, str]:
    """Return path and query if the page is on this server. An action must not redirect to another site."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return "/", ""
    path = parts.path
    is_local = not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith(("//", "/\\"))
    if not is_local or any(ord(character) < 33 or ord(character) > 126 for character in path):
        return "/", ""
    return path, parts.query
