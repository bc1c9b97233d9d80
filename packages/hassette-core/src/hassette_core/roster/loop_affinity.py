"""`LoopAffinity`: bind a service to its event loop.

Plain ``def`` handlers run in threads. They must not register listeners or jobs there, because bus and scheduler are not
thread-safe.
"""

import asyncio
from collections.abc import Callable

from hassette_core.errors import RegistrationError


class LoopAffinity:
    """The event loop of a started service. Before the start, every thread passes the check."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Make the running event loop the service's loop."""
        self._loop = asyncio.get_running_loop()

    def check(self, subject: str) -> None:
        """Check that the caller runs on the service's loop, because timers and tasks can only be created there.

        Args:
            subject: The listener or job to register, for the error message.

        Raises:
            RegistrationError: The caller runs in a thread. The message explains how to avoid that.
        """
        if self._foreign_loop() is not None:
            raise RegistrationError(
                f"{subject} cannot be registered in a thread. A handler that is a plain `def` (or a lambda) runs in a"
                " thread: make that handler an `async def`, and await its blocking work with asyncio.to_thread"
            )

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the service's loop.

        If the caller runs on this loop, the call happens at once. If the caller runs in a thread, the call happens when
        the loop is free.
        """
        loop = self._foreign_loop()
        if loop is None:
            function()
            return
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The framework has ended before the thread, and has closed the loop. No listener or job exists any more.
            return

    def _foreign_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the service's loop. Return None when the caller runs on this loop, or before the service starts."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        return None if running is self._loop else self._loop
