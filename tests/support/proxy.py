"""A small HTTP/1.1 proxy that changes headers and breaks WebSockets as some real reverse proxies do."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

_MAX_HEAD = 65_536
_relays: set[asyncio.Task[Any]] = set()
"""Connections in progress. asyncio has no strong references, so a connection could be collected before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Reverse proxy in front of one server. Each connection carries one request.

    Attributes:
        upstream: Address of the server, such as ``http://127.0.0.1:8765/``.
        keeps_host: Whether the server sees the host name of the client. nginx replaces it by default.
        websockets: ``pass``; ``strip`` the headers for upgrades, as nginx does by default; ``refuse`` with 403;
            ``hang``: never answer.
        version: HTTP version of requests to the server.
        prefix: Path that the proxy adds for clients, such as ``/hassette``.
        removes_prefix: Whether the server sees paths without the prefix.
        adds: Headers that the proxy adds.
        removes: Names of headers that the proxy removes, in lower case.
    """

    upstream: str
    keeps_host: bool = False
    websockets: Literal["pass", "strip", "refuse", "hang"] = "pass"
    version: str = "1.1"
    prefix: str = ""
    removes_prefix: bool = True
    adds: dict[str, str] = field(default_factory=dict[str, str])
    removes: frozenset[str] = frozenset()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncGenerator[str]:
        """Serve on a free port of this machine; yield the address with the prefix, without a slash at the end."""
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0, limit=_MAX_HEAD)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}{self.prefix}"
        finally:
            server.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        _relays.add(task)
        task.add_done_callback(_relays.discard)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                is_websocket = "\r\nupgrade: websocket" in head.lower()
                if is_websocket and self.websockets == "hang":
                    await reader.read()
                elif is_websocket and self.websockets == "refuse":
                    writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    await writer.drain()
                else:
                    await self._pass_on(head, is_websocket and self.websockets == "pass", reader, writer)
        finally:
            await _close(writer)  # also if the relay was cancelled

    async def _pass_on(
        self, head: str, upgrades: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        server = urlsplit(self.upstream)
        from_server, to_server = await asyncio.open_connection(server.hostname, server.port)
        to_server.write(self._rewritten(head, upgrades, server.netloc).encode("latin-1"))
        relays = [
            asyncio.create_task(_copy(reader, to_server)),
            asyncio.create_task(_copy(from_server, writer)),
        ]
        try:
            await asyncio.wait(relays, return_when=asyncio.FIRST_COMPLETED if upgrades else asyncio.ALL_COMPLETED)
        finally:
            for relay in relays:
                relay.cancel()
            await _close(to_server)

    def _rewritten(self, head: str, upgrades: bool, netloc: str) -> str:
        request, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = request.split(" ")
        if self.removes_prefix:
            target = target.removeprefix(self.prefix)
        headers: list[str] = []
        for line in lines:
            name = line.partition(":")[0].lower()
            if name in self.removes or (name in ("upgrade", "connection") and not upgrades):
                continue
            headers.append(f"Host: {netloc}" if name == "host" and not self.keeps_host else line)
        headers += [f"{name}: {value}" for name, value in self.adds.items()]
        if not upgrades:
            headers.append("Connection: close")
        return "\r\n".join([f"{method} {target or '/'} HTTP/{self.version}", *headers, "", ""])


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_MAX_HEAD):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
