"""Keeping threads out: bus and scheduler belong to one event loop, and sync handlers run beside it."""

import asyncio
from collections.abc import Callable

from hassette_core.errors import RegistrationError


class OwnLoop:
    """The event loop that a service runs on, once it has started. Before that, there are no threads to keep out."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def take(self) -> None:
        """Take the running loop for the service's own."""
        self._loop = asyncio.get_running_loop()

    def check(self, what: str) -> None:
        """Check that we are on the loop, before anything is registered: a timer or a task could not be made elsewhere.

        Args:
            what: What is to be registered, named in the error.

        Raises:
            RegistrationError: We are in a thread; the message says how not to be.
        """
        if self._elsewhere() is not None:
            raise RegistrationError(
                f"{what} cannot be registered in a thread, which is where a handler that is a plain `def` (or a lambda)"
                " runs: make that handler an `async def`; what blocks in it, it can await with asyncio.to_thread"
            )

    def call(self, function: Callable[[], None]) -> None:
        """Call on the loop: now if we are on it, else as soon as it gets to it."""
        loop = self._elsewhere()
        if loop is None:
            function()
            return
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The loop is closed: this thread has outlived the framework, and nothing is left to be done.
            return

    def _elsewhere(self) -> asyncio.AbstractEventLoop | None:
        """Return the service's loop if we are not on it."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        return None if running is self._loop else self._loop
