"""Links between the pages. They keep the time range that the visitor has chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

TIME_PARAMETERS = ("since", "until")
"""Parameters of the time range in the address of a page."""


@dataclass(frozen=True, slots=True)
class Links:
    """Makes the links of one page.

    Args:
        path: Path of the page.
        root: Address of the root, with a trailing slash (`hassette_sync.web.root.root_of`).
        query: Parameters in the address of the page.
    """

    path: str
    root: str
    query: Mapping[str, str]
    # A page has hundreds of links with these parameters only.
    _time: Mapping[str, str] = field(init=False)
    _time_query: str = field(init=False)

    def __post_init__(self) -> None:
        time = {key: self.query[key] for key in TIME_PARAMETERS if self.query.get(key)}
        object.__setattr__(self, "_time", time)
        object.__setattr__(self, "_time_query", _query(time))

    def here(self, /, **changes: object) -> str:
        """Return the address of this page with changed parameters. None removes a parameter.

        Each change leads to the first page of a list, unless ``cursor`` is one of the changes.
        """
        query = _query({**self.query, "cursor": None, **changes})
        # Under the prefix of a proxy, a page may be shown without its last slash. Only a query keeps its address then.
        return query or f"./{self.path.rpartition('/')[2]}"

    def to(self, page: str = "", /, *, default_since: object = None, **parameters: object) -> str:
        """Return the address of another page with the time range of this page.

        Args:
            page: Path of the other page without the first slash: ``runs``, ``runs/7``.
            default_since: Start of the time range if the visitor has chosen none.
            **parameters: Its parameters. A value of ``since`` or ``until`` replaces the time range. None removes any
                other parameter.
        """
        if not parameters and default_since is None:
            return f"{self.root}{page}{self._time_query}"
        if all(parameters.get(key) is None for key in TIME_PARAMETERS):
            time = self._time or {"since": default_since}
            # The time comes first in the address. It replaces a since=None or until=None among the parameters.
            parameters = {**time, **parameters, **time}
        return f"{self.root}{page}{_query(parameters)}"


def _query(parameters: Mapping[str, object]) -> str:
    query = urlencode({key: str(value) for key, value in parameters.items() if value is not None and value != ""})
    return f"?{query}" if query else ""
