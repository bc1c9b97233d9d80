"""What a session should know about itself and about the home: versions, the place."""

import asyncio
import platform
from collections.abc import Callable

from hassette_core.installed import installed_versions
from hassette_core.link import HomeAssistantLink, HomeConfiguration


def session_facts() -> dict[str, str]:
    """Return what is known before anything has started: the packages, Python, SQLite, the machine."""
    facts = {package.replace("-", "_"): number for package, number in installed_versions().items()}
    facts["python"] = platform.python_version()
    facts["platform"] = platform.platform(terse=True)
    try:
        import sqlite3  # some Pythons are built without it, and core does not need it
    except ImportError:
        return facts
    facts["sqlite"] = sqlite3.sqlite_version
    return facts


class HomeFacts:
    """Passes on what Home Assistant says about itself, as soon as it has, and again after an interruption.

    Args:
        link: The line to Home Assistant.
        tell: Called with what it says, when that is news.
    """

    name = "home facts"
    LOOK_AGAIN_S = 30.0
    """A new version or a moved house is noticed within so many seconds: it takes a restart, or a person's hand."""

    def __init__(self, link: HomeAssistantLink, tell: Callable[[HomeConfiguration], None]) -> None:
        self._link = link
        self._tell = tell
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Forget an earlier stop."""
        self._stopped.clear()

    async def serve(self) -> None:
        """Tell whatever is news until stopped."""
        told: HomeConfiguration | None = None
        while not self._stopped.is_set():
            await self._link.ready.wait()
            home = self._link.configuration
            if home is not None and home != told:
                told = home
                self._tell(home)
            try:
                async with asyncio.timeout(self.LOOK_AGAIN_S):
                    await self._stopped.wait()
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Let `serve` end."""
        self._stopped.set()
