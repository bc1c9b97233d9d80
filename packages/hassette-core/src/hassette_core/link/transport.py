"""`Transport`: how the link reaches Home Assistant. `WebTransport` uses the network."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class ConnectionEnd(NamedTuple):
    """The end of a connection.

    Attributes:
        cause: The cause in one sentence.
        closed_by_home: True if Home Assistant closed the connection in an orderly way. False if the connection broke.
    """

    cause: str
    closed_by_home: bool = False

    def right_after_authentication(self) -> "ConnectionEnd":
        """Return the end of a connection on which no message has arrived after the authentication."""
        cause = f"{self.cause} right after the authentication; Home Assistant is probably starting"
        return self._replace(cause=cause)


class HttpAnswer(NamedTuple):
    """The answer to an HTTP request.

    Attributes:
        status: The HTTP status.
        text: The body.
    """

    status: int
    text: str


class Channel(Protocol):
    """One open connection: the texts of a WebSocket, and HTTP requests to the same server. It is opened once.

    `send` calls `check_text` first, and `request` calls `check_request`, so that nothing but reads of an app that
    rehearses is sent.
    """

    @property
    def closed(self) -> bool:
        """Whether no text can be sent any more."""
        ...

    async def send(self, text: str) -> None:
        """Send one text. Texts arrive in the order of the calls.

        Raises:
            ConnectionError: The connection is lost.
        """
        ...

    async def receive(self) -> str | ConnectionEnd:
        """Return the next text, or the end of the connection once no more text arrives. One caller at a time."""
        ...

    async def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> HttpAnswer:
        """Send an HTTP request. It does not wait for the texts of the WebSocket.

        Args:
            method: ``GET``, ``POST`` or ``DELETE``.
            path: The path. It starts with ``/api/``.
            body: The body as JSON; None for no body.
            headers: The headers.

        Raises:
            TimeoutError: There was no complete answer in time.
            ConnectionError: The connection is lost.
        """
        ...

    async def close(self) -> None:
        """Close the connection and release all resources. May be called twice."""
        ...


class Transport(Protocol):
    """Opens channels to one Home Assistant. It is used for one channel at a time.

    Implementations: `WebTransport`, and the one of the simulated home without a socket.
    """

    @property
    def in_process(self) -> bool:
        """Whether the server runs in this event loop. A slow loop then delays both sides, and is not measured."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait before the next check whether the server still answers."""
        ...

    async def open(self) -> Channel:
        """Open a channel. If the caller is cancelled, nothing stays open.

        Raises:
            UnreachableError: No server answers.
            LinkError: The channel could not be opened for another reason.
        """
        ...
