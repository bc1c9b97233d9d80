"""Clients on the level of TCP, which send to the server of the pages what no browser sends."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from hassette_sync import MemoryFeed
from hassette_sync.settings import WebSettings
from hassette_sync.web.connections import ConnectionLimits
from hassette_sync.web.service import WebService
from support.patient_data import patient_data
from support.waiting import patience


class Client:
    """A client on the level of TCP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def head(self) -> bytes:
        """Return the first line and the header fields of an answer; empty if the server closes the connection."""
        try:
            async with asyncio.timeout(patience(30)):
                return await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def received(self) -> bytes:
        """Return what the server sends until it closes the connection."""
        data = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(patience(30)):
                while chunk := await self.reader.read(65_536):
                    data += chunk
        return data

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class Attacker:
    """Opens connections to a server and closes them at the end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.clients: list[Client] = []

    async def connect(self, data: bytes = b"") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        await client.send(data)
        return client


@contextlib.asynccontextmanager
async def attacked(path: Path, limits: ConnectionLimits, token: str | None = None) -> AsyncGenerator[Attacker]:
    """Serve the pages of a history. Close all connections of the attacker at the end."""
    service = WebService(patient_data(path, MemoryFeed()), WebSettings(port=0, token=token), limits=limits)
    async with service:
        attacker = Attacker(int(str(service.url).rstrip("/").rpartition(":")[2]))
        try:
            yield attacker
        finally:
            for client in attacker.clients:
                await client.close()
