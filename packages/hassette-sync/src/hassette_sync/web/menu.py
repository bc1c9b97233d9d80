"""The pages in the navigation, in their order."""

from typing import NamedTuple


class MenuEntry(NamedTuple):
    """One page of the navigation."""

    path: str
    title: str

    def is_current(self, path: str) -> bool:
        """Return whether the page at ``path`` belongs to this entry, as ``/runs/7`` belongs to ``/runs``."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


MENU = (
    MenuEntry("/", "Overview"),
    MenuEntry("/handlers", "Handlers"),
    MenuEntry("/jobs", "Jobs"),
    MenuEntry("/runs", "Runs"),
    MenuEntry("/errors", "Errors"),
    MenuEntry("/sessions", "Sessions"),
)
