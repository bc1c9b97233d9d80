"""The pages in the navigation, in their order."""

from typing import NamedTuple

from hassette_sync.answers.kinds import LABELS


class MenuEntry(NamedTuple):
    """One page of the navigation."""

    path: str
    title: str

    def is_current(self, path: str) -> bool:
        """Return whether the page at ``path`` belongs to this entry: ``/runs/7`` belongs to ``/runs``."""
        return path == self.path or (self.path != "/" and path.startswith(f"{self.path}/"))


MENU = (
    MenuEntry("/", "Overview"),
    *(MenuEntry(f"/{kind.plural}", kind.title) for kind in LABELS.values()),
    MenuEntry("/runs", "Runs"),
    MenuEntry("/errors", "Errors"),
    MenuEntry("/sessions", "Sessions"),
)
