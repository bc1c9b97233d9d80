"""`ConnectionService`: a base class for services that begin their work again on each connection."""

import asyncio
from abc import abstractmethod

from hassette_core.errors import LinkError, NotConnectedError
from hassette_core.lifecycle import AsyncWithService, CancellableWork
from hassette_core.link.connection import Connection
from hassette_core.link.link import HomeAssistantLink

POLL_S = 0.05
"""Wait while the link closes a lost connection, in seconds."""


class ConnectionService(AsyncWithService):
    """A service that works on the connection while Home Assistant is ready, and begins again after each reconnect.

    It is a service (`start`, `serve`, `stop`) and an async context manager.

    Args:
        link: The connection.

    Attributes:
        name: Name of the service, from the subclass.
    """

    name: str

    def __init__(self, link: HomeAssistantLink) -> None:
        self._link = link
        self._work = CancellableWork()

    async def start(self) -> None:
        """Do nothing. The work is done in `serve`, so that no app waits for it."""

    async def serve(self) -> None:
        """Follow the connections until `stop`."""
        await self._work.run(self._follow_connections(), self.name)

    async def stop(self) -> None:
        """Make `serve` end. May be called twice."""
        await self._work.cancel()

    @abstractmethod
    async def _follow(self, connection: Connection) -> None:
        """Work on a connection. The task is cancelled when the connection is lost."""

    async def _follow_connections(self) -> None:
        while True:
            await self._link.ready.wait()
            try:
                connection = self._link.require_connection(self.name)
            except LinkError:  # the link has not noticed yet that its connection is lost
                await asyncio.sleep(POLL_S)
                continue
            following = asyncio.create_task(self._follow(connection))
            lost = asyncio.create_task(connection.wait_until_lost())
            try:
                await asyncio.wait((following, lost), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (following, lost):
                    task.cancel()
                await asyncio.wait((following, lost))
            error = None if following.cancelled() else following.exception()
            if isinstance(error, NotConnectedError):  # the connection was lost during a command
                await asyncio.sleep(POLL_S)
            elif error is not None:
                raise error
