"""Limits on connections. They hold before a request has been read, so also for senders without the token."""

import asyncio
import errno
import functools
import ipaddress
import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from hassette_sync.web.problems import PROBLEM_TYPE, problem_body
from hassette_sync.web.refusals import RefusalLog

_logger = logging.getLogger(__name__)

_MOST: Final = 256
_FEWEST: Final = 8
_RESERVED_DESCRIPTORS: Final = 96
"""Descriptors for the history, its readers, Home Assistant, threads and apps."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S: Final = 0.5

_BUSY: Final = problem_body(503, "too_many_connections", "All connections are in use. Try again soon.")
_BUSY_ANSWER: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-type: "
    + PROBLEM_TYPE.encode()
    + f"\r\ncontent-length: {len(_BUSY)}\r\n\r\n".encode()
    + _BUSY
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Limits on connections.

    Attributes:
        total: Number of open connections.
        per_address: Number of open connections of one address. It does not apply to this machine, because a proxy on it
            has the connections of all visitors.
        request_s: Time for the header and the body of a request, in seconds.
        write_s: Time in which a client must read something of its answer, in seconds.
    """

    total: int
    per_address: int
    request_s: float = 10.0
    write_s: float = 30.0

    @classmethod
    def of_this_process(cls) -> Self:
        """Return limits that leave enough file descriptors to the rest of the process."""
        soft = 1_000_000
        if sys.platform != "win32":
            import resource

            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            soft = soft if limit == resource.RLIM_INFINITY else limit
        total = max(_FEWEST, min(_MOST, (soft - _RESERVED_DESCRIPTORS) // 3))
        return cls(total=total, per_address=max(_FEWEST, total // 2))


class Connections:
    """Open connections of the server.

    If a new connection needs room, the oldest connection without a complete request is closed: of the same address if
    this address has too many, otherwise of the address with the most. So half-open connections keep no visitor out.

    Args:
        limits: The limits.
        refusals: Log of refused connections.
    """

    def __init__(self, limits: ConnectionLimits, refusals: RefusalLog) -> None:
        self.limits = limits
        self._refusals = refusals
        self._addresses: dict[asyncio.Transport, str] = {}
        # By address, in the order in which they became idle. An attack closes an idle connection for each new one, so
        # the search for it must not take longer with more connections.
        self._idle: dict[str, dict[asyncio.Transport, None]] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def make_room(self, address: str) -> bool:
        """Close an idle connection if a new one needs its place. Return whether there is room for the new one."""
        limits = self.limits
        if not _is_this_machine(address):
            count = sum(other == address for other in self._addresses.values())
            if count >= limits.per_address and not self._close_idle(address):
                self._report(
                    "Connection was refused, because its address has too many connections", address, limits.per_address
                )
                return False
        if len(self) >= limits.total and not self.close_idle():
            self._report("Connection was refused, because all connections are in use", address, limits.total)
            return False
        return True

    def close_idle(self) -> bool:
        """Close the oldest idle connection of the address that has most of them. Return whether there was one."""
        if not self._idle:
            return False
        return self._close_idle(max(self._idle, key=lambda address: len(self._idle[address])))

    def add(self, transport: asyncio.Transport) -> None:
        """Count a new connection."""
        peer = transport.get_extra_info("peername")
        self._addresses[transport] = str(peer[0]) if peer else ""

    def set_idle(self, transport: asyncio.Transport, is_idle: bool) -> None:
        """Note whether a connection is without a complete request."""
        address = self._addresses.get(transport)
        if address is None:
            return  # the connection has been closed
        if is_idle:
            self._idle.setdefault(address, {}).setdefault(transport)
            return
        same = self._idle.get(address, {})
        same.pop(transport, None)
        if not same:
            self._idle.pop(address, None)

    def remove(self, transport: asyncio.Transport) -> None:
        """Forget a connection that has ended. Idempotent."""
        self.set_idle(transport, False)
        self._addresses.pop(transport, None)

    def report_exhaustion(self, error: OSError) -> None:
        """Log that the process has no free file descriptors."""
        self._refusals.report("Connections wait, because the process has no free file descriptors", error=str(error))

    def _close_idle(self, address: str) -> bool:
        same = self._idle.get(address)
        if same is None:
            return False
        found = next(iter(same))
        self.remove(found)
        found.abort()
        return True

    def _report(self, cause: str, address: str, limit: int) -> None:
        self._refusals.report(cause, address=address, limit=str(limit))


class ConnectionAcceptor:
    """Accepts connections, one at a time, as long as there is room. Replaces the server of asyncio.

    The server of asyncio accepts all waiting connections before it calls the application, and logs each failure to
    accept one, up to 2,048 times a second.

    Args:
        listening: The listening socket.
        create_protocol: Creates the protocol of one connection.
        connections: Open connections.
    """

    def __init__(
        self, listening: socket.socket, create_protocol: Callable[[], asyncio.Protocol], connections: Connections
    ) -> None:
        self._socket = listening
        self._create_protocol = create_protocol
        self._connections = connections
        self._task = asyncio.create_task(self._accept(), name="hassette-sync connections")

    def close(self) -> None:
        """Accept no further connections. Idempotent."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Wait until no connection is accepted any more."""
        await asyncio.gather(self._task, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(self._socket)
            except OSError as error:
                if error.errno == errno.EBADF:
                    return  # the socket was closed
                if error.errno in _EXHAUSTED:
                    self._connections.report_exhaustion(error)
                    self._connections.close_idle()
                # Other errors are about one connection, which its client has closed.
                await asyncio.sleep(_PAUSE_S if error.errno in _EXHAUSTED else 0.01)
                continue
            try:
                if self._connections.make_room(str(peer[0])):
                    await loop.connect_accepted_socket(self._create_protocol, accepted)
                    continue
                accepted.send(_BUSY_ANSWER)
            except OSError as error:
                _logger.debug("Connection ended before it was served", exc_info=error)
            accepted.close()


@functools.lru_cache(maxsize=1_024)
def _is_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
