"""Bind a service to its event loop: sync handlers run in threads and must not change bus or scheduler from there."""

import asyncio
from collections.abc import Callable

from hassette_core.errors import RegistrationError


class LoopAffinity:
    """The event loop of a started service. Before the start, every thread counts as the right one."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def bind(self) -> None:
        """Make the running event loop the service's loop."""
        self._loop = asyncio.get_running_loop()

    def check(self, subject: str) -> None:
        """Check that the caller runs on the service's loop, because timers and tasks can only be made there.

        Args:
            subject: The object to be registered, for the error message.

        Raises:
            RegistrationError: The caller runs in a thread. The message explains how to avoid that.
        """
        if self._foreign_loop() is not None:
            raise RegistrationError(
                f"{subject} cannot be registered in a thread, and a handler that is a plain `def` (or a lambda) runs in"
                " one: make that handler an `async def`, and await its blocking work with asyncio.to_thread"
            )

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the loop: at once when the caller runs on it, otherwise as soon as the loop is free."""
        loop = self._foreign_loop()
        if loop is None:
            function()
            return
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            # The loop is closed: the thread outlived the framework, and there is nothing left to cancel.
            return

    def _foreign_loop(self) -> asyncio.AbstractEventLoop | None:
        """Return the service's loop when the caller does not run on it."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        return None if running is self._loop else self._loop
