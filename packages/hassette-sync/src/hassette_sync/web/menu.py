"""The pages in the navigation, in their order."""

from typing import NamedTuple


class MenuEntry(NamedTuple):
    """One page of the navigation. ``key`` is the letter that opens it after ``g``."""

    path: str
    title: str
    key: str

    def is_current(self, path: str) -> bool:
        """Return whether the page at ``path`` belongs to this entry: ``/runs/7`` belongs to ``/runs``."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


MENU = (
    MenuEntry("/", "Overview", "o"),
    MenuEntry("/apps", "Apps", "a"),
    MenuEntry("/handlers", "Handlers", "h"),
    MenuEntry("/jobs", "Jobs", "j"),
    MenuEntry("/runs", "Runs", "r"),
    MenuEntry("/errors", "Errors", "e"),
    MenuEntry("/not-run", "Not run", "n"),
    MenuEntry("/logs", "Logs", "l"),
    MenuEntry("/events", "Events", "v"),
    MenuEntry("/sessions", "Sessions", "s"),
    MenuEntry("/home", "Household", "u"),
)
