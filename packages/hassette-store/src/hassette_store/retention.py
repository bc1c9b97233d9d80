"""Keeps the file's size: small bites between writes."""

from collections.abc import Callable

import aiosqlite

from hassette_store.settings import StoreSettings


class Retention:
    """Takes what has aged out from the file."""

    def __init__(
        self,
        db: aiosqlite.Connection,
        settings: StoreSettings,
        now_us: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._db = db

    async def bite(self) -> float:
        """Take one bite; return in how many seconds the next one is due."""
        return 60.0
