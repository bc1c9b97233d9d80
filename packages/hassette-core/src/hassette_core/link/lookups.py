"""`Lookups`: look up the address of a host in threads that apps cannot use up."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

from aiohttp import ThreadedResolver

THREADS = 2


class Lookups:
    """Looks up addresses in its own threads.

    The event loop would use its default threads, which ``asyncio.to_thread`` also uses. If calls of an app hang in all
    of them, or if an app shuts them down, no host name could be resolved, and the link could not reconnect.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="hassette-lookup")

    def resolver(self) -> ThreadedResolver:
        """Return a resolver for an HTTP session."""
        # The resolver calls only the two methods below.
        return ThreadedResolver(loop=cast("asyncio.AbstractEventLoop", self))

    async def getaddrinfo(self, host: str, port: int, **options: int) -> Any:
        """Do the same as `asyncio.loop.getaddrinfo`."""
        return await self._run(partial(socket.getaddrinfo, host, port, **options))

    async def getnameinfo(self, address: Any, flags: int = 0) -> Any:
        """Do the same as `asyncio.loop.getnameinfo`."""
        return await self._run(partial(socket.getnameinfo, address, flags))

    async def _run(self, call: partial[Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
